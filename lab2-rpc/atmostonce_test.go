package rpclab_test

import (
	"errors"
	"fmt"
	"log"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// What a table of sessions is held to.
const (
	ruleOnce    = "Do executes a call, unless it was executed before (Sessions.Do)"
	ruleAnswers = "Do returns what execute returned, the error too, the first time (Sessions.Do)"
	ruleWaits   = "when the call is being executed, Do waits for that answer (Sessions.Do)"
	ruleExpires = "a session ends when it is closed, or when its last call ended, or it was opened, ttl ago (Sessions)"
	ruleExpired = "a call of a session that does not exist is ErrExpired, and is not executed (Sessions.Do)"
	ruleStale   = "a call whose Seq is lower than that of a call that has come before is ErrStale, and is not executed (Sessions.Do)"
	ruleBounded = "the server remembers for each session the last call and the answer to it, and no sessions that have ended (Sessions)"
)

const ttl = time.Minute

// A ledger counts what a table of sessions executes.
type ledger struct {
	w *simtest.World
	s *rpclab.Sessions

	mu     sync.Mutex
	counts map[string]int
}

func newLedger(w *simtest.World) *ledger {
	return &ledger{w: w, s: rpclab.NewSessions(ttl), counts: map[string]int{}}
}

// executes counts an execution.
func (l *ledger) executes(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[name]++
}

// executed returns how often something has been executed.
func (l *ledger) executed(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[name]
}

// do asks for a call that returns its name, or fails with it.
func (l *ledger) do(session, seq uint64, name string, fails error) (any, error) {
	return l.s.Do(rpclab.CallID{Session: session, Seq: seq}, func() (any, error) {
		l.executes(name)
		if fails != nil {
			return nil, fails
		}
		return name, nil
	})
}

// answers checks what a call is answered, and how often what name stands for has
// been executed since the beginning.
func (l *ledger) answers(session, seq uint64, name, want string, times int) {
	l.w.Helper()
	got, err := l.do(session, seq, name, nil)
	what := fmt.Sprintf("call %d of session %d", seq, session)
	if err != nil || got != want {
		fail(l.w, ruleAnswers, "%s was answered %v and error %v, and not %q", what, got, err, want)
	}
	if l.executed(name) != times {
		fail(l.w, ruleOnce, "%s: %q was executed %d times by now, and not %d times", what, name, l.executed(name), times)
	}
}

// refuses checks that a call is refused and not executed.
func (l *ledger) refuses(session, seq uint64, want error, rule, when string) {
	l.w.Helper()
	got, err := l.do(session, seq, "refused", nil)
	if l.executed("refused") > 0 {
		fail(l.w, rule, "%s, call %d of session %d was executed, and answered %v, error %v", when, seq, session, got, err)
	}
	if !errors.Is(err, want) {
		fail(l.w, rule, "%s, call %d of session %d was answered %v, error %v", when, seq, session, got, err)
	}
}

// Proves that a call is executed once and answered alike each time it comes. For:
// no table; an answer that is computed anew; an answer kept for the session,
// whatever the call.
func TestCallIsExecutedOnce2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := newLedger(w)
		id := l.s.Open()
		for seq := range uint64(5) {
			name := fmt.Sprint("call ", seq+1)
			for range 3 {
				l.answers(id, seq+1, name, name, 1)
			}
		}
		l.answers(id, 9, "call 9", "call 9", 1) // numbers may be left out
		l.answers(id, 9, "call 9", "call 9", 1)
	})
}

// Proves that an error is an answer too: the call is not tried again. For: tables
// that keep successes only.
func TestErrorIsAnAnswer2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := newLedger(w)
		id := l.s.Open()
		full := errors.New("full")
		for range 2 {
			if got, err := l.do(id, 1, "call", full); err != full {
				fail(w, ruleAnswers, "execute returned the error %q. The call was answered %v, error %v", full, got, err)
			}
		}
		if n := l.executed("call"); n != 1 {
			fail(w, ruleOnce, "a call that failed came twice and was executed %d times", n)
		}
		l.answers(id, 2, "next", "next", 1)
	})
}

