package simnet

import (
	"slices"
	"syscall"
	"time"
)

// Streams are carried by packets, as everything is. A half is one direction of
// a connection: its sender numbers the segments, its receiver puts them in
// order. A segment that the network loses is sent again, so faults of a link
// appear as delay.
type half struct {
	from, to *conn
	link     *link
	flow     *flow
	serial   uint64 // of the connection, among those of its flow

	// Network.mu guards what follows.
	line    order      // segments do not overtake one another
	next    uint64     // number of the next segment to send
	expect  uint64     // number of the next segment to receive
	early   []*segment // received before those that they follow
	buffer  [][]byte   // received, and not read
	unread  int        // bytes written and not read
	limit   int        // of unread; 0: none
	fin     bool       // received: there is no more
	settled bool       // the receiver has had the last segment
	stalled []*segment // wait for the network to let them pass
	polls   uint64     // how often that was looked at
}

// What a segment says.
const (
	wordDial   = "dial"
	wordAccept = "accept"
	wordData   = "data"
	wordFin    = "fin"
	wordReset  = "reset"
)

const (
	maxSegment  = 64 << 10 // bytes
	maxUnread   = 256 << 20
	backlog     = 4096 // connections that wait for Accept
	firstRTO    = 200 * time.Millisecond
	maxRTO      = time.Second
	dialTimeout = 31 * time.Second
)

// timeout returns after which time a segment is sent again that has been sent
// tries times. It is short: a test waits for streams to go on after a partition.
func timeout(word string, tries uint64) time.Duration {
	if word == wordDial {
		return maxRTO
	}
	return min(firstRTO<<min(tries-1, 8), maxRTO)
}

// A segment is the cargo of streams.
type segment struct {
	packet
	half    *half
	number  uint64
	hopes   int // copies under way; Network.mu guards it
	arrived bool
}

// segment makes the next one. It is called with mu held.
func (h *half) segment(word string, payload []byte) *segment {
	n := h.from.net
	n.lastID++
	s := &segment{half: h, number: h.next, hopes: 1}
	s.packet = packet{
		net: n, link: h.link, flow: h.flow, from: h.from.life, to: h.to.life,
		id: n.lastID, ordinal: h.serial<<32 | h.next, payload: payload, cargo: s,
		word: word, stream: true, line: &h.line,
		fromPort: h.from.local.Port, toPort: h.to.local.Port,
	}
	if h.to.life == nil { // not yet accepted
		s.to = h.link.to.life
	}
	h.next++
	return s
}

func (s *segment) doubled() { s.hopes++ }

func (s *segment) refusal(f flight) *cause {
	if f.damaged {
		return damaged
	}
	if s.word == wordDial && !s.arrived {
		if l := s.to.listeners[s.toPort]; l != nil && len(l.queue) >= backlog {
			return backlogFull
		}
	}
	return nil
}

// gone makes the sender try again when the last copy is gone.
func (s *segment) gone(why *cause) {
	n := s.net
	n.mu.Lock()
	defer n.mu.Unlock()
	s.hopes--
	if s.hopes > 0 || s.pointless() {
		return
	}
	s.run++
	if why.err == ErrUnreachable {
		s.half.stall(s)
		return
	}
	n.schedule(delivery{at: n.world.Now() + timeout(s.word, s.run), retry: s})
}

// pointless reports whether the segment need not be sent again. It is called
// with mu held.
func (s *segment) pointless() bool {
	switch {
	case s.arrived, s.net.ended, !s.from.Alive() && !s.posthumous:
		return true
	case s.word == wordReset:
		return s.half.to.err != nil
	}
	return s.half.from.err != nil
}

// again sends the segment again.
func (s *segment) again() {
	n := s.net
	n.mu.Lock()
	if s.pointless() {
		n.mu.Unlock()
		return
	}
	s.hopes = 1
	if s.word == wordDial {
		s.to = s.link.to.life
	}
	hooks := n.hooks
	n.mu.Unlock()
	s.recordText("send", "again")
	s.dispatch(n.ask(&s.packet, hooks, s.payload), nil)
}

