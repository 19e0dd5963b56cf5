package rpclab_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// What a lock service is held to.
const (
	ruleOneOwner = "a lock has one owner at a time (LockService)"
	ruleFree     = "it comes free when its owner releases it or when the lease ends, and not before (LockService)"
	ruleLine     = "whoever has waited longest gets it at once (LockService)"
	ruleTokens   = "each lease has a token, a number larger than those of all leases before it (LockService)"
	ruleHeld     = "if it waits in vain, Acquire returns ErrHeld, and the owner is not in line any more (LockService.Acquire)"
	ruleRepeated = "if the owner holds the lock, Acquire returns the grant that it has: the token is the same and the lease no longer than it was (LockService.Acquire)"
	rulePlace    = "if the owner waits already, it keeps its place in the line and has no second one (LockService.Acquire)"
	ruleEnded    = "a lease that has ended does not go on again: ErrNotHeld (LockService)"
	ruleRenewed  = "Renew makes the lease that has the token end args.Lease from now (LockService.Renew)"
)

// A lockroom calls a lock service and notes what it grants.
type lockroom struct {
	w    *simtest.World
	s    *rpclab.LockService
	last uint64 // the last token granted
}

func newLockroom(w *simtest.World) *lockroom { return &lockroom{w: w, s: rpclab.NewLockService()} }

// acquire asks for a lock.
func (r *lockroom) acquire(owner, name string, lease, wait time.Duration) (g rpclab.Grant, err error) {
	began := r.w.Now()
	err = r.s.Acquire(&rpclab.AcquireArgs{Name: name, Owner: owner, Lease: lease, Wait: wait}, &g)
	took := r.w.Now() - began
	r.w.Logf("Acquire(%s) by %s, lease %v: %+v, error %v, after %v", name, owner, lease, g, err, took)
	if took > wait+time.Millisecond {
		fail(r.w, "Acquire waits at most for args.Wait (LockService.Acquire)", "Acquire by %s, with Wait %v, took %v", owner, wait, took)
	}
	if err == nil && g.Waited != took {
		fail(r.w, "Waited is how much time passed from the request's coming to the answer (Grant)", "Acquire by %s took %v. Waited is %v", owner, took, g.Waited)
	}
	return g, err
}

// gets acquires a lock that is free, with a new token.
func (r *lockroom) gets(owner, name string, lease time.Duration, rule, when string) rpclab.Grant {
	r.w.Helper()
	g, err := r.acquire(owner, name, lease, 0)
	if err != nil {
		fail(r.w, rule, "%s, Acquire(%s) by %s returned the error %v", when, name, owner, err)
	}
	r.newToken(g, owner)
	if g.Left != lease {
		fail(r.w, "Left is how much was left of the lease when the server answered (Grant)", "%s has just got the lock for %v. Left is %v", owner, lease, g.Left)
	}
	return g
}

func (r *lockroom) newToken(g rpclab.Grant, owner string) {
	r.w.Helper()
	if g.Token <= r.last {
		fail(r.w, ruleTokens, "%s was granted a lease with the token %d. An earlier lease had %d", owner, g.Token, r.last)
	}
	r.last = g.Token
}

// isHeld checks that somebody else does not get the lock.
func (r *lockroom) isHeld(name string, rule, when string) {
	r.w.Helper()
	if g, err := r.acquire("somebody else", name, time.Second, 0); !errors.Is(err, rpclab.ErrHeld) {
		fail(r.w, rule, "%s, Acquire(%s) by somebody else returned %+v, error %v", when, name, g, err)
	}
}

func (r *lockroom) renew(name string, token uint64, lease time.Duration) (g rpclab.Grant, err error) {
	err = r.s.Renew(&rpclab.RenewArgs{Name: name, Token: token, Lease: lease}, &g)
	r.w.Logf("Renew(%s), token %d, lease %v: %+v, error %v", name, token, lease, g, err)
	return g, err
}

func (r *lockroom) release(name string, token uint64) error {
	err := r.s.Release(&rpclab.ReleaseArgs{Name: name, Token: token}, &rpclab.ReleaseReply{})
	r.w.Logf("Release(%s), token %d: error %v", name, token, err)
	return err
}

