package simnet

import (
	"net/rpc"
	"sync/atomic"
	"time"

	"distsys/grader/simtest"
)

// A Node is one machine of the network. It crashes and restarts as a whole.
type Node struct {
	net  *Network
	name string
	key  uint64

	// Network.mu guards what follows.
	life     *Incarnation
	groups   []int // of the partition; none: the group of the others
	isolated bool
	paused   bool
	held     []held // while paused, in the order of their coming
	ports    int    // ephemeral ones given out so far
}

// An Incarnation is the life of a node from its start, or restart, to its
// crash. Whatever code of an earlier incarnation still runs is a zombie:
// nothing it does must have an effect on others.
type Incarnation struct {
	node   *Node
	number int
	alive  atomic.Bool // set with Network.mu held
	server *rpc.Server // serves RPC
	serves bool        // something is registered; Network.mu guards it

	// Network.mu guards what follows.
	listeners map[int]*listener // by port
	sockets   map[int]*socket
}

// Node returns the node that the incarnation is of.
func (i *Incarnation) Node() *Node { return i.node }

// Number counts the incarnations of a node, from 1.
func (i *Incarnation) Number() int { return i.number }

// Alive reports whether the node has not crashed since.
func (i *Incarnation) Alive() bool { return i.alive.Load() }

// A held message waits for its node to resume.
type held struct {
	*packet
	arrived bool    // it has travelled already: it came in
	flight  flight  // of the copy that came in
	verdict Verdict // for one that goes out
}

// Name returns the node's name.
func (node *Node) Name() string { return node.name }

// Incarnation returns the present incarnation, or the last one when the node
// is down.
func (node *Node) Incarnation() *Incarnation {
	node.net.mu.Lock()
	defer node.net.mu.Unlock()
	return node.life
}

// start begins an incarnation. It is called with mu held.
func (node *Node) start() {
	number := 1
	if node.life != nil {
		number = node.life.number + 1
	}
	node.life = &Incarnation{node: node, number: number, server: rpc.NewServer()}
	node.life.alive.Store(true)
}

// Crash stops the node at once. Messages under way from and to it die.
// Goroutines of its code run on, but their calls reach nobody and fail after a
// long delay, the pending ones too. Callers whom it was about to answer get an
// error after a long delay. Its streams are reset: the other ends learn of it
// when the network lets a packet pass. Crash does nothing when the node is down.
func (node *Node) Crash() {
	n := node.net
	n.mu.Lock()
	life := node.life
	was := life.alive.Swap(false)
	node.paused, node.held = false, nil
	n.mu.Unlock()
	if !was {
		return
	}
	n.world.Record(simtest.Event{Kind: "crash", Node: node.name})
	n.abandon(func(c *call) bool { return c.request.from == life || c.request.to == life }, crashed)
	life.crashed()
}

// Restart starts a new incarnation, which has to Serve again. A node that is
// up crashes first.
func (node *Node) Restart() {
	node.Crash()
	node.net.mu.Lock()
	node.start()
	node.net.mu.Unlock()
	node.net.world.Record(simtest.Event{Kind: "restart", Node: node.name})
}

// Pause makes the node look like one in a long garbage collection: nothing
// leaves it and nothing reaches it until Resume. Its goroutines run on, and
// its calls may time out.
func (node *Node) Pause() {
	node.net.mu.Lock()
	pause := node.life.Alive() && !node.paused
	if pause {
		node.paused = true
	}
	node.net.mu.Unlock()
	if pause {
		node.net.world.Record(simtest.Event{Kind: "pause", Node: node.name})
	}
}

// Resume undoes Pause. What was held goes on its way now, with a new latency
// but in order.
func (node *Node) Resume() {
	node.net.mu.Lock()
	was, waiting := node.paused, node.held
	node.paused, node.held = false, nil
	node.net.mu.Unlock()
	if !was {
		return
	}
	node.net.world.Record(simtest.Event{Kind: "resume", Node: node.name})
	var order order
	for _, h := range waiting {
		if h.arrived {
			h.again(h.flight, &order)
		} else {
			h.dispatch(h.verdict, &order)
		}
	}
}

// An order makes messages arrive one after another.
type order struct{ last time.Duration }

// next returns when a message can arrive that would arrive at t.
func (o *order) next(t time.Duration) time.Duration {
	if o == nil {
		return t
	}
	o.last = max(t, o.last+1)
	return o.last
}
