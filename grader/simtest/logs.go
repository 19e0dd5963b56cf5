package simtest

import (
	"fmt"
	"log"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// captureLogs makes what code under test prints with log or log/slog join the
// event log of its world. With -v it is printed too.
var captureLogs = sync.OnceFunc(func() {
	log.SetFlags(0)
	log.SetOutput(logWriter{})
})

type logWriter struct{}

func (logWriter) Write(p []byte) (int, error) {
	w := thisWorld()
	text := strings.TrimRight(string(p), "\n")
	isTODO := strings.HasPrefix(text, todoMark)
	real := realTODO.Load()
	switch {
	case w != nil && isTODO:
		w.todo(text)
		return len(p), nil
	case w == nil && isTODO && real != nil:
		next := nextMark + text + todoPlace()
		real.CompareAndSwap(nil, &next) // the first one counts
		return len(p), nil
	case w == nil:
		return os.Stderr.Write(p)
	}
	w.Record(Event{Kind: "log", Detail: text})
	if testing.Verbose() {
		fmt.Fprintf(os.Stderr, "seed %d %s  %s\n", w.seed, clock(w.Now()), text)
	}
	return len(p), nil
}

// A lab's stubs log a line that begins so. The world then fails at once, with
// what is to be done next.
const (
	todoMark = "TODO("
	nextMark = "next: "
)

// realTODO is where the running [Real] test is told of a TODO, or nil.
var realTODO atomic.Pointer[atomic.Pointer[string]]

// todo fails the world: code under test came upon a stub.
func (w *World) todo(text string) {
	w.fail(Fail, nextMark+text+todoPlace())
	w.abort()
}

// todoPlace says where the stub is whose todo is logging, on a line of its own.
func todoPlace() string {
	var pcs [32]uintptr
	frames := callerFrames(pcs[:runtime.Callers(1, pcs[:])])
	for _, f := range goroutineOf(frames).user() {
		if !strings.HasSuffix(f.fn, ".todo") {
			return "\n" + places([]frame{f})
		}
	}
	return ""
}

// isTODO reports whether the world failed because something is still to be
// written.
func (r *Result) isTODO() bool {
	return len(r.Failures) > 0 && strings.HasPrefix(r.Failures[0].Message, nextMark+todoMark)
}
