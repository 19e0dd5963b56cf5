package simtest

import (
	"fmt"
	"strings"
	"syscall"
	"time"
)

const (
	lookEvery = 100 * time.Millisecond // real
	// outsideLooks is how many looks in a row must show a world that waits
	// for something outside, a socket or a channel made elsewhere, before it
	// is given up: unlike a mutex of its own, that may still come free.
	outsideLooks = 50
)

// A watchdog looks at a world from outside its bubble, in real time. Where it
// judges, it judges by what the goroutines do and by CPU time, which a busy
// machine does not stretch, and never by the real time that has passed.
type watchdog struct {
	w        *World
	progress int64
	cpu      time.Duration // of the process, at the last look
	total    time.Duration // CPU time of this world
	idle     time.Duration // CPU time since the clock last moved
	suspect  string        // fingerprint of the blocked world that the last look saw
	seen     int           // looks in a row that saw suspect
}

func newWatchdog(w *World) *watchdog {
	return &watchdog{w: w, progress: w.progress.Load(), cpu: processCPU()}
}

// watch returns when the world has ended, or is beyond help.
func (d *watchdog) watch(done <-chan struct{}) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			if d.look() {
				return
			}
		}
	}
}

// look reports whether the world has to be given up.
func (d *watchdog) look() bool {
	spent := d.spent()
	if d.w.draining.Load() {
		d.w.sampleTicking()
	}
	if p := d.w.progress.Load(); p != d.progress {
		d.progress, d.idle, d.suspect = p, 0, ""
		d.checkTotal()
		return false
	}
	goroutines, astray := stacks(d.w.bubble)
	if astray { // It may be the one that holds the mutex: this look tells nothing.
		d.suspect = ""
		return false
	}
	if runner := busy(goroutines); runner != nil {
		d.suspect = ""
		d.idle += spent
		if d.idle < maxIdleCPU {
			return false
		}
		d.w.spins.Store(true)
		return d.giveUp(busyMessage(runner))
	}
	return d.blocked(goroutines)
}

// spent returns this world's share of the CPU time since the last look.
func (d *watchdog) spent() time.Duration {
	now := processCPU()
	spent := (now - d.cpu) / time.Duration(max(1, running.Load()))
	d.cpu = now
	d.total += spent
	return spent
}

// checkTotal ends a world in which time moves, but hardly.
func (d *watchdog) checkTotal() {
	if d.total < maxCPU || d.w.unbounded || d.w.aborted.Load() {
		return
	}
	d.fail(fmt.Sprintf("the world took more than %v of CPU time for %v of virtual time. Is a loop polling without a pause?",
		maxCPU, time.Duration(d.progress).Round(time.Millisecond)))
	d.w.halted.Store(true)
	d.w.aborted.Store(true)
}

// busy returns a goroutine that has work to do.
func busy(goroutines []goroutine) *goroutine {
	for i := range goroutines {
		if g := &goroutines[i]; g.runs() {
			return g
		}
	}
	return nil
}

// blocked judges a bubble in which nothing runs and time stands still.
func (d *watchdog) blocked(goroutines []goroutine) bool {
	var mutexes, outside int
	var print strings.Builder
	for i := range goroutines {
		g := &goroutines[i]
		fmt.Fprintf(&print, "%d %s\n", g.id, g.state)
		switch {
		case g.durable:
		case g.waitsForMutex() && lockedByUser(g):
			mutexes++
		default:
			outside++
		}
	}
	if print.String() != d.suspect {
		d.suspect, d.seen = print.String(), 0
	}
	d.seen++
	switch {
	case mutexes > 0 && outside == 0 && d.seen >= 2:
		return d.giveUp(stuckMessage(goroutines))
	case outside > 0 && d.seen >= outsideLooks:
		return d.giveUp(outsideMessage(goroutines))
	}
	return false
}

// lockedByUser reports whether the code under test itself locks the mutex that
// g waits for. A mutex inside a library may be shared by all worlds, and come
// free by itself.
func lockedByUser(g *goroutine) bool {
	for _, f := range g.frames {
		switch {
		case strings.HasPrefix(f.fn, "sync.(*Pool)"):
			return false
		case strings.Contains(f.fn, "go-deadlock.(*lockOrder)"):
			return false
		case strings.HasPrefix(f.fn, "sync."), strings.HasPrefix(f.fn, "internal/sync."), strings.HasPrefix(f.fn, "runtime."),
			strings.Contains(f.fn, "/go-deadlock."):
			continue
		}
		return f.user()
	}
	return false
}

// fail records a failure at the virtual time that the world last showed.
func (d *watchdog) fail(message string) {
	d.w.failAt(time.Duration(d.w.progress.Load()), Stuck, message)
}

// giveUp ends the watch. A world that had failed before keeps its first
// failure.
func (d *watchdog) giveUp(message string) bool {
	if !d.w.Failed() {
		d.fail(message)
	}
	return true
}

// sampleTicking looks for goroutines that run although the world is over.
func (w *World) sampleTicking() {
	for range 10 {
		for _, g := range bubbleStacks(w.bubble) {
			if g.runs() && int64(g.id) != w.root.Load() && len(g.user()) > 0 {
				w.sawTicking(&g)
				return
			}
		}
	}
}

// processCPU returns the CPU time of this process.
func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
