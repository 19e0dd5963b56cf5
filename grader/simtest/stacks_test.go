package simtest_test

import (
	"fmt"
	"testing"

	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// While a goroutine of a bubble works for the garbage collector, a dump shows it
// outside. If it holds a mutex, its bubble looks stuck: the watchdog must see
// that somebody is astray, and look again.
func TestGoroutineAstray(t *testing.T) {
	const student = `distsys/lab1-sockets.(*Conn).Write(0xc0000b2000)
	/src/lab1-sockets/conn.go:140 +0x1d
created by distsys/lab1-sockets_test.send in goroutine 9
	/src/lab1-sockets/pair_test.go:30 +0x5f`
	const watchdog = `distsys/grader/simtest.(*watchdog).watch(0xc0000b2000)
	/src/grader/simtest/watchdog.go:40 +0x1d
distsys/grader/simtest_test.TestX(0xc0000b2000)
	/src/grader/simtest/x_test.go:30 +0x5f`
	const waits = `goroutine 7 [sync.Mutex.Lock, synctest bubble 3]:
distsys/lab1-sockets.(*Conn).Read(0xc0000b2000)
	/src/lab1-sockets/conn.go:100 +0x1d`
	for _, test := range []struct {
		state, stack string
		astray       bool
	}{
		{"GC assist wait", student, true},
		{"GC assist marking", student, true},
		{"garbage collection", student, true},
		{"wait for GC cycle", student, true},
		{"semacquire", student, true},
		{"running", student, true},
		{"runnable", student, true},
		{"chan receive", student, false},
		{"sync.WaitGroup.Wait", student, false},
		{"running, synctest bubble 4", student, false}, // another world's
		{`semacquire labels:{"world": "TestX/seed=3"}`, student, true},
		{`runnable labels:{"world": "TestX/seed=3"}`, student, true},
		{`chan receive labels:{"world": "TestX/seed=3"}`, student, false},
		{"running", watchdog, false},
	} {
		own, astray := simtest.SplitDump(fmt.Sprintf("%s\n\ngoroutine 8 [%s]:\n%s\n", waits, test.state, test.stack), 3)
		require.Equal(t, 1, own, test.state)
		require.Equal(t, test.astray, astray, test.state)
	}
}
