package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// safe makes text from a student's program fit to be shown: control and
// format characters become visible, so that the text can neither move the
// cursor nor turn the line round, and what GitHub would take for a command
// ("##[...]", anywhere in a line) is broken up. Commands at the start of a
// line ("::error") are kept from it by what [Terminal] puts before each line.
func safe(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\r' {
			return '\n'
		}
		return r
	}, strings.ReplaceAll(s, "\r\n", "\n"))
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteByte('\n')
		case r == '\t':
			b.WriteString("    ")
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
	}
	return strings.ReplaceAll(b.String(), "##[", "# #[")
}

// quoted is safe text behind a gutter, for what may be printed to the log of a
// workflow, or stands in a fence of Markdown: no line of it can be a command,
// or end the fence.
func quoted(s string) string {
	lines := strings.Split(strings.TrimRight(safe(s), "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight("| "+line, " ")
	}
	return strings.Join(lines, "\n")
}

// clip cuts the end off a text that is longer than most bytes, and says so.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	cut := max(0, most)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s\n... %d bytes left out ...", s[:cut], len(s)-cut)
}
