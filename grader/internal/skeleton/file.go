package skeleton

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/scanner"
	"go/token"
	"slices"
	"strings"
)

// file is one reference file on its way to a student file.
type file struct {
	name     string // for errors
	src      []byte
	siblings [][]byte // the other files of its package
}

// skeleton returns the student file. Regions of the solved parts keep their
// solutions.
func (f file) skeleton(solved []string) ([]byte, error) {
	regions, err := Regions(f.name, f.src)
	if err != nil {
		return nil, err
	}
	if len(regions) == 0 {
		return f.src, nil
	}
	if formatted, err := format.Source(lf(f.src)); err != nil || !bytes.Equal(formatted, lf(f.src)) {
		return nil, fmt.Errorf("%s: not formatted: run gofmt -w %[1]s", f.name)
	}
	cut := f.cut(regions, solved)
	text, err := f.removeUnusedImports(cut)
	if err != nil {
		return nil, err
	}
	formatted, err := format.Source(text)
	if err != nil {
		return nil, fmt.Errorf("%s: formatting its skeleton: %w", f.name, err)
	}
	if left, err := Regions(f.name, formatted); err != nil || len(left) > 0 {
		return nil, fmt.Errorf("%s: its skeleton still has a marker: is one in a STUB?", f.name)
	}
	return formatted, nil
}

// cutText is the text of a file whose regions were cut.
type cutText struct {
	lines  []string
	origin []int // origin[i] is the line of the reference that lines[i] comes from
}

func (c cutText) bytes() []byte { return []byte(strings.Join(c.lines, "\n") + "\n") }

// parse parses the text. Errors name the lines of the reference.
func (c cutText) parse(name string) (*token.FileSet, *ast.File, error) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, name, c.bytes(), parser.ParseComments)
	if list, ok := err.(scanner.ErrorList); ok && len(list) > 0 {
		line := c.origin[min(list[0].Pos.Line, len(c.origin))-1]
		return nil, nil, fmt.Errorf("%s:%d: without the solutions the file does not parse: %s", name, line, list[0].Msg)
	}
	return fset, parsed, err
}

// cut puts the stubs in the place of the solutions.
func (f file) cut(regions []Region, solved []string) cutText {
	src := splitLines(f.src)
	var c cutText
	add := func(from int, lines []string) {
		for i, line := range lines {
			c.lines = append(c.lines, line)
			c.origin = append(c.origin, from+i)
		}
	}
	next := 1
	for _, r := range regions {
		add(next, src[next-1:r.Begin-1])
		next = r.last() + 1
		before := len(c.lines)
		if r.inImports || slices.Contains(solved, r.Part) {
			add(r.Begin+1, r.Solution)
		}
		if r.inImports || !slices.Contains(solved, r.Part) {
			add(r.End+1, r.Stub)
		}
		if len(c.lines) == before && endsParagraph(c.lines) {
			for next <= len(src) && strings.TrimSpace(src[next-1]) == "" {
				next++
			}
		}
	}
	add(next, src[next-1:])
	return c
}

// endsParagraph reports whether a blank line after these lines would be one
// too many.
func endsParagraph(lines []string) bool {
	if len(lines) == 0 {
		return true
	}
	last := strings.TrimSpace(lines[len(lines)-1])
	return last == "" || strings.HasSuffix(last, "{") || strings.HasSuffix(last, "(")
}

// removeUnusedImports removes the imports that the text does not use, and
// repeated ones.
func (f file) removeUnusedImports(c cutText) ([]byte, error) {
	fset, parsed, err := c.parse(f.name)
	if err != nil {
		return nil, err
	}
	names, err := f.importNames()
	if err != nil {
		return nil, err
	}
	used := qualifiers(parsed)
	seen := map[[2]string]bool{}
	drop := make([]bool, len(c.lines)+1)
	dropNode := func(n ast.Node) {
		for line := lineOf(fset, n.Pos()); line <= lineOf(fset, n.End()); line++ {
			drop[line] = true
		}
	}
	for _, decl := range parsed.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.IMPORT {
			continue
		}
		kept := 0
		for _, spec := range d.Specs {
			spec := spec.(*ast.ImportSpec)
			name, known := names[importKey(spec)]
			if !known {
				name = importName(spec) // stands in a STUB
			}
			key := [2]string{name, spec.Path.Value}
			if name != "_" && !used[name] || seen[key] {
				if spec.Doc != nil {
					dropNode(spec.Doc)
				}
				dropNode(spec)
				continue
			}
			seen[key] = true
			kept++
		}
		if kept == 0 {
			dropNode(d)
		}
	}
	var out bytes.Buffer
	for i, line := range c.lines {
		if !drop[i+1] {
			out.WriteString(line + "\n")
		}
	}
	return out.Bytes(), nil
}
