package rpclab

import (
	"context"
	"fmt"
	// BEGIN SOLUTION
	"errors"
	// END SOLUTION
)

// A Clerk reads and writes the texts of a [TextService] that is served somewhere
// else under the name Text, over connections that may break at any time: each Put
// and Append takes effect once, however often it has to be sent. Its methods may be
// called by many goroutines at a time.
//
// A clerk does one Put or Append at a time; others wait for their turn, or for the
// end of their context.
//
// When the context ends first, the error is the context's, and the call may have
// taken effect, or do so later, or never; but at most once. It is the same with
// [ErrExpired]: the clerk could not reach the server for so long that it has
// forgotten the session. That is so only of a call that was sent before in vain;
// otherwise the clerk opens another session and goes on. [ErrFull] is the server's
// answer. After Close the error is [ErrClosed]. All of them may be wrapped.
type Clerk struct {
	link *link
	turn chan struct{} // whoever has put something in has the turn

	// TODO(2C): what the clerk must remember between two calls.
	// BEGIN SOLUTION
	session, seq uint64 // of the last call; session is 0 if there is none. Whoever has the turn may use them.
	// END SOLUTION
}

// NewClerk returns a clerk that has not dialled yet.
func NewClerk(dial Dialer) *Clerk {
	return &Clerk{link: newLink(dial), turn: make(chan struct{}, 1)}
}

// Get reads a text. One that was never written is empty.
func (c *Clerk) Get(ctx context.Context, key string) (string, error) {
	var reply TextReply
	if _, err := c.link.call(ctx, 0, "Text.Get", &TextArgs{Key: key}, &reply); err != nil {
		return "", fmt.Errorf("get %q: %w", key, err)
	}
	return reply.Value, nil
}

// Put sets a text.
func (c *Clerk) Put(ctx context.Context, key, value string) error {
	if _, err := c.write(ctx, "Text.Put", key, value); err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	return nil
}

// Append adds to the end of a text, and returns how long it is then.
func (c *Clerk) Append(ctx context.Context, key, value string) (length int, err error) {
	length, err = c.write(ctx, "Text.Append", key, value)
	if err != nil {
		return 0, fmt.Errorf("append to %q: %w", key, err)
	}
	return length, nil
}

// write has the server execute Text.Put or Text.Append, once.
func (c *Clerk) write(ctx context.Context, method, key, value string) (length int, err error) {
	if err := c.takeTurn(ctx); err != nil {
		return 0, err
	}
	defer func() { <-c.turn }()
	// TODO(2C): open a session if there is none; give the call an id; call, with the
	// same id until the server answers. When the session has expired: was the call
	// sent before?
	// BEGIN SOLUTION
	for {
		if err := c.open(ctx); err != nil {
			return 0, err
		}
		c.seq++
		var reply TextReply
		args := &TextArgs{Call: CallID{c.session, c.seq}, Key: key, Value: value}
		t, err := c.link.call(ctx, 0, method, args, &reply)
		if errors.Is(err, ErrExpired) {
			c.session = 0
			if !t.lost {
				continue // Nobody has executed it.
			}
		}
		return reply.Length, err
	}
	// END SOLUTION
	// STUB: todo("2C", "Clerk.write: open a session, give the call an id, call until the server answers")
	// STUB: return 0, ErrClosed
}

// takeTurn waits until no other call is under way that needs its turn.
func (c *Clerk) takeTurn(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// BEGIN SOLUTION 2C

// open opens a session if there is none.
func (c *Clerk) open(ctx context.Context) error {
	if c.session != 0 {
		return nil
	}
	var reply OpenReply
	if _, err := c.link.call(ctx, 0, "Text.Open", &OpenArgs{}, &reply); err != nil {
		return fmt.Errorf("open a session: %w", err)
	}
	c.session, c.seq = reply.Session, 0
	return nil
}

// END SOLUTION

// Close ends the session, so that the server need not remember it, and the
// connection. It waits for the calls that need their turn. If the context ends
// first, it returns the context's error, and the session is left to expire; the
// connection is closed, and the calls end with [ErrClosed].
func (c *Clerk) Close(ctx context.Context) error {
	// TODO(2C): close the session and the link.
	// BEGIN SOLUTION
	defer c.link.close()
	if err := c.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-c.turn }()
	if c.session == 0 {
		return nil
	}
	_, err := c.link.call(ctx, 0, "Text.Close", &CloseArgs{c.session}, &CloseReply{})
	c.session = 0
	return err
	// END SOLUTION
	// STUB: todo("2C", "Clerk.Close: close the session and the link")
	// STUB: return nil
}
