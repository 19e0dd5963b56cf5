package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"distsys/grader/internal/grading"
	"distsys/grader/internal/report"
	"distsys/grader/internal/result"
	"distsys/grader/internal/workspace"
)

var onlyTricks = flag.String("trick", "", "grade only the hostile submissions whose name matches `REGEXP`")

// A trick is a submission that wants points it has not earned, and what must
// become of it.
type trick struct {
	name    string
	status  string // regular expressions, all of them
	says    string
	note    string
	imports string
	race    bool

	lay func(dir string) error // writes the submission to the lab's folder
}

// Proves that no trick earns a point, that each gets the status that it
// deserves, that the grader lives on, and that all other labs are graded: all
// tricks are handed in at once, each for a lab of its own, with an honest
// solution before and behind them.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("grades many submissions: left out by -short")
	}
	tricks := append(written(t), made()...)
	require.GreaterOrEqual(t, len(tricks), 80, "no trick gets lost")
	only, err := regexp.Compile(*onlyTricks)
	require.NoError(t, err)
	tricks = slices.DeleteFunc(tricks, func(trick trick) bool { return !only.MatchString(trick.name) })
	honest := trick{status: "pass", lay: func(dir string) error { return copyFile(filepath.Join(dir, "target.go"), "testdata/hostile/honest.go") }}
	first, last := honest, honest
	first.name, last.name = "honest-first", "honest-last"
	all := append(append([]trick{first}, tricks...), last)

	root, submission := t.TempDir(), t.TempDir()
	require.NoError(t, writeModule(root))
	for i, trick := range all {
		layLab(t, root, i, trick)
		dir := filepath.Join(submission, labName(i, trick))
		require.NoError(t, os.Mkdir(dir, 0o755))
		require.NoError(t, trick.lay(dir))
	}
	canary := filepath.Join(root, labName(0, first), "target.go")
	before, err := os.ReadFile(canary)
	require.NoError(t, err)

	r := gradeHostile(t, root, submission)
	require.Len(t, r.Labs, len(all))
	for i, trick := range all {
		t.Run(trick.name, func(t *testing.T) { trick.check(t, &r.Labs[i]) })
	}
	require.EqualValues(t, 2, r.Points, "the points of the honest solutions, and no others")
	after, err := os.ReadFile(canary)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "the clean tree must not change")
	obeysNobody(t, r)
}

func (trick *trick) check(t *testing.T, l *result.Lab) {
	if trick.race && !hasRaceDetector() {
		t.Skip("needs the race detector")
	}
	test := l.Parts[0].Tests[0]
	require.Regexp(t, "^("+trick.status+")$", string(test.Status), test.Message)
	if test.Status != result.Pass {
		require.Zero(t, l.Points)
		require.NotEmpty(t, test.Message)
	}
	if trick.says != "" {
		require.Regexp(t, trick.says, test.Message)
	}
	if trick.note != "" {
		require.Regexp(t, trick.note, strings.Join(l.Notes, "\n"))
	}
}

// obeysNobody checks that no report holds a command for GitHub or a terminal.
func obeysNobody(t *testing.T, r *result.Report) {
	command := regexp.MustCompile(`(?m)^\s*::|##\[|\x1b`)
	var b bytes.Buffer
	require.NoError(t, report.Terminal{}.Write(&b, r))
	require.NoError(t, report.JSON(&b, r))
	require.NoError(t, report.Markdown(&b, r))
	require.NoError(t, report.JUnit(&b, r))
	require.NoError(t, report.Gradescope(&b, r))
	require.Less(t, b.Len(), 4<<20)
	require.Empty(t, command.FindString(b.String()))
}

type quiet struct{}

func (quiet) Building(string)                    {}
func (quiet) Running(int)                        {}
func (quiet) Started(_, _ string)                {}
func (quiet) Ended(_, _ string, _ result.Status) {}

