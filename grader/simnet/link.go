package simnet

import (
	"fmt"
	"time"

	"distsys/grader/simtest"
)

// A Range is a uniform distribution of durations in [Min, Max), to the
// nanosecond. It is the constant Min when Max is not larger.
type Range struct{ Min, Max time.Duration }

// Link is the settings of a directed link. The zero value is a perfect link
// without latency. Probabilities are between 0 and 1.
type Link struct {
	// Latency specifies how long a message travels.
	Latency Range

	// Loss specifies the probability that a message is lost.
	Loss float64

	// Duplicate specifies the probability that a message arrives twice. Both
	// copies have a latency of their own.
	Duplicate float64

	// Reorder specifies the probability that a message is held longer than
	// its latency, by ReorderDelay, so that later ones overtake it.
	Reorder      float64
	ReorderDelay Range

	// Corrupt specifies the probability that a copy of a message is damaged.
	// RPC and streams notice, and drop it; a datagram arrives with a bit
	// flipped.
	Corrupt float64

	// Bandwidth specifies how many bytes a second the link takes. Messages
	// queue for it. 0 means no limit.
	Bandwidth int

	// Queue specifies how many bytes may wait for the bandwidth. A message
	// that finds more is dropped; a stream waits. 0 means no limit.
	Queue int

	// MTU specifies the size in bytes above which a message is dropped. 0
	// means no limit. Streams keep below it by themselves.
	MTU int

	// Replies specifies settings for the RPC replies that travel on this
	// link. Nil means that they have those of all other messages.
	Replies *Link
}

var (
	// Reliable loses nothing and takes 1-5 ms.
	Reliable = Link{Latency: Range{time.Millisecond, 5 * time.Millisecond}}

	// Unreliable loses a tenth of the requests and a tenth of the replies,
	// and takes 1-30 ms.
	Unreliable = Link{Latency: Range{time.Millisecond, 30 * time.Millisecond}, Loss: 0.1}

	// Reordering is Reliable, with most replies late and out of order.
	Reordering = Reliable.ReorderReplies()
)

// ReorderReplies returns l changed so that two thirds of the replies are held
// for 0.2-2 s.
func (l Link) ReorderReplies() Link {
	replies := l.forReplies()
	replies.Reorder = 2. / 3
	replies.ReorderDelay = Range{200 * time.Millisecond, 2 * time.Second}
	l.Replies = &replies
	return l
}

func (l Link) forReplies() Link {
	if l.Replies != nil {
		return *l.Replies
	}
	return l
}

// problem names a setting that makes no sense, or returns "".
func (l *Link) problem() string {
	for _, p := range []struct {
		name string
		p    float64
	}{{"Loss", l.Loss}, {"Duplicate", l.Duplicate}, {"Reorder", l.Reorder}, {"Corrupt", l.Corrupt}} {
		if !(p.p >= 0 && p.p <= 1) {
			return fmt.Sprintf("%s is %v. It is a probability, between 0 and 1", p.name, p.p)
		}
	}
	switch {
	case min(l.Latency.Min, l.Latency.Max) < 0:
		return fmt.Sprintf("Latency is %v. It cannot be negative", l.Latency)
	case min(l.ReorderDelay.Min, l.ReorderDelay.Max) < 0:
		return fmt.Sprintf("ReorderDelay is %v. It cannot be negative", l.ReorderDelay)
	case min(l.Bandwidth, l.MTU, l.Queue) < 0:
		return "Bandwidth, Queue or MTU is negative"
	case l.Replies == nil:
		return ""
	case l.Replies.Replies != nil:
		return "Replies has Replies of its own"
	}
	return l.Replies.problem()
}

// SetLinks gives all links these settings, also those that had settings of
// their own. Messages under way are not affected.
func (n *Network) SetLinks(settings Link) {
	n.check(&settings)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.settings = settings
	for _, l := range n.links {
		l.own = nil
	}
}

// SetLink gives the link from one node to another settings of its own. The
// way back is another link. Messages under way are not affected.
func (n *Network) SetLink(from, to string, settings Link) {
	n.check(&settings)
	ends := n.known(from, to)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.link(ends[0], ends[1]).own = &settings
}

