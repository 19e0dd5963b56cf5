package mutants

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"distsys/grader/internal/patch"
)

// Terminal writes a report for people, in lines of the given width. 0 is 80.
func Terminal(w io.Writer, r *Report, width int) error {
	if width == 0 {
		width = 80
	}
	p := &page{width: max(width, 40)}
	for i := range r.Labs {
		p.lab(&r.Labs[i])
	}
	for i := range r.Labs {
		p.line(r.Labs[i].summary())
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

// summary says in one line how many bugs were caught.
func (l *Lab) summary() string {
	byOthers := len(l.with(NotByNamed))
	s := fmt.Sprintf("%s  %d of %d planted bugs caught", l.Lab, len(l.with(Caught))+byOthers, len(l.Bugs))
	for _, part := range []struct {
		n    int
		what string
	}{
		{byOthers, "not by each named test"},
		{len(l.with(PatchError, BuildError)) + len(l.Errors), "not planted"},
		{len(l.with(NotRun)), "not run"},
	} {
		if part.n > 0 {
			s += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return s
}

// A page is text of a certain width.
type page struct {
	b     strings.Builder
	width int
}

// lab writes the matrix, and what follows from it.
func (p *page) lab(l *Lab) {
	p.columns(l.Lab, "named", "others")
	for _, h := range patch.Headings {
		if bugs := l.under(h); len(bugs) > 0 {
			p.line("\n" + h)
			for _, b := range bugs {
				p.bug(b, l.Once)
			}
		}
	}
	p.problems(l)
	if l.Complete {
		p.conclusions(l)
	}
	p.line("")
}

// mostOthers is how many of the tests that catch a bug without being named are
// shown. A bug that nearly every test catches says little about each.
const mostOthers = 5

// bug writes which tests catch a bug. Once says that not all were tried.
func (p *page) bug(b Bug, once bool) {
	mark := "  ✗ "
	if b.Status == Caught {
		mark = "  ✓ "
	}
	if b.Status == PatchError || b.Status == BuildError || b.Status == NotRun {
		p.columns(mark+b.Name, string(b.Status), "")
		return
	}
	named, missing, others := b.NamedThatCatch(), b.NamedThatMiss(), b.Others()
	atLeast := ""
	if b.CutShort || once {
		atLeast = "≥"
	}
	p.columns(mark+b.Name, fmt.Sprintf("%d/%d", len(named), len(b.Named)), fmt.Sprint(atLeast, len(others)))
	p.list("      ", named)
	p.list("      not ", missing)
	if more := len(others) - mostOthers; more > 1 {
		others = others[:mostOthers]
		others[mostOthers-1] += fmt.Sprintf(" and %d more", more)
	}
	p.list("      also ", others)
}

// problems writes what is to be put right.
func (p *page) problems(l *Lab) {
	missed, byOthers := l.with(Missed), l.with(NotByNamed)
	p.title("bugs that are not caught", len(missed))
	for _, b := range missed {
		p.wrap("  "+b.Name+": ", b.Bug)
	}
	p.title("bugs that a named test does not catch", len(byOthers))
	for _, b := range byOthers {
		p.list("  "+b.Name+": ", b.NamedThatMiss())
	}
	unplanted := l.with(PatchError, BuildError)
	p.title("patches that are wrong", len(unplanted)+len(l.Errors))
	for _, b := range unplanted {
		p.message(b.Message)
	}
	for _, message := range l.Errors {
		p.message(message)
	}
}

// conclusions writes what a complete matrix tells of the tests and the bugs.
func (p *page) conclusions(l *Lab) {
	missing := l.missingHeadings()
	p.title("headings without a bug", len(missing))
	for _, h := range missing {
		p.line("  " + h)
	}
	p.title("tests that catch no bug", len(l.TestsWithoutBug))
	p.list("  ", l.TestsWithoutBug)
	if l.Once {
		return
	}
	tests, bugs := l.soleCatchers()
	p.title("tests that alone catch a bug", len(tests))
	for _, t := range tests {
		p.list("  "+t+": ", bugs[t])
	}
}

func (p *page) line(s string) { p.b.WriteString(s + "\n") }

// columns writes a line of three columns, the first as wide as there is room.
func (p *page) columns(first, second, third string) {
	first = text.Pad(first, p.width-20, ' ')
	p.line(strings.TrimRight(fmt.Sprintf("%s %11s %7s", first, second, third), " "))
}

// title begins a section with n things in it, unless there are none.
func (p *page) title(s string, n int) {
	if n > 0 {
		p.line(fmt.Sprintf("\n%s: %d", s, n))
	}
}

func (p *page) list(before string, names []string) {
	if len(names) > 0 {
		p.wrap(before, strings.Join(names, ", "))
	}
}

// wrap writes s after what goes before it. Lines that follow are indented by
// four columns more.
func (p *page) wrap(before, s string) {
	indent := strings.Repeat(" ", len(before)-len(strings.TrimLeft(before, " "))+4)
	line := before
	for i, word := range strings.Fields(s) {
		switch {
		case i == 0:
			line += word
		case text.StringWidth(line+" "+word) <= p.width:
			line += " " + word
		default:
			p.line(line)
			line = indent + word
		}
	}
	p.line(line)
}

// message writes the message of an error as it is.
func (p *page) message(s string) {
	p.line("  " + strings.ReplaceAll(s, "\n", "\n  "))
}
