package simnet

import (
	"reflect"
	"time"

	"distsys/grader/simtest"
)

// A packet is one message on its way over one link, whatever it carries. All
// that the network does to messages happens here: the link's fate, partitions,
// crashes, pauses, the test's intercepts, counters and the event log.
type packet struct {
	net      *Network
	link     *link
	flow     *flow
	from, to *Incarnation
	id       uint64  // a reply has that of its request
	ordinal  uint64  // among its like on the link; a reply has that of its request
	answers  *packet // of a reply: the request
	run      uint64  // of a reply: which copy of the request it answers

	payload []byte
	typ     reflect.Type // what the payload decodes to
	err     string       // of a reply: the handler's error

	cargo  cargo
	detail func() string // for the event log

	// Of segments of streams and datagrams.
	word             string // what it is: one of the words
	fromPort, toPort int
	stream           bool
	posthumous       bool   // it says that its sender has crashed
	line             *order // copies arrive in the order of sending
}

// raw reports whether the packet carries bytes that the network does not
// understand.
func (p *packet) raw() bool { return p.word != "" }

// Cargo is what a packet carries. It learns how each copy of the packet fares:
// a copy either arrives or is gone.
type cargo interface {
	// doubled says that there is one more copy. Network.mu is held.
	doubled()
	// refusal says why the destination does not take the copy, or returns
	// nil. Network.mu is held.
	refusal(flight) *cause
	// arrive takes a copy, in a goroutine of its own.
	arrive(flight)
	// gone says that a copy will not arrive.
	gone(*cause)
}

// send sends the packet. Body is the value that it carries, as the sender has
// it.
func (p *packet) send(body any) {
	why, hooks := p.start()
	if why != nil {
		p.cargo.gone(why)
		return
	}
	if p.raw() {
		p.detail = p.keepHead()
	} else {
		p.detail = p.net.keep(p)
	}
	p.record("send")
	p.dispatch(p.net.show(p, hooks, body), nil)
}

// start counts the packet as sent. There are none of zombies, and none at the
// end of the world.
func (p *packet) start() (*cause, hooks) {
	n := p.net
	if n.world.Ending() {
		return worldEnds, hooks{}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !p.from.Alive() && !p.posthumous {
		return crashed, hooks{}
	}
	count := p.count()
	count.Sent++
	count.Bytes += uint64(len(p.payload))
	return nil, n.hooks
}

func (p *packet) reply() bool { return p.answers != nil }

// count is called with mu held.
func (p *packet) count() *Count {
	if p.reply() {
		return &p.flow.counts[1]
	}
	return &p.flow.counts[0]
}

// What the dice of a packet decide.
const (
	forFate = iota
	forWait
	forDamage                  // and one more for the second copy
	forSecondFlight = iota + 1 // and more for third, fourth...
)

// dice gives the packet's own source of random choices.
func (p *packet) dice(purpose uint64) simtest.Dice {
	kind := p.run << 1
	if p.reply() {
		kind |= 1
	}
	return p.net.world.Dice(p.link.from.key, p.link.to.key, p.flow.key, kind, p.ordinal, purpose)
}

// dispatch puts the packet on the wire, or holds it, or drops it.
func (p *packet) dispatch(v Verdict, o *order) {
	now := p.net.world.Now()
	if v.change != nil {
		p.payload = *v.change
	}
	if v.reset {
		p.drop(unwanted)
		p.sever()
		return
	}
	p.net.mu.Lock()
	f, holder := p.decide(v, now)
	p.net.mu.Unlock()
	switch {
	case holder != "":
		p.recordText("hold", holder)
	case f.drop != nil:
		p.drop(f.drop)
	default:
		p.fly(f, now, o)
	}
}

// decide decides the fate of a packet that is sent now, or says who holds it.
// It is called with mu held.
func (p *packet) decide(v Verdict, now time.Duration) (f fate, holder string) {
	from := p.from.node
	switch why := p.barred(); {
	case why != nil:
		return fate{drop: why}, ""
	case from.paused:
		from.held = append(from.held, held{packet: p, verdict: v})
		return fate{}, from.name + " is paused"
	case v.gate != nil:
		v.gate.held = append(v.gate.held, p)
		return fate{}, "the test holds it"
	case v.decided:
		f = v.fate
	default:
		f = p.link.fate(p.dice(forFate), p.settings(), len(p.payload), now)
	}
	if f.n == 2 {
		p.count().Duplicated++
		p.cargo.doubled()
	}
	return f, ""
}

// settings is called with mu held.
func (p *packet) settings() *Link {
	s := p.link.current(p.reply())
	if p.stream && (s.MTU > 0 || s.Queue > 0) { // A stream would fit itself to them.
		fitting := *s
		fitting.MTU, fitting.Queue = 0, 0
		return &fitting
	}
	return s
}

// sever breaks the stream that the packet belongs to, if any.
func (p *packet) sever() {
	if s, ok := p.cargo.(*segment); ok {
		Reset(s.half.from)
	}
}

// fly lets the copies arrive in their time.
func (p *packet) fly(f fate, now time.Duration, o *order) {
	for _, c := range f.copies[:f.n] {
		if c.copy > 0 {
			p.record("duplicate")
		}
		if c.late > 0 {
			p.recordText("hold", c.late.String()+" longer, by the link")
		}
		p.net.carry(errand{p, c, o.next(now+c.delay) - now})
	}
}

// again gives a copy that was held at its destination a new flight.
func (p *packet) again(c flight, o *order) {
	c.rounds++
	d := p.dice(forSecondFlight + 2*c.rounds + c.copy)
	n := p.net
	now := n.world.Now()
	n.mu.Lock()
	delay := p.link.current(p.reply()).Latency.pick(&d)
	n.mu.Unlock()
	n.carry(errand{p, c, o.next(now+delay) - now})
}

// barred says why the packet cannot pass now, or returns nil. It is called
// with mu held.
func (p *packet) barred() *cause {
	switch {
	case !p.from.Alive() && !p.posthumous:
		return crashed
	case !p.to.Alive():
		return down
	case !p.link.passes():
		return partitioned
	}
	return nil
}

// land is the arrival of a copy.
func (p *packet) land(c flight) {
	n := p.net
	if n.world.Ending() {
		p.drop(worldEnds)
		return
	}
	n.mu.Lock()
	why, holder := p.admitted(c)
	hooks := n.hooks
	n.mu.Unlock()
	switch {
	case holder != "":
		p.recordText("hold", holder)
	case why != nil:
		p.drop(why)
	default:
		p.record("deliver")
		n.showDelivery(p, c, hooks)
		p.cargo.arrive(c)
	}
}

// admitted counts a copy as delivered, or says why it is not or who holds it.
// It is called with mu held.
func (p *packet) admitted(c flight) (why *cause, holder string) {
	if why = p.barred(); why != nil {
		return why, ""
	}
	if to := p.to.node; to.paused {
		to.held = append(to.held, held{packet: p, arrived: true, flight: c})
		return nil, to.name + " is paused"
	}
	if why = p.cargo.refusal(c); why == nil {
		p.count().Delivered++
	}
	return why, ""
}

// drop is the end of a copy.
func (p *packet) drop(why *cause) {
	p.net.mu.Lock()
	p.count().Dropped++
	p.net.mu.Unlock()
	p.recordText("drop", why.text)
	p.cargo.gone(why)
}
