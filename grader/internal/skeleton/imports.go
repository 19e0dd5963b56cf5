package skeleton

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// importNames returns the package name of each import of the reference file.
//
// An import path does not say the name of its package, so an unnamed import's
// is assumed by the usual rules. That the file compiles proves or refutes it:
// each import is used, and an identifier that qualifies another and is declared
// nowhere in the package can only be an import. A name that cannot be proved is
// an error. So neither the network nor the go command is needed.
func (f file) importNames() (map[[2]string]string, error) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, f.name, f.src, 0)
	if err != nil {
		return nil, err
	}
	proved := qualifiers(parsed)
	for _, src := range f.siblings {
		sibling, err := parser.ParseFile(fset, "", src, 0)
		if err != nil {
			return nil, err
		}
		for name := range sibling.Scope.Objects {
			delete(proved, name)
		}
	}
	names := map[[2]string]string{}
	paths := map[string]string{}
	for _, spec := range parsed.Imports {
		line := lineOf(fset, spec.Pos())
		name := importName(spec)
		switch other := paths[name]; {
		case name == ".":
			return nil, fmt.Errorf("%s:%d: a file with solution regions cannot have a dot import", f.name, line)
		case name == "_":
		case !proved[name], other != "" && other != spec.Path.Value:
			return nil, fmt.Errorf("%s:%d: import %s: nothing uses the name %s: write the package's name in front of the path, or put an import for stubs alone in a region", f.name, line, spec.Path.Value, name)
		}
		paths[name] = spec.Path.Value
		names[importKey(spec)] = name
	}
	return names, nil
}

// importKey identifies an import as it is written.
func importKey(spec *ast.ImportSpec) [2]string {
	if spec.Name == nil {
		return [2]string{"", spec.Path.Value}
	}
	return [2]string{spec.Name.Name, spec.Path.Value}
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// importName returns the name that an import declares, assumed from its path
// when it is not written: the last element that is not a major version, without
// "go-" in front and without what cannot stand in an identifier.
func importName(spec *ast.ImportSpec) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value
	}
	base := path.Base(p)
	if dir := path.Dir(p); majorVersion.MatchString(base) && dir != "." {
		base = path.Base(dir)
	}
	base = strings.TrimPrefix(base, "go-")
	if i := strings.IndexFunc(base, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}); i >= 0 {
		base = base[:i]
	}
	return base
}

// qualifiers returns the identifiers in front of a dot that nothing in the file
// declares: names of imports, or of what other files of the package declare.
func qualifiers(parsed *ast.File) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Obj == nil {
				names[x.Name] = true
			}
		}
		return true
	})
	return names
}
