package runner

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func printed(t *testing.T, limit int64, text string) string {
	o, err := newOutput(limit)
	require.NoError(t, err)
	_, err = o.w.WriteString(text)
	require.NoError(t, err)
	return o.finish()
}

func TestOutput(t *testing.T) {
	require.Equal(t, "", printed(t, 100, ""))
	require.Equal(t, "hello", printed(t, 100, "hello"))
	full := strings.Repeat("x", 100)
	require.Equal(t, full, printed(t, 100, full))
	long := strings.Repeat("a", 50) + strings.Repeat("b", 100_000) + strings.Repeat("c", 50)
	require.Equal(t, strings.Repeat("a", 50)+"\n... 100000 bytes left out ...\n"+strings.Repeat("c", 50), printed(t, 100, long))
}

func TestOutputFlood(t *testing.T) {
	o, err := newOutput(100)
	require.NoError(t, err)
	o.w.WriteString(strings.Repeat("x", floodFactor*100+1))
	select {
	case <-o.flood:
	case <-time.After(10 * time.Second):
		t.Fatal("not noticed")
	}
	o.finish()
}
