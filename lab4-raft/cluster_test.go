package raft_test

import (
	"fmt"
	"log"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	raft "distsys/lab4-raft"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
)

// electionBound is how soon a majority that can talk must have a leader.
const electionBound = 5 * time.Second

// agreeBound is how soon a command must be committed and applied, an election
// included.
const agreeBound = 10 * time.Second

// A cluster is a number of student servers on a simulated network. What they
// tell each other is checked by a wireCheck, what they tell their state
// machines by a ledger, at all times.
type cluster struct {
	w       *simtest.World
	net     *simnet.Network
	wire    *wireCheck
	ledger  *ledger
	servers []*server

	// snapshotEvery makes each state machine take a snapshot whenever the
	// index it has applied is a multiple of it. 0 is never.
	snapshotEvery int

	// kv makes the servers databases with these options. Then there is no ledger.
	kv *raft.KVOptions

	mu    sync.Mutex
	count int // commands made so far
}

// A server is one place in the cluster. Its disk and its name stay; what runs
// on it comes and goes.
type server struct {
	id     int
	name   string
	node   *simnet.Node
	disk   *disk
	cutOff atomic.Bool // by isolate; clients ask for it

	// forgets is the term in which it crashed without ever having saved
	// anything.
	forgets int

	mu  sync.Mutex
	run *incarnation // nil while crashed
}

// An incarnation is one run of a server, from start to crash.
type incarnation struct {
	rf     *raft.Raft
	kv     *raft.KV // of a database
	handle *handle
	gone   chan struct{} // closed at the crash
}

func name(id int) string { return fmt.Sprintf("s%d", id) }

// startCluster starts n servers on a reliable network.
func startCluster(w *simtest.World, n int, options ...func(*cluster)) *cluster {
	c := &cluster{w: w, net: simnet.New(w, simnet.Reliable)}
	c.wire = newWireCheck(w, n)
	c.ledger = newLedger(w, n)
	c.net.Observe(c.wire.observe)
	c.net.Describe(describe)
	for _, o := range options {
		o(c)
	}
	for id := range n {
		c.servers = append(c.servers, &server{id: id, name: name(id), node: c.net.Node(name(id)), disk: &disk{}})
	}
	for id := range n {
		c.start(id)
	}
	w.Cleanup(c.stopAll)
	return c
}

// snapshots makes the state machines take a snapshot every n commands.
func snapshots(n int) func(*cluster) { return func(c *cluster) { c.snapshotEvery = n } }

// start begins a new incarnation of a server on what its disk holds.
func (c *cluster) start(id int) {
	s := c.servers[id]
	peers := make([]raft.Peer, len(c.servers))
	for other := range peers {
		if other != id {
			peers[other] = s.node.Client(name(other))
		}
	}
	run := &incarnation{handle: s.disk.open(), gone: make(chan struct{})}
	epoch := c.ledger.restart(id)
	apply := make(chan raft.ApplyMsg)
	if c.kv != nil {
		run.kv = raft.NewKV(id, peers, run.handle, *c.kv)
		run.rf = run.kv.Raft()
		s.node.Serve("KV", run.kv)
	} else {
		run.rf = raft.New(id, peers, run.handle, apply)
	}
	s.node.Serve("Raft", run.rf)
	s.mu.Lock()
	s.run = run
	s.mu.Unlock()
	if c.kv == nil {
		go c.stateMachine(id, epoch, run, apply)
	}
}

// stop ends the server in the ordinary way.
func (run *incarnation) stop() {
	if run.kv != nil {
		run.kv.Stop()
		return
	}
	run.rf.Stop()
}

// stateMachine takes what the server applies, as a service would. Each command
// keeps it busy for a while, so a server that holds its mutex until a command is
// taken gets stuck.
func (c *cluster) stateMachine(id, epoch int, run *incarnation, apply <-chan raft.ApplyMsg) {
	for n := uint64(0); ; n++ {
		select {
		case <-run.gone:
			return
		case m := <-apply:
			if !c.ledger.applied(id, epoch, m) {
				return
			}
			work := c.w.Dice(simtest.Key("service"), uint64(id), uint64(epoch), n)
			time.Sleep(work.Duration(20*time.Microsecond, 500*time.Microsecond))
			if n := c.snapshotEvery; n > 0 && !m.IsSnapshot && m.Index%n == 0 {
				run.rf.Snapshot(m.Index, c.ledger.snapshot(m.Index))
			}
		}
	}
}

