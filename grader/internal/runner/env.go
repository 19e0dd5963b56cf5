package runner

import (
	"fmt"
	"os"
	"strings"
)

// passed are the variables that a test's process gets from ours. All others,
// tokens among them, are withheld.
var passed = []string{"PATH", "LANG", "LC_ALL", "TZ"}

// verdictVariable tells the kit where the secret is, and where to write to: to
// the first and the second of the files that the process gets besides the
// usual three.
const verdictVariable = "DISTSYS_VERDICT=3,4"

// environment returns the environment of a test's process. Scratch is its
// home and its folder for temporary files.
func environment(scratch string, o Options) []string {
	env := []string{
		"HOME=" + scratch,
		"TMPDIR=" + scratch,
		// The garbage collector works harder before the limit is reached.
		fmt.Sprintf("GOMEMLIMIT=%d", o.Limits.Memory/10*9),
		// The race detector would sleep for a second at exit.
		"GORACE=atexit_sleep_ms=0",
	}
	if o.Procs > 0 {
		env = append(env, fmt.Sprintf("GOMAXPROCS=%d", o.Procs))
	}
	for _, name := range passed {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// arguments returns the command line of a test's process.
func arguments(test string, o Options) []string {
	return []string{
		"-test.run=^" + test + "$",
		"-test.count=1",
		"-test.paniconexit0", // os.Exit(0) in a test panics, and so says where
		// Ours is the limit that counts. This one ends the process should the
		// grader die.
		"-test.timeout=" + (mostPatience*o.Limits.Time + 2*quitGrace).String(),
		"-logdir=" + o.LogDir,
		"-seedlist=" + strings.ReplaceAll(strings.Trim(fmt.Sprint(o.Seeds), "[]"), " ", ","),
	}
}

// toolEnvironment returns the environment for the go command: ours without
// what a continuous integration system keeps there, and without our secrets.
func toolEnvironment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "GITHUB_") && !strings.HasPrefix(kv, "ACTIONS_") && !strings.HasPrefix(kv, "DISTSYS_") {
			env = append(env, kv)
		}
	}
	return env
}
