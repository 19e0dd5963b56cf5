package launch

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func launched(t *testing.T, p Plan) (string, error) {
	p.Path, _ = exec.LookPath("sh")
	cmd, err := Command(p)
	require.NoError(t, err)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestLimits(t *testing.T) {
	out, err := launched(t, Plan{Files: 77, FileSize: 1 << 20, CPU: 9, Args: []string{"sh", "-c", "ulimit -n; ulimit -t; ulimit -Hn; ulimit -f"}})
	require.NoError(t, err, out)
	require.Equal(t, fmt.Sprintf("77\n9\n77\n%d", 1<<20/512), out)
}

// What is for the program is not in the environment of the launcher.
func TestEnvironment(t *testing.T) {
	out, err := launched(t, Plan{Env: []string{"FOR_IT=x"}, Args: []string{"sh", "-c", "echo $FOR_IT $0 $1", "a", "b"}})
	require.NoError(t, err, out)
	require.Equal(t, "x a b", out)
}

func TestCannotLaunch(t *testing.T) {
	cmd, err := Command(Plan{Path: "/nowhere", Args: []string{"x"}})
	require.NoError(t, err)
	out, err := cmd.CombinedOutput()
	require.Equal(t, failed, err.(*exec.ExitError).ExitCode())
	require.Equal(t, "cannot start the test: no such file or directory\n", string(out))
}
