package runner

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A BuildError says that a lab's sources do not compile.
type BuildError struct {
	Lines []string // file:line:column: message, files relative to the module's root
}

const mostBuildLines = 10

func (e *BuildError) Error() string {
	lines := e.Lines
	if more := len(lines) - mostBuildLines; more > 0 {
		lines = append(slices.Clone(lines[:mostBuildLines]), fmt.Sprintf("and %d more lines", more))
	}
	return strings.Join(lines, "\n")
}

// buildFailure tells a source that does not compile from a machine that cannot
// compile.
func buildFailure(s Spec, output string) error {
	output = positions(s).Replace(output)
	e := &BuildError{}
	headed, setup := false, false
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "# "):
			headed = true
		case strings.HasPrefix(line, "FAIL"):
			setup = setup || strings.HasSuffix(line, "[setup failed]")
		case line != "":
			e.Lines = append(e.Lines, line)
		}
	}
	if !headed || machineTrouble.MatchString(output) || setup && !slices.ContainsFunc(e.Lines, s.blames) {
		return fmt.Errorf("cannot build %s:\n%s", s.Lab, strings.TrimSpace(output))
	}
	return e
}

// machineTrouble is said by a compiler or linker that is not given what it
// needs.
var machineTrouble = regexp.MustCompile(`no space left on device|cannot allocate memory|signal: killed|resource temporarily unavailable|too many open files`)

// blames reports whether a message about packages that cannot be loaded is
// about a source of the lab, as opposed to a module that cannot be fetched.
func (s Spec) blames(line string) bool {
	if strings.HasPrefix(line, "found packages ") {
		return true
	}
	file, _, ok := strings.Cut(line, ".go:")
	return ok && filepath.Dir(file) == s.Lab && !strings.HasSuffix(file, "_test")
}

// positions turns the names of files that were laid over the lab, in all the
// forms in which the go command shows them, into the names of the lab's files.
func positions(s Spec) *strings.Replacer {
	var pairs []string
	add := func(from, to string) {
		if rel, err := filepath.Rel(s.Root, from); err == nil {
			pairs = append(pairs, "./"+rel, to)
			pairs = append(pairs, rel, to)
		}
		pairs = append(pairs, from, to)
	}
	for at, from := range s.Overlay.Replace {
		if from != "" {
			add(from, filepath.Join(s.Lab, filepath.Base(at)))
		}
	}
	pairs = append(pairs, "./"+s.Lab+"/", s.Lab+"/", s.Root+"/", "")
	return strings.NewReplacer(pairs...)
}
