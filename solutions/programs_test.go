package solutions

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Proves that the reference solutions, and the commands that are built with them,
// work with the programs that people use. What is missing is skipped and named with -v;
// with DISTSYS_INTEROP=require, as in continuous integration, it is a failure.
func TestPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers and moves half a gigabyte: left out by -short")
	}
	for lab, args := range map[string][]string{
		"lab1-sockets": {"-run", "Interop", "./lab1-sockets/..."},
		"lab2-rpc":     {"-run", "Interop", "./lab2-rpc/..."},
		"lab3-dfs":     {"./lab3-dfs/cmd/..."},
	} {
		t.Run(lab, func(t *testing.T) {
			overlay := strings.TrimSpace(command(t, "overlay", lab))
			cmd := exec.Command("go", append([]string{"test", "-v", "-overlay", overlay}, args...)...)
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
