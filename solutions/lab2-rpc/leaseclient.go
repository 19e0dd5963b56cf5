package rpclab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sasha-s/go-deadlock"
)

// maxWait is how long one request for a lock waits at the server.
const maxWait = 30 * time.Second

// A LockClient acquires locks of a [LockService] that is served somewhere else
// under the name Lock, over connections that may break at any time. Its methods may
// be called by many goroutines at a time, and acquire each lock once at a time.
type LockClient struct {
	link  *link
	owner string
}

// NewLockClient returns a client that has not dialled yet. No other client may have
// the same owner.
func NewLockClient(dial Dialer, owner string) *LockClient {
	return &LockClient{newLink(dial), owner}
}

// A Lease is a lock that is held until it ends.
type Lease struct {
	Name  string
	Token uint64 // Token is to be shown to a [FencedStore].

	client *LockClient
	mu     deadlock.Mutex // guards ends
	ends   time.Time
}

// Acquire waits for a lock and holds it for the time lease, if that is not renewed.
// When the context ends first, its error is returned; the server may grant the lock
// even so, for this time.
func (c *LockClient) Acquire(ctx context.Context, name string, lease time.Duration) (*Lease, error) {
	// TODO(2D): acquire, again while the lock is held by others. When does the lease
	// end by your own clock, for sure not later than by the server's?
	// BEGIN SOLUTION
	args := &AcquireArgs{Name: name, Owner: c.owner, Lease: lease, Wait: maxWait}
	for {
		var g Grant
		t, err := c.link.call(ctx, args.Wait, "Lock.Acquire", args, &g)
		switch {
		case errors.Is(err, ErrHeld):
			continue
		case err != nil:
			return nil, fmt.Errorf("acquire %q: %w", name, err)
		}
		return &Lease{Name: name, Token: g.Token, client: c, ends: g.endsBy(t.asked)}, nil
	}
	// END SOLUTION
	// STUB: todo("2D", "LockClient.Acquire: call Lock.Acquire until it does not return ErrHeld")
	// STUB: return nil, ErrHeld
}

// Ends returns when the lease ends, by this client's clock: not later than the
// server ends it, and earlier by no more than the request and the answer travelled.
// Clocks run equally fast here, but need not show the same time. Who holds the lock
// must have stopped then to do what others must not do at the same time.
func (l *Lease) Ends() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends
}

// Renew makes the lease end at the time lease from now. If it has ended before, it
// returns [ErrNotHeld], and Ends is not in the future any more.
func (l *Lease) Renew(ctx context.Context, lease time.Duration) error {
	// TODO(2D): renew, and note when the lease ends.
	// BEGIN SOLUTION
	var g Grant
	t, err := l.client.link.call(ctx, 0, "Lock.Renew", &RenewArgs{l.Name, l.Token, lease}, &g)
	switch {
	case errors.Is(err, ErrNotHeld):
		l.setEnds(time.Now())
	case err == nil:
		l.setEnds(g.endsBy(t.asked))
	}
	if err != nil {
		return fmt.Errorf("renew %q: %w", l.Name, err)
	}
	return nil
	// END SOLUTION
	// STUB: todo("2D", "Lease.Renew: call Lock.Renew and note when the lease ends")
	// STUB: return ErrNotHeld
}

// Release gives the lock back. Ends is not in the future any more, whatever Release
// returns. If the lease had ended before, it returns [ErrNotHeld].
func (l *Lease) Release(ctx context.Context) error {
	// TODO(2D): release. A repeated request finds no lease if the first one came
	// through.
	// BEGIN SOLUTION
	l.setEnds(time.Now())
	t, err := l.client.link.call(ctx, 0, "Lock.Release", &ReleaseArgs{l.Name, l.Token}, &ReleaseReply{})
	if err != nil && !(t.lost && errors.Is(err, ErrNotHeld)) {
		return fmt.Errorf("release %q: %w", l.Name, err)
	}
	return nil
	// END SOLUTION
	// STUB: todo("2D", "Lease.Release: call Lock.Release")
	// STUB: return nil
}

// BEGIN SOLUTION 2D

// endsBy returns when the lease ends, for somebody who asked at that time: the
// request came no earlier, was answered g.Waited later, and then g.Left was left.
// The time of the answer's coming would not do: it may have travelled for long.
func (g *Grant) endsBy(asked time.Time) time.Time { return asked.Add(g.Waited + g.Left) }

func (l *Lease) setEnds(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = t
}

// END SOLUTION

// Close closes the connection. The leases go on until they end.
func (c *LockClient) Close() { c.link.close() }
