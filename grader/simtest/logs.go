package simtest

import (
	"fmt"
	"log"
	"os"
	"runtime"
	"strings"
	"sync"
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
	if w == nil {
		return os.Stderr.Write(p)
	}
	text := strings.TrimRight(string(p), "\n")
	if strings.HasPrefix(text, todoMark) {
		w.todo(text)
		return len(p), nil
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

// todo fails the world: code under test came upon a stub.
func (w *World) todo(text string) {
	var pcs [32]uintptr
	frames := callerFrames(pcs[:runtime.Callers(1, pcs[:])])
	where := ""
	for _, f := range goroutineOf(frames).user() {
		if !strings.HasSuffix(f.fn, ".todo") {
			where = "\n" + places([]frame{f})
			break
		}
	}
	w.fail(Fail, nextMark+text+where)
	w.abort()
}

// isTODO reports whether the world failed because something is still to be
// written.
func (r *Result) isTODO() bool {
	return len(r.Failures) > 0 && strings.HasPrefix(r.Failures[0].Message, nextMark+todoMark)
}
