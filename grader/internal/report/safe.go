package report

import (
	"strconv"
	"strings"
	"unicode"
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
