package simtest

import (
	"fmt"
	"strings"
	"time"
)

// stuckMessage explains a world in which goroutines wait for mutexes whose
// holders wait too.
func stuckMessage(goroutines []goroutine) string {
	var b strings.Builder
	b.WriteString("stuck: virtual time cannot move, because a goroutine waits for a mutex whose holder waits as well.\n")
	holds := heldLocks(false)
	wanted := map[string]bool{}
	for i := range goroutines {
		if g := &goroutines[i]; g.waitsForMutex() {
			wanted[g.wantedMutex()] = true
		}
	}
	holders := 0
	for i := range goroutines {
		for _, h := range holds[goroutines[i].id] {
			if wanted[h.mutex] {
				holders++
				writeHolder(&b, &goroutines[i], h)
			}
		}
	}
	if holders == 0 {
		writeSuspects(&b, goroutines)
	}
	writeWaiters(&b, goroutines)
	b.WriteString("rule: never hold a mutex while you wait: not across an RPC, a channel operation, a sleep or a Wait.")
	return b.String()
}

// wantedMutex returns the address of the go-deadlock mutex that g waits for,
// or "" when it is of another kind. It is the last argument of
//
//	github.com/sasha-s/go-deadlock.lock(0x3d7d9caee7c0, {0x56cfc0, 0x3d7d9cba00e8})
func (g *goroutine) wantedMutex() string {
	for _, f := range g.frames {
		if strings.HasSuffix(f.fn, "/go-deadlock.lock") {
			return strings.Trim(f.args[strings.LastIndexByte(f.args, ' ')+1:], "{}?")
		}
	}
	return ""
}

func writeHolder(b *strings.Builder, g *goroutine, h hold) {
	fmt.Fprintf(b, "  goroutine %d holds the mutex. It locked it at\n%s\n", g.id, places(h.since[:min(1, len(h.since))]))
	fmt.Fprintf(b, "  and now waits (%s) at\n%s\n", g.state, places(g.user()))
}

// writeSuspects lists the goroutines that may hold the mutex, when it is not
// one that go-deadlock watches.
func writeSuspects(b *strings.Builder, goroutines []goroutine) {
	b.WriteString("  Who holds it is not known (a deadlock.Mutex would tell). These goroutines wait for something else:\n")
	for i := range goroutines {
		g := &goroutines[i]
		if user := g.user(); len(user) > 0 && g.durable && !strings.HasSuffix(user[0].file, "_test.go") {
			fmt.Fprintf(b, "  goroutine %d (%s)\n%s\n", g.id, g.state, places(user))
		}
	}
}

func writeWaiters(b *strings.Builder, goroutines []goroutine) {
	const most = 3
	n := 0
	for i := range goroutines {
		g := &goroutines[i]
		if !g.waitsForMutex() {
			continue
		}
		if n++; n <= most {
			fmt.Fprintf(b, "  goroutine %d waits for the mutex at\n%s\n", g.id, places(g.user()))
		}
	}
	if n > most {
		fmt.Fprintf(b, "  and %d more wait for it.\n", n-most)
	}
}

// busyMessage explains a world that burns CPU time while its clock stands
// still.
func busyMessage(g *goroutine) string {
	return fmt.Sprintf("busy loop: %v of CPU time passed while virtual time stood still. This goroutine runs without ever waiting:\n%s\nrule: wait with a channel, a sync.Cond or time.Sleep; never spin.",
		maxIdleCPU, places(g.user()))
}

// outsideMessage explains a world that waits for something outside it.
func outsideMessage(goroutines []goroutine) string {
	var b strings.Builder
	b.WriteString("stuck: virtual time cannot move, because a goroutine waits for something outside the simulated world\n" +
		"(a real socket, file or pipe, a lock inside a library, a channel or WaitGroup in a package-level variable):\n")
	for i := range goroutines {
		if g := &goroutines[i]; !g.durable && len(g.user()) > 0 {
			fmt.Fprintf(&b, "  goroutine %d (%s) at\n%s\n", g.id, g.state, places(g.user()))
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// grace is how long, in virtual time, goroutines may take to end after the
// servers have been stopped. Calls that wait for an answer end within it.
const grace = time.Minute

// drain lets virtual time run on until the goroutines have gone. Goroutines
// that are blocked for ever are noted. Goroutines that still tick fail the
// world. It runs last, in the world's root goroutine.
func (w *World) drain() {
	for _, d := range []time.Duration{grace / 6, grace - grace/6} {
		time.Sleep(d)
		if len(w.leftover()) == 0 {
			return
		}
	}
	// Let decades pass. Where nothing ticks this takes no time at all; where
	// something does, the watchdog sees it run.
	w.draining.Store(true)
	for d := time.Second; d < 1<<29*time.Second && !w.ticking.Load(); d *= 2 {
		time.Sleep(d)
	}
	w.draining.Store(false)
	if w.ticking.Load() {
		return
	}
	for _, g := range w.leftover() {
		if g.asleep() {
			w.sawTicking(&g)
			return
		}
		w.note("goroutine %d is blocked for ever (%s) at\n%s", g.id, g.state, places(g.user()))
	}
}

func (w *World) sawTicking(g *goroutine) {
	if !w.ticking.Swap(true) {
		at := time.Duration(w.progress.Load()) // The watchdog calls this too, outside the bubble.
		w.failAt(at, Fail, "a goroutine still runs after Stop. It must end:\n"+places(g.user()))
	}
}

// leftover returns the goroutines of the world other than the kit's own.
func (w *World) leftover() []goroutine {
	var rest []goroutine
	for _, g := range bubbleStacks(w.bubble) {
		if int64(g.id) != w.root.Load() && len(g.user()) > 0 {
			rest = append(rest, g)
		}
	}
	return rest
}