func (n *Network) check(settings *Link) {
	if problem := settings.problem(); problem != "" {
		n.world.Fatalf("simnet: settings of a link: %s", problem)
	}
}

// A link is one direction between two nodes. Network.mu guards it.
type link struct {
	from, to *Node
	own      *Link // nil: those of the network
	cut      bool
	busy     time.Duration     // until then the bandwidth is taken
	flows    map[string]*flow  // by name
	routes   map[[2]int]*route // of datagrams, by their ports
	fuse     *fuse             // of ResetAfter
}

// A flow is the messages of one name on one link.
type flow struct {
	name   string
	key    uint64
	next   uint64   // ordinal of the next request
	counts [2]Count // of requests, of replies
}

// link is called with mu held.
func (n *Network) link(from, to *Node) *link {
	l := n.links[[2]*Node{from, to}]
	if l == nil {
		l = &link{from: from, to: to, flows: map[string]*flow{}}
		n.links[[2]*Node{from, to}] = l
	}
	return l
}

func (l *link) flow(name string) *flow {
	f := l.flows[name]
	if f == nil {
		f = &flow{name: name, key: simtest.Key(name)}
		l.flows[name] = f
	}
	return f
}

// current returns the settings of the link for requests or for replies.
func (l *link) current(reply bool) *Link {
	s := l.own
	if s == nil {
		s = &l.from.net.settings
	}
	if reply && s.Replies != nil {
		s = s.Replies
	}
	return s
}

// A fate is what the link does with one packet, whatever the packet carries.
type fate struct {
	drop   *cause // nil: its copies arrive
	n      int    // how many copies
	copies [2]flight
}

// A flight is one copy of a packet under way.
type flight struct {
	copy    uint64        // 0, or 1 for a duplicate
	delay   time.Duration // until it arrives
	late    time.Duration // how much of that is reordering
	damaged bool
	rounds  uint64 // how often it had to wait at a paused node
}

// fate decides about a packet of that size that is sent now, and takes the
// bandwidth for it. The choices are always made in the same order, all of
// them, so that changing one setting does not change the others' outcome.
func (l *link) fate(d simtest.Dice, s *Link, size int, now time.Duration) fate {
	if s.MTU > 0 && size > s.MTU {
		return fate{drop: tooLarge}
	}
	if s.Queue > 0 && l.waiting(s.Bandwidth, now)+size > s.Queue {
		return fate{drop: congested}
	}
	queued := l.transmit(s.Bandwidth, size, now)
	if d.Float64() < s.Loss {
		return fate{drop: lost}
	}
	f := fate{n: 1}
	if d.Float64() < s.Duplicate {
		f.n = 2
	}
	for i := range f.n {
		f.copies[i] = s.flight(&d)
		f.copies[i].copy = uint64(i)
		f.copies[i].delay += queued
	}
	return f
}

// flight decides about one copy.
func (s *Link) flight(d *simtest.Dice) flight {
	f := flight{delay: s.Latency.pick(d)}
	f.damaged = d.Float64() < s.Corrupt
	reorder, late := d.Float64() < s.Reorder, s.ReorderDelay.pick(d)
	if reorder {
		f.late = late
		f.delay += late
	}
	return f
}

// pick always takes exactly one number from d.
func (r Range) pick(d *simtest.Dice) time.Duration {
	return r.Min + time.Duration(d.Float64()*float64(max(0, r.Max-r.Min)))
}

// waiting returns how many bytes wait for the bandwidth.
func (l *link) waiting(bandwidth int, now time.Duration) int {
	return int(max(0, l.busy-now).Seconds() * float64(bandwidth))
}

// transmit puts size bytes on the wire, after those that are waiting, and
// returns in how long the last one has left.
func (l *link) transmit(bandwidth, size int, now time.Duration) time.Duration {
	if bandwidth == 0 {
		return 0
	}
	l.busy = max(l.busy, now) + time.Duration(float64(size)/float64(bandwidth)*float64(time.Second))
	return l.busy - now
}
