package simtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The trace of a panic then names the world that its goroutine belongs to. The
// setting cannot be made in go.mod (Go 1.26 does not know it there).
func init() {
	setting := "tracebacklabels=1"
	if old := os.Getenv("GODEBUG"); old != "" {
		setting = old + "," + setting
	}
	os.Setenv("GODEBUG", setting)
}

// worlds are the running ones, by the number of their bubble.
var worlds sync.Map

// running counts the running worlds: they share the process's CPU time.
var running atomic.Int64

func newWorld(test string, seed uint64) *World {
	w := &World{seed: seed, test: test, status: Pass, rand: rand.New(rand.NewPCG(seed, Key(test)))}
	w.alone.L = &w.mu
	return w
}

// run runs body in the world, under the watchdog. When the world is stuck it
// is abandoned: its goroutines stay blocked, and cost no CPU.
func (w *World) run(t *testing.T, body func(w *World)) *Result {
	captureLogs()
	running.Add(1)
	defer running.Add(-1)
	began := time.Now()
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer func() { w.ended(recover()) }()
		synctest.Test(t, func(*testing.T) {
			// The labels show up in the trace when the process dies of a panic.
			labels := pprof.Labels("world", fmt.Sprintf("%s/seed=%d", w.test, w.seed))
			pprof.Do(context.Background(), labels, func(context.Context) { w.live(body, ready) })
		})
	}()
	<-ready
	newWatchdog(w).watch(done)
	worlds.Delete(w.bubble)
	return w.result(time.Since(began))
}

// ended sees the panic with which synctest ends when goroutines remain. The
// kit has looked at those already.
func (w *World) ended(panicked any) {
	if panicked == nil || strings.HasPrefix(fmt.Sprint(panicked), "deadlock:") {
		return
	}
	w.failAt(time.Duration(w.progress.Load()), Fail, fmt.Sprintf("the kit panicked: %v", panicked))
}

// live is the life of a world, inside its bubble.
func (w *World) live(body func(w *World), ready chan<- struct{}) {
	w.began = time.Now()
	w.broken = make(chan struct{})
	self := current()
	w.bubble = self.bubble
	w.root.Store(int64(self.id))
	worlds.Store(w.bubble, w)
	close(ready)

	stop := w.beat()
	bodyDone := make(chan struct{})
	go func() {
		defer close(bodyDone)
		w.guard(func() { body(w) })
	}()
	select {
	case <-bodyDone:
	case <-w.broken:
	}
	w.ending.Store(true)
	w.takeDown()
	stop()
	w.drain()
}

// beat shows the watchdog that virtual time moves, and brings the watchdog's
// decisions into the bubble.
func (w *World) beat() (stop func()) {
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
			}
			now := w.Now()
			w.progress.Store(int64(now))
			if now > maxVirtual && !w.unbounded && !w.ending.Load() && !w.aborted.Load() {
				w.fail(Stuck, fmt.Sprintf("the test did not end within %v of virtual time", maxVirtual))
				w.aborted.Store(true)
			}
			if w.aborted.Load() {
				w.abort()
			}
		}
	}()
	return func() { close(quit); <-gone }
}

// takeDown runs the cleanups, each with a bound on virtual time, and waits for
// the test's own goroutines.
func (w *World) takeDown() {
	for {
		w.mu.Lock()
		n := len(w.cleanups)
		var f func()
		if n > 0 {
			f = w.cleanups[n-1]
			w.cleanups = w.cleanups[:n-1]
		}
		w.mu.Unlock()
		if f == nil {
			break
		}
		w.within("a clean-up of the test (a Stop or Shutdown?)", f)
	}
	w.abort()
	w.within("a goroutine of the test (World.Go)", w.waitForHelpers)
}

// within runs f, and fails the world when it takes too long.
func (w *World) within(what string, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.guard(f)
	}()
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		w.fail(Stuck, fmt.Sprintf("%s did not end within %v of virtual time", what, stopTime))
	}
}

// result sums the world up. It is called outside the bubble, when the world
// has ended or is given up.
func (w *World) result(real time.Duration) *Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &Result{
		Test: w.test, Seed: w.seed, Status: w.status,
		Failures: w.failures, Notes: w.notes,
		Virtual: time.Duration(w.progress.Load()), Real: real,
		spins: w.spins.Load(),
	}
	if r.Failed() || w.keepLog {
		r.Events = w.frequent.merge(w.log.all())
	}
	return r
}
