package sockets

import "slices"

// TODO(1D): the receiving side: put the bytes in order, deliver each once,
// acknowledge what has come in order (RFC 9293, section 3.10.7.4), and tell how much
// more there is room for (section 3.8.6).
// BEGIN SOLUTION

// A receiver is the part of a connection that receives the other side's stream.
type receiver struct {
	received []byte  // in order, and not read yet
	pieces   []piece // out of order: sorted, not overlapping, all beyond rcvNxt
	latest   uint32  // the sequence number of the segment that came last
	rcvEdge  uint32  // rcvNxt and the window that the other side was told

	finKnown bool   // the FIN has come
	finSeq   uint32 // and this is its number
	finished bool   // all before it has come too
}

// A piece is bytes that came before those in front of them.
type piece struct {
	seq  uint32
	data []byte
}

func (p piece) end() uint32 { return p.seq + uint32(len(p.data)) }

// maxPieces bounds what it costs to keep track of many small pieces. What comes
// beyond it is dropped, and will come again.
const maxPieces = 4096

// startReceiving takes the other side's SYN.
func (c *Conn) startReceiving(syn *Segment) {
	c.irs = syn.Seq
	c.rcvNxt = syn.Seq + 1
	c.rcvEdge = c.rcvNxt
	c.window()
}

// window returns how much the other side may send. The edge of the window never
// moves back, and it moves on in steps that are worth a segment: otherwise a slow
// reader would make the other side send segments of a few bytes (RFC 9293, section
// 3.8.6.2.2).
func (c *Conn) window() uint32 {
	step := min(c.transport.ReceiveBuffer/2, MaxPayload)
	edge := c.rcvNxt + uint32(c.transport.ReceiveBuffer-len(c.received))
	if int(int32(edge-c.rcvEdge)) >= step {
		c.rcvEdge = edge
	}
	return c.rcvEdge - c.rcvNxt
}

// tellRoom tells the other side, when it may be waiting for it, that there is room
// again.
func (c *Conn) tellRoom() {
	if c.state == stateClosed || c.finished {
		return
	}
	told := c.rcvEdge
	if int(told-c.rcvNxt) < c.transport.ReceiveBuffer/2 && c.window() > told-c.rcvNxt {
		c.sendAck()
	}
}

// acceptable reports whether a segment has something that is in the window (RFC
// 9293, section 3.10.7.4, first check).
func (c *Conn) acceptable(s *Segment) bool {
	if s.size() == 0 {
		return !before(s.Seq, c.rcvNxt) && !before(c.rcvEdge, s.Seq)
	}
	return before(s.Seq, c.rcvEdge) && before(c.rcvNxt, s.Seq+s.size())
}

// arriveUnacceptable answers an old duplicate, or something out of thin air. If it
// is a duplicate since the acknowledgement was lost, this one helps.
func (c *Conn) arriveUnacceptable(s *Segment) {
	if s.Flags&RST != 0 {
		return
	}
	c.sendAck()
	if c.state == stateTimeWait && s.Flags&FIN != 0 {
		c.waitTime()
	}
}

// arriveData takes the payload and the FIN of a segment in the window.
func (c *Conn) arriveData(s *Segment) {
	if s.size() == 0 || c.finished {
		return
	}
	if c.closed && before(c.rcvNxt, s.Seq+uint32(len(s.Payload))) {
		c.reset(ErrReset) // Nobody will ever read this.
		return
	}
	if fin := s.Seq + uint32(len(s.Payload)); s.Flags&FIN != 0 && !c.finKnown && before(fin, c.rcvEdge) {
		c.finKnown, c.finSeq = true, fin
	}
	c.latest = s.Seq
	c.store(piece{s.Seq, s.Payload})
	c.join()
	if c.finKnown && c.rcvNxt == c.finSeq {
		c.rcvNxt++
		c.finArrived()
	}
	c.sendAck()
}

// store keeps what is new and in the window of p.
func (c *Conn) store(p piece) {
	p = p.from(c.rcvNxt).until(c.rcvEdge)
	if c.finKnown {
		p = p.until(c.finSeq)
	}
	// What begins before p ends in front of it, or covers its beginning.
	i, _ := slices.BinarySearchFunc(c.pieces, p.seq, func(q piece, seq uint32) int { return int(int32(q.seq - seq)) })
	if i > 0 {
		p = p.from(c.pieces[i-1].end())
	}
	// What p covers is not needed any more; what begins in p covers its end.
	j := i
	for j < len(c.pieces) && !before(p.end(), c.pieces[j].end()) {
		j++
	}
	if j < len(c.pieces) {
		p = p.until(c.pieces[j].seq)
	}
	if len(p.data) > 0 && (len(c.pieces) < maxPieces || p.seq == c.rcvNxt) {
		c.pieces = slices.Replace(c.pieces, i, j, piece{p.seq, slices.Clone(p.data)})
	}
}

// from returns the part of p from seq on.
func (p piece) from(seq uint32) piece {
	if before(p.seq, seq) {
		n := min(seq-p.seq, uint32(len(p.data)))
		return piece{p.seq + n, p.data[n:]}
	}
	return p
}

// until returns the part of p before seq.
func (p piece) until(seq uint32) piece {
	if before(seq, p.end()) {
		n := max(int32(seq-p.seq), 0)
		return piece{p.seq, p.data[:n]}
	}
	return p
}

// join moves pieces that have become the next ones to those in order.
func (c *Conn) join() {
	n := 0
	for ; n < len(c.pieces) && c.pieces[n].seq == c.rcvNxt; n++ {
		c.received = append(c.received, c.pieces[n].data...)
		c.rcvNxt = c.pieces[n].end()
	}
	if n > 0 {
		c.pieces = slices.Delete(c.pieces, 0, n)
		c.readable.Broadcast()
	}
}

// take moves received bytes to b.
func (c *Conn) take(b []byte) int {
	n := copy(b, c.received)
	c.received = c.received[n:]
	if len(c.received) == 0 {
		c.received = nil // A connection at rest holds nothing.
	}
	return n
}

// sendAck sends an acknowledgement by itself. A sequence number beyond the window
// would not be accepted, and be answered in turn: a probe does not count.
func (c *Conn) sendAck() {
	seq := c.sndNxt
	if edge := c.sndUna + c.sndWnd; before(edge, seq) {
		seq = edge
	}
	c.send(&Segment{Flags: ACK, Seq: seq, Ranges: c.ranges()})
}

// maxRanges is how many ranges an acknowledgement tells. Each range is told in that
// many acknowledgements at least, so the loss of some does not matter.
const maxRanges = 8

// ranges returns what has come out of order: the range with the segment that came
// last, and then those in front of it, nearest first.
func (c *Conn) ranges() []Range {
	var all []Range
	last := 0
	for _, p := range c.pieces {
		if n := len(all); n > 0 && all[n-1].End == p.seq {
			all[n-1].End = p.end()
		} else {
			all = append(all, Range{p.seq, p.end()})
		}
		if !before(c.latest, all[len(all)-1].First) {
			last = len(all) - 1
		}
	}
	all = all[:min(last+1, len(all))]
	all = all[max(0, len(all)-maxRanges):]
	slices.Reverse(all)
	return all
}

// END SOLUTION
