package simnet

import "time"

// A carrier is a goroutine that takes copies of packets to their destination:
// it waits for the flight's time and then is the goroutine in which the handler
// runs. Carriers are used again, because a new goroutine's stack would have to
// grow for every message.
type carrier struct {
	errands chan errand // has room for one
}

// An errand is one copy to deliver.
type errand struct {
	*packet
	flight flight
	delay  time.Duration
}

// carry delivers a copy after a delay.
func (n *Network) carry(e errand) {
	var c *carrier
	n.mu.Lock()
	if e.raw() {
		n.post(e)
		n.mu.Unlock()
		return
	}
	if last := len(n.idle) - 1; last >= 0 {
		c, n.idle = n.idle[last], n.idle[:last]
	}
	n.mu.Unlock()
	if c == nil {
		c = &carrier{errands: make(chan errand, 1)}
		go c.run(n)
	}
	c.errands <- e
}

func (c *carrier) run(n *Network) {
	for e := range c.errands {
		time.Sleep(e.delay)
		e.land(e.flight)
		if !n.await(c) {
			return
		}
	}
}

// await puts a carrier among the idle ones, or reports that none are needed.
func (n *Network) await(c *carrier) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.over {
		n.idle = append(n.idle, c)
	}
	return !n.over
}

// dismiss lets all carriers end.
func (n *Network) dismiss() {
	n.mu.Lock()
	idle := n.idle
	n.idle, n.over = nil, true
	n.ring()
	n.mu.Unlock()
	for _, c := range idle {
		close(c.errands)
	}
}
