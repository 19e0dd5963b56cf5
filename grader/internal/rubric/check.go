package rubric

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// A checker looks for what the YAML decoder cannot see.
type checker struct {
	rubric   *Rubric
	shown    string
	file     *ast.File
	folder   string
	declared []test // of the lab, and hidden ones
	hidden   bool   // the hidden tests, if any, are here

	listed   map[string]int // test name to line
	mistakes []*Error
}

func (c *checker) check() error {
	c.listed = map[string]int{}
	c.header()
	c.files()
	for i := range c.rubric.Parts {
		c.part(i)
	}
	c.ungraded()
	c.unlisted()
	c.total()
	slices.SortStableFunc(c.mistakes, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	var errs []error
	for _, m := range c.mistakes {
		errs = append(errs, m)
	}
	return errors.Join(errs...)
}

func (c *checker) header() {
	r := c.rubric
	if r.Lab != c.folder {
		c.report("$.lab", "lab is %q, but the folder is %s", r.Lab, c.folder)
	}
	if r.Title == "" {
		c.report("$.title", "title is missing")
	}
	if r.Seeds < 1 {
		c.report("$.seeds", "seeds must be at least 1")
	}
	if len(r.Parts) == 0 {
		c.report("$.parts", "a lab needs parts")
	}
}

func (c *checker) files() {
	r := c.rubric
	if len(r.Files) == 0 {
		c.report("$.files", "files is empty: what does a student submit?")
	}
	for i, name := range r.Files {
		where := fmt.Sprintf("$.files[%d]", i)
		switch {
		case filepath.Base(name) != name || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			c.report(where, "%q is not the name of a Go file that a student can submit", name)
		case slices.Index(r.Files, name) < i:
			c.report(where, "%s is listed twice", name)
		}
	}
	for i, path := range r.Imports {
		where := fmt.Sprintf("$.imports[%d]", i)
		switch whole, name := splitImport(path); {
		case Forbidden(whole):
			c.report(where, "%s must not be allowed: it breaks the grader's protection", path)
		case name == "" && byName(path):
			c.report(where, "%s must not be allowed as a whole: it reaches files, memory or flags; list what is needed of it, as in os.ErrDeadlineExceeded", path)
		}
		if slices.Index(r.Imports, path) < i {
			c.report(where, "%s is listed twice", path)
		}
	}
}

func (c *checker) part(i int) {
	p := &c.rubric.Parts[i]
	where := fmt.Sprintf("$.parts[%d]", i)
	if p.ID == "" {
		c.report(where, "a part needs an id")
	}
	if p.Title == "" {
		c.report(where, "part %s needs a title", p.ID)
	}
	if len(p.Tests) == 0 {
		c.report(where, "part %s has no tests", p.ID)
	}
	if slices.IndexFunc(c.rubric.Parts, func(q Part) bool { return q.ID == p.ID }) < i {
		c.report(where+".id", "part %s is listed twice", p.ID)
	}
	for j, t := range p.Tests {
		at := fmt.Sprintf("%s.tests[%d].name", where, j)
		c.list(at, t)
		if !strings.HasSuffix(t.Name, p.ID) {
			c.report(at, "the name of %s does not end in its part, %s", t.Name, p.ID)
		}
		if t.Points <= 0 {
			c.report(fmt.Sprintf("%s.tests[%d]", where, j), "%s must be worth at least half a point", t.Name)
		}
	}
}

func (c *checker) ungraded() {
	for i, u := range c.rubric.Ungraded {
		where := fmt.Sprintf("$.ungraded[%d]", i)
		c.list(where+".name", Test{Name: u.Name})
		if u.Reason == "" {
			c.report(where, "%s needs a reason for being ungraded", u.Name)
		}
	}
}

// list notes that a test is in the rubric.
func (c *checker) list(where string, t Test) {
	if t.Name == "" {
		c.report(strings.TrimSuffix(where, ".name"), "a test needs a name")
		return
	}
	if first := c.listed[t.Name]; first != 0 {
		c.report(where, "%s is listed twice, first in line %d", t.Name, first)
		return
	}
	c.listed[t.Name] = c.line(where)
	i := slices.IndexFunc(c.declared, func(d test) bool { return d.name == t.Name })
	switch {
	case i < 0 && !bool(t.Hidden):
		c.report(where, "there is no test %s in %s", t.Name, c.folder)
	case i < 0 && c.hidden:
		c.report(where, "there is no test %s in %s", t.Name, filepath.Join("solutions", c.folder, HiddenFile))
	case i >= 0 && bool(t.Hidden) != c.declared[i].hidden:
		c.report(where, "%s is in %s: hidden is for the tests in %s, and for all of them", t.Name, c.declared[i].file, HiddenFile)
	case i >= 0 && !c.declared[i].external && t.Points > 0:
		c.report(where, "%s is in reach of a student's code: graded tests belong to a package whose name ends in _test", t.Name)
	}
}

func (c *checker) unlisted() {
	for _, t := range c.declared {
		if c.listed[t.name] == 0 {
			c.rubric.Unlisted = append(c.rubric.Unlisted, &Error{
				File: t.shown(c.folder), Line: t.line,
				Text: fmt.Sprintf("%s is in no part of %s; give it points or list it under ungraded", t.name, FileName),
			})
		}
	}
}

func (c *checker) total() {
	var sum Points
	for i := range c.rubric.Parts {
		sum += c.rubric.Parts[i].Points()
	}
	if sum != c.rubric.Total {
		c.report("$.total", "the tests add up to %v points, total says %v", sum, c.rubric.Total)
	}
}

func (c *checker) report(where, format string, args ...any) {
	c.mistakes = append(c.mistakes, &Error{File: c.shown, Line: c.line(where), Text: fmt.Sprintf(format, args...)})
}

// line returns the line of the node with the YAML path where, or that of the
// nearest node around it.
func (c *checker) line(where string) int {
	for {
		if n := c.node(where); n != nil {
			return n.GetToken().Position.Line
		}
		cut := strings.LastIndexAny(where, ".[")
		if cut < 0 {
			return 1
		}
		where = where[:cut]
	}
}

func (c *checker) node(where string) ast.Node {
	path, err := yaml.PathString(where)
	if err != nil {
		return nil
	}
	n, err := path.FilterFile(c.file)
	if err != nil {
		return nil
	}
	return n
}
