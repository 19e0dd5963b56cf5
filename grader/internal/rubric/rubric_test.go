package rubric

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const good = `lab: lab9-demo
title: A demonstration
total: 5
files: [a.go, b.go]
imports: [sync, time]
race: true
limits: {time: 90s, memory: 512MiB}
parts:
  - id: 9A
    title: First
    tests:
      - {name: TestOne9A, points: 2}
      - name: TestTwo9A
        points: 1
  - id: 9B
    title: Second
    tests:
      - {name: TestThree9B, points: 2, race: true}
ungraded:
  - {name: TestInterop, reason: needs a browser}
`

const tests = `package demo_test

import "testing"

func TestOne9A(t *testing.T)      {}
func TestTwo9A(t *testing.T)      {}
func TestThree9B(t *testing.T)    {}
func TestInterop(t *testing.T)    {}
func TestMain(m *testing.M)       {}
func Testify(t *testing.T)        {}
func TestHelper(t *testing.T, n int) {}
func BenchmarkIt(b *testing.B)    {}
`

// load writes a lab with the rubric and loads it.
func load(t *testing.T, rubric string) (*Rubric, error) {
	dir := filepath.Join(t.TempDir(), "lab9-demo")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, FileName), []byte(rubric), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "demo_test.go"), []byte(tests), 0o644))
	return Load(dir)
}

func TestLoad(t *testing.T) {
	r, err := load(t, good)
	require.NoError(t, err)
	require.Equal(t, "A demonstration", r.Title)
	require.Equal(t, Limits{Time: Duration(90 * time.Second), Memory: 512 << 20, Output: 1 << 20}, r.Limits)
	require.Equal(t, Count(5), r.Seeds)
	require.True(t, bool(r.Race))
	require.Equal(t, []Test{{"TestOne9A", 2, false, false}, {"TestTwo9A", 1, false, false}, {"TestThree9B", 2, true, false}}, r.Tests())
	require.Empty(t, r.Unlisted)
	require.Equal(t, Points(3), r.Parts[0].Points())
}

func TestMistakes(t *testing.T) {
	for _, test := range []struct{ name, old, new, want string }{
		{"unknown key", "race: true", "rase: true", `lab9-demo/rubric.yaml:6: unknown field "rase"`},
		{"unknown key of a test", "{name: TestOne9A, points: 2}", "{name: TestOne9A, pionts: 2}", `lab9-demo/rubric.yaml:12: unknown field "pionts"`},
		{"race in words", "points: 2, race: true", "points: 2, race: maybe", `lab9-demo/rubric.yaml:18: "maybe" is neither true nor false`},
		{"key twice", "race: true", "race: true\nrace: false", `lab9-demo/rubric.yaml:7: mapping key "race" already defined at [6:1]`},
		{"a quarter of a point", "points: 1", "points: 1.25", `lab9-demo/rubric.yaml:14: "1.25" is not a number of points, such as 2 or 0.5`},
		{"points in words", "points: 1", "points: one", `lab9-demo/rubric.yaml:14: "one" is not a number of points, such as 2 or 0.5`},
		{"no points", "points: 1\n", "points: 0\n", "lab9-demo/rubric.yaml:13: TestTwo9A must be worth at least half a point"},
		{"no unit", "memory: 512MiB", "memory: 512", `lab9-demo/rubric.yaml:7: "512" is not a size such as 64MiB or 1GiB`},
		{"bad duration", "time: 90s", "time: 90", `lab9-demo/rubric.yaml:7: "90" is not a duration such as 60s or 2m`},
		{"no seeds", "race: true", "seeds: 0", "lab9-demo/rubric.yaml:6: seeds must be at least 1"},
		{"wrong folder", "lab: lab9-demo", "lab: lab9", `lab9-demo/rubric.yaml:1: lab is "lab9", but the folder is lab9-demo`},
		{"no such test", "TestTwo9A", "TestTow9A", "lab9-demo/rubric.yaml:13: there is no test TestTow9A in lab9-demo"},
		{"test twice", "TestTwo9A", "TestOne9A", "lab9-demo/rubric.yaml:13: TestOne9A is listed twice, first in line 12"},
		{"test in two lists", "TestInterop", "TestThree9B", "lab9-demo/rubric.yaml:20: TestThree9B is listed twice, first in line 18"},
		{"wrong part", "id: 9A", "id: 9C", "lab9-demo/rubric.yaml:12: the name of TestOne9A does not end in its part, 9C"},
		{"wrong total", "total: 5", "total: 100", "lab9-demo/rubric.yaml:3: the tests add up to 5 points, total says 100"},
		{"no reason", ", reason: needs a browser", "", "lab9-demo/rubric.yaml:20: TestInterop needs a reason for being ungraded"},
		{"a test as a file", "b.go", "b_test.go", `lab9-demo/rubric.yaml:4: "b_test.go" is not the name of a Go file that a student can submit`},
		{"a path as a file", "b.go", "../b.go", `lab9-demo/rubric.yaml:4: "../b.go" is not the name of a Go file that a student can submit`},
		{"forbidden import", "sync", "unsafe", "lab9-demo/rubric.yaml:5: unsafe must not be allowed: it breaks the grader's protection"},
		{"forbidden name", "sync", "syscall.Exit", "lab9-demo/rubric.yaml:5: syscall.Exit must not be allowed: it breaks the grader's protection"},
		{"import by name only", "sync", "os", "lab9-demo/rubric.yaml:5: os must not be allowed as a whole: it reaches files, memory or flags; list what is needed of it, as in os.ErrDeadlineExceeded"},
		{"hidden in the open", "points: 2, race: true", "points: 2, hidden: true", "lab9-demo/rubric.yaml:18: TestThree9B is in demo_test.go: hidden is for the tests in hidden_test.go, and for all of them"},
		{"not YAML", "files: [a.go", "files: [a.go]]", "lab9-demo/rubric.yaml:4: "},
		{"two documents", "ungraded:", "---\nungraded:", "lab9-demo/rubric.yaml:20: a rubric is one YAML document"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Contains(t, good, test.old)
			_, err := load(t, strings.Replace(good, test.old, test.new, 1))
			require.ErrorContains(t, err, test.want)
		})
	}
}

