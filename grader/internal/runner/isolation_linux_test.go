package runner

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"distsys/grader/internal/launch"
)

// Both ways to isolate a process bring a network up in which there is nothing
// but a loopback interface.
func TestIsolation(t *testing.T) {
	for name, way := range map[string]func(*syscall.SysProcAttr){"as root": asRoot, "as anybody": asAnybody} {
		t.Run(name, func(t *testing.T) {
			if err := tryIsolation(way); err != nil {
				t.Skip("not permitted here: ", err)
			}
			cmd, err := launch.Command(launch.Plan{Loopback: true, Path: "/bin/sh", Args: []string{"sh", "-c", "tail -n +3 /proc/self/net/dev; echo $$"}})
			require.NoError(t, err)
			cmd.SysProcAttr = ownGroup()
			way(cmd.SysProcAttr)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Regexp(t, `^\s*lo:.*\n1\n$`, string(out))
		})
	}
}
