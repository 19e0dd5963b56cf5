package raft

import (
	"context"
	"errors"
	"time"
)

// ErrExpired is returned by a [Clerk] when the servers have forgotten its session
// while it tried: the operation took effect once, or not at all. The clerk opens
// another session for the next one.
var ErrExpired = errors.New("raft: the session has expired; the operation may have taken effect")

// A Clerk asks the servers of a database on behalf of a client. It finds the leader,
// and asks again until it has an answer: so each operation takes effect exactly
// once. When the context ends first, it returns the context's error, and the
// operation may have taken effect, or still will.
//
// It makes one call at a time; a second one waits for its turn. Clients that want
// to ask for several things at once have several clerks.
type Clerk struct {
	servers []Peer
	turn    chan struct{} // holds one token while nobody makes a call

	// Whoever has the token uses what follows.
	leader  int    // the server to ask first
	session uint64 // 0 is none
	seq     uint64 // of the last operation in the session
}

// NewClerk returns a clerk for the servers of a database. Each of them answers
// "KV.Do".
func NewClerk(servers []Peer) *Clerk {
	c := &Clerk{servers: servers, turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

const (
	// attemptTimeout is how long a clerk waits for a server before it asks the next.
	attemptTimeout = 500 * time.Millisecond

	// roundPause is how long a clerk waits before it asks the servers again when
	// none of them led.
	roundPause = 50 * time.Millisecond
)

// Do has the servers execute an operation.
func (c *Clerk) Do(ctx context.Context, op Op) (Result, error) {
	select {
	case <-c.turn:
		defer func() { c.turn <- struct{}{} }()
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	// TODO(4E): open a session if there is none, give the operation its Seq, and
	// have a server execute it (see DoArgs). If the session has expired: an operation
	// that was sent only once had no effect, so it can go into a new session. One
	// that was sent more than once may have had one: that is ErrExpired.
	todo("4E", "Clerk.Do: have a server execute the operation, exactly once (§8)")
	return Result{}, ErrStopped
}

// TODO(4E): ask one server after another until one of them answers; first the one
// that led last time. A server may not answer for a long time: then ask the next,
// with the same request. An answer may still come from one that was asked earlier.

// Get returns the value of a key, and whether there is one.
func (c *Clerk) Get(ctx context.Context, key string) (value string, found bool, err error) {
	r, err := c.Do(ctx, Op{Kind: OpGet, Key: key})
	return r.Value, r.Found, err
}

// Put sets the value of a key.
func (c *Clerk) Put(ctx context.Context, key, value string) error {
	_, err := c.Do(ctx, Op{Kind: OpPut, Key: key, Value: value})
	return err
}

// Append adds to the end of a value.
func (c *Clerk) Append(ctx context.Context, key, value string) error {
	_, err := c.Do(ctx, Op{Kind: OpAppend, Key: key, Value: value})
	return err
}

// Delete removes a key, and returns whether it was there.
func (c *Clerk) Delete(ctx context.Context, key string) (was bool, err error) {
	r, err := c.Do(ctx, Op{Kind: OpDelete, Key: key})
	return r.OK, err
}

// CompareAndSet sets the value of a key if it has the old one, and returns whether
// it did.
func (c *Clerk) CompareAndSet(ctx context.Context, key, old, value string) (ok bool, err error) {
	r, err := c.Do(ctx, Op{Kind: OpCAS, Key: key, Old: old, Value: value})
	return r.OK, err
}
