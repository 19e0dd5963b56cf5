package sockets

import "context"

// open sends SYN and waits for the answer (RFC 9293, section 3.5).
func (c *Conn) open(ctx context.Context) error {
	// TODO(1D): send SYN, again and again if need be, until the handshake is
	// complete, or until it has failed, or until ctx ends.
	// BEGIN SOLUTION
	c.mu.Lock()
	if !c.gone {
		c.state = stateSynSent
		c.output()
	}
	c.mu.Unlock()
	select {
	case <-c.done:
	case <-ctx.Done():
		c.fail(ctx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
	// END SOLUTION
	// STUB: todo("1D", "Conn.open: send SYN, and wait until the handshake is complete (RFC 9293, 3.5)")
	// STUB: c.fail(ErrRefused)
	// STUB: return ErrRefused
}

// openPassive answers the SYN that made the listener make this connection.
func (c *Conn) openPassive(syn *Segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// TODO(1D): send SYN and ACK.
	// BEGIN SOLUTION
	c.state = stateSynReceived
	c.startReceiving(syn)
	c.startWindow(syn)
	c.output()
	// END SOLUTION
	// STUB: todo("1D", "Conn.openPassive: answer SYN with SYN and ACK (RFC 9293, 3.10.7.2)")
}

// TODO(1D): the steps of the handshake: the answer to this side's SYN (RFC 9293,
// section 3.10.7.3), a SYN that comes twice, and what happens when this side's SYN
// is acknowledged.
// BEGIN SOLUTION

// arriveSynSent takes a segment while this side's SYN is all that there is. Two
// sides that dial each other at the same time make two connections, with two
// numbers, so a SYN without ACK means nothing here.
func (c *Conn) arriveSynSent(s *Segment) {
	switch acked := s.Flags&ACK != 0 && s.Ack == c.sndNxt; {
	case s.Flags&ACK != 0 && !acked:
		c.endpoint.refuse(s, c.remote) // Of an old connection that the other side still has.
	case s.Flags&RST != 0 && acked:
		c.over(ErrRefused)
	case s.Flags&SYN != 0 && acked:
		c.startReceiving(s)
		c.startWindow(s)
		c.arriveAck(s)
		c.sendAck()
		c.output()
	}
}

// repeatsSyn reports whether s is the SYN of this very connection once more: the
// answer has not arrived.
func (c *Conn) repeatsSyn(s *Segment) bool {
	return c.state == stateSynReceived && s.Flags == SYN && s.Seq == c.irs
}

// synAcknowledged completes the handshake.
func (c *Conn) synAcknowledged() {
	if c.state == stateSynReceived || c.state == stateSynSent {
		c.state = stateEstablished
		c.settle()
		if c.listener != nil {
			c.listener.established(c)
		}
	}
}

// END SOLUTION
