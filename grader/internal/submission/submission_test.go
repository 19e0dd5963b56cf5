package submission

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"distsys/grader/internal/rubric"
)

var demo = &rubric.Rubric{Lab: "lab9-demo", Files: []string{"a.go", "b.go"}, Imports: []string{"io", "net", "os.ErrClosed", "os.ErrDeadlineExceeded", "sync", "time"}}

const good = "package demo\n"

// folderOf returns a folder with the given files.
func folderOf(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

func take(t *testing.T, dir string, clean map[string]string) *Submission {
	s, err := Take(demo, dir, folderOf(t, clean), t.TempDir())
	require.NoError(t, err)
	return s
}

func texts(problems []Problem) []string {
	var all []string
	for _, p := range problems {
		all = append(all, p.String())
	}
	return all
}

func TestTake(t *testing.T) {
	for _, prefix := range []string{"", "lab9-demo/"} {
		s := take(t, folderOf(t, map[string]string{prefix + "a.go": good, prefix + "b.go": good + "// b\n"}), nil)
		require.Empty(t, s.Problems)
		require.Empty(t, s.Ignored)
		text, err := os.ReadFile(s.Files["b.go"])
		require.NoError(t, err)
		require.Equal(t, good+"// b\n", string(text))
	}
}

func TestTakeRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(path string) error
		want string
	}{
		{"missing", func(string) error { return nil }, "lab9-demo: b.go is missing from the submission"},
		{"link", func(p string) error { return os.Symlink("/etc/passwd", p) }, "lab9-demo/b.go: is a symbolic link; submit the file itself"},
		{"link to nothing", func(p string) error { return os.Symlink("nothing", p) }, "lab9-demo/b.go: is a symbolic link; submit the file itself"},
		{"folder", func(p string) error { return os.Mkdir(p, 0o755) }, "lab9-demo/b.go: is not a regular file"},
		{"pipe", func(p string) error { return syscall.Mkfifo(p, 0o644) }, "lab9-demo/b.go: is not a regular file"},
		{"50 MB", func(p string) error {
			if err := os.WriteFile(p, nil, 0o644); err != nil {
				return err
			}
			return os.Truncate(p, 50<<20)
		}, "lab9-demo/b.go: is too large: 52428800 bytes, and at most 1048576 are accepted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folderOf(t, map[string]string{"lab9-demo/a.go": good})
			require.NoError(t, test.make(filepath.Join(dir, "lab9-demo/b.go")))
			require.Equal(t, []string{test.want}, texts(take(t, dir, nil).Problems))
		})
	}
}

// A lab's folder that is a link does not lead anywhere.
func TestTakeLinkedFolder(t *testing.T) {
	elsewhere := folderOf(t, map[string]string{"a.go": good, "b.go": good})
	dir := t.TempDir()
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, "lab9-demo")))
	require.Equal(t, []string{"lab9-demo: nothing was submitted: expected a.go and b.go"}, texts(take(t, dir, nil).Problems))
}

