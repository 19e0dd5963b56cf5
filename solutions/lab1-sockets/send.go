package sockets

import "time"

// sent is a segment that takes sequence numbers and is not acknowledged yet.
type sent struct {
	seq     uint32
	flags   Flags // SYN or FIN, or neither
	payload []byte

	// TODO(1D): what you have to know to send it again, and to measure its round
	// trip.
	// BEGIN SOLUTION
	at       time.Time // when it was last sent
	ordinal  uint64    // of that transmission, among all of the connection
	times    int       // how often it was sent
	underWay bool      // neither arrived nor lost, as far as is known
	arrived  bool      // it is in a range that the other side has told of
	// END SOLUTION
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
	// BEGIN SOLUTION
	if c.state != stateSynSent {
		s.Flags |= ACK
		s.Ack = c.rcvNxt
	}
	s.Window = c.window()
	// END SOLUTION
	c.endpoint.send(s, c.remote)
}

// TODO(1D): the sending side: what is written and not sent; what is sent and not
// acknowledged; the other side's window (RFC 9293, section 3.8); the timer for
// retransmissions (RFC 6298, section 5), with Karn's rule (section 3); the probe of a
// window that is closed (RFC 9293, section 3.8.6.1).
// BEGIN SOLUTION

// A sender is the part of a connection that sends its stream.
type sender struct {
	queue   []byte  // written, and not sent yet
	ended   bool    // FIN follows the queue
	writing bool    // a Write is at it
	flight  []*sent // in the order of their sequence numbers

	sndWnd uint32 // the other side's window, from sndUna on
	sndWl1 uint32 // sequence number of the segment that told it
	sndWl2 uint32 // acknowledgement number of that segment
	maxWnd uint32 // the largest so far

	retransmit *alarm       // goes off when nothing was acknowledged for too long
	loss       *alarm       // goes off when a late segment is to be taken for lost
	linger     *alarm       // goes off when the wait for the other side's end is over
	progress   time.Time    // when the other side last did what it should
	rtt        rttEstimator // and the retransmission timeout

	congestion    congestion
	transmissions uint64 // so far
	newestArrived uint64 // the latest transmission of which it is known that it arrived
	underWay      int    // bytes in the segments that are underWay
	lost          int    // segments that are neither underWay nor arrived
}

func (d *sender) init(c *Conn) {
	d.rtt.init()
	d.congestion.init()
	d.retransmit = newAlarm(&c.mu, c.timedOut)
	d.loss = newAlarm(&c.mu, func() {
		c.findLosses()
		c.output()
	})
	d.linger = newAlarm(&c.mu, c.lingered)
}

// room returns how many bytes the send buffer can take.
func (c *Conn) room() int {
	return c.transport.SendBuffer - len(c.queue) - int(c.sndNxt-c.sndUna)
}

// output sends all that may be sent now: first what was lost, then what is new.
func (c *Conn) output() {
	for {
		s := c.firstLost()
		if s == nil {
			s = c.cut(false)
		}
		if s == nil {
			break
		}
		c.transmit(s)
	}
	c.keepAlarm()
}

// firstLost returns the first segment that has to be sent again, if the congestion
// window has room for it.
func (c *Conn) firstLost() *sent {
	if c.lost == 0 || !c.fits(MaxPayload) {
		return nil
	}
	for _, s := range c.flight {
		if !s.underWay && !s.arrived {
			return s
		}
	}
	return nil
}

// fits reports whether the congestion window has room for n more bytes.
func (c *Conn) fits(n int) bool {
	if c.underWay+n > c.congestion.window {
		c.congestion.limited = true
		return false
	}
	return true
}

// cut makes the next segment of what was not sent yet, if there is something and
// both windows have room for it. With force set, one is made at all events.
func (c *Conn) cut(force bool) *sent {
	s := &sent{seq: c.sndNxt}
	switch c.state {
	case stateSynSent, stateSynReceived:
		if c.sndNxt != c.iss {
			return nil
		}
		s.flags = SYN
	case stateEstablished, stateCloseWait:
		open := int(int32(c.sndUna + c.sndWnd - c.sndNxt)) // negative if the window shrank
		if force {
			open = max(open, 1)
		}
		n := min(len(c.queue), open, MaxPayload)
		if c.ended && n == len(c.queue) && n < open {
			s.flags = FIN
		}
		if s.flags == 0 && n <= 0 || !force && (c.silly(n) || !c.fits(n)) {
			return nil
		}
		s.payload, c.queue = c.queue[:n:n], c.queue[n:]
		if s.flags == FIN {
			c.finSent()
		}
	default:
		return nil
	}
	c.flight = append(c.flight, s)
	c.lost++
	c.sndNxt = s.end()
	return s
}

