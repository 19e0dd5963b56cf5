package patch

import (
	"errors"
	"fmt"
	"go/parser"
	"go/scanner"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// Apply plants the bug in the files of a lab and returns all of them, those
// that did not change included. Keys are paths inside the lab folder. The files
// given are not modified.
//
// A hunk belongs where its old lines are, to the letter, though they may have
// moved. When they are in several places, those in the function that the hunk's
// header names go first; among these the place nearest to the line that the
// header gives is taken, and two at the same distance are an error. The result
// must parse, and must differ from the original in more than comments and
// layout.
func Apply(m Mutant, files map[string][]byte) (map[string][]byte, error) {
	result := maps.Clone(files)
	var errs []error
	for _, c := range m.changes {
		text, err := m.applyTo(c, files)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		result[c.file] = text
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return result, nil
}

func (m Mutant) applyTo(c change, files map[string][]byte) ([]byte, error) {
	old, exists := files[c.file]
	switch {
	case c.added && exists:
		return nil, fmt.Errorf("%s:%d: cannot add %s: it exists", m.path, c.hunks[0].at, c.file)
	case !c.added && !exists:
		return nil, fmt.Errorf("%s:%d: the solution has no file %s", m.path, c.hunks[0].at, c.file)
	}
	t := readText(old)
	if c.added {
		t = text{lines: c.hunks[0].new, end: "\n"}
	} else if err := t.apply(c.hunks); err != nil {
		return nil, fmt.Errorf("%s:%w of %s", m.path, err, c.file)
	}
	mutated := t.bytes()
	if _, err := parser.ParseFile(token.NewFileSet(), c.file, mutated, parser.SkipObjectResolution); err != nil {
		return nil, fmt.Errorf("%s: patched, the file does not parse: %w", m.path, err)
	}
	if slices.Equal(tokens(old), tokens(mutated)) {
		return nil, fmt.Errorf("%s: changes nothing but comments and layout of %s", m.path, c.file)
	}
	return mutated, nil
}

// tokens returns what the compiler sees of a file.
func tokens(src []byte) []string {
	fset := token.NewFileSet()
	var s scanner.Scanner
	s.Init(fset.AddFile("", -1, len(src)), src, func(token.Position, string) {}, 0)
	var all []string
	for {
		_, tok, lit := s.Scan()
		if tok == token.EOF {
			return all
		}
		if tok == token.SEMICOLON {
			lit = "" // a line end or a written one
		}
		all = append(all, tok.String()+" "+lit)
	}
}

// text is a file as lines without their ends.
type text struct {
	lines []string
	end   string // of every line
	open  bool   // the last line has no end
}

func readText(src []byte) text {
	t := text{end: "\n"}
	s := string(src)
	if strings.Contains(s, "\r\n") {
		t.end = "\r\n"
		s = strings.ReplaceAll(s, "\r\n", "\n")
	}
	t.open = !strings.HasSuffix(s, "\n")
	t.lines = strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	return t
}

func (t text) bytes() []byte {
	s := strings.Join(t.lines, t.end)
	if !t.open {
		s += t.end
	}
	return []byte(s)
}

// apply applies hunks in order. Its error begins with the line of the patch
// and ends with the hunk.
func (t *text) apply(hunks []hunk) error {
	var out []string
	done, drift := 0, 0
	for i, h := range hunks {
		place, err := t.place(h, done, h.line-1+drift)
		if err != nil {
			return fmt.Errorf("%d: %w: hunk %d (%s)", h.at, err, i+1, h.title)
		}
		drift = place - (h.line - 1)
		out = append(out, t.lines[done:place]...)
		out = append(out, h.new...)
		done = place + len(h.old)
	}
	t.lines = append(out, t.lines[done:]...)
	return nil
}

// place returns the index of the line where a hunk belongs: at from or later,
// and near the index given.
func (t text) place(h hunk, from, near int) (int, error) {
	var places []int
	for i := from; i+len(h.old) <= len(t.lines); i++ {
		if slices.Equal(t.lines[i:i+len(h.old)], h.old) {
			places = append(places, i)
		}
	}
	if len(places) == 0 {
		return 0, errors.New(t.whyNot(h, from))
	}
	inFunction := slices.DeleteFunc(slices.Clone(places), func(i int) bool {
		return h.function == "" || !sameFunction(functionAbove(t.lines, i), h.function)
	})
	if len(inFunction) > 0 {
		places = inFunction
	}
	distance := func(i int) int { return max(i-near, near-i) }
	slices.SortStableFunc(places, func(a, b int) int { return distance(a) - distance(b) })
	if len(places) > 1 && distance(places[0]) == distance(places[1]) {
		return 0, fmt.Errorf("fits at line %d as well as at line %d; give it more context", places[0]+1, places[1]+1)
	}
	return places[0], nil
}

// whyNot says what stands in the way of a hunk that fits nowhere: the first
// line that differs at the place where most of it fits.
func (t text) whyNot(h hunk, from int) string {
	best, fits := from, 0
	for i := from; i < len(t.lines); i++ {
		n := 0
		for n < len(h.old) && i+n < len(t.lines) && t.lines[i+n] == h.old[n] {
			n++
		}
		if n > fits {
			best, fits = i, n
		}
	}
	if fits == 0 {
		return fmt.Sprintf("does not fit anywhere: no line %q", h.old[0])
	}
	if best+fits >= len(t.lines) {
		return fmt.Sprintf("does not fit anywhere: the file ends where %q was", h.old[fits])
	}
	return fmt.Sprintf("does not fit anywhere: line %d is %q and was %q", best+fits+1, t.lines[best+fits], h.old[fits])
}

// functionAbove returns the last line above index i that begins a declaration,
// as git finds it for a hunk's header: one that begins with a letter.
func functionAbove(lines []string, i int) string {
	for i--; i >= 0; i-- {
		line := lines[i]
		if line != "" && (line[0] == '_' || 'a' <= line[0]|0x20 && line[0]|0x20 <= 'z') {
			return line
		}
	}
	return ""
}

// sameFunction compares a declaration with the text in a hunk's header, which
// git and diff cut short.
func sameFunction(line, header string) bool {
	return strings.HasPrefix(strings.TrimSpace(line), strings.TrimSpace(header))
}
