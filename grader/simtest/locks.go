package simtest

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	_ "unsafe" // for go:linkname

	"github.com/sasha-s/go-deadlock"
)

// go-deadlock guards the mutexes of the labs: it notices double locks and
// lock-order inversions when they happen, and it knows who holds which lock.
// Its timeout is off: timers shared by several bubbles do not work.
func init() {
	deadlock.Opts.DeadlockTimeout = 0
	deadlock.Opts.LogBuf = &lockReport
	deadlock.Opts.OnPotentialDeadlock = lockMistake
}

// lockReport holds what go-deadlock prints before it calls lockMistake. Both
// happen under go-deadlock's own lock.
var lockReport bytes.Buffer

// deadlockOrder is go-deadlock's table of held locks. The package does not
// export it; the layout is that of v0.3.9, and TestHeldLocks watches it.
//
//go:linkname deadlockOrder github.com/sasha-s/go-deadlock.lo
var deadlockOrder *struct {
	mu  sync.Mutex
	cur map[any][]heldLock
}

type heldLock struct {
	stack []uintptr
	gid   int64
	_     *[50]uintptr
}

// A hold is a mutex that a goroutine holds.
type hold struct {
	mutex string // its address, as the runtime prints it
	since []frame
}

// heldLocks returns the locks held now, by goroutine. When locked is false it
// takes go-deadlock's lock.
func heldLocks(locked bool) map[int][]hold {
	if !locked {
		deadlockOrder.mu.Lock()
		defer deadlockOrder.mu.Unlock()
	}
	holds := map[int][]hold{}
	for mutex, holders := range deadlockOrder.cur {
		for _, h := range holders {
			since := goroutineOf(callerFrames(h.stack)).user()
			holds[int(h.gid)] = append(holds[int(h.gid)], hold{fmt.Sprintf("%p", mutex), since})
		}
	}
	return holds
}

// lockMistake is called by go-deadlock, inside Lock, with its own lock held.
func lockMistake() {
	report := lockReport.String()
	lockReport.Reset()
	w := thisWorld()
	if w == nil {
		return
	}
	if strings.Contains(report, "Recursive locking") {
		w.fail(Fail, doubleLock())
		return
	}
	w.fail(Fail, inversion(report))
}

func doubleLock() string {
	var pcs [64]uintptr
	now := goroutineOf(callerFrames(pcs[:runtime.Callers(1, pcs[:])])).user()
	var b strings.Builder
	b.WriteString("double lock: a goroutine locks a mutex that it holds already, and waits for itself for ever\n")
	for _, h := range heldLocks(true)[current().id] {
		b.WriteString("  it holds the mutex since\n" + places(h.since) + "\n")
	}
	b.WriteString("  and locks it again at\n" + places(now))
	return b.String()
}

// inversion words go-deadlock's report of two orders.
func inversion(report string) string {
	var b strings.Builder
	b.WriteString("lock-order inversion: two goroutines take the same two mutexes in opposite orders; one day each waits for the other\n")
	for line := range strings.Lines(report) {
		line = strings.TrimSpace(line)
		switch {
		case line == "happened before":
			b.WriteString("  one lock taken at\n")
		case line == "happened after":
			b.WriteString("  then the other at\n")
		case strings.HasPrefix(line, "in another goroutine"):
			b.WriteString(" and in another goroutine\n  one lock taken at\n")
		case strings.HasPrefix(line, "Other goroutines holding locks"):
			return strings.TrimRight(b.String(), "\n")
		case strings.Contains(line, ".go:") && !strings.Contains(line, " simtest.") && !strings.Contains(line, "go-deadlock@"):
			b.WriteString("    " + line + "\n")
		}
	}
	return strings.TrimRight(b.String(), "\n")
}
