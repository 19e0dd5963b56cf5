package simtest_test

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// verdicts runs TestScene as the grader would and returns the lines that came
// with the secret, and those that came without.
func verdicts(t *testing.T, scene, secret string, args ...string) (lines []map[string]any, forged int) {
	secretOut, secretIn, err := os.Pipe()
	require.NoError(t, err)
	verdictOut, verdictIn, err := os.Pipe()
	require.NoError(t, err)
	_, err = secretIn.WriteString(secret)
	require.NoError(t, err)
	secretIn.Close()

	cmd := exec.Command(os.Args[0], append([]string{"-test.run=^TestScene$", "-seeds=2", "-logdir", t.TempDir()}, args...)...)
	cmd.Env = append(os.Environ(), "SIMTEST_SCENE="+scene, "DISTSYS_VERDICT=3,4")
	cmd.ExtraFiles = []*os.File{secretOut, verdictIn}
	require.NoError(t, cmd.Start())
	secretOut.Close()
	verdictIn.Close()
	all, err := io.ReadAll(verdictOut)
	require.NoError(t, err)
	_ = cmd.Wait()

	for line := range strings.Lines(string(all)) {
		text, ok := strings.CutPrefix(line, secret+" ")
		if !ok {
			forged++
			continue
		}
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &m))
		lines = append(lines, m)
	}
	return lines, forged
}

var secret = strings.Repeat("0123456789abcdef", 4)

// The grader hears the plan, each seed, and the end.
func TestVerdict(t *testing.T) {
	lines, forged := verdicts(t, "none", secret)
	require.Zero(t, forged)
	require.Len(t, lines, 6)
	require.Equal(t, "plan", lines[0]["event"])
	require.Equal(t, []any{1.0, 2.0}, lines[0]["seeds"])
	require.Equal(t, map[string]any{"event": "done", "test": "TestScene", "seed": 0.0, "status": "pass"}, lines[5])
	passes := 0
	for _, l := range lines {
		if l["event"] == "seed" && l["status"] == "pass" {
			passes++
		}
	}
	require.Equal(t, 2, passes)
}

// A failure comes with its message.
func TestVerdictOfFailure(t *testing.T) {
	lines, _ := verdicts(t, "fail", secret)
	last := lines[len(lines)-1]
	require.Equal(t, "done", last["event"])
	require.Equal(t, "fail", last["status"])
	found := false
	for _, l := range lines {
		if m, ok := l["message"].(string); ok {
			found = found || strings.Contains(m, "as asked")
		}
	}
	require.True(t, found)
}

// A process that dies says nothing about the end.
func TestVerdictOfDeath(t *testing.T) {
	for _, scene := range []string{"panic", "exit"} {
		lines, _ := verdicts(t, scene, secret)
		for _, l := range lines {
			require.NotEqual(t, "done", l["event"])
			require.NotEqual(t, "pass", l["status"])
		}
	}
}

// The kit leaves nothing of the channel behind that code under test could use.
func TestVerdictLeavesNoTrace(t *testing.T) {
	lines, _ := verdicts(t, "environment", secret)
	require.Equal(t, "pass", lines[len(lines)-1]["status"])
}

// A secret that is too short is no secret.
func TestVerdictWithoutSecret(t *testing.T) {
	lines, forged := verdicts(t, "none", "short")
	require.Empty(t, lines)
	require.Zero(t, forged)
}

// The grader may choose the seeds.
func TestVerdictOfChosenSeeds(t *testing.T) {
	lines, _ := verdicts(t, "none", secret, "-seedlist=7,4000000000")
	require.Equal(t, []any{7.0, 4000000000.0}, lines[0]["seeds"])
	require.Equal(t, "pass", lines[len(lines)-1]["status"])
}
