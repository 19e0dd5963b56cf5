package simtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// testify's messages come as sections: a label, and text that goes on in
// indented lines.
var (
	sectionLine = regexp.MustCompile(`^\t(Error Trace|Error|Messages|Test): *\t(.*)$`)
	furtherLine = regexp.MustCompile(`^\t +\t(.*)$`)
)

// readable returns a message of testify's as a person would write it: first what
// the test says, then what was found, then the lines of the test, with their
// source when the test says nothing. Any other message is returned as it is.
func readable(message string) string {
	if !strings.HasPrefix(strings.TrimLeft(message, "\n"), "\tError Trace:") {
		return message
	}
	sections := map[string][]string{}
	label := ""
	for line := range strings.SplitSeq(strings.Trim(message, "\n"), "\n") {
		if m := sectionLine.FindStringSubmatch(line); m != nil {
			label = m[1]
			sections[label] = append(sections[label], m[2])
		} else if m := furtherLine.FindStringSubmatch(line); m != nil {
			sections[label] = append(sections[label], m[1])
		}
	}
	lines := sections["Messages"]
	for i, line := range sections["Error"] {
		if i > 0 || len(lines) > 0 {
			line = strings.TrimRight("  "+line, " ")
		}
		lines = append(lines, line)
	}
	bare := sections["Messages"] == nil
	for _, place := range sections["Error Trace"] {
		if !strings.Contains(place, "_test.go:") {
			continue
		}
		lines = append(lines, "    "+filepath.Base(place))
		if bare { // The source says what the assertion does not.
			lines = append(lines, source(place)...)
			bare = false
		}
	}
	return strings.Join(lines, "\n")
}

// source returns the line at a place, FILE:LINE, and the one before it, or
// nothing when the file is not there.
func source(place string) []string {
	colon := strings.LastIndexByte(place, ':')
	n, err := strconv.Atoi(place[colon+1:])
	if err != nil {
		return nil
	}
	text, err := os.ReadFile(place[:colon])
	all := strings.Split(string(text), "\n")
	if err != nil || n < 2 || n > len(all) {
		return nil
	}
	return []string{"        " + strings.TrimSpace(all[n-2]), "        " + strings.TrimSpace(all[n-1])}
}