// isOver checks that a lease cannot be renewed or released.
func (r *lockroom) isOver(name string, token uint64, when string) {
	r.w.Helper()
	if g, err := r.renew(name, token, time.Hour); !errors.Is(err, rpclab.ErrNotHeld) {
		fail(r.w, ruleEnded, "%s, Renew with token %d returned %+v, error %v", when, token, g, err)
	}
	if err := r.release(name, token); !errors.Is(err, rpclab.ErrNotHeld) {
		fail(r.w, ruleEnded, "%s, Release with token %d returned the error %v", when, token, err)
	}
}

// A request for a lock is under way.
type request struct {
	r     *lockroom
	owner string
	done  chan struct{}
	g     rpclab.Grant
	err   error
	at    time.Duration
}

// waits begins a request, and lets it get in line.
func (r *lockroom) waits(owner, name string, lease, wait time.Duration) *request {
	q := &request{r: r, owner: owner, done: make(chan struct{})}
	r.w.Go(func() {
		defer close(q.done)
		q.g, q.err = r.acquire(owner, name, lease, wait)
		q.at = r.w.Now()
	})
	r.w.Sleep(time.Millisecond)
	return q
}

// granted checks when the request was granted: at that time, or at once after it.
func (q *request) granted(at time.Duration, rule, when string) rpclab.Grant {
	q.r.w.Helper()
	<-q.done
	if q.err != nil || q.at < at || q.at > at+time.Millisecond {
		fail(q.r.w, rule, "%s, who waited, was answered at %v, error %v. Expected the lock at %v, %s", q.owner, q.at, q.err, at, when)
	}
	return q.g
}

// pending checks that the request waits.
func (q *request) pending(rule, when string) {
	q.r.w.Helper()
	select {
	case <-q.done:
		fail(q.r.w, rule, "%s, Acquire by %s, who waits, returned %+v, error %v", when, q.owner, q.g, q.err)
	default:
	}
}

// Proves that a lock has one owner, that locks have nothing to do with each other,
// that Acquire waits as long as it may, and that a lock is free when it is released.
func TestLockHasOneOwner2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		r := newLockroom(w)
		a := r.gets("a", "x", time.Minute, ruleFree, "when nobody has had it")
		r.isHeld("x", ruleOneOwner, "while a holds it")
		r.gets("b", "y", time.Minute, ruleFree, "when nobody has had it, and a holds another lock")
		began := w.Now()
		if g, err := r.acquire("b", "x", time.Minute, time.Second); !errors.Is(err, rpclab.ErrHeld) || w.Now()-began < time.Second {
			fail(w, ruleHeld, "a holds the lock. Acquire by b, with Wait 1s, returned %+v, error %v, after %v", g, err, w.Now()-began)
		}
		require.NoError(w, r.release("x", a.Token), "Release by the owner")
		b := r.gets("b", "x", time.Minute, ruleFree, "after a has released it")
		r.isOver("x", a.Token, "after it was released")
		r.isHeld("x", ruleOneOwner, "while b holds it")
		require.NoError(w, r.release("x", b.Token), "Release by the owner")
	})
}

// Proves that each token is larger than all before it, however leases end, and over
// all locks. For: tokens counted for each lock, and forgotten with it; the time as
// a token.
func TestTokensOnlyGrow2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		r := newLockroom(w)
		for i := range 30 {
			name := []string{"x", "y"}[w.Rand().IntN(2)]
			g := r.gets("a", name, time.Second, ruleFree, "when nobody holds it")
			if again, err := r.renew(name, g.Token, time.Second); err != nil || again.Token != g.Token {
				fail(w, "a lease has a token (LockService)", "Renew with token %d returned %+v, error %v", g.Token, again, err)
			}
			switch i % 3 {
			case 0:
				require.NoError(w, r.release(name, g.Token))
			case 1:
				w.Sleep(time.Second + 1)
			case 2:
				next := r.waits("b", name, time.Second, time.Minute)
				require.NoError(w, r.release(name, g.Token))
				b := next.granted(w.Now(), ruleLine, "when a released it")
				r.newToken(b, "b")
				require.NoError(w, r.release(name, b.Token))
			}
		}
	})
}

