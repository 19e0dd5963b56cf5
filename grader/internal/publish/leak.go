package publish

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"distsys/grader/internal/skeleton"
)

// A line gives a solution away when it is this long, and so does a run of lines
// that is this long together. Shorter ones, such as "return nil" or the select
// with a timer, stand everywhere.
const (
	tellingLine = 70  // bytes
	tellingRun  = 160 // bytes, in at least
	tellingRows = 4   // lines
)

// mostLeaks bounds the error.
const mostLeaks = 10

// code matches what can give something away.
var code = regexp.MustCompile(`[A-Za-z]`)

// checkLeaks searches the starter for the solutions of all labs, also of those
// that are not published. What the course gives to students anyway is no leak.
func checkLeaks(root string, starter Files) error {
	labs, err := skeleton.Labs(root)
	if err != nil {
		return err
	}
	l := leaks{lines: map[string]string{}, runs: map[string]string{}}
	for _, lab := range labs {
		if err := l.learn(root, lab); err != nil {
			return err
		}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(starter)) {
		if leak := l.find(name, string(starter[name].Text)); leak != nil {
			errs = append(errs, leak)
		}
	}
	if more := len(errs) - mostLeaks; more > 0 {
		errs = append(errs[:mostLeaks], fmt.Errorf("and in %d more files", more))
	}
	return errors.Join(errs...)
}

// leaks knows the telling lines, and runs of lines, of solutions, and where
// each is from.
type leaks struct{ lines, runs map[string]string }

// learn takes in the regions of a lab, without what is also outside them.
func (l *leaks) learn(root, lab string) error {
	regions, err := skeleton.LabRegions(root, lab)
	if err != nil {
		return err
	}
	given, err := skeleton.Generate(root, lab)
	if err != nil {
		return err
	}
	open := leaks{lines: map[string]string{}, runs: map[string]string{}}
	for _, text := range given {
		open.note("", strings.Split(string(text), "\n"))
	}
	mine := leaks{lines: map[string]string{}, runs: map[string]string{}}
	for _, r := range regions {
		mine.note(fmt.Sprintf("solutions/%s/%s, the region at line %d", lab, r.File, r.Begin), r.Solution)
	}
	maps.DeleteFunc(mine.lines, func(line, _ string) bool { return has(open.lines, line) })
	maps.DeleteFunc(mine.runs, func(run, _ string) bool { return has(open.runs, run) })
	maps.Copy(l.lines, mine.lines)
	maps.Copy(l.runs, mine.runs)
	return nil
}

func has(m map[string]string, key string) bool {
	_, ok := m[key]
	return ok
}

func (l *leaks) note(from string, lines []string) {
	each(lines, func(_ int, line, run string) bool {
		if len(line) >= tellingLine {
			l.lines[line] = from
		}
		if run != "" {
			l.runs[run] = from
		}
		return true
	})
}

// find returns an error about the first leak in a file of the starter, or nil.
func (l *leaks) find(name, text string) (leak error) {
	each(strings.Split(text, "\n"), func(n int, line, run string) bool {
		from, ok := l.lines[line]
		if !ok {
			from, ok = l.runs[run]
		}
		if ok {
			leak = fmt.Errorf("%s:%d gives a solution away (%s): %s", name, n, from, line)
		}
		return !ok
	})
	return leak
}

// each calls f for each telling line, with the run of lines that it ends ("" as
// long as there are too few), until f returns false.
func each(lines []string, f func(n int, line, run string) bool) {
	var last []string
	for i, line := range lines {
		line = strings.Join(strings.Fields(line), " ")
		if !code.MatchString(line) {
			continue
		}
		last = append(last, line)
		if !f(i+1, line, runOf(last)) {
			return
		}
	}
}

// runOf returns the shortest telling run at the end of lines, or "".
func runOf(lines []string) string {
	size := 0
	for n := 1; n <= len(lines); n++ {
		size += len(lines[len(lines)-n])
		if n >= tellingRows && size >= tellingRun {
			return strings.Join(lines[len(lines)-n:], "\n")
		}
	}
	return ""
}
