// Package interop is for tests that let real programs talk to a lab's servers.
// They earn no points. A test whose program is missing is skipped, and says what
// to install - but it fails when DISTSYS_INTEROP=require is set, as continuous
// integration does: there everything is installed.
package interop

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Variable is the environment variable that says whether programs may be missing.
const Variable = "DISTSYS_INTEROP"

// required reports whether a missing program is a failure.
func required() bool { return os.Getenv(Variable) == "require" }

// missing ends a test whose program is not there.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if required() {
		t.Fatalf(format+" (%s=require is set)", append(args, Variable)...)
	}
	t.Skipf(format, args...)
}

// Need returns the path of a program. Without it the test is skipped.
func Need(t testing.TB, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, "%s is not installed: sudo apt-get install %s", program, debianPackage)
	}
	return path
}

// Python returns a Python interpreter that has a module. Debian's own interpreter
// has Debian's modules, whatever else comes first in PATH.
func Python(t testing.TB, module, debianPackage string) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import "+module).Run() == nil {
			return python
		}
	}
	missing(t, "no Python with the module %s: sudo apt-get install %s", module, debianPackage)
	return ""
}

// NPM returns the folder that holds these npm packages, for the variable
// NODE_PATH. They are fetched once and kept in the user's cache. A package is named
// with its version, as in webhdfs@1.2.0.
func NPM(t testing.TB, packages ...string) (nodePath string) {
	t.Helper()
	Need(t, "node", "nodejs")
	Need(t, "npm", "npm")
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	packages = slices.Sorted(slices.Values(packages))
	sum := sha256.Sum256([]byte(strings.Join(packages, " ")))
	dir := filepath.Join(cache, "distsys", "npm", fmt.Sprintf("%x", sum[:8]))
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules
	}
	// Another test may do the same: each works in a folder of its own, and the
	// first to end wins.
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "install-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	args := append([]string{"install", "--prefix", work, "--no-audit", "--no-fund", "--no-save", "--loglevel=error"}, packages...)
	if out, err := exec.Command("npm", args...).CombinedOutput(); err != nil {
		missing(t, "npm cannot install %s: %v\n%s", strings.Join(packages, " "), err, out)
	}
	if err := os.Rename(work, dir); err != nil {
		if _, err := os.Stat(modules); err != nil {
			t.Fatal(err)
		}
	}
	return modules
}
