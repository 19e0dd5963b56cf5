package simtest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a world. A correct test stays far below them.
const (
	maxVirtual  = time.Hour        // virtual time the body may take
	maxEvents   = 500_000          // events in the log
	maxFrequent = 5_000_000        // events that are many by nature
	maxCPU      = 60 * time.Second // CPU time of a world
	maxIdleCPU  = 5 * time.Second  // CPU time during which the clock did not move

	heartbeat = 50 * time.Millisecond // virtual; how often the world looks at its own state
	stopTime  = time.Minute           // virtual; how long a cleanup may take
)

// A World is one simulated run of a test body. It has a seed, a virtual clock
// and an event log. It satisfies testify's TestingT, so that
// require.Equal(w, ...) works; FailNow ends the goroutine that calls it and
// makes every other goroutine of the test end at its next Sleep.
//
// Its methods may be called from any goroutine of the world unless they say
// otherwise.
type World struct {
	seed   uint64
	test   string
	began  time.Time // virtual
	bubble int       // the number that the runtime gave the bubble
	rand   *rand.Rand
	broken chan struct{} // closed inside the bubble once the world has to end

	unbounded bool // for benchmarks
	keepLog   bool // the result has the event log even when the world passes

	mu       sync.Mutex // held for a few instructions at a time
	log      journal
	frequent ring
	failures []Failure
	notes    []string
	cleanups []func()
	helpers  int       // goroutines of Go that run; no WaitGroup: the body may call Go while its world ends
	alone    sync.Cond // helpers is 0; its lock is mu
	status   Status
	closed   bool // broken is closed

	aborted  atomic.Bool  // the world has to end
	halted   atomic.Bool  // the world ran over its bounds: the kit's callers freeze
	ending   atomic.Bool  // the body has returned
	draining atomic.Bool  // only leftover goroutines remain
	ticking  atomic.Bool  // the watchdog saw a leftover goroutine run
	spins    atomic.Bool  // the world is given up while a goroutine of it runs
	progress atomic.Int64 // virtual nanoseconds at the last heartbeat or event
	root     atomic.Int64 // goroutine that drains
}

// Seed returns the seed of this world.
func (w *World) Seed() uint64 { return w.seed }

// Rand returns the body's own source of random choices. Only the goroutine
// that runs the body may use it; elsewhere use [World.Dice].
func (w *World) Rand() *rand.Rand { return w.rand }

// Now returns the virtual time since the world began.
func (w *World) Now() time.Duration { return time.Since(w.began) }

// Sleep waits for a span of virtual time. It ends the calling goroutine, by
// runtime.Goexit, once the world has to end. It is for the test's own
// goroutines.
func (w *World) Sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.broken:
	}
	if w.aborted.Load() {
		runtime.Goexit()
	}
}

// Eventually checks cond now and every 10 virtual milliseconds. When within
// has passed and cond still is false, the world fails with the message.
func (w *World) Eventually(within time.Duration, cond func() bool, format string, args ...any) {
	for deadline := w.Now() + within; !cond(); w.Sleep(10 * time.Millisecond) {
		if w.Now() >= deadline {
			w.Fatalf("not within %v: %s", within, fmt.Sprintf(format, args...))
		}
	}
}

// Go runs f in a goroutine of the test. A panic in f fails the world. The
// world's end waits for f.
func (w *World) Go(f func()) {
	w.mu.Lock()
	w.helpers++
	w.mu.Unlock()
	go func() {
		defer w.helperEnded()
		w.guard(f)
	}()
}

func (w *World) helperEnded() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.helpers--; w.helpers == 0 {
		w.alone.Broadcast()
	}
}

// waitForHelpers waits for the goroutines of Go.
func (w *World) waitForHelpers() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.helpers > 0 {
		w.alone.Wait()
	}
}

// Working tells the watchdog that the kit itself computes something at length,
// which is no busy loop. Virtual time moves by a nanosecond.
func (w *World) Working() {
	time.Sleep(time.Nanosecond)
	w.progress.Store(int64(w.Now()))
}

// Cleanup registers f to run inside the bubble when the body has returned,
// last registered first. This is where servers are stopped.
func (w *World) Cleanup(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cleanups = append(w.cleanups, f)
}

// Ending reports whether the body has returned and the world is being taken
// down.
func (w *World) Ending() bool { return w.ending.Load() }

