package patch

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Parse reads a patch. Its path is used in messages, and it names the mutant
// and the lab: solutions/<lab>/mutants/NAME.patch.
//
// Parsing is strict where libraries for diffs are lenient: they pass over
// lines between hunks that they do not know, and a hunk whose header was
// counted wrong loses its last lines in silence.
func Parse(path string, text []byte) (Mutant, error) {
	m := Mutant{path: path, Name: strings.TrimSuffix(filepath.Base(path), ".patch")}
	abs, err := filepath.Abs(path)
	if err != nil {
		return Mutant{}, fmt.Errorf("reading %s: %w", path, err)
	}
	lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	body := slices.IndexFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "diff -") || strings.HasPrefix(line, "@@ ")
	})
	if body < 0 {
		return Mutant{}, fmt.Errorf("%s: has no diff", path)
	}
	m.header = strings.Join(lines[:body], "\n")
	if err := m.readHeader(); err != nil {
		return Mutant{}, err
	}
	p := reader{path: path, lab: filepath.Base(filepath.Dir(filepath.Dir(abs))), lines: lines, next: body}
	for p.skipFileHeader(); p.err == nil && p.next < len(p.lines); p.skipFileHeader() {
		c := p.change()
		if slices.Contains(m.Files, c.file) {
			p.failf(c.hunks[0].at, "%s is patched a second time", c.file)
		}
		m.changes = append(m.changes, c)
		m.Files = append(m.Files, c.file)
	}
	if p.err != nil {
		return Mutant{}, p.err
	}
	return m, nil
}

// reader reads the diff of a patch. After an error it stands still.
type reader struct {
	path  string
	lab   string
	lines []string
	next  int // index of the next line
	err   error
}

func (p *reader) failf(line int, format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%s:%d: %s", p.path, line, fmt.Sprintf(format, args...))
	}
}

// peek returns the next line, or "" at the end.
func (p *reader) peek() string {
	if p.err != nil || p.next >= len(p.lines) {
		return ""
	}
	return p.lines[p.next]
}

// skipFileHeader skips blank lines and the lines of git and diff in front of "---".
func (p *reader) skipFileHeader() {
	for ; p.err == nil && p.next < len(p.lines); p.next++ {
		line := p.lines[p.next]
		if line == "" {
			continue
		}
		word, _, _ := strings.Cut(line, " ")
		switch word {
		case "---":
			return
		case "diff", "index", "new":
			continue
		case "deleted", "rename", "copy", "similarity", "Binary", "GIT", "old", "Only":
			p.failf(p.next+1, "%q: a patch can change and add files, and nothing else", line)
			return
		}
		p.failf(p.next+1, "%q: expected a hunk or a file; does the hunk above have more lines than its header says?", line)
	}
}

func (p *reader) change() change {
	at := p.next + 1
	from, _ := strings.CutPrefix(p.peek(), "--- ")
	p.next++
	to, ok := strings.CutPrefix(p.peek(), "+++ ")
	p.next++
	if !ok {
		p.failf(at+1, "expected \"+++ FILE\" after \"--- FILE\"")
		return change{}
	}
	from, _, _ = strings.Cut(from, "\t") // a time stamp may follow
	to, _, _ = strings.Cut(to, "\t")
	if to == "/dev/null" {
		p.failf(at, "the patch deletes %s: it can change and add files, and nothing else", from)
		return change{}
	}
	c := change{file: p.fileName(at+1, to), added: from == "/dev/null"}
	for strings.HasPrefix(p.peek(), "@@") {
		c.hunks = append(c.hunks, p.hunk(c.added))
	}
	if len(c.hunks) == 0 {
		p.failf(at, "no hunk for %s", c.file)
	}
	return c
}

// fileName makes the name that a diff gives a file one inside the lab folder.
func (p *reader) fileName(at int, name string) string {
	full := name
	if _, below, ok := strings.Cut("/"+name, "/"+p.lab+"/"); ok {
		name = below
	} else {
		name = strings.TrimPrefix(name, "b/")
	}
	if !filepath.IsLocal(name) || path.Clean(name) != name || path.Ext(name) != ".go" {
		p.failf(at, "%q is not a Go file of the lab", full)
	}
	return name
}

var hunkHeader = regexp.MustCompile(`^(@@ -([0-9]+)(?:,([0-9]+))? \+[0-9]+(?:,([0-9]+))? @@) ?(.*)$`)

func (p *reader) hunk(added bool) hunk {
	at := p.next + 1
	header := hunkHeader.FindStringSubmatch(p.peek())
	if header == nil {
		p.failf(at, "%q: not a hunk header", p.peek())
		return hunk{}
	}
	number := func(s string) int {
		if s == "" {
			return 1
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			p.failf(at, "%q: not a hunk header: %v", p.peek(), err)
		}
		return n
	}
	h := hunk{at: at, title: header[1], function: header[5], line: number(header[2])}
	wantOld, wantNew := number(header[3]), number(header[4])
	p.next++
	for p.err == nil && (len(h.old) < wantOld || len(h.new) < wantNew) {
		op, text := byte('@'), "" // what ends a hunk
		if p.next < len(p.lines) {
			op = ' ' // editors strip the blank of an empty line
			if line := p.peek(); line != "" {
				op, text = line[0], line[1:]
			}
		}
		switch op {
		case ' ':
			h.old = append(h.old, text)
			h.new = append(h.new, text)
		case '-':
			h.old = append(h.old, text)
		case '+':
			h.new = append(h.new, text)
		case '\\': // "\ No newline at end of file" makes no difference here
		default:
			p.miscounted(h)
		}
		p.next++
	}
	if len(h.old) != wantOld || len(h.new) != wantNew {
		p.miscounted(h)
	}
	if strings.HasPrefix(p.peek(), `\`) {
		p.next++
	}
	switch {
	case added && len(h.old) > 0:
		p.failf(at, "a file that is added has no old lines")
	case !added && len(h.old) == 0:
		p.failf(at, "the hunk has no context: where it belongs cannot be told")
	case slices.Equal(h.old, h.new):
		p.failf(at, "the hunk changes nothing")
	}
	return h
}

func (p *reader) miscounted(h hunk) {
	p.failf(h.at, "%s: the hunk does not have as many lines as its header says", h.title)
}
