package simtest

import (
	"bytes"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A goroutine is one block of a runtime stack dump.
type goroutine struct {
	id      int
	bubble  int    // 0 outside a bubble
	state   string // as the runtime prints it, without "(durable)"
	durable bool   // blocked so that only the bubble itself can wake it
	frames  []frame
	creator frame // the go statement that started it
}

// A frame is one call on a stack.
type frame struct {
	fn   string // package path and function: distsys/lab4-raft.(*Raft).tick
	args string // as the runtime prints them
	file string
	line int
}

// waitsForMutex reports whether the goroutine waits for a mutex.
func (g *goroutine) waitsForMutex() bool {
	return strings.HasPrefix(g.state, "sync.Mutex.Lock") || strings.HasPrefix(g.state, "sync.RWMutex.")
}

// asleep reports whether the goroutine waits for time and nothing else.
func (g *goroutine) asleep() bool { return g.state == "sleep" }

// runs reports whether the goroutine has work to do.
func (g *goroutine) runs() bool {
	return g.state == "running" || g.state == "runnable" || strings.HasPrefix(g.state, "preempted")
}

// astray reports whether the goroutine may belong to some bubble although the
// dump says that it is in none: while a goroutine works for the garbage
// collector, the runtime takes it out of its bubble (gcAssistAlloc and gcStart,
// Go 1.25 and later).
func (g *goroutine) astray() bool {
	collects := strings.HasPrefix(g.state, "GC ") || strings.HasPrefix(g.state, "garbage collection") ||
		g.state == "semacquire" || g.state == "wait for GC cycle"
	return g.bubble == 0 && (collects || g.runs()) && len(g.user()) > 0 && !g.watches()
}

// watches reports whether the goroutine is that of a watchdog.
func (g *goroutine) watches() bool {
	return slices.ContainsFunc(g.frames, func(f frame) bool { return strings.HasSuffix(f.fn, "simtest.(*watchdog).watch") })
}

// user returns the frames of code under test and of the test, innermost first.
func (g *goroutine) user() []frame {
	var user []frame
	for _, f := range g.frames {
		if f.user() {
			user = append(user, f)
		}
	}
	return user
}

const module = "distsys/"

// user reports whether the frame is of a lab, a solution or a test, and not of
// the kit, a library or the runtime.
func (f frame) user() bool {
	if strings.HasSuffix(f.file, "_test.go") {
		return true
	}
	return strings.HasPrefix(f.fn, module) && !f.kit()
}

func (f frame) kit() bool {
	return strings.HasPrefix(f.fn, module+"grader/sim") && !strings.HasSuffix(f.file, "_test.go")
}

// place is the frame for people: (*Raft).tick  election.go:57.
func (f frame) place() string {
	fn := f.fn[strings.LastIndexByte(f.fn, '/')+1:]
	_, fn, _ = strings.Cut(fn, ".")
	return fn + "  " + filepath.Base(f.file) + ":" + strconv.Itoa(f.line)
}

// current describes the calling goroutine, without frames.
func current() goroutine {
	var buf [96]byte
	g, _ := parseHeader(string(buf[:runtime.Stack(buf[:], false)]))
	return g
}

// thisWorld returns the world whose goroutine calls, or nil.
func thisWorld() *World {
	if w, ok := worlds.Load(current().bubble); ok {
		return w.(*World)
	}
	return nil
}

var dumpPool = sync.Pool{New: func() any { b := make([]byte, 1<<18); return &b }}

// bubbleStacks returns the goroutines of one bubble.
func bubbleStacks(bubble int) []goroutine {
	own, _ := stacks(bubble)
	return own
}

// stacks returns the goroutines of one bubble, and whether there may be more,
// because one is astray.
func stacks(bubble int) (own []goroutine, astray bool) {
	p := dumpPool.Get().(*[]byte)
	defer dumpPool.Put(p)
	n := runtime.Stack(*p, true)
	for n == len(*p) {
		*p = make([]byte, 2*len(*p))
		n = runtime.Stack(*p, true)
	}
	return splitDump((*p)[:n], bubble)
}

func splitDump(dump []byte, bubble int) (own []goroutine, astray bool) {
	for block := range bytes.SplitSeq(dump, []byte("\n\n")) {
		g, ok := parseGoroutine(string(block))
		switch {
		case !ok:
		case g.bubble == bubble:
			own = append(own, g)
		case g.astray():
			astray = true
		}
	}
	return own, astray
}

// parseGoroutine reads one block of a dump.
func parseGoroutine(block string) (goroutine, bool) {
	lines := strings.Split(strings.TrimSpace(block), "\n")
	g, ok := parseHeader(lines[0])
	if !ok {
		return g, false
	}
	for i := 1; i+1 < len(lines); i += 2 {
		if creator, ok := strings.CutPrefix(lines[i], "created by "); ok {
			creator, _, _ = strings.Cut(creator, " in goroutine ")
			g.creator = parseFrame(creator+"()", lines[i+1])
			break
		}
		g.frames = append(g.frames, parseFrame(lines[i], lines[i+1]))
	}
	return g, true
}

// parseHeader reads a line such as
//
//	goroutine 24 [select (durable), synctest bubble 1]:
//	goroutine 24 [semacquire labels:{"world": "TestX/seed=1"}]:
func parseHeader(line string) (g goroutine, ok bool) {
	rest, ok := strings.CutPrefix(line, "goroutine ")
	if !ok {
		return g, false
	}
	id, rest, ok := strings.Cut(rest, " [")
	if !ok {
		return g, false
	}
	g.id, _ = strconv.Atoi(id)
	state, _, _ := strings.Cut(rest, " labels:{")
	state, _, _ = strings.Cut(state, "]")
	state, _, _ = strings.Cut(state, ", ")
	g.state, g.durable = strings.CutSuffix(state, " (durable)")
	if _, number, found := strings.Cut(line, "synctest bubble "); found {
		end := strings.IndexFunc(number, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(number)
		}
		g.bubble, _ = strconv.Atoi(number[:end])
	}
	return g, true
}

// parseFrame reads the two lines of a call.
func parseFrame(call, place string) frame {
	var f frame
	if i := strings.LastIndexByte(call, '('); i > 0 {
		f.fn, f.args = call[:i], strings.TrimSuffix(call[i+1:], ")")
	} else {
		f.fn = call
	}
	place = strings.TrimSpace(place)
	if i := strings.LastIndex(place, " +0x"); i > 0 {
		place = place[:i]
	}
	if i := strings.LastIndexByte(place, ':'); i > 0 {
		f.file = place[:i]
		f.line, _ = strconv.Atoi(place[i+1:])
	}
	return f
}

// callerFrames turns program counters, as runtime.Callers gives them, into
// frames.
func callerFrames(pcs []uintptr) []frame {
	if len(pcs) == 0 {
		return nil
	}
	var frames []frame
	for it := runtime.CallersFrames(pcs); ; {
		f, more := it.Next()
		frames = append(frames, frame{fn: f.Function, file: f.File, line: f.Line})
		if !more {
			return frames
		}
	}
}

// panicStack describes the stack of a panic, without the frames of the kit
// and of the runtime. It is called from a deferred function.
func panicStack() string {
	pcs := make([]uintptr, 64)
	pcs = pcs[:runtime.Callers(1, pcs)]
	return places(goroutineOf(callerFrames(pcs)).user())
}

func goroutineOf(frames []frame) *goroutine { return &goroutine{frames: frames} }

// places lists frames, one an indented line.
func places(frames []frame) string {
	var b strings.Builder
	for i, f := range frames {
		if i == 12 {
			b.WriteString("    ...\n")
			break
		}
		b.WriteString("    " + f.place() + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}
