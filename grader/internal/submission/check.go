package submission

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"slices"
	"strconv"
	"strings"

	"distsys/grader/internal/rubric"
)

// mostProblems bounds what is said about one file.
const mostProblems = 10

// Check returns what the course does not allow in a student's source file:
// imports that are not in the rubric's list, comments that direct the compiler,
// and changes to what belongs to another package. Shown is the file's name in messages.
func Check(r *rubric.Rubric, shown string, src []byte) []Problem {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, shown, src, parser.ParseComments)
	if err != nil {
		return syntaxProblems(shown, err)
	}
	c := &sourceChecker{rubric: r, shown: shown, fset: fset, imported: map[string]string{}}
	for _, spec := range file.Imports {
		c.importSpec(spec)
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			c.comment(comment, comment.Pos() < file.Package)
		}
	}
	ast.Inspect(file, c.node)
	return first(c.problems)
}

// syntaxProblems reports what the parser found. A file that go/parser refuses
// is not compiled at all: nothing in it has been checked.
func syntaxProblems(shown string, err error) []Problem {
	var list scanner.ErrorList
	if !errors.As(err, &list) {
		return []Problem{{shown, 0, err.Error()}}
	}
	var problems []Problem
	for _, e := range list {
		problems = append(problems, Problem{shown, e.Pos.Line, "syntax error: " + e.Msg})
	}
	return first(problems)
}

func first(problems []Problem) []Problem {
	return problems[:min(len(problems), mostProblems)]
}

type sourceChecker struct {
	rubric   *rubric.Rubric
	shown    string
	fset     *token.FileSet
	imported map[string]string // name in the file to path
	problems []Problem
}

// report adds a problem at its true position: //line comments do not count.
func (c *sourceChecker) report(pos token.Pos, format string, args ...any) {
	line := c.fset.PositionFor(pos, false).Line
	c.problems = append(c.problems, Problem{c.shown, line, fmt.Sprintf(format, args...)})
}

func (c *sourceChecker) importSpec(spec *ast.ImportSpec) {
	path, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		path = spec.Path.Value
	}
	if _, ok := c.rubric.Allowed(path); !ok {
		c.report(spec.Pos(), "import %s is not allowed in this lab", spec.Path.Value)
		return
	}
	switch name := importName(spec, path); name {
	case ".":
		c.report(spec.Pos(), "import . is not allowed: name the package")
	default:
		c.imported[name] = path
	}
}

// harmless are the directives that a student may use.
var harmless = []string{"//go:generate", "//go:noinline", "//go:fix"}

func (c *sourceChecker) comment(comment *ast.Comment, beforePackage bool) {
	word, _, _ := strings.Cut(comment.Text, " ")
	word, _, _ = strings.Cut(word, "\t")
	switch {
	case strings.HasPrefix(word, "//go:"):
		if !slices.Contains(harmless, word) {
			c.report(comment.Pos(), "%s is not allowed", word)
		}
	case beforePackage && strings.HasPrefix(strings.TrimSpace(strings.TrimPrefix(comment.Text, "//")), "+build"):
		c.report(comment.Pos(), "build constraints are not allowed")
	case (word == "//line" || word == "/*line") && strings.Contains(comment.Text, ":"):
		c.report(comment.Pos(), "line directives are not allowed")
	case word == "//export", word == "//extern":
		c.report(comment.Pos(), "%s is not allowed", word)
	}
}
