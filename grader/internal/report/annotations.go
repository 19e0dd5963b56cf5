package report

import (
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"distsys/grader/internal/result"
)

// mostAnnotations is how many GitHub shows of one step.
const mostAnnotations = 10

// Annotations writes GitHub workflow commands: an error for each failure, at
// the line of the student's source that it names. What a student printed is
// inside a command, encoded, and can be none itself.
func Annotations(w io.Writer, r *result.Report) error {
	n := 0
	for i := range r.Labs {
		l := &r.Labs[i]
		for _, f := range failures(l) {
			if n++; n > mostAnnotations {
				return nil
			}
			if _, err := io.WriteString(w, annotation(l.Lab, f)); err != nil {
				return err
			}
		}
	}
	return nil
}

// annotation returns one command.
func annotation(lab string, f *failure) string {
	where := ""
	if file, line := position(lab, f.message); file != "" {
		where = fmt.Sprintf("file=%s,line=%s,", property(file), line)
	}
	title := string(f.status) + ": " + f.tests[0]
	if more := len(f.tests) - 1; more > 0 {
		title += fmt.Sprintf(" and %d more", more)
	}
	message := strings.TrimRight(safe(clip(f.message, mostMarkdown)), "\n")
	return fmt.Sprintf("::error %stitle=%s::%s\n", where, property(title), data(message))
}

// place matches what the kit and the compiler print: raft.go:12.
var place = regexp.MustCompile(`([\w./-]+\.go):(\d+)`)

// position returns the first line of the lab's own source that a message
// names; without one, the first line of a test.
func position(lab, message string) (file, line string) {
	for _, m := range place.FindAllStringSubmatch(message, -1) {
		name := path.Join(lab, path.Base(m[1]))
		if dir := path.Dir(m[1]); dir != "." && dir != lab {
			continue
		}
		if !strings.HasSuffix(name, "_test.go") {
			return name, m[2]
		}
		if file == "" {
			file, line = name, m[2]
		}
	}
	return file, line
}

// data encodes the message of a workflow command, property the value of one of
// its properties.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(oneLine(s)))
}
