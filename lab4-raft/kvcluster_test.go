package raft_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	raft "distsys/lab4-raft"

	"distsys/grader/lincheck"
	"distsys/grader/simnet"
	"distsys/grader/simtest"
)

// A kvCluster is a cluster of databases, with clients. All that its clients do is
// recorded.
type kvCluster struct {
	*cluster
	rec     *lincheck.Recorder
	clients []*client
}

// manySessions never expire in a test.
const manySessions = 1000

// startKV starts n databases and some clients.
func startKV(w *simtest.World, n, clients int, options raft.KVOptions) *kvCluster {
	c := &kvCluster{rec: lincheck.New(w)}
	c.cluster = startCluster(w, n, func(c *cluster) { c.kv = &options })
	for range clients {
		c.newClient()
	}
	return c
}

// A client is a user of a database, on a machine of its own.
type client struct {
	c     *kvCluster
	id    int
	name  string
	node  *simnet.Node
	clerk *raft.Clerk
}

func (c *kvCluster) newClient() *client {
	id := len(c.clients)
	cl := &client{c: c, id: id, name: fmt.Sprintf("c%d", id)}
	cl.node = c.net.Node(cl.name)
	cl.clerk = raft.NewClerk(peersOf(cl.node, len(c.servers)))
	c.clients = append(c.clients, cl)
	return cl
}

// peersOf returns what a node needs to call n servers.
func peersOf(node *simnet.Node, n int) []raft.Peer {
	peers := make([]raft.Peer, n)
	for id := range peers {
		peers[id] = node.Client(name(id))
	}
	return peers
}

// opBound is how soon an operation must be done when a majority can talk and the
// client reaches it: an election, some lost messages, and a few servers to be tried
// before the leader.
const opBound = 10 * time.Second

// try has the clerk do an operation, and records it.
func (cl *client) try(op raft.Op, within time.Duration) (raft.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	rec := cl.c.rec.Begin(cl.id, lincheck.KVIn{Op: op.Kind, Key: op.Key, Value: op.Value, Old: op.Old, By: op.By})
	r, err := cl.clerk.Do(ctx, op)
	if err != nil {
		rec.Lost()
	} else {
		rec.End(output(op, r))
	}
	return r, err
}

// output is a result as the model knows it.
func output(op raft.Op, r raft.Result) lincheck.KVOut {
	if op.Kind == raft.OpAppend {
		return lincheck.Done // the model does not tell the length
	}
	return lincheck.KVOut{Value: r.Value, Found: r.Found, OK: r.OK, N: r.N}
}

// do is try for an operation that must succeed.
func (cl *client) do(op raft.Op) raft.Result {
	r, err := cl.try(op, opBound)
	if err != nil {
		cl.c.w.Fatalf("%s got no answer to %s within %v of virtual time, though a majority of the servers is up and connected: Clerk.Do returned %v. %s",
			cl.name, describeOp(op), opBound, err, cl.c.lazyStates())
	}
	return r
}

func (cl *client) get(key string) raft.Result { return cl.do(raft.Op{Kind: raft.OpGet, Key: key}) }

func (cl *client) put(key, value string) { cl.do(raft.Op{Kind: raft.OpPut, Key: key, Value: value}) }

// A pending is a call whose answer a test awaits.
type pending struct {
	mu    sync.Mutex
	ended bool
	reply raft.DoReply
	err   error
}

// ask sends a request to one server, past the clerk.
func (cl *client) ask(server int, args raft.DoArgs) *pending {
	p := &pending{}
	peer := cl.node.Client(name(server))
	go func() {
		var reply raft.DoReply
		err := peer.Call("KV.Do", &args, &reply)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended, p.reply, p.err = true, reply, err
	}()
	return p
}

// answer returns what came of the call, if it has ended.
func (p *pending) answer() (reply raft.DoReply, err error, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reply, p.err, p.ended
}

// answered reports whether the call has ended with an answer of a server.
func (p *pending) answered() bool {
	_, err, ended := p.answer()
	return ended && err == nil
}

// insist sends a request to whoever leads, past the clerk, until a server answers
// something else than NotLeader.
func (cl *client) insist(args raft.DoArgs) raft.DoReply {
	for deadline := cl.c.w.Now() + opBound; cl.c.w.Now() < deadline; cl.c.w.Sleep(20 * time.Millisecond) {
		leader := cl.c.waitForLeader()
		p := cl.ask(leader, args)
		for until := cl.c.w.Now() + time.Second; cl.c.w.Now() < until && !p.answered(); {
			cl.c.w.Sleep(2 * time.Millisecond)
		}
		if reply, _, _ := p.answer(); p.answered() && reply.Status != raft.NotLeader {
			return reply
		}
	}
	cl.c.w.Fatalf("within %v no leader had an answer to %s. %s", opBound, describeRequest(args), cl.c.lazyStates())
	return raft.DoReply{}
}

// open opens a session, past the clerk.
func (cl *client) open() (session uint64) {
	reply := cl.insist(raft.DoArgs{Op: raft.Op{Kind: raft.OpOpen}})
	if reply.Status != raft.Done || reply.Result.N <= 0 {
		cl.c.w.Fatalf("a request to open a session was answered %s: the number of a session is above 0", describeReply(reply))
	}
	return uint64(reply.Result.N)
}

