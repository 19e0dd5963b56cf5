package simnet

import (
	"cmp"
	"net"
	"slices"
	"syscall"

	"distsys/grader/simtest"
)

// Reset breaks a stream at once, given one of its ends as this package made it: both ends see ECONNRESET when
// they have read what has arrived, and what is under way is lost.
func Reset(stream net.Conn) {
	c := stream.(*conn)
	c.net.mu.Lock()
	c.sever()
	c.net.mu.Unlock()
	c.recordReset()
}

// ResetConns breaks all streams between two nodes, as [Reset] does, and
// returns how many there were.
func (n *Network) ResetConns(a, b string) int {
	n.known(a, b)
	n.mu.Lock()
	conns := n.connsWhere(func(c *conn) bool {
		return !c.dialing && c.local.Node == a && c.remote.Node == b || !c.out.to.dialing && c.local.Node == b && c.remote.Node == a
	})
	broken := 0
	for _, c := range conns {
		if c.err == nil {
			c.sever()
			broken++
		}
	}
	n.mu.Unlock()
	if broken > 0 {
		n.world.Record(simtest.Event{Kind: "reset", From: a, To: b, Detail: "all streams, by the test"})
	}
	return broken
}

// ResetAfter breaks, as [Reset] does, the stream that brings the bytes'th byte
// from one node to the other, counted from now over all their streams: that
// byte still arrives, and none after it. 0 stands for the next byte, which
// does not arrive. It works once. It replaces an earlier ResetAfter of the
// link.
func (n *Network) ResetAfter(from, to string, bytes int) {
	ends := n.known(from, to)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.link(ends[0], ends[1]).fuse = &fuse{bytes}
}

// A fuse breaks a stream when so many bytes have passed.
type fuse struct{ left int }

// burn returns what of data passes, and whether the stream breaks then.
func (f *fuse) burn(data []byte) ([]byte, bool) {
	if f.left > len(data) {
		f.left -= len(data)
		return data, false
	}
	return data[:f.left], true
}

// sever breaks both ends. It is called with mu held.
func (c *conn) sever() {
	c.fail(syscall.ECONNRESET)
	c.out.to.fail(syscall.ECONNRESET)
}

func (c *conn) recordReset() {
	c.net.world.Record(simtest.Event{
		Kind: "reset", From: c.local.Node, To: c.remote.Node, Name: c.out.flow.name, Detail: "by the test",
	})
}

// connsWhere returns the open streams' ends that match, the oldest first. It
// is called with mu held.
func (n *Network) connsWhere(match func(*conn) bool) []*conn {
	var conns []*conn
	for c := range n.conns {
		if match(c) {
			conns = append(conns, c)
		}
	}
	slices.SortFunc(conns, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	return conns
}

// crashed ends everything that belongs to an incarnation, and lets the other
// ends of its streams know.
func (i *Incarnation) crashed() {
	n := i.node.net
	n.mu.Lock()
	var last []*segment
	for _, c := range n.connsWhere(func(c *conn) bool { return c.life == i }) {
		last = append(last, c.abort(errCrashed)...)
	}
	for _, l := range i.listeners {
		l.end(errCrashed)
	}
	for _, s := range i.sockets {
		s.end(errCrashed)
	}
	n.mu.Unlock()
	for _, s := range last {
		s.posthumous = true
	}
	sendAll(last)
}

// endStreams ends everything when the world does.
func (n *Network) endStreams() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = true
	for c := range n.conns {
		c.fail(errEnded)
	}
	for _, node := range n.nodes {
		for _, l := range node.life.listeners {
			l.end(errEnded)
		}
		for _, s := range node.life.sockets {
			s.end(errEnded)
		}
	}
}

// freeze blocks the caller for ever when the world ran over its bounds.
func (n *Network) freeze() {
	if n.world.Halted() {
		select {}
	}
}
