package interop_test

import (
	"os"
	"os/exec"
	"testing"

	"distsys/grader/interop"

	"github.com/stretchr/testify/require"
)

// A missing program skips the test, and says what to install; it fails where
// everything must be installed. A program that is there is found.
func TestNeed(t *testing.T) {
	require.NotEmpty(t, interop.Need(t, "go", "golang-go"))
	for _, c := range []struct{ setting, want string }{{"", "--- SKIP"}, {"require", "--- FAIL"}} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestMissing$", "-test.v")
		cmd.Env = append(os.Environ(), "DISTSYS_TEST_MISSING=1", interop.Variable+"="+c.setting)
		out, _ := cmd.CombinedOutput()
		require.Contains(t, string(out), c.want+": TestMissing")
		require.Contains(t, string(out), "no-such-program is not installed: sudo apt-get install some-package")
	}
}

// It is run by TestNeed.
func TestMissing(t *testing.T) {
	if os.Getenv("DISTSYS_TEST_MISSING") == "" {
		return
	}
	interop.Need(t, "no-such-program", "some-package")
}
