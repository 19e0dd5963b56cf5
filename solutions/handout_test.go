package solutions

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the points tables of the handouts")

const (
	tableBegin = "<!-- points: made from rubric.yaml and the tests by go test ./solutions -run Handout -update -->\n"
	tableEnd   = "<!-- end of points -->\n"
)

// Proves that each handout shows the points of the rubric, and what each test
// proves in the words of the test's own comment.
func TestHandoutPoints(t *testing.T) {
	rubrics, err := filepath.Glob("../lab*/rubric.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, rubrics)
	for _, rubric := range rubrics {
		dir := filepath.Dir(rubric)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			handout := filepath.Join(dir, "README.md")
			text, err := os.ReadFile(handout)
			require.NoError(t, err)
			before, rest, ok := strings.Cut(string(text), tableBegin)
			require.True(t, ok, "%s has no line %q", handout, tableBegin)
			old, after, ok := strings.Cut(rest, tableEnd)
			require.True(t, ok, "%s has no line %q", handout, tableEnd)
			table := pointsTable(t, rubric, proofs(t, dir))
			if *update {
				require.NoError(t, os.WriteFile(handout, []byte(before+tableBegin+table+tableEnd+after), 0o644))
				return
			}
			require.Equal(t, table, old, "the points table of %s is out of date. Run: go test ./solutions -run Handout -update", handout)
		})
	}
}

// pointsTable makes the table in Markdown.
func pointsTable(t *testing.T, rubric string, proofs map[string]string) string {
	data, err := os.ReadFile(rubric)
	require.NoError(t, err)
	var r struct {
		Parts []struct {
			ID, Title string
			Tests     []struct {
				Name   string
				Points float64
				Hidden bool
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(data, &r))
	var b strings.Builder
	for _, p := range r.Parts {
		sum := 0.0
		for _, test := range p.Tests {
			sum += test.Points
		}
		fmt.Fprintf(&b, "\n### %s %s: %v points\n\n| test | points | proves |\n|---|---|---|\n", p.ID, p.Title, sum)
		for _, test := range p.Tests {
			if test.Hidden {
				proofs[test.Name] = "hidden: it runs when the course grades"
			}
			require.NotEmpty(t, proofs[test.Name], "the comment of %s does not begin with \"Proves\"", test.Name)
			fmt.Fprintf(&b, "| `%s` | %v | %s |\n", test.Name, test.Points, proofs[test.Name])
		}
	}
	b.WriteString("\n")
	return b.String()
}

// proofs returns the first sentence of each test's comment, by test.
func proofs(t *testing.T, dir string) map[string]string {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	found := map[string]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") {
				found[f.Name.Name] = proof(f.Doc.Text())
			}
		}
	}
	return found
}

func proof(comment string) string {
	text, ok := strings.CutPrefix(strings.Join(strings.Fields(comment), " "), "Proves ")
	if !ok {
		return ""
	}
	for _, end := range []string{". ", ": "} {
		if i := strings.Index(text, end); i > 0 {
			text = text[:i]
		}
	}
	return strings.TrimSuffix(text, ".")
}
