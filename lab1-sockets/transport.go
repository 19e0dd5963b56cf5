package sockets

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"
)

// Errors of connections. Errors of closed connections and listeners are
// [net.ErrClosed], those of deadlines [os.ErrDeadlineExceeded].
var (
	// ErrRefused is returned by Dial when the other side answers that nobody
	// listens there.
	ErrRefused = errors.New("sockets: connection refused")

	// ErrReset is returned by Read and Write after the other side has aborted
	// the connection, or has forgotten it in a crash.
	ErrReset = errors.New("sockets: connection reset by peer")

	// ErrPeerDead is returned by Read and Write after the other side has not
	// acknowledged anything for too long, and by Dial when there was no
	// answer for as long.
	ErrPeerDead = errors.New("sockets: no answer from peer")

	// ErrListening is returned by Listen when there is a listener on the
	// PacketConn already.
	ErrListening = errors.New("sockets: there is a listener on this PacketConn already")
)

// A Transport makes reliable streams over the datagrams of a [net.PacketConn]. Its
// fields are options; the zero value has a sensible value for each. A Transport
// must not be changed while it is in use.
//
// Any number of connections, dialled and accepted, and one listener share a
// PacketConn. From the first Listen or Dial until the last listener and connection
// are done, nobody else may read from it or set its deadlines. The caller closes
// it: that ends, at once and without a farewell, what still uses it.
type Transport struct {
	// ReceiveBuffer specifies how many bytes a connection holds for Read, in
	// order and out of order together. The default is 1 MiB.
	ReceiveBuffer int

	// SendBuffer specifies how many bytes Write takes before the other side has
	// acknowledged the first of them. The default is 1 MiB.
	SendBuffer int

	// Backlog specifies how many connections a listener holds that are not
	// accepted yet, those in the middle of the handshake included. It answers
	// nobody else meanwhile. The default is 128.
	Backlog int

	// UserTimeout specifies how long the other side may leave something
	// unacknowledged before the connection is aborted (RFC 9293, section
	// 3.8.3). The default is 3 minutes.
	UserTimeout time.Duration

	// TimeWait specifies how long a connection answers after both sides have
	// closed it, if this side closed it first (RFC 9293, section 3.6: TIME-WAIT
	// lasts twice the life of a datagram). The default is 1 minute.
	TimeWait time.Duration

	// InitialSequence chooses the initial sequence number of a connection. The
	// default is random: who cannot see the datagrams should not be able to
	// guess it (RFC 9293, section 3.4.1).
	InitialSequence func() uint32
}

// Listen is [Transport.Listen] with all options at their defaults.
func Listen(pc net.PacketConn) (net.Listener, error) { return new(Transport).Listen(pc) }

// Dial is [Transport.Dial] with all options at their defaults.
func Dial(ctx context.Context, pc net.PacketConn, addr net.Addr) (net.Conn, error) {
	return new(Transport).Dial(ctx, pc, addr)
}

// Listen returns a listener for connections to pc. Its Accept returns a *[Conn]
// once the handshake is complete. Its Close aborts the connections that are not
// accepted yet, and leaves the others alone.
func (t *Transport) Listen(pc net.PacketConn) (net.Listener, error) {
	e := useEndpoint(pc)
	defer e.mu.Unlock()
	if e.listener != nil {
		return nil, ErrListening
	}
	e.listener = newListener(t.withDefaults(), e)
	return e.listener, nil
}

// Dial opens a connection from pc to addr, a *[Conn]. It returns when the
// handshake is complete, or the error of ctx as soon as ctx ends, or [ErrRefused],
// or [ErrPeerDead] when the UserTimeout has passed.
func (t *Transport) Dial(ctx context.Context, pc net.PacketConn, addr net.Addr) (net.Conn, error) {
	e := useEndpoint(pc)
	c := newConn(t.withDefaults(), e, addr, e.freeNumber(addr))
	e.add(c)
	e.mu.Unlock()
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// withDefaults returns a copy of t that has every option set.
func (t *Transport) withDefaults() *Transport {
	full := *t
	orElse(&full.ReceiveBuffer, 1<<20)
	orElse(&full.SendBuffer, 1<<20)
	orElse(&full.Backlog, 128)
	orElse(&full.UserTimeout, 3*time.Minute)
	orElse(&full.TimeWait, time.Minute)
	if full.InitialSequence == nil {
		full.InitialSequence = rand.Uint32
	}
	return &full
}

// orElse sets an option that is zero to its default.
func orElse[T int | time.Duration](option *T, otherwise T) {
	if *option == 0 {
		*option = otherwise
	}
}
