package main

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the screens in testdata/script")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"grader": main})
}

// The command line, as terminal sessions. Each starts in a course of two tiny
// labs, testdata/course, to which the script's own files are added.
func TestScripts(t *testing.T) {
	env := goEnvironment(t)
	grader, err := exec.LookPath("grader")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Condition: func(cond string) (bool, error) {
			return cond == "race" && hasRaceDetector(), nil
		},
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, env...)
			e.Vars = append(e.Vars, "GRADER="+grader)
			return layOut(e)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":  exits,
			"screen": screen,
			"zipped": zipped,
		},
	})
}

// goEnvironment returns what the go command needs, for it has another home in
// a script. It must not need the network.
func goEnvironment(t *testing.T) []string {
	names := []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOROOT"}
	out, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"GOPROXY=off", "GOFLAGS=", "GOTOOLCHAIN=local"}
	for i, value := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		env = append(env, names[i]+"="+value)
	}
	return env
}

func hasRaceDetector() bool {
	out, err := exec.Command("go", "env", "CGO_ENABLED", "CC").Output()
	if err != nil {
		return false
	}
	fields := strings.Fields(string(out))
	if len(fields) < 2 || fields[0] != "1" {
		return false
	}
	_, err = exec.LookPath(fields[1])
	return err == nil
}

// layOut puts the course below the script's own files.
func layOut(e *testscript.Env) error {
	if err := addMissing(e.WorkDir, filepath.Join("testdata", "course")); err != nil {
		return err
	}
	return writeModule(e.WorkDir)
}

// writeModule makes a folder a module, distsys/course, that takes the kit from
// this repository.
func writeModule(dir string) error {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	text := strings.Replace(string(gomod), "module distsys\n",
		"module distsys/course\n\nrequire distsys v0.0.0\n\nreplace distsys => "+strconv.Quote(root)+"\n", 1)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644); err != nil {
		return err
	}
	gosum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), gosum, 0o644)
}

// addMissing copies the files of a folder that are not yet in dir.
func addMissing(dir, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		if _, err := os.Lstat(to); err == nil {
			return nil
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o644)
	})
}

// exits runs a command and checks its exit status: exits STATUS COMMAND...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	status := 0
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		status = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("exit status %d, not %s", status, args[0])
	}
}

// varying is what differs from run to run in what the grader prints.
var varying = regexp.MustCompile(`\d+\.\d\d\n|\S+/distsys-logs-\d+`)

// screen writes what the last command printed to the file screen, without
// what varies.
func screen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: screen")
	}
	text := varying.ReplaceAllStringFunc(ts.ReadFile("stdout"), func(s string) string {
		if strings.HasSuffix(s, "\n") {
			return "0.00\n"
		}
		return "LOGS"
	})
	ts.Check(os.WriteFile(ts.MkAbs("screen"), []byte(text), 0o644))
}