// crash ends a server at once: nothing of it reaches the network or its disk
// any more.
func (c *cluster) crash(id int) {
	s := c.servers[id]
	run := s.take()
	if run == nil {
		return
	}
	run.handle.die()
	if state, _ := s.disk.size(); state == 0 {
		s.forgets, _ = run.rf.State()
	}
	c.ledger.restart(id)
	s.node.Crash()
	close(run.gone)
	c.w.Go(run.stop)
}

// restart starts a server again, on its disk; one that runs crashes first.
func (c *cluster) restart(id int) {
	c.crash(id)
	c.mustHaveSaved(id)
	c.servers[id].node.Restart()
	c.start(id)
}

// mustHaveSaved says what is to be done next when a server had something to
// save, and has saved nothing.
func (c *cluster) mustHaveSaved(id int) {
	if s := c.servers[id]; s.forgets > 0 {
		log.Printf("TODO(4C): persist: save what a crash must not erase (Figure 2). %s was in term %d and had saved nothing", s.name, s.forgets)
	}
}

// take removes and returns the running incarnation.
func (s *server) take() *incarnation {
	s.mu.Lock()
	defer s.mu.Unlock()
	run := s.run
	s.run = nil
	return run
}

// rf returns the running server, or nil.
func (s *server) rf() *raft.Raft {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return nil
	}
	return s.run.rf
}

func (c *cluster) stopAll() {
	for _, s := range c.servers {
		if run := s.take(); run != nil {
			run.stop()
			close(run.gone)
		}
	}
}

// isolate cuts a server off from all others.
func (c *cluster) isolate(ids ...int) {
	for _, id := range ids {
		c.servers[id].cutOff.Store(true)
		c.net.Isolate(name(id))
	}
}

// heal connects everybody with everybody.
func (c *cluster) heal() {
	for _, s := range c.servers {
		s.cutOff.Store(false)
	}
	c.net.Heal()
}

// partition splits the cluster into groups that cannot reach each other.
func (c *cluster) partition(groups ...[]int) {
	names := make([][]string, len(groups))
	for i, g := range groups {
		for _, id := range g {
			names[i] = append(names[i], name(id))
		}
	}
	c.net.Partition(names...)
}

// up reports whether the server runs and is not cut off.
func (c *cluster) up(id int) bool { return c.servers[id].rf() != nil && !c.servers[id].cutOff.Load() }

// all returns the ids of all servers.
func (c *cluster) all() []int {
	ids := make([]int, len(c.servers))
	for i := range ids {
		ids[i] = i
	}
	return ids
}

// others returns the ids of all servers but those given.
func (c *cluster) others(ids ...int) []int {
	return slices.DeleteFunc(c.all(), func(id int) bool { return slices.Contains(ids, id) })
}

// leaderAmong returns the server of the highest term that says it leads, or
// -1.
func (c *cluster) leaderAmong(ids []int) int {
	leader, highest := -1, -1
	for _, id := range ids {
		if rf := c.servers[id].rf(); rf != nil {
			if term, leads := rf.State(); leads && term > highest {
				leader, highest = id, term
			}
		}
	}
	return leader
}

// waitForLeader returns the leader among the servers that are up, once there
// is one that a majority of the cluster follows.
func (c *cluster) waitForLeader() int {
	return c.waitForLeaderAmong(slices.DeleteFunc(c.all(), func(id int) bool { return !c.up(id) }))
}

// waitForLeaderAmong returns the leader among ids, once a majority of the
// cluster within ids is in its term.
func (c *cluster) waitForLeaderAmong(ids []int) int {
	leader := -1
	c.w.Eventually(electionBound, func() bool {
		leader = c.leaderAmong(ids)
		return leader >= 0 && c.followers(leader, ids) > len(c.servers)/2
	}, "a leader among %v, followed by a majority (§5.2). %s", ids, c.lazyStates())
	return leader
}

