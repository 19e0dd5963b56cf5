package rpclab

import (
	"context"
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
}

func newLink(dial Dialer) *link {
	l := &link{dial: dial}
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
	todo("2C", "link.call: call until the server answers, with a pause between two attempts")
	return t, ErrClosed
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

// close closes the connection. Calls that wait end with [ErrClosed].
func (l *link) close() {
	// TODO(2C): close the caller, for good.
	todo("2C", "link.close: close the caller, for good")
}