// Proves that sessions have nothing to do with each other. For: tables keyed by the
// number of the call only.
func TestSessionsAreSeparate2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := newLedger(w)
		a, b := l.s.Open(), l.s.Open()
		if a == b {
			fail(w, "Open returns a number which no other session has had (Sessions.Open)", "two sessions have the number %d", a)
		}
		l.answers(a, 1, "a", "a", 1)
		l.answers(b, 1, "b", "b", 1)
		l.answers(b, 2, "b2", "b2", 1)
		l.answers(a, 1, "a", "a", 1)
		l.s.Close(a)
		l.answers(b, 2, "b2", "b2", 1)
		l.refuses(a, 2, rpclab.ErrExpired, ruleExpired, "after Close")
		l.s.Close(a)
		if c := l.s.Open(); c == a || c == b {
			fail(w, "Open returns a number which no other session has had (Sessions.Open)", "Open returned %d after %d and %d, of which %d was closed", c, a, b, a)
		}
	})
}

// Proves that a call that comes when a later one has come is refused. For: calls
// that are executed unless they are the last one; a table that goes back.
func TestLateCallIsStale2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := newLedger(w)
		id := l.s.Open()
		l.answers(id, 1, "one", "one", 1)
		l.answers(id, 4, "four", "four", 1)
		for _, seq := range []uint64{1, 2, 3} {
			l.refuses(id, seq, rpclab.ErrStale, ruleStale, "after call 4")
		}
		l.answers(id, 4, "four", "four", 1)
		l.answers(id, 5, "five", "five", 1)
	})
}

// Proves that a call that comes again while it is being executed is not executed
// another time, and waits for the answer; and that meanwhile others are served. For:
// an answer that is kept, empty, before there is one; a call that is noted when it
// has been executed; a mutex held during the execution.
func TestCallComesAgainWhileExecuting2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := newLedger(w)
		id, other := l.s.Open(), l.s.Open()
		began := w.Now()
		slow := func() (any, error) {
			l.executes("slow")
			w.Sleep(time.Second)
			return "slow", nil
		}
		ended := make(chan string, 4)
		for range 4 {
			w.Go(func() {
				got, err := l.s.Do(rpclab.CallID{Session: id, Seq: 1}, slow)
				ended <- fmt.Sprintf("%v, error %v, after %v", got, err, w.Now()-began)
			})
			w.Sleep(100 * time.Millisecond)
		}
		l.answers(other, 1, "other", "other", 1)
		if took := w.Now() - began; took != 400*time.Millisecond {
			fail(w, "nobody executes a call while holding the mutex (Sessions)", "a call of another session was answered only %v after it came, when another call had ended", took-400*time.Millisecond)
		}
		for range 4 {
			if got := <-ended; got != "slow, error <nil>, after 1s" {
				fail(w, ruleWaits, "a call that takes 1s came four times, each 100ms after the one before. One of the answers was %s", got)
			}
		}
		if n := l.executed("slow"); n != 1 {
			fail(w, ruleOnce, "a call that takes 1s came four times, each 100ms after the one before, and was executed %d times", n)
		}
	})
}

// Proves that a client that gives up a call can ask for the next one, although the
// server still executes the first; which then is refused. For: one execution a
// session at a time; an answer that goes to the call that came meanwhile.
func TestNextCallWhileExecuting2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := newLedger(w)
		id := l.s.Open()
		w.Go(func() {
			l.s.Do(rpclab.CallID{Session: id, Seq: 1}, func() (any, error) { w.Sleep(time.Second); return "slow", nil })
		})
		w.Sleep(time.Millisecond)
		l.answers(id, 2, "two", "two", 1)
		w.Sleep(2 * time.Second)
		l.answers(id, 2, "two", "two", 1)
		l.refuses(id, 1, rpclab.ErrStale, ruleStale, "after call 2")
	})
}

