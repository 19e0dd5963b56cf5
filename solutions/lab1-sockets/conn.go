package sockets

import (
	"io"
	"net"
	"os"
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
	// BEGIN SOLUTION
	sender
	// END SOLUTION

	// TODO(1D): what else receiving needs.
	// BEGIN SOLUTION
	receiver
	// END SOLUTION
}

// newConn returns a connection in the state CLOSED.
func newConn(t *Transport, e *endpoint, remote net.Addr, number uint32) *Conn {
	c := &Conn{transport: t, endpoint: e, remote: remote, number: number, done: make(chan struct{})}
	c.readable.L, c.writable.L = &c.mu, &c.mu
	c.readTill.wake, c.writeTill.wake = &c.readable, &c.writable
	c.iss = t.InitialSequence()
	c.sndUna, c.sndNxt = c.iss, c.iss
	// TODO(1D): the rest of a new connection.
	// BEGIN SOLUTION
	c.sender.init(c)
	// END SOLUTION
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
	// BEGIN SOLUTION
	switch {
	case c.state == stateClosed:
	case c.state == stateSynSent:
		c.arriveSynSent(s)
	case c.repeatsSyn(s):
		c.sendSyn()
	case !c.acceptable(s):
		c.arriveUnacceptable(s)
	case s.Flags&RST != 0:
		c.arriveReset(s)
	case s.Flags&SYN != 0:
		c.sendAck() // A challenge: whoever has lost this connection answers RST.
	case s.Flags&ACK != 0 && c.arriveAck(s):
		c.arriveData(s)
		c.output()
	}
	// END SOLUTION
	// STUB: todo("1D", "Conn.arrive: the checks of RFC 9293, 3.10.7.4, in their order")
}

// Read implements [net.Conn]. After the last byte of a stream that the other side
// has closed it returns [io.EOF].
func (c *Conn) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// TODO(1D): wait for bytes, the end, an error or the deadline. Room in the
	// buffer is news for the other side.
	// BEGIN SOLUTION
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case c.readTill.passed:
			return 0, os.ErrDeadlineExceeded
		case c.err != nil:
			return 0, c.err
		case len(b) == 0:
			return 0, nil
		case len(c.received) > 0:
			n := c.take(b)
			c.tellRoom()
			return n, nil
		case c.finished:
			return 0, io.EOF
		}
		c.readable.Wait()
	}
	// END SOLUTION
	// STUB: todo("1D", "Conn.Read: wait for bytes, the end, an error or the deadline")
	// STUB: return 0, io.EOF
}

// Write implements [net.Conn]. It returns when the send buffer has taken all of b,
// which says nothing about whether the other side has received it. What two calls
// write at the same time is not mixed.
func (c *Conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// TODO(1D): put b into the send buffer, as it has room, and send.
	// BEGIN SOLUTION
	for c.writing && !c.closed {
		c.writable.Wait()
	}
	c.writing = true
	defer func() {
		c.writing = false
		c.writable.Broadcast()
	}()
	for n := 0; ; {
		switch {
		case c.closed:
			return n, net.ErrClosed
		case c.writeTill.passed:
			return n, os.ErrDeadlineExceeded
		case c.err != nil:
			return n, c.err
		case c.ended:
			return n, io.ErrClosedPipe
		case n == len(b):
			return n, nil
		}
		if k := min(c.room(), len(b)-n); k > 0 {
			c.queue = append(c.queue, b[n:n+k]...)
			n += k
			c.output()
		} else {
			c.writable.Wait()
		}
	}
	// END SOLUTION
	// STUB: todo("1D", "Conn.Write: put the bytes into the send buffer, as it has room, and send")
	// STUB: return 0, io.ErrClosedPipe
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
	// BEGIN SOLUTION
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	left := time.Until(t)
	d.passed = !t.IsZero() && left <= 0
	if !t.IsZero() && left > 0 {
		var timer *time.Timer
		timer = time.AfterFunc(left, func() {
			d.wake.L.Lock()
			defer d.wake.L.Unlock()
			if d.timer == timer { // It may have fired just before it was stopped.
				d.passed, d.timer = true, nil
				d.wake.Broadcast()
			}
		})
		d.timer = timer
	}
	d.wake.Broadcast()
	// END SOLUTION
	// STUB: todo("1D", "deadline.set: wake those who wait when the time has come")
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
