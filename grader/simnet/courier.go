package simnet

import "time"

// A courier is the one goroutine that takes datagrams and the segments of
// streams to their destination, where they only join a queue. Everything that
// is due is in one heap, so a datagram costs no goroutine and no timer of its
// own, and what arrives at the same instant arrives in the order of sending.
//
// Between two arrivals the courier always waits, if only for a nanosecond:
// virtual time moves when every goroutine waits, so whoever reads has taken
// the first one before the second one comes. What overflows does not depend on
// how goroutines happen to run.
type courier struct {
	due    []delivery // a heap; Network.mu guards it
	orders uint64
	wake   time.Duration // when the courier looks next; Network.mu guards it
	bell   chan struct{} // has room for one
	last   time.Duration // when it did something
}

// A delivery is a copy that arrives, or a second try.
type delivery struct {
	at    time.Duration
	order uint64
	p     *packet
	f     flight
	retry *segment
	poll  *half
}

// maxUnderWay is a storm. Links that are full have less.
const maxUnderWay = 200_000

const never = time.Duration(1<<63 - 1)

func (d *delivery) before(e *delivery) bool {
	return d.at < e.at || d.at == e.at && d.order < e.order
}

// schedule is called with mu held.
func (n *Network) schedule(d delivery) {
	c := &n.courier
	c.orders++
	d.order = c.orders
	c.push(d)
	if d.at < c.wake {
		c.wake = d.at
		n.ring()
	}
}

// post schedules the arrival of a copy. It is called with mu held.
func (n *Network) post(e errand) {
	at := n.world.Now() + e.delay
	if line := e.line; line != nil && e.flight.copy == 0 {
		line.last = max(line.last, at)
		at = line.last
	}
	n.schedule(delivery{at: at, p: e.packet, f: e.flight})
	if len(n.courier.due) > maxUnderWay {
		n.world.Overrun("more than %d datagrams and segments are under way at once. Does a loop send without end?", maxUnderWay)
	}
}

// ring lets the courier look.
func (n *Network) ring() {
	select {
	case n.courier.bell <- struct{}{}:
	default:
	}
}

func (c *courier) push(d delivery) {
	c.due = append(c.due, d)
	i := len(c.due) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !d.before(&c.due[up]) {
			break
		}
		c.due[i] = c.due[up]
		i = up
	}
	c.due[i] = d
}

func (c *courier) pop() delivery {
	first, n := c.due[0], len(c.due)-1
	d := c.due[n]
	c.due[n] = delivery{}
	c.due = c.due[:n]
	if n == 0 {
		return first
	}
	i := 0
	for {
		down := 2*i + 1
		if down >= n {
			break
		}
		if down+1 < n && c.due[down+1].before(&c.due[down]) {
			down++
		}
		if !c.due[down].before(&d) {
			break
		}
		c.due[i] = c.due[down]
		i = down
	}
	c.due[i] = d
	return first
}

// runCourier delivers until the world has ended.
func (n *Network) runCourier() {
	ended := false
	defer func() {
		if !ended { // The test's observer has ended the goroutine.
			go n.runCourier()
		}
	}()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		d, wait, over := n.nextDelivery()
		switch {
		case over:
			ended = true
			return
		case wait == never:
			<-n.courier.bell
		case wait > 0:
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-n.courier.bell:
			}
		default:
			d.do()
		}
	}
}

// nextDelivery returns what is due now, or how long to wait.
func (n *Network) nextDelivery() (d delivery, wait time.Duration, over bool) {
	now := n.world.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	c := &n.courier
	if n.over {
		c.due = nil
		return delivery{}, 0, true
	}
	c.wake = never
	if len(c.due) == 0 {
		return delivery{}, never, false
	}
	if at := max(c.due[0].at, c.last+1); at > now {
		c.wake = at
		return delivery{}, at - now, false
	}
	c.last = now
	return c.pop(), 0, false
}

func (d *delivery) do() {
	switch {
	case d.retry != nil:
		d.retry.again()
	case d.poll != nil:
		d.poll.poll()
	default:
		d.p.land(d.f)
	}
}