// A test that the rubric does not know is for the caller to judge.
func TestUnlisted(t *testing.T) {
	r, err := load(t, strings.Replace(good, "  - {name: TestInterop, reason: needs a browser}", "  []", 1))
	require.NoError(t, err)
	require.Len(t, r.Unlisted, 1)
	require.EqualError(t, r.Unlisted[0], "lab9-demo/demo_test.go:8: TestInterop is in no part of rubric.yaml; give it points or list it under ungraded")
}

// Every mistake is reported, in the order of the lines.
func TestManyMistakes(t *testing.T) {
	_, err := load(t, strings.NewReplacer("total: 5", "total: 6", "TestThree9B", "TestFour9B").Replace(good))
	require.EqualError(t, err, `lab9-demo/rubric.yaml:3: the tests add up to 5 points, total says 6
lab9-demo/rubric.yaml:18: there is no test TestFour9B in lab9-demo`)
}

func TestAllowed(t *testing.T) {
	r := &Rubric{Imports: []string{"net", "math/rand/v2", "gopkg.in/yaml.v3", "os.ErrClosed", "os.IsTimeout", "reflect", "unsafe.Pointer"}}
	for _, test := range []struct {
		path  string
		names []string
		ok    bool
	}{
		{"net", nil, true}, {"math/rand/v2", nil, true}, {"gopkg.in/yaml.v3", nil, true},
		{"os", []string{"ErrClosed", "IsTimeout"}, true},
		{"net/http", nil, false}, {"reflect", nil, false}, {"unsafe", nil, false}, {"gopkg.in/yaml", nil, false},
	} {
		names, ok := r.Allowed(test.path)
		require.Equal(t, test.ok, ok, test.path)
		require.Equal(t, test.names, names, test.path)
	}
}

// A test in the lab's own package is in reach of a student's code.
func TestGradedTestsAreExternal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab9-demo")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, FileName), []byte(good), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "demo_test.go"), []byte(strings.Replace(tests, "demo_test", "demo", 1)), 0o644))
	_, err := Load(dir)
	require.ErrorContains(t, err, "lab9-demo/rubric.yaml:12: TestOne9A is in reach of a student's code: graded tests belong to a package whose name ends in _test")
}

// Hidden tests are in the solutions. A student's tree has neither.
func TestHidden(t *testing.T) {
	rubric := strings.Replace(good, "points: 2, race: true}", "points: 1, race: true}\n      - {name: TestHidden9B, points: 1, hidden: true}", 1)
	root := t.TempDir()
	dir := filepath.Join(root, "lab9-demo")
	write := func(name, text string) {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	write("lab9-demo/"+FileName, rubric)
	write("lab9-demo/demo_test.go", tests)
	r, err := Load(dir)
	require.NoError(t, err)
	require.False(t, r.HiddenHere)

	write("solutions/lab9-demo/demo.go", "package demo\n")
	_, err = Load(dir)
	require.EqualError(t, err, "lab9-demo/rubric.yaml:19: there is no test TestHidden9B in solutions/lab9-demo/hidden_test.go")

	hidden := "package demo_test\n\nimport \"testing\"\n\nfunc TestHidden9B(t *testing.T) {}\n"
	write("solutions/lab9-demo/"+HiddenFile, hidden)
	r, err = Load(dir)
	require.NoError(t, err)
	require.True(t, r.HiddenHere)
	require.True(t, bool(r.Tests()[3].Hidden))

	write("solutions/lab9-demo/"+HiddenFile, hidden+"\nfunc TestForgotten9B(t *testing.T) {}\n")
	r, err = Load(dir)
	require.NoError(t, err)
	require.EqualError(t, r.Unlisted[0], "solutions/lab9-demo/hidden_test.go:7: TestForgotten9B is in no part of rubric.yaml; give it points or list it under ungraded")
}

func TestSizeString(t *testing.T) {
	for s, want := range map[Size]string{1 << 30: "1 GiB", 1536 << 20: "1536 MiB", 100: "100 B"} {
		require.Equal(t, want, s.String())
	}
}
