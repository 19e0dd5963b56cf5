package submission

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// node looks at what a file does with the packages that it imports.
func (c *sourceChecker) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		c.selector(n)
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, x := range n.Lhs {
				c.change(x)
			}
		}
	case *ast.IncDecStmt:
		c.change(n.X)
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			c.change(n.Key)
			c.change(n.Value)
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			c.change(n.X)
		}
	}
	return true
}

// selector refuses what the rubric does not list of a package, and the door
// that package reflect leaves open to memory.
func (c *sourceChecker) selector(s *ast.SelectorExpr) {
	if slices.Contains([]string{"UnsafePointer", "UnsafeAddr"}, s.Sel.Name) {
		c.report(s.Sel.Pos(), "%s is not allowed", s.Sel.Name)
	}
	from, ok := c.packageOf(s.X)
	if !ok {
		return
	}
	if names, _ := c.rubric.Allowed(from); names != nil && !slices.Contains(names, s.Sel.Name) {
		c.report(s.Pos(), "%s.%s is not allowed in this lab; of %s there is only %s", path.Base(from), s.Sel.Name, from, listed(names))
	}
}

// change refuses to change a variable of another package, such as io.EOF:
// tests and libraries rely on them.
func (c *sourceChecker) change(x ast.Expr) {
	for {
		switch e := x.(type) {
		case *ast.ParenExpr:
			x = e.X
		case *ast.StarExpr:
			x = e.X
		case *ast.IndexExpr:
			x = e.X
		case *ast.SelectorExpr:
			if from, ok := c.packageOf(e.X); ok {
				c.report(e.Pos(), "%s.%s must not be changed: it belongs to another package", path.Base(from), e.Sel.Name)
				return
			}
			x = e.X
		default:
			return
		}
	}
}

// packageOf returns the path of the package that x names. A variable that
// hides the package is none: the parser has found its declaration.
func (c *sourceChecker) packageOf(x ast.Expr) (string, bool) {
	id, ok := x.(*ast.Ident)
	if !ok || id.Obj != nil {
		return "", false
	}
	from, ok := c.imported[id.Name]
	return from, ok
}

var version = regexp.MustCompile(`^v[0-9]+$`)

// importName returns the name by which a file refers to a package.
func importName(spec *ast.ImportSpec, from string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	if version.MatchString(path.Base(from)) {
		from = path.Dir(from)
	}
	return strings.TrimPrefix(path.Base(from), "go-")
}