// Halted reports whether the world ran over its bounds. The kit then blocks
// every caller for ever, so that a storm ends.
func (w *World) Halted() bool { return w.halted.Load() }

// Failed reports whether the world has failed so far.
func (w *World) Failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.failures) > 0
}

// Helper does nothing; it is there for testify.
func (w *World) Helper() {}

// Logf adds a note by the test to the event log.
func (w *World) Logf(format string, args ...any) {
	w.Record(Event{Kind: "note", Detail: fmt.Sprintf(format, args...)})
}

// Errorf records a failure. The world goes on.
func (w *World) Errorf(format string, args ...any) {
	w.fail(Fail, readable(fmt.Sprintf(format, args...)))
}

// FailNow ends the calling goroutine, and the test's other goroutines at
// their next Sleep.
func (w *World) FailNow() {
	w.abort()
	runtime.Goexit()
}

// Fatalf is Errorf and FailNow.
func (w *World) Fatalf(format string, args ...any) {
	w.fail(Fail, fmt.Sprintf(format, args...))
	w.FailNow()
}

// Record adds an event to the log. Events count towards the world's bound.
func (w *World) Record(e Event) {
	if e.At == 0 {
		e.At = w.Now()
	}
	w.progress.Store(int64(e.At))
	w.mu.Lock()
	w.log.add(e)
	over := w.log.n == maxEvents && !w.unbounded
	w.mu.Unlock()
	if over {
		w.storm(maxEvents)
	}
}

// RecordFrequent is Record for events that are many by nature, such as
// datagrams. The log keeps the last 8,192 of them, and they have a bound of
// their own.
func (w *World) RecordFrequent(e Event) {
	if e.At == 0 {
		e.At = w.Now()
	}
	w.progress.Store(int64(e.At))
	w.mu.Lock()
	w.frequent.add(e, w.log.n)
	over := w.frequent.n == maxFrequent && !w.unbounded
	w.mu.Unlock()
	if over {
		w.storm(maxFrequent)
	}
}

func (w *World) storm(events int) {
	w.Overrun("a storm: %d events in %v of virtual time. Some loop sends without end.", events, w.Now())
}

// Overrun ends a world in which too much happens: it fails, and from now on it
// is [World.Halted].
func (w *World) Overrun(format string, args ...any) {
	if !w.halted.Swap(true) {
		w.fail(Stuck, fmt.Sprintf(format, args...))
	}
	w.abort()
}

// fail notes a failure, in the list and in the log. The world's status is that
// of its first failure. It must be called inside the bubble; failAt need not.
func (w *World) fail(status Status, message string) { w.failAt(w.Now(), status, message) }

func (w *World) failAt(at time.Duration, status Status, message string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.failures) == 0 {
		w.status = status
	}
	w.failures = append(w.failures, Failure{At: at, Message: message})
	w.log.add(Event{At: at, Kind: "fail", Detail: message})
}

func (w *World) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, fmt.Sprintf(format, args...))
}

// abort makes the test's goroutines end. It must be called inside the bubble.
func (w *World) abort() {
	w.aborted.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		close(w.broken)
	}
}

// guard runs f and turns a panic into a failure. So it does with a goroutine
// that ends before f returns, unless the world has to end: the checks that
// were still to come must not be left out.
func (w *World) guard(f func()) {
	returned := false
	defer func() {
		switch r := recover(); {
		case r != nil:
			w.panicked("panic", r)
		case !returned && !w.aborted.Load():
			w.fail(Fail, "a goroutine of the test was ended before it was done (runtime.Goexit in the code under test?)")
			w.abort()
		}
	}()
	f()
	returned = true
}

// Panicked records the panic value of code under test that the kit recovered
// from: what says who did what ("server 2 in Raft.AppendEntries"). Call it in
// the deferred function that recovered.
func (w *World) Panicked(what string, value any) { w.panicked(what+" panicked", value) }

// panicked fails the world, even when the value's own Error or String method
// does not return.
func (w *World) panicked(what string, value any) {
	stack := panicStack()
	text := "a value that cannot be shown"
	defer func() {
		w.fail(Panic, fmt.Sprintf("%s: %s\n%s", what, text, stack))
		w.abort()
	}()
	text = fmt.Sprint(value)
}
