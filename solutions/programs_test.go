package solutions

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Proves that the commands of the labs, built with the reference solutions, work
// with the programs that people use. What is missing is skipped and named with -v;
// with DISTSYS_INTEROP=require, as in continuous integration, it is a failure.
func TestCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers and moves half a gigabyte: left out by -short")
	}
	for lab, packages := range map[string]string{"lab3-dfs": "./lab3-dfs/cmd/..."} {
		t.Run(lab, func(t *testing.T) {
			overlay := strings.TrimSpace(command(t, "overlay", lab))
			cmd := exec.Command("go", "test", "-v", "-overlay", overlay, packages)
			cmd.Dir = ".."
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			for line := range strings.Lines(string(out)) {
				if strings.Contains(line, "--- SKIP") || strings.Contains(line, "apt-get install") {
					t.Log(strings.TrimSpace(line))
				}
			}
		})
	}
}
