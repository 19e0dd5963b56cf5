package rpclab

import (
	"context"
	"errors"
	"net/rpc"
	"time"

	"github.com/sasha-s/go-deadlock"
)

const (
	// AttemptTimeout is how long an attempt may take. It is more than a server needs
	// to answer.
	AttemptTimeout = 2 * time.Second

	// RetryPause is how long a clerk waits between an attempt that failed and the
	// next one.
	RetryPause = 20 * time.Millisecond
)

// A trail is what is known of the attempts of a call.
type trail struct {
	lost  bool      // an attempt before the last one may have reached the server
	asked time.Time // when the last attempt began
}

// A link calls the methods of a server until it answers.
type link struct {
	dial Dialer
	mu   deadlock.Mutex // guards everything below

	// TODO(2C): the caller, which is replaced when it does not answer.
	// BEGIN SOLUTION
	caller *Caller
	closed bool
	// END SOLUTION
}

func newLink(dial Dialer) *link {
	l := &link{dial: dial}
	// BEGIN SOLUTION 2C
	l.caller = NewCaller(dial, nil)
	// END SOLUTION
	return l
}

// call sends the same request until it is answered. An attempt that was not
// answered after [AttemptTimeout], and the time that the server may wait by itself,
// is given up, and made again over another connection: the old one may be dead
// without anybody having noticed. After each attempt that failed there is a
// [RetryPause].
//
// The error is what the server answered, as [remoteText] knows it, or the
// context's, or [ErrClosed].
func (l *link) call(ctx context.Context, wait time.Duration, method string, args, reply any) (t trail, err error) {
	// TODO(2C): attempt until there is an answer; then return.
	// BEGIN SOLUTION
	for {
		t.asked = time.Now()
		err := l.attempt(ctx, wait+AttemptTimeout, method, args, reply)
		var answer rpc.ServerError
		switch {
		case err == nil:
			return t, nil
		case errors.As(err, &answer):
			return t, remoteText(answer)
		case l.isClosed():
			return t, ErrClosed
		}
		t.lost = t.lost || maybeSent(err)
		select {
		case <-time.After(RetryPause):
		case <-ctx.Done():
			return t, ctx.Err()
		}
	}
	// END SOLUTION
	// STUB: todo("2C", "link.call: call until the server answers, with a pause between two attempts")
	// STUB: return t, ErrClosed
}

// remoteText returns the error that the server returned, of which only the text has
// come over the wire.
func remoteText(text rpc.ServerError) error {
	for _, known := range []error{ErrFull, ErrExpired, ErrStale, ErrHeld, ErrNotHeld, ErrFenced} {
		if string(text) == known.Error() {
			return known
		}
	}
	return text
}

// BEGIN SOLUTION 2C

// attempt calls once.
func (l *link) attempt(ctx context.Context, timeout time.Duration, method string, args, reply any) error {
	caller, err := l.current()
	if err != nil {
		return err
	}
	attempt, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = caller.Call(attempt, method, args, reply)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		l.replace(caller)
	}
	return err
}

// maybeSent reports whether the server may have executed a call that ended with
// err. It cannot if the dial failed.
func maybeSent(err error) bool {
	return errors.Is(err, ErrBroken) || errors.Is(err, ErrClosed) || errors.Is(err, context.DeadlineExceeded)
}

func (l *link) current() (*Caller, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	return l.caller, nil
}

// replace gives up a caller that does not answer. Other calls that wait for it end
// with ErrClosed, and are made again too.
func (l *link) replace(silent *Caller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.caller != silent || l.closed {
		return
	}
	silent.Close()
	l.caller = NewCaller(l.dial, nil)
}

func (l *link) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// END SOLUTION

// close closes the connection. Calls that wait end with [ErrClosed].
func (l *link) close() {
	// TODO(2C): close the caller, for good.
	// BEGIN SOLUTION
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.caller.Close()
	// END SOLUTION
	// STUB: todo("2C", "link.close: close the caller, for good")
}
