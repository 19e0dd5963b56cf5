// Package simnet is an unreliable network of named nodes, in virtual time.
//
//	net := simnet.New(w, simnet.Unreliable)
//	net.Node("1").Serve("Raft", server)
//	err := net.Node("2").Client("1").Call("Raft.RequestVote", args, &reply)
//
//	listener, err := net.Node("server").Listen("tcp", ":6379")
//	conn, err := net.Node("client").DialContext(ctx, "tcp", "server:6379")
//
//	socket, err := net.Node("1").ListenPacket("udp", ":9000")
//
// It carries calls ([Client], [Node.Serve]), streams ([Node.Listen],
// [Node.DialContext]) and datagrams ([Node.ListenPacket]).
//
// Every directed link has settings: latency, loss, duplication, reordering,
// corruption, bandwidth. The network can be partitioned, nodes can crash,
// restart and pause. What becomes of a message is decided by the world's seed,
// the link, the method and the message's ordinal among its like, so it does
// not depend on the order in which goroutines happen to run.
//
// A network belongs to a [simtest.World] and is used inside its bubble only.
// Its methods may be called from any goroutine of the world.
package simnet

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"distsys/grader/simtest"
)

// A Network connects nodes by unreliable links.
type Network struct {
	world *simtest.World

	mu         sync.Mutex // never held while waiting, encoding or calling back
	nodes      map[string]*Node
	links      map[[2]*Node]*link
	settings   Link // of links that have none of their own
	lastID     uint64
	calls      map[*call]struct{} // those that have no outcome yet
	hooks      hooks
	kept       keeper
	idle       []*carrier
	over       bool // carriers go home
	describe   func(method string, v any) string
	hidden     atomic.Bool // streams are not logged
	complaints map[string]bool

	courier      courier
	conns        map[*conn]struct{} // open ends of streams
	streamBuffer int
	ended        bool // streams and sockets are closed
}

// New returns a network in w whose links all have the given settings.
func New(w *simtest.World, settings Link) *Network {
	n := &Network{
		world:      w,
		nodes:      map[string]*Node{},
		links:      map[[2]*Node]*link{},
		calls:      map[*call]struct{}{},
		complaints: map[string]bool{},
		conns:      map[*conn]struct{}{},
	}
	n.courier.bell = make(chan struct{}, 1)
	n.courier.last = -1
	n.SetLinks(settings)
	go n.runCourier()
	go n.watchEnd()
	return n
}

// watchEnd ends what is pending when the world comes to its end: the calls,
// which nobody will answer, and the idle goroutines.
func (n *Network) watchEnd() {
	for !n.world.Ending() {
		time.Sleep(endingWait)
	}
	n.abandon(func(*call) bool { return true }, worldEnds)
	n.endStreams()
	n.dismiss()
}

// Node returns the node of that name. It is created, running, when it is first
// asked for.
func (n *Network) Node(name string) *Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.node(name)
}

// node is Node with mu held.
func (n *Network) node(name string) *Node {
	node := n.nodes[name]
	if node == nil {
		node = &Node{net: n, name: name, key: simtest.Key(name)}
		node.start()
		n.nodes[name] = node
	}
	return node
}

// known returns the nodes of these names. It fails the world when there is no
// such node: the test has misspelt it. It is called without mu.
func (n *Network) known(names ...string) []*Node {
	n.mu.Lock()
	nodes := make([]*Node, len(names))
	missing, all := "", slices.Sorted(maps.Keys(n.nodes))
	for i, name := range names {
		if nodes[i] = n.nodes[name]; nodes[i] == nil {
			missing = name
		}
	}
	n.mu.Unlock()
	if missing != "" {
		n.world.Fatalf("simnet: there is no node %q. There are: %s", missing, strings.Join(all, " "))
	}
	return nodes
}

// complain fails the world, once for each message.
func (n *Network) complain(message string) {
	n.mu.Lock()
	again := n.complaints[message]
	n.complaints[message] = true
	n.mu.Unlock()
	if !again {
		n.world.Errorf("%s", message)
	}
}
