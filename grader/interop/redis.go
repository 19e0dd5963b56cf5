package interop

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// took is a line by which redis-cli says how long a command took, when that was
// more than half a second.
var took = regexp.MustCompile(`(?m)^\(\d+\.\d\ds\)\n`)

// RedisCLI has redis-cli send the lines of a script to a port of this machine, and
// returns what it prints, as on a terminal but without the times of slow commands.
func RedisCLI(t testing.TB, port, script string) string {
	t.Helper()
	cmd := exec.Command(Need(t, "redis-cli", "redis-tools"), "--no-raw", "-p", port)
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli -p %s: %v\n%s", port, err, out)
	}
	return took.ReplaceAllString(string(out), "")
}