// Proves that the lock of a holder who has vanished comes free when the lease ends,
// and not before, for one who waits and for one who comes then. For: no timer; a
// lease that counts from the first request in line.
func TestLockComesFree2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		r := newLockroom(w)
		r.gets("a", "x", 10*time.Second, ruleFree, "when nobody has had it")
		w.Sleep(4 * time.Second)
		b := r.waits("b", "x", 5*time.Second, time.Minute)
		w.Sleep(10*time.Second - time.Nanosecond - w.Now())
		b.pending(ruleFree, "before the lease of a has ended")
		r.isHeld("x", ruleFree, "a nanosecond before the lease of a ends")
		g := b.granted(10*time.Second, ruleFree, "when the lease of a ended")
		if g.Left != 5*time.Second {
			fail(w, ruleFree, "b was granted a lease of 5s, for which it had waited 6s. Left is %v", g.Left)
		}
		w.Sleep(15*time.Second - time.Nanosecond - w.Now())
		r.isHeld("x", ruleFree, "a nanosecond before the lease of b ends")
		w.Sleep(2 * time.Nanosecond)
		r.gets("c", "x", time.Second, ruleFree, "when the lease of b has ended")
	})
}

// Proves that Renew moves the end of the lease, later or earlier, and keeps the
// token. For: a timer that is not moved; a lease that is added to the old one.
func TestRenew2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		r := newLockroom(w)
		a := r.gets("a", "x", 10*time.Second, ruleFree, "when nobody has had it")
		b := r.waits("b", "x", 10*time.Second, time.Hour)
		for range 5 {
			w.Sleep(8 * time.Second)
			g, err := r.renew("x", a.Token, 10*time.Second)
			if err != nil || g.Token != a.Token || g.Left != 10*time.Second {
				fail(w, ruleRenewed, "Renew of a lease that goes on, for 10s, returned %+v, error %v", g, err)
			}
			b.pending(ruleRenewed, "when a has renewed its lease")
		}
		w.Sleep(10*time.Second - time.Nanosecond)
		b.pending(ruleRenewed, "just before the renewed lease of a ends")
		end := w.Now() + time.Nanosecond
		g := b.granted(end, ruleRenewed, "when the renewed lease of a ended")
		c := r.waits("c", "x", 10*time.Second, time.Hour)
		if _, err := r.renew("x", g.Token, time.Second); err != nil {
			fail(w, ruleRenewed, "Renew for less than was left returned the error %v", err)
		}
		c.granted(w.Now()+time.Second, ruleRenewed, "1s after b had renewed its lease for 1s")
	})
}

// Proves that a lease that has ended stays so, whether the lock is free or somebody
// else has it, who is not disturbed. For: Release and Renew that look at the lock
// and not at the lease.
func TestEndedLeaseStaysEnded2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		r := newLockroom(w)
		old := r.gets("a", "x", time.Second, ruleFree, "when nobody has had it")
		w.Sleep(time.Second + 1)
		r.isOver("x", old.Token, "when the lease had ended and the lock was free")
		b := r.gets("b", "x", 10*time.Second, ruleFree, "when the lease of a has ended")
		ends := w.Now() + 10*time.Second
		r.isOver("x", old.Token, "when the lease had ended and b held the lock")
		r.isOver("y", b.Token, "for another lock")
		r.isOver("x", 0, "for no lease")
		c := r.waits("c", "x", time.Second, time.Minute)
		c.granted(ends, ruleEnded, "when the lease of b ended; an old lease was renewed and released before, in vain")

		// The same owner again has a new lease; its old one is over all the same.
		d := r.gets("a", "z", time.Second, ruleFree, "when nobody has had it")
		w.Sleep(time.Second + 1)
		r.gets("a", "z", time.Second, ruleFree, "when the first lease of a has ended")
		r.isOver("z", d.Token, "when a had another lease")
		r.isHeld("z", ruleEnded, "while a holds the lock by its second lease")
	})
}

