package skeleton

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// A Region is one marked solution in a reference file.
type Region struct {
	File     string   // File is the name given to [Regions].
	Part     string   // Part is the part of the lab, "4A"; empty in an import block.
	Begin    int      // Begin is the line of the BEGIN marker, counted from 1.
	End      int      // End is the line of the END marker.
	Solution []string // Solution is the text between the markers, by lines.
	Stub     []string // Stub is the code that stands in the student's file instead, by lines.

	inImports bool // the region is inside an import declaration
}

// last returns the line of the last STUB, or of END when there is none.
func (r Region) last() int { return r.End + len(r.Stub) }

var (
	beginMarker = regexp.MustCompile(`^// BEGIN SOLUTION(?: ([0-9]+[A-Z]))?$`)
	endMarker   = regexp.MustCompile(`^// END SOLUTION$`)
	stubMarker  = regexp.MustCompile(`^// STUB:(?: (.*))?$`)
	todoMarker  = regexp.MustCompile(`^// TODO\(([0-9]+[A-Z])\)`)

	// almostMarker matches what would leak a solution if it were taken for prose.
	almostMarker = regexp.MustCompile(`(?i)^//\s*((BEGIN|END)[\s_-]*SOLUTION|STUB\s*:)`)
)

// Regions returns the regions of a reference file in the order of their lines.
// A marker that is unbalanced, misplaced or misspelled is an error that names
// file and line; such errors are joined.
func Regions(file string, src []byte) ([]Region, error) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	s := regionScanner{file: file, lines: splitLines(src)}
	s.comments = make([]string, len(s.lines)+1)
	for _, group := range parsed.Comments {
		for _, c := range group.List {
			s.comment(fset.PositionFor(c.Pos(), false), c.Text)
		}
	}
	for line, text := range s.comments {
		s.marker(line, text)
	}
	if s.open != nil {
		s.errorf(s.open.Begin, "BEGIN SOLUTION without END SOLUTION")
	}
	for i := range s.regions {
		r := &s.regions[i]
		r.inImports = inImports(fset, parsed, *r)
		if r.Part == "" && !r.inImports {
			s.errorf(r.Begin, "this region belongs to no part: put a line // TODO(1A): ... directly above it, or write // BEGIN SOLUTION 1A")
		}
	}
	if s.errs != nil {
		return nil, errors.Join(s.errs...)
	}
	return s.regions, nil
}

// splitLines returns the lines of a text without their ends.
func splitLines(src []byte) []string {
	return strings.Split(strings.TrimSuffix(string(lf(src)), "\n"), "\n")
}

type regionScanner struct {
	file     string
	lines    []string // lines[0] is line 1
	comments []string // comments[n] is the comment that fills line n, or ""
	open     *Region
	regions  []Region
	errs     []error
}

func (s *regionScanner) errorf(line int, format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf("%s:%d: %s", s.file, line, fmt.Sprintf(format, args...)))
}

// comment notes a comment that fills its line. One that follows code is no
// marker, and an error if it looks like one.
func (s *regionScanner) comment(at token.Position, text string) {
	text = strings.TrimRight(text, " \t\r")
	if strings.TrimSpace(s.lines[at.Line-1][:at.Column-1]) != "" {
		if almostMarker.MatchString(text) {
			s.errorf(at.Line, "a marker must stand alone on its line")
		}
		return
	}
	if strings.HasPrefix(text, "//") {
		s.comments[at.Line] = text
	}
}

func (s *regionScanner) marker(line int, text string) {
	if begin := beginMarker.FindStringSubmatch(text); begin != nil {
		if s.open != nil {
			s.errorf(line, "BEGIN SOLUTION inside the region that begins at line %d: regions do not nest", s.open.Begin)
			return
		}
		s.open = &Region{File: s.file, Begin: line, Part: s.part(line, begin[1])}
		return
	}
	if endMarker.MatchString(text) {
		if s.open == nil {
			s.errorf(line, "END SOLUTION without BEGIN SOLUTION")
			return
		}
		s.open.End = line
		s.open.Solution = slices.Clone(s.lines[s.open.Begin : line-1])
		s.regions = append(s.regions, *s.open)
		s.open = nil
		return
	}
	if stub := stubMarker.FindStringSubmatch(text); stub != nil {
		n := len(s.regions)
		if s.open != nil || n == 0 || s.regions[n-1].last() != line-1 {
			s.errorf(line, "STUB must follow END SOLUTION directly")
			return
		}
		indent, _, _ := strings.Cut(s.lines[line-1], "//")
		s.regions[n-1].Stub = append(s.regions[n-1].Stub, indent+stub[1])
		return
	}
	if almostMarker.MatchString(text) {
		s.errorf(line, "not a marker as it is written: markers are // BEGIN SOLUTION, // END SOLUTION and // STUB: code")
	}
}

// part returns the part of a region that begins at line: the one that the
// marker names, or that of the nearest TODO in the comment directly above. A
// marker that names a part which is not among those TODOs is a slip.
func (s *regionScanner) part(line int, named string) string {
	var todos []string
	for above := line - 1; above > 0 && s.comments[above] != "" && !almostMarker.MatchString(s.comments[above]); above-- {
		if todo := todoMarker.FindStringSubmatch(s.comments[above]); todo != nil {
			todos = append(todos, todo[1])
		}
	}
	switch {
	case len(todos) == 0:
		return named
	case named == "":
		return todos[0]
	case !slices.Contains(todos, named):
		s.errorf(line, "BEGIN SOLUTION %s under TODO(%s)", named, todos[0])
	}
	return named
}

func inImports(fset *token.FileSet, parsed *ast.File, r Region) bool {
	for _, decl := range parsed.Decls {
		d, ok := decl.(*ast.GenDecl)
		if ok && d.Tok == token.IMPORT && lineOf(fset, d.Pos()) < r.Begin && r.last() < lineOf(fset, d.End()) {
			return true
		}
	}
	return false
}

// lineOf returns the line of a position, whatever line directives say.
func lineOf(fset *token.FileSet, pos token.Pos) int { return fset.PositionFor(pos, false).Line }
