package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func supervised(t *testing.T, limits Limits, script string) ending {
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = t.TempDir()
	e, err := supervise(t.Context(), cmd, bounds{Limits: limits}, nil)
	require.NoError(t, err)
	return e
}

func TestSuperviseExit(t *testing.T) {
	e := supervised(t, Limits{Time: time.Minute}, "exit 5")
	require.Equal(t, itself, e.cause)
	require.Equal(t, 5, e.exit)
}

func TestSuperviseSignal(t *testing.T) {
	e := supervised(t, Limits{Time: time.Minute}, "kill -9 $$")
	require.EqualValues(t, 9, e.signal)
}

// A process that ignores the request for a dump is killed all the same.
func TestSuperviseTimeout(t *testing.T) {
	e := supervised(t, Limits{Time: 100 * time.Millisecond}, "trap '' QUIT; while :; do sleep 0.1; done")
	require.Equal(t, overTime, e.cause)
	require.Less(t, e.elapsed, 20*time.Second)
}

// What a process leaves behind in its group is killed.
func TestSuperviseGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alive")
	supervised(t, Limits{Time: time.Minute}, "(sleep 0.5; touch "+file+") & exit 0")
	time.Sleep(time.Second)
	_, err := os.Stat(file)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// The memory of children counts.
func TestSuperviseMemory(t *testing.T) {
	if _, err := exec.LookPath("awk"); err != nil {
		t.Skip("needs awk")
	}
	hog := `awk 'BEGIN { for (;;) x[n++] = "a string that takes some room" n }' & wait`
	e := supervised(t, Limits{Time: time.Minute, Memory: 64 << 20}, hog)
	require.Equal(t, overMemory, e.cause)
}
