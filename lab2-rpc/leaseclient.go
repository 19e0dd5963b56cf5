package rpclab

import (
	"context"
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
	todo("2D", "LockClient.Acquire: call Lock.Acquire until it does not return ErrHeld")
	return nil, ErrHeld
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
	todo("2D", "Lease.Renew: call Lock.Renew and note when the lease ends")
	return ErrNotHeld
}

// Release gives the lock back. Ends is not in the future any more, whatever Release
// returns. If the lease had ended before, it returns [ErrNotHeld].
func (l *Lease) Release(ctx context.Context) error {
	// TODO(2D): release. A repeated request finds no lease if the first one came
	// through.
	todo("2D", "Lease.Release: call Lock.Release")
	return nil
}

// Close closes the connection. The leases go on until they end.
func (c *LockClient) Close() { c.link.close() }
