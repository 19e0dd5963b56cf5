package runner

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPatient(t *testing.T) {
	busy, idle := 10*float64(runtime.NumCPU()), 0.5
	for _, test := range []struct {
		elapsed, cpu time.Duration
		load         float64
		want         bool
	}{
		{60 * time.Second, time.Second, idle, false},      // it waits for nothing
		{60 * time.Second, time.Second, busy, true},       // it waits for its turn
		{60 * time.Second, 31 * time.Second, busy, false}, // it had its turn
		{240 * time.Second, 1 * time.Second, busy, false}, // enough is enough
		{239 * time.Second, 29 * time.Second, busy, true},
	} {
		require.Equal(t, test.want, patient(time.Minute, test.elapsed, test.cpu, test.load), test)
	}
}

func TestProcessorTime(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	for began := time.Now(); time.Since(began) < 10*time.Second && cpuTime(os.Getpid()) == 0; {
	}
	require.Positive(t, cpuTime(os.Getpid()))
	require.GreaterOrEqual(t, loadAverage(), 0.0)
}
