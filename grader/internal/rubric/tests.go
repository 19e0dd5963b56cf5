package rubric

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A test is a test function of the lab.
type test struct {
	name string
	file string // without the folder
	line int

	external bool // in a package of its own, not in the lab's
	hidden   bool
}

// shown returns the file's name in messages.
func (t *test) shown(lab string) string {
	if t.hidden {
		return filepath.Join("solutions", lab, t.file)
	}
	return filepath.Join(lab, t.file)
}

// testsIn returns the test functions that the files in dir declare, in order.
// They are found in the sources: nothing is built or run.
func testsIn(dir string) ([]test, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	var tests []test
	for _, path := range files {
		in, err := testsInFile(path)
		if err != nil {
			return nil, err
		}
		tests = append(tests, in...)
	}
	return tests, nil
}

// hiddenTests returns the hidden tests of the lab in dir.
func hiddenTests(dir string) ([]test, error) {
	tests, err := testsInFile(filepath.Join(hiddenDir(dir), HiddenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for i := range tests {
		tests[i].hidden = true
	}
	return tests, err
}

func testsInFile(path string) ([]test, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var tests []test
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && isTest(fn) {
			tests = append(tests, test{
				name: fn.Name.Name, file: filepath.Base(path), line: fset.Position(fn.Pos()).Line,
				external: strings.HasSuffix(f.Name.Name, "_test"),
			})
		}
	}
	return tests, nil
}

// isTest reports whether go test would run fn as a test.
func isTest(fn *ast.FuncDecl) bool {
	rest, ok := strings.CutPrefix(fn.Name.Name, "Test")
	if !ok || fn.Recv != nil || fn.Type.Params.NumFields() != 1 {
		return false
	}
	if first, _ := utf8.DecodeRuneInString(rest); unicode.IsLower(first) {
		return false
	}
	pointer, ok := fn.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	selector, ok := pointer.X.(*ast.SelectorExpr)
	return ok && selector.Sel.Name == "T"
}
