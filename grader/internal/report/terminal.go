// Package report shows a grade: as JSON, and on a terminal.
package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"distsys/grader/internal/result"
)

// A Terminal writes a report for people.
type Terminal struct {
	Width int  // columns; lines of messages are wrapped to it. 0 is 80, and no wrapping
	Color bool // paint statuses
}

// mostLines bounds what is shown of one message.
const mostLines = 40

// Write writes a table for each lab, the messages of the tests that did not
// pass, and the points.
func (t Terminal) Write(w io.Writer, r *result.Report) error {
	var b strings.Builder
	for i := range r.Labs {
		l := &r.Labs[i]
		if _, most := l.Asked(); most == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n\n%s\n\n", l.Lab, safe(l.Title), t.table(l))
		for _, note := range l.Notes {
			fmt.Fprintf(&b, "note: %s\n", oneLine(note))
		}
		if len(l.Notes) > 0 {
			b.WriteByte('\n')
		}
		t.messages(&b, l)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", oneLine(note))
	}
	if len(r.Notes) > 0 {
		b.WriteByte('\n')
	}
	t.points(&b, r)
	_, err := io.WriteString(w, b.String())
	return err
}

func (t Terminal) columns() int {
	if t.Width == 0 {
		return 80
	}
	return t.Width
}

// otherColumns is the width of all columns but the first, and of the blanks
// between them.
const otherColumns = 42

// names returns the width of the first column.
func (t Terminal) names() int { return max(20, t.columns()-otherColumns) }

func (t Terminal) table(l *result.Lab) string {
	tw := table.NewWriter()
	style := table.StyleLight
	style.Options = table.Options{SeparateHeader: true}
	style.Format.Header = text.FormatDefault
	tw.SetStyle(style)
	tw.SuppressTrailingSpaces()
	tw.SetColumnConfigs([]table.ColumnConfig{
		{Number: 1, WidthMin: min(32, t.names())},
		{Number: 2, WidthMin: 11},
		{Number: 3, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 4, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 5, Align: text.AlignRight, AlignHeader: text.AlignRight},
	})
	tw.AppendHeader(table.Row{"test", "status", "points", "seeds", "seconds"})
	unbuilt := notBuilt(l)
	for i := range l.Parts {
		t.part(tw, &l.Parts[i], unbuilt)
	}
	return tw.Render()
}

func (t Terminal) part(tw table.Writer, p *result.Part, unbuilt bool) {
	points, most := p.Asked()
	if most == 0 {
		return
	}
	status := ""
	if unbuilt {
		status = t.paint(result.BuildError)
	}
	tw.AppendRow(table.Row{t.fit(p.ID+"  ", oneLine(p.Title)), status, fmt.Sprintf("%v/%v", points, most), "", ""})
	for _, test := range p.Tests {
		if test.LeftOut || unbuilt {
			continue
		}
		seeds, seconds := "", ""
		if test.SeedsRun > 0 {
			seeds = fmt.Sprintf("%d/%d", test.SeedsRun-len(test.SeedsFailed), test.SeedsRun)
		}
		if test.Seconds > 0 {
			seconds = fmt.Sprintf("%.2f", test.Seconds)
		}
		tw.AppendRow(table.Row{t.fit("  ", test.Name), t.paint(test.Status), fmt.Sprintf("%v/%v", test.Points, test.Max), seeds, seconds})
	}
}

// fit breaks a name that is too long for the first column.
func (t Terminal) fit(before, name string) string {
	indent := strings.Repeat(" ", len(before))
	return before + strings.ReplaceAll(text.WrapHard(name, t.names()-len(before)), "\n", "\n"+indent)
}

func (t Terminal) paint(s result.Status) string {
	if !t.Color {
		return string(s)
	}
	color := text.FgRed
	switch s {
	case result.Pass:
		color = text.FgGreen
	case result.NotRun:
		color = text.FgYellow
	}
	return color.EscapeSeq() + string(s) + text.Reset.EscapeSeq()
}

// points writes the last lines: the score.
func (t Terminal) points(b *strings.Builder, r *result.Report) {
	var shown []*result.Lab
	width := 0
	for i := range r.Labs {
		l := &r.Labs[i]
		if _, most := l.Asked(); most > 0 {
			shown = append(shown, l)
			width = max(width, len(l.Lab))
		}
	}
	for _, l := range shown {
		points, most := l.Asked()
		fmt.Fprintln(b, score(l.Lab, width, points, most, l.Max))
	}
	if len(shown) > 1 {
		points, most := r.Asked()
		fmt.Fprintln(b, score("total", width, points, most, r.Max))
	}
}

func score(name string, width int, points, most, all result.Points) string {
	s := fmt.Sprintf("%-*s  %v/%v points", width, name, points, most)
	if most < all {
		s += fmt.Sprintf(" in the tests that were run, of %v in all", all)
	}
	return s
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(safe(s)), " ")
}