// silly reports whether it is better to wait for more window than to send n bytes:
// if they are neither a full segment, nor all there is, nor half of what the other
// side ever had room for (RFC 9293, section 3.8.6.2.1).
func (c *Conn) silly(n int) bool {
	return n < MaxPayload && n < len(c.queue) && n < int(c.maxWnd/2)
}

// transmit sends a segment of the flight that is not underWay.
func (c *Conn) transmit(s *sent) {
	if c.flight[0] == s && s.times == 0 {
		c.progress = time.Now() // From now on an answer is due.
	}
	c.transmissions++
	s.at, s.ordinal = time.Now(), c.transmissions
	s.times++
	if !s.underWay && !s.arrived {
		c.lost--
		s.underWay = true
		c.underWay += len(s.payload)
	}
	c.send(&Segment{Flags: s.flags, Seq: s.seq, Payload: s.payload})
}

// sendSyn sends SYN again.
func (c *Conn) sendSyn() { c.transmit(c.flight[0]) }

// keepAlarm sees to it that the retransmission timer runs as long as something has
// to happen: an acknowledgement (RFC 6298, 5.1 and 5.2), or an opening of the window
// (RFC 9293, section 3.8.6.1).
func (c *Conn) keepAlarm() {
	switch {
	case len(c.flight) == 0 && !c.unsent():
		c.retransmit.stop()
	case !c.retransmit.isOn():
		if len(c.flight) == 0 {
			c.progress = time.Now()
		}
		c.retransmit.set(min(c.rtt.timeout, c.patienceLeft()))
	}
}

// unsent reports whether there is something that was not sent yet.
func (c *Conn) unsent() bool {
	finIsDue := c.ended && (c.state == stateEstablished || c.state == stateCloseWait)
	return len(c.queue) > 0 || finIsDue
}

// patienceLeft returns how long the other side has until it is taken for dead.
func (c *Conn) patienceLeft() time.Duration {
	return c.transport.UserTimeout - time.Since(c.progress)
}

// timedOut is called when the retransmission timer expires. Nothing comes back: what
// is under way must be lost. It sends the first segment again, whatever ranges have
// told about it (RFC 6298, 5.4 to 5.6), and what the congestion window allows of the
// rest. If there is none, the window is closed, and it sends a probe.
func (c *Conn) timedOut() {
	if c.patienceLeft() <= 0 {
		c.over(ErrPeerDead)
		return
	}
	c.rtt.backOff()
	if len(c.flight) > 0 {
		c.congestion.timedOut()
		c.loseAll()
		c.transmit(c.flight[0])
		c.output()
	} else if s := c.cut(true); s != nil {
		c.transmit(s)
	}
	c.keepAlarm()
}

// arriveAck looks at the acknowledgement of a segment. It returns false if the
// segment is good for nothing else (RFC 9293, section 3.10.7.4).
func (c *Conn) arriveAck(s *Segment) bool {
	switch oldest := c.sndUna - c.maxWnd; {
	case c.state == stateSynReceived && s.Ack != c.sndNxt:
		c.endpoint.refuse(s, c.remote)
		return false
	case before(c.sndNxt, s.Ack), before(s.Ack, oldest):
		c.sendAck() // This acknowledges what was never sent: somebody guesses.
		return false
	}
	news := c.collect(s)
	reopened := c.updateWindow(s)
	switch {
	case news:
		c.progress = time.Now()
		c.retransmit.stop() // output starts it anew (RFC 6298, 5.3)
	case reopened:
		c.rtt.restore()
		c.retransmit.stop()
		c.loseAll() // it met a closed window
	case c.sndWnd == 0:
		c.progress = time.Now() // It has no room, but it lives.
	}
	c.findLosses()
	return c.state != stateClosed
}

// collect takes note of what the other side has received. It reports whether that
// was news.
func (c *Conn) collect(s *Segment) (news bool) {
	var newest *sent // of those that have arrived: the one sent last
	again := false   // one of those was sent more than once
	note := func(f *sent) {
		news = true
		again = again || f.times > 1
		if newest == nil || newest.ordinal < f.ordinal {
			newest = f
		}
		c.land(f)
	}
	for len(c.flight) > 0 && !before(s.Ack, c.flight[0].end()) {
		f := c.flight[0]
		c.flight[0] = nil
		c.flight = c.flight[1:]
		if !f.arrived {
			note(f)
		}
		c.acknowledged(f)
	}
	if len(c.flight) > 0 && before(c.flight[0].seq, s.Ack) {
		c.trim(c.flight[0], s.Ack)
		news = true
	}
	for _, f := range c.flight {
		if !f.arrived && f.within(s.Ranges) {
			note(f)
			f.arrived = true
		}
	}
	if newest != nil {
		c.measure(newest, again)
	}
	return news
}

