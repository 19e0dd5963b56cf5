package sockets

// sent is a segment that takes sequence numbers and is not acknowledged yet.
type sent struct {
	seq     uint32
	flags   Flags // SYN or FIN, or neither
	payload []byte

	// TODO(1D): what you have to know to send it again, and to measure its round
	// trip.
}

// end returns the sequence number after the segment's last one.
func (s *sent) end() uint32 {
	return s.seq + (&Segment{Flags: s.flags, Payload: s.payload}).size()
}

// send fills in what all segments of the connection have in common, and sends s.
func (c *Conn) send(s *Segment) {
	s.Conn = c.number
	// TODO(1D): tell what is expected next and the window, in every segment but the
	// first.
	c.endpoint.send(s, c.remote)
}

// TODO(1D): the sending side: what is written and not sent; what is sent and not
// acknowledged; the other side's window (RFC 9293, section 3.8); the timer for
// retransmissions (RFC 6298, section 5), with Karn's rule (section 3); the probe of a
// window that is closed (RFC 9293, section 3.8.6.1).
