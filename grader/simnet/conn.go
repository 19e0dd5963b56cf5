package simnet

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A conn is one end of a stream. It satisfies what code expects of a
// *net.TCPConn: CloseRead, CloseWrite, SetLinger and the options that tune it.
type conn struct {
	net           *Network
	id            uint64
	local, remote Addr
	in, out       *half
	changed       sync.Cond // on Network.mu: something below, or of a half, has changed

	// Network.mu guards what follows.
	life        *Incarnation // nil: the other side has not accepted yet
	listener    *listener    // of an end that waits for Accept
	dialing     bool
	err         error // why the stream is broken
	closed      bool
	readClosed  bool
	writeClosed bool
	abrupt      bool // Close resets
	writing     bool // a Write is going on
	writers     int  // that wait for their turn
	readBy      time.Time
	writeBy     time.Time
}

var _ net.Conn = (*conn)(nil)

// SetStreamBuffer specifies how many bytes of a stream may be written and not
// yet read by the other side, in each direction, for the connections that are
// dialled from now on. A Write that exceeds it waits, as on TCP. 0, as at
// first, means no limit: Write never waits.
func (n *Network) SetStreamBuffer(bytes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.streamBuffer = max(0, bytes)
}

// newConns makes both ends of a connection. It is called with mu held.
func (n *Network) newConns(life *Incarnation, to *Node, local, remote Addr) *conn {
	a := &conn{net: n, life: life, local: local, remote: remote, dialing: true}
	b := &conn{net: n, local: remote, remote: local}
	there, back := n.link(life.node, to), n.link(to, life.node)
	name := flowName("tcp", remote.Port)
	flow := there.flow(name)
	serial := flow.next
	flow.next++
	a.out = &half{from: a, to: b, link: there, flow: flow, serial: serial << 1, limit: n.streamBuffer}
	b.out = &half{from: b, to: a, link: back, flow: back.flow(name), serial: serial<<1 | 1, limit: n.streamBuffer}
	a.in, b.in = b.out, a.out
	for _, c := range []*conn{a, b} {
		n.lastID++
		c.id = n.lastID
		c.changed.L = &n.mu
	}
	n.conns[a] = struct{}{}
	return a
}

func (c *conn) Read(b []byte) (int, error) {
	c.net.freeze()
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.opError("read", net.ErrClosed)
		case expired(c.readBy):
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		case len(b) == 0:
			return 0, nil
		case c.readClosed:
			return 0, io.EOF
		case len(c.in.buffer) > 0:
			return c.in.read(b), nil
		case c.in.fin:
			return 0, io.EOF
		case c.err != nil:
			return 0, c.opError("read", c.err)
		}
		c.wait(c.readBy)
	}
}

func (c *conn) Write(b []byte) (total int, err error) {
	c.net.freeze()
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if err := c.beginWrite(); err != nil {
		return 0, err
	}
	defer c.endWrite()
	for {
		if total > 0 && len(b) == 0 {
			return total, nil // also when the stream has broken since
		}
		if err := c.writeError(); err != nil || len(b) == 0 {
			return total, err
		}
		k := min(len(b), maxSegment, c.out.room())
		if k <= 0 {
			c.wait(c.writeBy)
			continue
		}
		if c.out.unread += k; c.out.unread > maxUnread {
			c.net.world.Overrun("a stream from node %s to %s holds more than %d MiB that nobody has read. Does a loop write without end?",
				c.local.Node, c.remote, maxUnread>>20)
		}
		s := c.out.segment(wordData, bytes.Clone(b[:k]))
		b, total = b[k:], total+k
		c.net.mu.Unlock()
		s.send(s.payload)
		c.net.mu.Lock()
	}
}

// beginWrite waits for the Writes before. They do not mix.
func (c *conn) beginWrite() error {
	c.writers++
	defer func() { c.writers-- }()
	for c.writing {
		if err := c.writeError(); err != nil {
			return err
		}
		c.wait(c.writeBy)
	}
	c.writing = true
	return nil
}

func (c *conn) endWrite() {
	c.writing = false
	if c.writers > 0 {
		c.changed.Broadcast()
	}
}