// Proves that a session is forgotten when it was not used for its time, to the
// moment, that its calls are refused then, and that use keeps it: also a call that
// comes a second time, and one that takes longer than that. For: sessions that are
// never pruned; pruned too early; pruned while a call is being executed.
func TestSessionExpires2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := newLedger(w)
		id, idle := l.s.Open(), l.s.Open()
		l.answers(id, 1, "one", "one", 1)
		w.Sleep(ttl - time.Nanosecond)
		l.answers(id, 2, "two", "two", 1)
		l.answers(idle, 1, "idle", "idle", 1)
		w.Sleep(ttl - time.Nanosecond)
		l.answers(id, 2, "two", "two", 1)
		w.Sleep(2 * time.Nanosecond)
		l.refuses(idle, 1, rpclab.ErrExpired, ruleExpires, fmt.Sprintf("%v after its last call", ttl+time.Nanosecond))
		l.refuses(idle, 2, rpclab.ErrExpired, ruleExpires, "after it was refused")

		busy := l.s.Open()
		long := func() (any, error) { w.Sleep(3 * ttl); return "long", nil }
		w.Go(func() { l.s.Do(rpclab.CallID{Session: busy, Seq: 1}, long) })
		w.Sleep(2 * ttl)
		got, err := l.s.Do(rpclab.CallID{Session: busy, Seq: 1}, long)
		if got != "long" || err != nil {
			fail(w, ruleExpires, "a call took %v to execute. It came again after %v and was answered %v, error %v", 3*ttl, 2*ttl, got, err)
		}
		w.Sleep(ttl + time.Nanosecond)
		l.refuses(busy, 1, rpclab.ErrExpired, ruleExpires, fmt.Sprintf("%v after its last call ended", ttl+time.Nanosecond))
	})
}

// Proves that the table is bounded, however many calls and clients there have been:
// those that close their sessions, and those that vanish. It prints the table's
// largest size. For: tables that are never pruned.
func TestTableIsBounded2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := newLedger(w)
		most := 0
		note := func() { most = max(most, l.s.Len()) }
		long := l.s.Open()
		for seq := range uint64(10_000) {
			l.do(long, seq+1, "call", nil)
			note()
		}
		if most != 1 {
			fail(w, ruleBounded, "one client has made 10,000 calls, one after another. Len was up to %d", most)
		}
		for range 1000 { // one at a time, each closes
			id := l.s.Open()
			l.do(id, 1, "call", nil)
			note()
			l.s.Close(id)
		}
		if most != 2 {
			fail(w, ruleBounded, "1,000 clients came and closed their sessions, one after another, beside another one. Len was up to %d", most)
		}
		for range 300 { // ten a ttl, and none closes
			id := l.s.Open()
			l.do(id, 1, "call", nil)
			w.Sleep(ttl / 10)
			note()
		}
		if most > 2+11 {
			fail(w, ruleBounded, "300 clients came, one each %v, and vanished. Len was up to %d", ttl/10, most)
		}
		w.Sleep(ttl)
		if n := l.s.Len(); n != 0 {
			fail(w, ruleBounded, "no session was used for %v. Len is %d", ttl, n)
		}
		log.Printf("2C: 11,300 calls by 1,301 clients; at most %d sessions, with an answer each, at a time", most)
	})
}

// Proves that many goroutines may use the table. For: data races.
func TestSessionsAreShared2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := rpclab.NewSessions(ttl)
		executed := make([]int, 8)
		finished := make(chan bool, len(executed))
		for c := range executed {
			w.Go(func() {
				id := s.Open()
				done := make(chan bool)
				for seq := range uint64(20) {
					for range 3 {
						w.Go(func() {
							s.Do(rpclab.CallID{Session: id, Seq: seq + 1}, func() (any, error) {
								executed[c]++
								return seq, nil
							})
							done <- true
						})
					}
					for range 3 {
						<-done
					}
					s.Len()
				}
				s.Close(id)
				finished <- true
			})
		}
		for range executed {
			select {
			case <-finished:
			case <-time.After(time.Minute):
				w.Fatalf("Do has not returned within a minute, though execute takes no time")
			}
		}
		for _, n := range executed {
			require.Equal(w, 20, n, "how often 20 calls were executed that came three times each, at the same time\nrule: "+ruleOnce)
		}
		require.Zero(w, s.Len())
	})
}