// trim cuts the beginning of a segment off that is acknowledged, when the other side
// had no room for the rest.
func (c *Conn) trim(f *sent, ack uint32) {
	n := int(ack - f.seq)
	f.seq, f.payload = ack, f.payload[n:]
	if f.underWay {
		c.underWay -= n
	}
	c.sndUna = ack
	c.writable.Broadcast()
}

// within reports whether one of the ranges contains the segment.
func (s *sent) within(ranges []Range) bool {
	for _, r := range ranges {
		if !before(s.seq, r.First) && !before(r.End, s.end()) {
			return true
		}
	}
	return false
}

// land notes that a segment has arrived.
func (c *Conn) land(f *sent) {
	if f.underWay {
		f.underWay = false
		c.underWay -= len(f.payload)
	} else {
		c.lost--
	}
	c.congestion.arrived(len(f.payload), &c.rtt)
}

// acknowledged notes that sndUna has moved behind a segment.
func (c *Conn) acknowledged(f *sent) {
	c.sndUna = f.end()
	switch f.flags {
	case SYN:
		if f.times > 1 {
			c.rtt.synLost()
		}
		c.synAcknowledged()
	case FIN:
		c.finAcknowledged()
	}
	c.writable.Broadcast()
}

// measure takes the round-trip time of the newest segment among those that one
// acknowledgement told of. If one of those was sent several times, nobody knows
// which transmission is acknowledged, and nothing is measured: this is Karn's rule.
func (c *Conn) measure(newest *sent, again bool) {
	rtt := time.Since(newest.at)
	if !again {
		c.rtt.sample(rtt)
	}
	// An answer that comes too soon is one to an earlier transmission.
	if newest.times == 1 || rtt >= c.rtt.least {
		c.newestArrived = max(c.newestArrived, newest.ordinal)
	}
	if c.newestArrived >= c.congestion.roundEnd {
		c.congestion.roundOver(c.transmissions, &c.rtt)
	}
}

// findLosses takes segments for lost that were sent before one that has arrived,
// and that are overdue: datagrams overtake each other, but not by much (RFC 8985).
// It works for retransmissions that were lost as well.
func (c *Conn) findLosses() {
	c.loss.stop()
	if c.rtt.smoothed == 0 {
		return
	}
	var next time.Duration
	for _, f := range c.flight {
		if !f.underWay || f.ordinal >= c.newestArrived {
			continue
		}
		switch left := c.rtt.patience() - time.Since(f.at); {
		case left <= 0:
			c.lose(f)
		case next == 0 || left < next:
			next = left
		}
	}
	if next > 0 {
		c.loss.set(next)
	}
}

// lose takes a segment that is underWay for lost.
func (c *Conn) lose(f *sent) {
	f.underWay = false
	c.underWay -= len(f.payload)
	c.lost++
	c.congestion.losses++
}

// loseAll takes all that is underWay for lost.
func (c *Conn) loseAll() {
	for _, f := range c.flight {
		if f.underWay {
			c.lose(f)
		}
	}
}

// startWindow takes the first window that the other side tells, with its SYN.
func (c *Conn) startWindow(syn *Segment) {
	c.sndWnd, c.maxWnd = syn.Window, syn.Window
	c.sndWl1, c.sndWl2 = syn.Seq, syn.Ack
}

// updateWindow takes the window that a segment tells, unless the segment is older
// than the one that told the present window (RFC 9293, section 3.10.7.4). It reports
// whether a closed window has opened.
func (c *Conn) updateWindow(s *Segment) (reopened bool) {
	newer := before(c.sndWl1, s.Seq) || c.sndWl1 == s.Seq && !before(s.Ack, c.sndWl2)
	if !newer || before(s.Ack, c.sndUna) {
		return false
	}
	reopened = c.sndWnd == 0 && s.Window > 0
	c.sndWnd, c.maxWnd = s.Window, max(c.maxWnd, s.Window)
	c.sndWl1, c.sndWl2 = s.Seq, s.Ack
	return reopened
}

// END SOLUTION