func (c *conn) writeError() error {
	switch {
	case c.closed:
		return c.opError("write", net.ErrClosed)
	case expired(c.writeBy):
		return c.opError("write", os.ErrDeadlineExceeded)
	case c.err != nil:
		return c.opError("write", c.err)
	case c.writeClosed:
		return c.opError("write", syscall.EPIPE)
	}
	return nil
}

// wait waits for a change, or for the deadline. It is called with mu held, and
// lets go of it meanwhile.
func (c *conn) wait(deadline time.Time) {
	if !deadline.IsZero() {
		timer := time.AfterFunc(time.Until(deadline), c.wake)
		defer timer.Stop()
	}
	c.changed.Wait()
}

func (c *conn) wake() {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.changed.Broadcast()
}

func (c *conn) opError(op string, err error) error {
	return opError(op, "tcp", c.local, c.remote, err)
}

// Close closes both directions. What was written still arrives, unless there
// is something to read left: that resets the stream, as on TCP.
func (c *conn) Close() error {
	c.net.mu.Lock()
	if c.closed {
		c.net.mu.Unlock()
		return c.opError("close", net.ErrClosed)
	}
	c.closed = true
	var last []*segment
	if c.abrupt || len(c.in.buffer) > 0 {
		last = c.abort(net.ErrClosed)
	} else {
		last = c.finish()
	}
	c.forget()
	c.changed.Broadcast()
	c.net.mu.Unlock()
	sendAll(last)
	return nil
}

// CloseWrite ends the direction to the other side, which reads io.EOF when it
// has read everything.
func (c *conn) CloseWrite() error {
	c.net.mu.Lock()
	if err := c.openError("close"); err != nil {
		c.net.mu.Unlock()
		return err
	}
	last := c.finish()
	c.net.mu.Unlock()
	sendAll(last)
	return nil
}

// CloseRead makes Read return io.EOF. What arrives from now on is thrown away.
func (c *conn) CloseRead() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if err := c.openError("close"); err != nil {
		return err
	}
	c.readClosed = true
	for _, b := range c.in.buffer {
		c.in.release(len(b))
	}
	c.in.buffer = nil
	c.changed.Broadcast()
	return nil
}

func (c *conn) openError(op string) error {
	switch {
	case c.closed:
		return c.opError(op, net.ErrClosed)
	case c.err != nil:
		return c.opError(op, syscall.ENOTCONN)
	}
	return nil
}

// sendAll is called without mu.
func sendAll(segments []*segment) {
	for _, s := range segments {
		s.send(s.payload)
	}
}

// finish ends the outgoing direction. It is called with mu held.
func (c *conn) finish() []*segment {
	if c.writeClosed || c.err != nil {
		return nil
	}
	c.writeClosed = true
	c.changed.Broadcast()
	return []*segment{c.out.segment(wordFin, nil)}
}

// abort breaks the stream at this end, and returns what tells the other one.
// It is called with mu held.
func (c *conn) abort(err error) []*segment {
	if c.err != nil {
		return nil
	}
	s := c.out.segment(wordReset, nil)
	c.fail(err)
	return []*segment{s}
}

// fail breaks the stream at this end. What arrived before can still be read.
// It is called with mu held.
func (c *conn) fail(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.in.early = nil
	c.in.unread = 0
	delete(c.net.conns, c)
	c.changed.Broadcast()
	c.out.to.changed.Broadcast()
}

// forget lets go of an end that is closed, when the other side knows. It is
// called with mu held.
func (c *conn) forget() {
	if c.closed && (c.err != nil || c.out.settled) {
		delete(c.net.conns, c)
	}
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error      { return c.setDeadline(t, &c.readBy, &c.writeBy) }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.setDeadline(t, &c.readBy) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.writeBy) }

func (c *conn) setDeadline(t time.Time, which ...*time.Time) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	for _, d := range which {
		*d = t
	}
	c.changed.Broadcast()
	return nil
}

// SetLinger specifies, with 0, that Close resets the stream and loses what is
// under way.
func (c *conn) SetLinger(sec int) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.abrupt = sec == 0
	return nil
}

// SetNoDelay does nothing: no byte ever waits for others.
func (c *conn) SetNoDelay(bool) error { return nil }

// SetKeepAlive does nothing.
func (c *conn) SetKeepAlive(bool) error { return nil }

// SetKeepAlivePeriod does nothing.
func (c *conn) SetKeepAlivePeriod(time.Duration) error { return nil }
