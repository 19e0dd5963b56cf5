package sockets

import "context"

// open sends SYN and waits for the answer (RFC 9293, section 3.5).
func (c *Conn) open(ctx context.Context) error {
	// TODO(1D): send SYN, again and again if need be, until the handshake is
	// complete, or until it has failed, or until ctx ends.
	todo("1D", "Conn.open: send SYN, and wait until the handshake is complete (RFC 9293, 3.5)")
	c.fail(ErrRefused)
	return ErrRefused
}

// openPassive answers the SYN that made the listener make this connection.
func (c *Conn) openPassive(syn *Segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// TODO(1D): send SYN and ACK.
	todo("1D", "Conn.openPassive: answer SYN with SYN and ACK (RFC 9293, 3.10.7.2)")
}

// TODO(1D): the steps of the handshake: the answer to this side's SYN (RFC 9293,
// section 3.10.7.3), a SYN that comes twice, and what happens when this side's SYN
// is acknowledged.
