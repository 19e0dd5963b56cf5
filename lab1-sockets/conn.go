package sockets

import (
	"io"
	"net"
	"sync"
	"time"

	"github.com/sasha-s/go-deadlock"
)

// A state is where a connection is in its life (RFC 9293, section 3.3.2). There is
// no LISTEN: a listener makes a connection for each SYN.
type state int

const (
	stateClosed state = iota
	stateSynSent
	stateSynReceived
	stateEstablished
	stateFinWait1  // this side has closed; its FIN is not acknowledged yet
	stateFinWait2  // it is, and the other side goes on sending
	stateCloseWait // the other side has closed; this side goes on sending
	stateClosing   // both have closed at the same time; this side's FIN is not acknowledged
	stateLastAck   // the other side has closed, then this one; its FIN is not acknowledged
	stateTimeWait  // both have closed, and this side answers repeated FINs for a while
)

// A Conn is one end of a reliable stream. It implements [net.Conn], and its methods
// may be called from several goroutines at the same time.
//
// Nothing runs for a connection by itself. What happens to it comes from outside:
// a segment that arrives (arrive), an alarm that goes off, a call of one of its
// methods. Each of these locks mu, brings the state up to date, and sends what
// there is to send. That never waits, since WriteTo of a PacketConn does not. Only
// Read and Write wait, on the conditions, which give mu away meanwhile.
type Conn struct {
	transport *Transport
	endpoint  *endpoint
	remote    net.Addr
	number    uint32
	listener  *listener // that it came through; nil when it was dialled

	mu    deadlock.Mutex // guards what follows
	state state
	gone  bool          // CLOSED for good
	err   error         // why the connection is over, for Read and Write
	done  chan struct{} // closed when the handshake is complete or has failed

	readable  sync.Cond // bytes have come, or the end, or an error, or a deadline
	writable  sync.Cond // there is room in the send buffer, or the like
	readTill  deadline
	writeTill deadline
	closed    bool // by Close

	// Of this side's stream (RFC 9293, section 3.3.1).
	iss    uint32 // initial send sequence number
	sndUna uint32 // the first that is not acknowledged
	sndNxt uint32 // the next to be sent

	// Of the other side's stream.
	irs    uint32 // initial receive sequence number
	rcvNxt uint32 // the next that is expected

	// TODO(1D): what else sending needs.

	// TODO(1D): what else receiving needs.
}

// newConn returns a connection in the state CLOSED.
func newConn(t *Transport, e *endpoint, remote net.Addr, number uint32) *Conn {
	c := &Conn{transport: t, endpoint: e, remote: remote, number: number, done: make(chan struct{})}
	c.readable.L, c.writable.L = &c.mu, &c.mu
	c.readTill.wake, c.writeTill.wake = &c.readable, &c.writable
	c.iss = t.InitialSequence()
	c.sndUna, c.sndNxt = c.iss, c.iss
	// TODO(1D): the rest of a new connection.
	return c
}

func (c *Conn) key() connKey { return connKey{c.remote.String(), c.number} }

// arrive takes a segment that came for this connection (RFC 9293, section 3.10.7).
// The endpoint calls it, for one segment at a time. The payload is valid until
// arrive returns.
func (c *Conn) arrive(s *Segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// TODO(1D): the checks of section 3.10.7.4, in their order: sequence number,
	// RST, SYN, ACK; then the payload, then FIN; and at last send what can be sent
	// now.
	todo("1D", "Conn.arrive: the checks of RFC 9293, 3.10.7.4, in their order")
}

// Read implements [net.Conn]. After the last byte of a stream that the other side
// has closed it returns [io.EOF].
func (c *Conn) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// TODO(1D): wait for bytes, the end, an error or the deadline. Room in the
	// buffer is news for the other side.
	todo("1D", "Conn.Read: wait for bytes, the end, an error or the deadline")
	return 0, io.EOF
}

// Write implements [net.Conn]. It returns when the send buffer has taken all of b,
// which says nothing about whether the other side has received it. What two calls
// write at the same time is not mixed.
func (c *Conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// TODO(1D): put b into the send buffer, as it has room, and send.
	todo("1D", "Conn.Write: put the bytes into the send buffer, as it has room, and send")
	return 0, io.ErrClosedPipe
}

// LocalAddr implements [net.Conn].
func (c *Conn) LocalAddr() net.Addr { return c.endpoint.pc.LocalAddr() }

// RemoteAddr implements [net.Conn].
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.readTill, t) }

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.writeTill, t) }

func (c *Conn) setDeadline(d *deadline, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	d.set(t)
	return nil
}

// A deadline wakes those who wait on a condition when its time has come. The
// mutex of the condition guards it.
type deadline struct {
	wake   *sync.Cond
	passed bool
	timer  *time.Timer // nil: there is none, or it has passed
}

func (d *deadline) set(t time.Time) {
	// TODO(1D): see whether the time has passed, or will, and wake those who wait
	// when it has: they look again. Mind a timer that was set before.
	todo("1D", "deadline.set: wake those who wait when the time has come")
}

// An alarm calls a function at a time that may be put off and called off. The mutex
// of its connection guards it.
type alarm struct {
	timer *time.Timer
	at    time.Time // zero: it is off
}

// newAlarm returns an alarm that locks mu and calls ring when it goes off.
func newAlarm(mu sync.Locker, ring func()) *alarm {
	a := &alarm{}
	a.timer = time.AfterFunc(time.Hour, func() {
		mu.Lock()
		defer mu.Unlock()
		// The timer may have fired just before it was put off.
		if !a.at.IsZero() && !time.Now().Before(a.at) {
			a.at = time.Time{}
			ring()
		}
	})
	a.timer.Stop()
	return a
}

func (a *alarm) set(d time.Duration) {
	a.at = time.Now().Add(d)
	a.timer.Reset(d)
}

func (a *alarm) stop() {
	a.at = time.Time{}
	a.timer.Stop()
}

func (a *alarm) isOn() bool { return !a.at.IsZero() }
