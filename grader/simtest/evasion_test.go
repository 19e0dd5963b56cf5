package simtest_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"distsys/grader/simtest"
)

// evasive is a panic value that does not let itself be described.
type evasive struct{}

func (evasive) Error() string { runtime.Goexit(); return "" }

// Proves that code under test which ends the goroutine that was to check it
// fails the world: no check is left out unseen.
func TestGoexitIsNoPass(t *testing.T) {
	for name, body := range map[string]func(w *simtest.World){
		"in the body":  func(w *simtest.World) { runtime.Goexit() },
		"in a helper":  func(w *simtest.World) { w.Go(runtime.Goexit); w.Sleep(1) },
		"in a cleanup": func(w *simtest.World) { w.Cleanup(runtime.Goexit) },
		"while a failure is worded": func(w *simtest.World) {
			w.Fatalf("%v", evasive{})
		},
		"while a panic is worded": func(w *simtest.World) { panic(evasive{}) },
		"in a recovered panic": func(w *simtest.World) {
			defer func() { w.Panicked("server 1", recover()) }()
			panic(evasive{})
		},
	} {
		t.Run(name, func(t *testing.T) { require.True(t, simtest.Try(t, 1, body).Failed()) })
	}
}

// Proves that the worlds end when the test asks them to, without a failure of
// the kit's own: FailNow and Sleep end goroutines too.
func TestFailNowIsNamedOnce(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		w.Go(func() { w.Sleep(1 << 40) })
		w.Fatalf("as asked")
	})
	require.Len(t, r.Failures, 1)
}
