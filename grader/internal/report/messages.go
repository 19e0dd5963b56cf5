package report

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"distsys/grader/internal/result"
)

// A failure is a message and the tests that have it in common.
type failure struct {
	status  result.Status
	message string
	log     string // of the first test
	tests   []string
}

// failures gathers the tests that did not pass, in the order of the rubric.
func failures(l *result.Lab) []*failure {
	var all []*failure
	known := map[string]*failure{}
	l.Tests(func(t *result.Test) {
		if t.Status == result.Pass || t.LeftOut {
			return
		}
		key := string(t.Status) + "\n" + t.Message
		if known[key] == nil {
			known[key] = &failure{status: t.Status, message: t.Message, log: t.Log}
			all = append(all, known[key])
		}
		known[key].tests = append(known[key].tests, t.Name)
	})
	return all
}

// notBuilt reports whether the lab's tests could not be built.
func notBuilt(l *result.Lab) bool {
	f := failures(l)
	return len(f) > 0 && f[0].status == result.BuildError
}

func (t Terminal) messages(b *strings.Builder, l *result.Lab) {
	for _, f := range failures(l) {
		b.WriteString(t.head(f))
		t.quote(b, f.message)
		if f.log != "" {
			fmt.Fprintf(b, "%swhole output: %s\n", gutter, oneLine(f.log))
		}
		b.WriteByte('\n')
	}
}

// head names the status and the tests.
func (t Terminal) head(f *failure) string {
	names := strings.Join(f.tests, ", ")
	if f.status == result.BuildError {
		names = "all tests"
	}
	indent := len(f.status) + 2
	lines := strings.Split(text.WrapSoft(names, max(20, t.columns()-indent)), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return t.paint(f.status) + "  " + strings.Join(lines, "\n"+strings.Repeat(" ", indent)) + "\n"
}

// gutter goes before each line of a message. No workflow command starts so.
const gutter = "  | "

func (t Terminal) quote(b *strings.Builder, message string) {
	lines := strings.Split(strings.TrimRight(safe(message), "\n"), "\n")
	more := len(lines) - mostLines
	if more > 0 {
		lines = lines[:mostLines]
	}
	for _, line := range lines {
		for _, piece := range t.wrap(strings.TrimRight(line, " ")) {
			b.WriteString(strings.TrimRight(gutter+piece, " ") + "\n")
		}
	}
	if more > 0 {
		fmt.Fprintf(b, "%s... %d more lines; --json has them all\n", gutter, more)
	}
}

// wrap breaks a line at the width of the terminal, and indents what follows.
func (t Terminal) wrap(line string) []string {
	room := t.columns() - len(gutter)
	if t.Width == 0 || text.StringWidth(line) <= room {
		return []string{line}
	}
	indent := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " "))+2)
	var pieces []string
	for first := true; text.StringWidth(line) > room; first = false {
		cut := breakAt(line, room, len(indent))
		pieces = append(pieces, strings.TrimRight(line[:cut], " "))
		line = indent + strings.TrimLeft(line[cut:], " ")
		if first && len(indent) > room/2 {
			break
		}
	}
	return append(pieces, line)
}

// breakAt returns the byte offset of the last blank that leaves at most room
// columns before it, or of the column itself when there is none after indent.
func breakAt(line string, room, indent int) int {
	cut, blank, width := 0, 0, 0
	for i, r := range line {
		if r == ' ' && i > indent {
			blank = i
		}
		width += text.RuneWidth(r)
		if width > room {
			break
		}
		cut = i + len(string(r))
	}
	if blank > 0 {
		return blank
	}
	return max(cut, 1)
}
