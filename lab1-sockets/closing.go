package sockets

import (
	"net"
	"time"
)

// CloseWrite ends the stream to the other side, which gets [io.EOF] after the last
// byte. The other direction stays open (RFC 9293, section 3.6).
func (c *Conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return net.ErrClosed
	case c.err != nil:
		return c.err
	}
	c.finish()
	return nil
}

// Close ends both directions. Read and Write return [net.ErrClosed] from now on.
// It does not wait: what was written is still sent, and then FIN. If there is
// something that was received and not read, or if something comes later, the other
// side is told with RST that nobody reads it (RFC 9293, section 3.6.1). When the
// other side does not close within the UserTimeout, the connection is aborted.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	c.readTill.set(time.Time{})
	c.writeTill.set(time.Time{}) // This wakes all who wait.
	// TODO(1D): end the stream; or abort it, if something was not read.
	todo("1D", "Conn.Close: end the stream, or abort it if something was not read (RFC 9293, 3.6)")
	return nil
}

// finish ends this side's stream: FIN follows what was written.
func (c *Conn) finish() {
	// TODO(1D): have FIN sent after the last byte, and no byte after it.
	todo("1D", "Conn.finish: have FIN sent after the last byte (RFC 9293, 3.10.4)")
}

// abort ends the connection and tells the other side with RST.
func (c *Conn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	// TODO(1D): send RST (RFC 9293, section 3.10.5).
	todo("1D", "Conn.abort: tell the other side with RST (RFC 9293, 3.10.5)")
	c.over(net.ErrClosed)
}

// fail ends the connection without a word. Read and Write return err.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over(err)
}

// over makes the connection CLOSED. With err nil both sides have ended their
// streams in order. mu is held.
func (c *Conn) over(err error) {
	if c.gone {
		return
	}
	c.gone = true
	c.state = stateClosed
	c.err = err
	c.settle()
	c.readable.Broadcast()
	c.writable.Broadcast()
	c.endpoint.remove(c)
	if c.listener != nil {
		c.listener.forget(c)
	}
	// TODO(1D): stop your timers, and let go of what is not needed any more.
}

// settle ends the waiting of Dial.
func (c *Conn) settle() {
	select {
	case <-c.done:
	default:
		close(c.done)
	}
}

// TODO(1D): the steps of closing and of resets (RFC 9293, sections 3.6, 3.5.3 and
// 3.10.7.4): FIN is sent, FIN is acknowledged, FIN arrives, RST arrives, RST is sent.