// followers counts the servers among ids in the leader's term, the leader
// included.
func (c *cluster) followers(leader int, ids []int) int {
	rf := c.servers[leader].rf()
	if rf == nil {
		return 0
	}
	term, _ := rf.State()
	n := 0
	for _, id := range ids {
		if rf := c.servers[id].rf(); rf != nil {
			if t, _ := rf.State(); t == term {
				n++
			}
		}
	}
	return n
}

// lazyStates is a Stringer that tells the servers' states when it is printed.
func (c *cluster) lazyStates() fmt.Stringer { return states{c} }

type states struct{ c *cluster }

// String says for each server what it thinks it is.
func (s states) String() string {
	var b strings.Builder
	b.WriteString("The servers say: ")
	for i, server := range s.c.servers {
		if i > 0 {
			b.WriteString(", ")
		}
		rf := server.rf()
		if rf == nil {
			fmt.Fprintf(&b, "%s crashed", server.name)
			continue
		}
		role := "follows"
		term, leads := rf.State()
		if leads {
			role = "leads"
		}
		fmt.Fprintf(&b, "%s %s in term %d", server.name, role, term)
		if server.cutOff.Load() {
			b.WriteString(" (cut off)")
		}
	}
	return b.String()
}

// command makes a command that no other is equal to.
func (c *cluster) command() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	return fmt.Appendf(nil, "command-%d", c.count)
}

// propose gives a command to one server, which has to be the leader.
func (c *cluster) propose(id int, command []byte) (index, term int) {
	index, term, leads := c.servers[id].rf().Propose(command)
	if !leads {
		c.w.Fatalf("%s was the leader, but Propose says that it is not. %s", name(id), c.lazyStates())
	}
	return index, term
}

// agree has a new command committed, by whatever leader, and waits until n of
// the servers have applied it. It returns the command's index.
func (c *cluster) agree(n int) int {
	command := c.command()
	for deadline := c.w.Now() + agreeBound; c.w.Now() < deadline; c.w.Sleep(20 * time.Millisecond) {
		index := c.offer(command)
		if index > 0 && c.reached(index, command, n, 2*time.Second) {
			return index
		}
	}
	c.w.Fatalf("no agreement within %v on %q among %d servers. %s", agreeBound, command, n, c.lazyStates())
	return 0
}

// offer proposes the command to the servers that are up, until one takes it.
func (c *cluster) offer(command []byte) (index int) {
	for _, s := range c.servers {
		if rf := s.rf(); rf != nil && !s.cutOff.Load() {
			if index, _, leads := rf.Propose(command); leads {
				return index
			}
		}
	}
	return 0
}

// reached waits until n servers have applied the command at the index.
func (c *cluster) reached(index int, command []byte, n int, within time.Duration) bool {
	for deadline := c.w.Now() + within; ; c.w.Sleep(5 * time.Millisecond) {
		have, got := c.ledger.count(index)
		if have > 0 && got != string(command) {
			return false
		}
		if have >= n {
			return true
		}
		if c.w.Now() >= deadline {
			return false
		}
	}
}

// waitApplied waits until the servers have applied everything up to index.
func (c *cluster) waitApplied(index int, ids ...int) {
	c.w.Eventually(agreeBound, func() bool {
		for _, id := range ids {
			if c.ledger.lastApplied(id) < index {
				return false
			}
		}
		return true
	}, "servers %v apply up to index %d. They applied up to %s. %s", ids, index, c.ledger, c.lazyStates())
}

// sent counts the requests of a method, of all servers, since before.
func (c *cluster) sent(before simnet.Stats, method string) int {
	return int(c.net.Stats().Since(before).Method(method).Requests().Total().Sent)
}

// sentTo counts the requests of a method from one server to another.
func (c *cluster) sentTo(before simnet.Stats, from, to int, method string) int {
	stats := c.net.Stats().Since(before).Method(method).Requests()
	return int(stats.From(name(from)).To(name(to)).Total().Sent)
}

// bytesTo counts the bytes of all messages from one server to another.
func (c *cluster) bytesTo(before simnet.Stats, from, to int) int {
	return int(c.net.Stats().Since(before).From(name(from)).To(name(to)).Total().Bytes)
}
