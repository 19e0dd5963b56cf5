package report

import (
	"fmt"
	"io"
	"strings"

	"distsys/grader/internal/result"
)

const (
	summaryLimit = 1 << 20   // GitHub shows no longer job summary, in bytes
	summaryRoom  = 900 << 10 // past this no further message is written
	summaryNotes = 16 << 10  // for the notes of one lab
	mostMarkdown = 8 << 10   // bytes of one message
)

// Markdown writes a report for the summary of a GitHub job, or for a student's
// feedback. It stays below the size that GitHub accepts.
func Markdown(w io.Writer, r *result.Report) error {
	var b strings.Builder
	points, most := r.Asked()
	fmt.Fprintf(&b, "# %v of %v points\n\n", points, most)
	if most < r.Max {
		fmt.Fprintf(&b, "These are the tests that were run; all tests have %v points.\n\n", r.Max)
	}
	markdownNotes(&b, r.Notes)
	for i := range r.Labs {
		if _, most := r.Labs[i].Asked(); most > 0 {
			markdownLab(&b, &r.Labs[i])
		}
	}
	_, err := io.WriteString(w, clip(b.String(), summaryLimit-100))
	return err
}

func markdownLab(b *strings.Builder, l *result.Lab) {
	points, most := l.Asked()
	fmt.Fprintf(b, "## %s: %s, %v of %v points\n\n", Inline(l.Lab), Inline(l.Title), points, most)
	b.WriteString("| test | status | points | seeds | seconds |\n|---|---|---:|---:|---:|\n")
	for i := range l.Parts {
		markdownPart(b, &l.Parts[i])
	}
	b.WriteByte('\n')
	markdownNotes(b, l.Notes)
	left := 0
	for _, f := range failures(l) {
		if b.Len() > summaryRoom {
			left++
			continue
		}
		markdownFailure(b, f)
	}
	if left > 0 {
		fmt.Fprintf(b, "%s left out: this summary would be too long for GitHub.\n\n", plural(left, "more message"))
	}
}

func markdownPart(b *strings.Builder, p *result.Part) {
	points, most := p.Asked()
	if most == 0 {
		return
	}
	fmt.Fprintf(b, "| **%s %s** | | **%v/%v** | | |\n", Inline(p.ID), Inline(p.Title), points, most)
	for _, t := range p.Tests {
		if t.LeftOut {
			continue
		}
		seeds := ""
		if t.SeedsRun > 0 {
			seeds = fmt.Sprintf("%d/%d", t.SeedsRun-len(t.SeedsFailed), t.SeedsRun)
		}
		fmt.Fprintf(b, "| %s | %s | %v/%v | %s | %.2f |\n", Inline(t.Name), mark(t.Status), t.Points, t.Max, seeds, t.Seconds)
	}
}

// mark makes a status one can see at a glance.
func mark(s result.Status) string {
	switch s {
	case result.Pass:
		return "✅ pass"
	case result.NotRun:
		return "➖ not-run"
	}
	return "❌ " + string(s)
}

func markdownFailure(b *strings.Builder, f *failure) {
	names := "all tests"
	if f.status != result.BuildError {
		names = Inline(strings.Join(f.tests, ", "))
	}
	fmt.Fprintf(b, "<details><summary>%s: %s</summary>\n\n", mark(f.status), names)
	fmt.Fprintf(b, "```text\n%s\n```\n\n</details>\n\n", quoted(clip(f.message, mostMarkdown)))
}

func markdownNotes(b *strings.Builder, notes []string) {
	if len(notes) == 0 {
		return
	}
	var lines strings.Builder
	for _, note := range notes {
		fmt.Fprintf(&lines, "- note: %s\n", Inline(note))
	}
	b.WriteString(clip(strings.TrimSpace(lines.String()), summaryNotes) + "\n\n")
}

// Inline makes text safe within a line of Markdown: no markup of its own, no
// link, no mention, no cell's end.
func Inline(s string) string {
	var b strings.Builder
	for _, r := range oneLine(s) {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '@':
			b.WriteString("&#64;")
		case strings.ContainsRune("\\`*_{}[]()#+!|~>", r):
			b.WriteRune('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return strings.ReplaceAll(b.String(), "://", ":&#47;/")
}