func TestTakeNothing(t *testing.T) {
	_, err := Take(demo, filepath.Join(t.TempDir(), "nowhere"), t.TempDir(), t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}

// What is left is reported, unless it is the clean tree's own or of no matter.
func TestIgnored(t *testing.T) {
	clean := map[string]string{"same_test.go": "x", "changed_test.go": "x", "given.go": "x"}
	s := take(t, folderOf(t, map[string]string{
		"a.go": good, "b.go": good,
		"same_test.go": "x", "changed_test.go": "y", "given.go": "y", "extra.go": "x", "fast.s": "x", "go.mod": "x", "notes.md": "x",
	}), clean)
	require.Empty(t, s.Problems)
	require.Len(t, s.Files, 2)
	require.Equal(t, []string{
		"ignored lab9-demo/changed_test.go: tests come from the course's tree",
		"ignored lab9-demo/extra.go: the rubric does not name it",
		"ignored lab9-demo/fast.s: only Go is accepted",
		"ignored lab9-demo/given.go: the rubric does not name it",
		"ignored lab9-demo/go.mod: it comes from the course's tree",
	}, s.Ignored)
}

// So it is at the root of the repository.
func TestIgnoredAbove(t *testing.T) {
	root := folderOf(t, map[string]string{"go.mod": "x", "go.sum": "x", "lab9-demo/a.go": good})
	dir := folderOf(t, map[string]string{"go.mod": "y", "go.sum": "x", "go.work": "z", "lab9-demo/a.go": good, "lab9-demo/b.go": good})
	s, err := Take(demo, dir, filepath.Join(root, "lab9-demo"), t.TempDir())
	require.NoError(t, err)
	require.Equal(t, []string{"ignored go.mod: it comes from the course's tree", "ignored go.work: it comes from the course's tree"}, s.Ignored)
}

func TestIgnoredIsBounded(t *testing.T) {
	files := map[string]string{"a.go": good, "b.go": good}
	for i := range 30 {
		files[strings.Repeat("x", i+1)+".go"] = good
	}
	s := take(t, folderOf(t, files), nil)
	require.Len(t, s.Ignored, 21)
	require.Equal(t, "ignored 10 more files", s.Ignored[20])
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name, source string
		want         []string
	}{
		{"allowed", "package demo\n\nimport (\n\t\"sync\"\n\tclock \"time\"\n)\n", nil},
		{"harmless comments", "// Package demo, see http://go.dev and //go:build.\npackage demo\n\n//go:noinline\n//line of thought\n//exported\nfunc f() {}\n", nil},
		{"not listed", "package demo\n\nimport \"os/user\"\n", []string{`a.go:3: import "os/user" is not allowed in this lab`}},
		{"unsafe", "package demo\n\nimport _ \"unsafe\"\n", []string{`a.go:3: import "unsafe" is not allowed in this lab`}},
		{"cgo", "package demo\n\nimport \"C\"\n", []string{`a.go:3: import "C" is not allowed in this lab`}},
		{"raw string", "package demo\n\nimport `os/exec`\n", []string{"a.go:3: import `os/exec` is not allowed in this lab"}},
		{"the kit", "package demo\n\nimport \"distsys/grader/simtest\"\n", []string{`a.go:3: import "distsys/grader/simtest" is not allowed in this lab`}},
		{"linkname", "package demo\n\n//go:linkname f os.Exit\nfunc f()\n", []string{"a.go:3: //go:linkname is not allowed"}},
		{"embed", "package demo\n\n//go:embed *\nvar f string\n", []string{"a.go:3: //go:embed is not allowed"}},
		{"debug", "//go:debug panicnil=1\npackage demo\n", []string{"a.go:1: //go:debug is not allowed"}},
		{"constraint", "//go:build ignore\n\npackage demo\n", []string{"a.go:1: //go:build is not allowed"}},
		{"old constraint", "// +build ignore\n\npackage demo\n", []string{"a.go:1: build constraints are not allowed"}},
		{"export", "package demo\n\n//export f\nfunc f() {}\n", []string{"a.go:3: //export is not allowed"}},
		{"line", "package demo\n\n//line raft_test.go:1\nimport \"log\"\n", []string{`a.go:4: import "log" is not allowed in this lab`, "a.go:3: line directives are not allowed"}},
		{"line inside a line", "package demo\n\nvar x /*line x.go:7:1*/ int\n", []string{"a.go:3: line directives are not allowed"}},
		{"listed by name", "package demo\n\nimport \"os\"\n\nvar err = os.ErrClosed\n", nil},
		{"not listed by name", "package demo\n\nimport system \"os\"\n\nvar exit = system.Exit\n", []string{"a.go:5: os.Exit is not allowed in this lab; of os there is only ErrClosed and ErrDeadlineExceeded"}},
		{"all names at once", "package demo\n\nimport . \"os\"\n", []string{"a.go:3: import . is not allowed: name the package"}},
		{"changed", "package demo\n\nimport \"io\"\n\nfunc init() { io.EOF = nil }\n", []string{"a.go:5: io.EOF must not be changed: it belongs to another package"}},
		{"changed by way of others", "package demo\n\nimport \"net\"\nimport \"time\"\n\nfunc f() {\n\tp := &net.ErrClosed\n\t*p, (*time.Local) = nil, *time.UTC\n\tfor net.IPv4bcast[0] = range 3 {\n\t}\n\tnet.IPv4zero[0]++\n}\n", []string{
			"a.go:7: net.ErrClosed must not be changed: it belongs to another package",
			"a.go:8: time.Local must not be changed: it belongs to another package",
			"a.go:9: net.IPv4bcast must not be changed: it belongs to another package",
			"a.go:11: net.IPv4zero must not be changed: it belongs to another package",
		}},
		{"a variable that hides a package", "package demo\n\nimport \"net\"\n\ntype x struct{ ErrClosed error }\n\nfunc f(net *x, os struct{ Exit int }) { net.ErrClosed = nil; os.Exit++; p := &net.ErrClosed; *p = nil }\n\nvar _ net.Conn\n", nil},
		{"memory", "package demo\n\nfunc f(v interface{ UnsafeAddr() uintptr }) { v.UnsafeAddr() }\n", []string{"a.go:3: UnsafeAddr is not allowed"}},
		{"syntax", "package demo\n\nfunc f( {\n", []string{"a.go:3: syntax error: expected ')', found '{'", "a.go:4: syntax error: expected ')', found newline"}},
		{"not text", "\xff\xfe\x00", []string{"a.go:1: syntax error: illegal UTF-8 encoding (got UTF-16)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := texts(Check(demo, "a.go", []byte(test.source)))
			if test.name == "syntax" || test.name == "not text" {
				got, test.want = got[:1], test.want[:1] // The parser's list is its own business.
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestOwn(t *testing.T) {
	dir := folderOf(t, map[string]string{"a.go": "package demo\n\nimport \"log\"\n", "extra.go": good})
	require.Equal(t, []string{
		`lab9-demo/a.go:3: import "log" is not allowed in this lab`,
		"lab9-demo: b.go is missing",
	}, texts(Own(demo, dir)))
}