// Proves that a request for a lock that comes again, because the answer was lost,
// gives the same lease and no longer one. For: an owner that waits for itself; a
// new token each time; a lease that a late repetition makes longer.
func TestAcquireIsRepeated2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		r := newLockroom(w)
		first := r.gets("a", "x", 10*time.Second, ruleFree, "when nobody has had it")
		w.Sleep(4 * time.Second)
		g, err := r.acquire("a", "x", 10*time.Second, time.Minute)
		if err != nil || g.Token != first.Token || g.Left != 6*time.Second {
			fail(w, ruleRepeated, "a got the lock for 10s with token %d. 4s later Acquire by a returned %+v, error %v", first.Token, g, err)
		}
		b := r.waits("b", "x", time.Second, time.Minute)
		b.granted(10*time.Second, ruleRepeated, "when the lease of a ended")
	})
}

// Proves that an owner who waits with two requests has one place in line, that of
// the first; that both are granted the same lease; and that the place stays when
// one of the requests gives up.
func TestPlaceInLine2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		r := newLockroom(w)
		a := r.gets("a", "x", time.Hour, ruleFree, "when nobody has had it")
		b1 := r.waits("b", "x", time.Hour, 10*time.Second)
		c := r.waits("c", "x", time.Hour, time.Hour)
		b2 := r.waits("b", "x", time.Hour, time.Hour)
		<-b1.done // has waited in vain
		require.ErrorIs(w, b1.err, rpclab.ErrHeld, "Acquire with Wait 10s, while a holds the lock for an hour\nrule: "+ruleHeld)
		b3 := r.waits("b", "x", time.Hour, time.Hour)
		require.NoError(w, r.release("x", a.Token))
		now := w.Now()
		two, three := b2.granted(now, rulePlace, "when a released it: its first request, which has given up, came before that of c"), b3.granted(now, rulePlace, "together with the request before")
		if two.Token != three.Token {
			fail(w, rulePlace, "two requests by b were granted leases with the tokens %d and %d", two.Token, three.Token)
		}
		c.pending(ruleOneOwner, "while b holds the lock")
		require.NoError(w, r.release("x", two.Token))
		got := c.granted(w.Now(), rulePlace, "when b released it")
		w.Sleep(time.Millisecond)
		require.NoError(w, r.release("x", got.Token))
		r.gets("d", "x", time.Second, rulePlace, "when nobody waits any more")
	})
}

// Proves that one who has given up waiting is not granted the lock later. For:
// locks that go to nobody, and are held for a lease.
func TestWaitingInVain2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		r := newLockroom(w)
		a := r.gets("a", "x", time.Hour, ruleFree, "when nobody has had it")
		b := r.waits("b", "x", time.Hour, time.Second)
		c := r.waits("c", "x", time.Hour, time.Minute)
		d := r.waits("d", "x", time.Hour, 2*time.Second)
		<-b.done
		<-d.done
		require.ErrorIs(w, b.err, rpclab.ErrHeld)
		require.ErrorIs(w, d.err, rpclab.ErrHeld)
		require.NoError(w, r.release("x", a.Token))
		g := c.granted(w.Now(), ruleHeld, "when a released it; b, who came before, had given up")
		w.Sleep(time.Millisecond)
		require.NoError(w, r.release("x", g.Token))
		r.gets("e", "x", time.Second, ruleHeld, "when nobody waits any more")
	})
}

// Proves that those who wait are served in the order in which they came, whether
// leases are released or end. For: whoever comes first when the lock is free.
func TestLineIsFair2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		r := newLockroom(w)
		a := r.gets("a", "x", time.Second, ruleFree, "when nobody has had it")
		var line []*request
		for i := range 10 {
			line = append(line, r.waits(fmt.Sprint("w", i), "x", time.Second, time.Minute))
		}
		require.NoError(w, r.release("x", a.Token))
		at := w.Now()
		for i, q := range line {
			g := q.granted(at, ruleLine, fmt.Sprintf("as number %d of those who wait", i+1))
			r.newToken(g, q.owner)
			if at += time.Second; i%2 == 0 { // others let the lease end
				require.NoError(w, r.release("x", g.Token))
				at = w.Now()
			}
		}
	})
}