// expect is insist, with an answer that must come.
func (cl *client) expect(args raft.DoArgs, want raft.DoReply, rule string) {
	if got := cl.insist(args); got != want {
		cl.c.w.Fatalf("%s was answered %s, not %s.\nrule: %s", describeRequest(args), describeReply(got), describeReply(want), rule)
	}
}

// split parts the network. Each group is servers, and the clients given with it.
// Other clients reach all servers.
func (c *kvCluster) split(groups [][]int, clients ...[]int) {
	names := make([][]string, len(groups))
	placed := map[int]bool{}
	for i, g := range groups {
		for _, id := range g {
			names[i] = append(names[i], name(id))
		}
		if i < len(clients) {
			for _, id := range clients[i] {
				placed[id] = true
				names[i] = append(names[i], c.clients[id].name)
			}
		}
	}
	for _, cl := range c.clients {
		for i := range names {
			if !placed[cl.id] {
				names[i] = append(names[i], cl.name)
			}
		}
	}
	c.net.Partition(names...)
}

// work has a client do operations of its own choice until the channel is closed.
// Keys that start with a are only read and appended to, with p only read and put,
// with n only read and incremented, and the rest takes everything.
func (cl *client) work(stop <-chan struct{}, pause time.Duration) {
	w := cl.c.w
	for n := uint64(0); ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		dice := w.Dice(simtest.Key("work"), uint64(cl.id), n)
		cl.try(someOp(&dice, fmt.Sprintf("%d.%d ", cl.id, n)), 8*time.Second)
		w.Sleep(dice.Duration(pause/2, pause*3/2))
	}
}

// someOp returns an operation. Token is a text that no other operation writes.
func someOp(dice *simtest.Dice, token string) raft.Op {
	key := []string{"a", "a", "p", "p", "n", "x"}[dice.Uint64()%6]
	if dice.Chance(0.4) {
		return raft.Op{Kind: raft.OpGet, Key: key}
	}
	switch key {
	case "a":
		return raft.Op{Kind: raft.OpAppend, Key: key, Value: token}
	case "p":
		return raft.Op{Kind: raft.OpPut, Key: key, Value: token}
	case "n":
		return raft.Op{Kind: raft.OpIncr, Key: key, By: 1}
	}
	switch dice.Uint64() % 4 {
	case 0:
		return raft.Op{Kind: raft.OpSetNX, Key: key, Value: token}
	case 1:
		return raft.Op{Kind: raft.OpDelete, Key: key}
	case 2:
		return raft.Op{Kind: raft.OpExists, Key: key}
	}
	return raft.Op{Kind: raft.OpPut, Key: key, Value: token}
}

// atWork runs disturb while all clients work; then it mends everything, sees that
// each client is served, and checks the history.
func (c *kvCluster) atWork(pause time.Duration, disturb func()) {
	stop := make(chan struct{})
	var working sync.WaitGroup
	for _, cl := range c.clients {
		working.Add(1)
		c.w.Go(func() {
			defer working.Done()
			cl.work(stop, pause)
		})
	}
	disturb()
	close(stop)
	for _, id := range c.down() {
		c.restart(id)
	}
	c.heal()
	c.net.SetLinks(simnet.Reliable)
	working.Wait()
	for _, cl := range c.clients {
		cl.get("a")
		cl.get("n")
	}
	c.rec.Check(lincheck.NewKV().Model())
}

// counter reads a number and compares it.
func (cl *client) counter(key string, want int, because string, args ...any) {
	got := cl.get(key)
	if got.Value != fmt.Sprint(want) {
		cl.c.w.Fatalf("the value of %q is %q, not \"%d\": %s.\nrule: each operation is executed exactly once (§8)", key, got.Value, want, fmt.Sprintf(because, args...))
	}
}

func describeOp(op raft.Op) string {
	parts := []string{op.Kind}
	for _, part := range []string{op.Key, op.Old, op.Value} {
		if part != "" {
			parts = append(parts, fmt.Sprintf("%q", clip(part)))
		}
	}
	if op.By != 0 {
		parts = append(parts, fmt.Sprint(op.By))
	}
	return strings.Join(parts, " ")
}

func describeRequest(a raft.DoArgs) string {
	if a.Op.Kind == raft.OpOpen {
		return "open a session"
	}
	return fmt.Sprintf("session %d seq %d: %s", a.Session, a.Seq, describeOp(a.Op))
}

func describeReply(r raft.DoReply) string {
	if r.Status != raft.Done {
		return fmt.Sprintf("%q", string(r.Status))
	}
	return fmt.Sprintf("done %s", describeResult(r.Result))
}

func describeResult(r raft.Result) string {
	var parts []string
	if r.Found || r.Value != "" {
		parts = append(parts, fmt.Sprintf("value %q", clip(r.Value)))
	}
	if r.OK {
		parts = append(parts, "ok")
	}
	if r.N != 0 {
		parts = append(parts, fmt.Sprint(r.N))
	}
	return "(" + strings.Join(parts, ", ") + ")"
}