// stall queues a segment that cannot pass. One try a second for all of them is
// enough. It is called with mu held.
func (h *half) stall(s *segment) {
	i, _ := slices.BinarySearchFunc(h.stalled, s.number, func(t *segment, number uint64) int {
		return int(t.number) - int(number)
	})
	h.stalled = slices.Insert(h.stalled, i, s)
	if len(h.stalled) == 1 {
		h.polls = 0
		h.pollLater()
	}
}

func (h *half) pollLater() {
	n := h.from.net
	h.polls++
	n.schedule(delivery{at: n.world.Now() + timeout(h.stalled[0].word, h.polls), poll: h})
}

// poll sends what is stalled as soon as the network lets it pass.
func (h *half) poll() {
	n := h.from.net
	n.mu.Lock()
	h.stalled = slices.DeleteFunc(h.stalled, (*segment).pointless)
	if len(h.stalled) == 0 {
		n.mu.Unlock()
		return
	}
	first := h.stalled[0]
	if first.word == wordDial {
		first.to = first.link.to.life
	}
	if first.barred() != nil {
		h.pollLater()
		n.mu.Unlock()
		return
	}
	stalled := h.stalled
	h.stalled = nil
	n.mu.Unlock()
	for _, s := range stalled {
		s.again()
	}
}

// arrive takes a segment.
func (s *segment) arrive(flight) {
	n, h := s.net, s.half
	n.mu.Lock()
	s.hopes--
	first := !s.arrived
	s.arrived = true
	var answers []*segment
	switch {
	case !first:
	case s.word == wordReset:
		h.to.fail(s.resetError())
	case h.to.err == nil:
		answers = h.accept(s)
	}
	n.mu.Unlock()
	sendAll(answers)
}

func (s *segment) resetError() error {
	if s.half.to.dialing {
		return syscall.ECONNREFUSED
	}
	return syscall.ECONNRESET
}

// accept takes the segments whose turn it is, and returns what is to be sent
// in answer. It is called with mu held.
func (h *half) accept(s *segment) (answers []*segment) {
	if s.number != h.expect {
		i, _ := slices.BinarySearchFunc(h.early, s.number, func(t *segment, number uint64) int {
			return int(t.number) - int(number)
		})
		h.early = slices.Insert(h.early, i, s)
		return nil
	}
	for {
		h.expect++
		answers = append(answers, h.take(s)...)
		if len(h.early) == 0 || h.early[0].number != h.expect || h.to.err != nil {
			break
		}
		s, h.early = h.early[0], h.early[1:]
	}
	h.to.changed.Broadcast()
	return answers
}

// take takes one segment in its turn.
func (h *half) take(s *segment) []*segment {
	c := h.to
	switch s.word {
	case wordDial:
		return []*segment{c.dialled(s.to)}
	case wordAccept:
		c.dialing = false
	case wordFin:
		h.fin, h.settled = true, true
		h.from.forget()
	case wordData:
		return h.takeData(s.payload)
	}
	return nil
}

func (h *half) takeData(data []byte) []*segment {
	c := h.to
	cut := false
	if f := h.link.fuse; f != nil {
		data, cut = f.burn(data)
	}
	var answers []*segment
	switch {
	case c.closed: // Nobody will read it, and the sender must know.
		answers = c.abort(syscall.ECONNRESET)
	case c.readClosed:
		h.unread -= len(data)
		h.from.changed.Broadcast()
	case len(data) > 0:
		h.buffer = append(h.buffer, data)
	}
	if cut {
		h.link.fuse = nil
		c.fail(syscall.ECONNRESET)
		h.from.fail(syscall.ECONNRESET)
	}
	return answers
}

// read takes bytes from the buffer. It is called with mu held.
func (h *half) read(b []byte) int {
	total := 0
	for len(b) > 0 && len(h.buffer) > 0 {
		k := copy(b, h.buffer[0])
		b, total = b[k:], total+k
		if h.buffer[0] = h.buffer[0][k:]; len(h.buffer[0]) == 0 {
			h.buffer[0] = nil
			h.buffer = h.buffer[1:]
		}
	}
	h.release(total)
	return total
}

// release makes room for the writer.
func (h *half) release(k int) {
	h.unread -= k
	if h.limit > 0 {
		h.from.changed.Broadcast()
	}
}

// room returns how much the writer may write now.
func (h *half) room() int {
	if h.limit == 0 {
		return maxSegment
	}
	return h.limit - h.unread
}