func gradeHostile(t *testing.T, root, submission string) *result.Report {
	w, err := workspace.Find(root)
	require.NoError(t, err)
	labs, err := w.Select(nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	r, err := grading.Grade(ctx, w, grading.Options{
		Labs: labs, Submission: submission, LogDir: t.TempDir(), Progress: quiet{},
	})
	require.NoError(t, err)
	return r
}

func labName(i int, trick trick) string { return fmt.Sprintf("lab%02d-%s", i, trick.name) }

// layLab makes a lab of the clean tree for one trick.
func layLab(t *testing.T, root string, i int, trick trick) {
	imports := trick.imports
	if imports == "" {
		imports = "slices"
	}
	fill := strings.NewReplacer("LAB", labName(i, trick), "IMPORTS", imports, "RACE", fmt.Sprint(trick.race && hasRaceDetector()))
	dir := filepath.Join(root, labName(i, trick))
	require.NoError(t, os.Mkdir(dir, 0o755))
	for _, name := range []string{"rubric.yaml", "given.go", "target.go", "target_test.go"} {
		text, err := os.ReadFile(filepath.Join("testdata/hostile/lab", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(fill.Replace(string(text))), 0o644))
	}
}

// written returns the tricks that stand in files.
func written(t *testing.T) []trick {
	files, err := filepath.Glob("testdata/hostile/submissions/*.txtar")
	require.NoError(t, err)
	var tricks []trick
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		require.NoError(t, err)
		tr := trick{name: strings.TrimSuffix(filepath.Base(file), ".txtar")}
		for line := range strings.Lines(string(a.Comment)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch key {
			case "status":
				tr.status = value
			case "says":
				tr.says = value
			case "note":
				tr.note = value
			case "imports":
				tr.imports = value
			case "race":
				tr.race = true
			}
		}
		require.NotEmpty(t, tr.status, file)
		tr.lay = func(dir string) error { return txtar.Write(a, dir) }
		tricks = append(tricks, tr)
	}
	return tricks
}

// made returns the tricks that are no text.
func made() []trick {
	const refused = "build-error"
	at := func(dir string) string { return filepath.Join(dir, "target.go") }
	return []trick{
		{name: "link-to-passwd", status: refused, says: "is a symbolic link", lay: func(dir string) error { return os.Symlink("/etc/passwd", at(dir)) }},
		{name: "link-to-device", status: refused, says: "is a symbolic link", lay: func(dir string) error { return os.Symlink("/dev/zero", at(dir)) }},
		{name: "link-to-itself", status: refused, says: "is a symbolic link", lay: func(dir string) error { return os.Symlink("target.go", at(dir)) }},
		{name: "link-to-solution", status: refused, says: "is a symbolic link", lay: func(dir string) error {
			honest, err := filepath.Abs("testdata/hostile/honest.go")
			if err != nil {
				return err
			}
			return os.Symlink(honest, at(dir))
		}},
		{name: "linked-folder", status: refused, says: "nothing was submitted", lay: func(dir string) error {
			honest, err := filepath.Abs("testdata/hostile/lab")
			if err != nil {
				return err
			}
			if err := os.Remove(dir); err != nil {
				return err
			}
			return os.Symlink(honest, dir)
		}},
		{name: "pipe", status: refused, says: "is not a regular file", lay: func(dir string) error { return syscall.Mkfifo(at(dir), 0o644) }},
		{name: "folder", status: refused, says: "is not a regular file", lay: func(dir string) error { return os.Mkdir(at(dir), 0o755) }},
		{name: "huge-file", status: refused, says: "is too large: 52428800 bytes", lay: func(dir string) error {
			if err := os.WriteFile(at(dir), []byte("package target\n"), 0o644); err != nil {
				return err
			}
			return os.Truncate(at(dir), 50<<20)
		}},
		{name: "nested-for-ever", status: refused, says: "nesting depth", lay: func(dir string) error {
			n := 400_000
			return os.WriteFile(at(dir), []byte("package target\n\nvar x = "+strings.Repeat("(", n)+"1"+strings.Repeat(")", n)+"\n"), 0o644)
		}},
		{name: "nested-deeply", status: refused, lay: func(dir string) error {
			n := 90_000
			return os.WriteFile(at(dir), []byte("package target\n\nvar x = "+strings.Repeat("[]int{", n)+strings.Repeat("}", n)+"\n"), 0o644)
		}},
		{name: "many-files", status: "fail", note: "ignored .* more files", lay: func(dir string) error {
			for n := range 1000 {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("x%d.go", n)), nil, 0o644); err != nil {
					return err
				}
			}
			return copyFile(at(dir), "testdata/hostile/lab/target.go")
		}},
		{name: "evil-name", status: "fail", note: "it comes|does not name it", lay: func(dir string) error {
			if err := os.WriteFile(filepath.Join(dir, "x\n::error::\x1b[2J.go"), nil, 0o644); err != nil {
				return err
			}
			return copyFile(at(dir), "testdata/hostile/lab/target.go")
		}},
	}
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}
