// Package lincheck records what the clients of a store asked and were
// answered in a simulated world, and checks that the history is linearizable:
// that the operations can be put in one order in which every answer is right
// and no operation moves out of the span between its call and its return
// (Herlihy and Wing 1990). The search is porcupine's.
//
//	rec := lincheck.New(w)
//	...
//	op := rec.Begin(client, lincheck.Append("x", "a"))
//	if err := clerk.Append(ctx, "x", "a"); err != nil {
//		op.Lost()
//	} else {
//		op.End(lincheck.Done)
//	}
//	...
//	rec.Check(lincheck.NewKV().Model())
//
// An operation that is lost, or has not ended when the history is checked, may
// take effect at any time after its call, or never.
//
// When there is no such order, the world fails: the message shows the first
// answer that cannot be explained and an order that explains the ones before
// it, and names the file with porcupine's picture. The search has a budget. It
// is counted in steps and bytes, so the verdict is the same on every machine.
// When it runs out, the verdict is unknown, and the world fails as well.
package lincheck

import (
	"math"
	"sync"
	"time"

	"distsys/grader/simtest"

	"github.com/anishathalye/porcupine"
)

// A Model is the sequential specification of a store. Its Step is given
// [Unknown] as the output of a lost operation; it must then accept, and return
// the state in which the operation has taken effect. A state may have a method
// Size() int, its size in bytes, which counts towards the budget. A Hash makes
// the search faster where operations overlap.
type Model = porcupine.Model

// Unknown is the output of an operation that was lost.
var Unknown unknown

type unknown struct{}

// A Recorder holds a history. Its methods may be called from any goroutine of
// the world.
type Recorder struct {
	// Budget bounds the search of one Check. New sets it to what the histories
	// of this course need many times over.
	Budget Budget

	w  *simtest.World
	mu sync.Mutex // held for a few instructions at a time

	ops  []*Op
	last int64 // the last time given to a call or a return
	runs int   // of Check
}

// An Op is one operation of a history.
type Op struct {
	rec    *Recorder
	client int
	input  any

	// Guarded by rec.mu.
	output       any
	state        opState
	call, ret    int64 // order of all calls and returns
	began, ended time.Duration
}

type opState int

const (
	running opState = iota
	ended
	lost
)

// New returns an empty history of the world.
func New(w *simtest.World) *Recorder {
	return &Recorder{w: w, Budget: defaultBudget}
}

// Begin records that the client makes a call. Clients are told apart by any
// numbers. A client may have several calls under way.
func (r *Recorder) Begin(client int, input any) *Op {
	op := &Op{rec: r, client: client, input: input, output: Unknown}
	r.mu.Lock()
	defer r.mu.Unlock()
	op.call, op.began = r.tick()
	r.ops = append(r.ops, op)
	return op
}

// End records that the call has returned output.
func (op *Op) End(output any) {
	op.rec.mu.Lock()
	defer op.rec.mu.Unlock()
	op.mustRun("End")
	op.state, op.output = ended, output
	op.ret, op.ended = op.rec.tick()
}

// Lost records that the call ended without an answer: what it asked for may
// happen at any later time, or never.
func (op *Op) Lost() {
	op.rec.mu.Lock()
	defer op.rec.mu.Unlock()
	op.mustRun("Lost")
	op.state = lost
	_, op.ended = op.rec.tick()
}

func (op *Op) mustRun(what string) {
	if op.state != running {
		panic("lincheck: " + what + " of an operation that has ended")
	}
}

// Len returns the number of operations recorded so far.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ops)
}

// tick returns the order of a call or return among all of them, and its
// virtual time. The order is in nanoseconds of virtual time, a little later
// where several things happen at one instant: they too come one after another.
func (r *Recorder) tick() (order int64, now time.Duration) {
	now = r.w.Now()
	r.last = max(r.last+1, int64(now))
	return r.last, now
}

// forever is the return of an operation that has none.
const forever = math.MaxInt64

// history returns the operations as porcupine takes them.
func (r *Recorder) history() []porcupine.Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	var history []porcupine.Operation
	for id, op := range r.ops {
		o := porcupine.Operation{
			ClientId: op.client, Input: op.input, Output: op.output,
			Call: op.call, Return: op.ret,
			Metadata: span{id: id, client: op.client, state: op.state, began: op.began, ended: op.ended},
		}
		if op.state != ended {
			o.Return = forever
		}
		history = append(history, o)
	}
	return history
}
