package dfs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/rpc"
	"slices"
	"strings"
	"sync"
	"time"

	dfs "distsys/lab3-dfs"

	"distsys/grader/simdisk"
	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// chunkSize is small, so that files have many chunks.
const chunkSize = 4 * dfs.BlockSize

// pieceSize is small, so that several pieces of a chunk are under way.
const pieceSize = dfs.BlockSize

// testConfig is what the tests' stores agree on.
func testConfig(replication int) dfs.Config {
	return dfs.Config{
		ChunkSize:   chunkSize,
		PieceSize:   pieceSize,
		Replication: replication,
		Heartbeat:   time.Second,
		DeadAfter:   5 * time.Second,
		Lease:       10 * time.Second,
		CallTimeout: 3 * time.Second,
	}
}

const (
	masterAddr = "master:9000"
	serverPort = ":9001"
)

// patience is how long an operation of a client may take while machines fail.
const patience = 2 * time.Minute

// A cluster is a store on a simulated network and simulated disks: a master and
// chunkservers cs1, cs2 and so on. Each runs on a machine of its own.
type cluster struct {
	w       *simtest.World
	net     *simnet.Network
	cfg     dfs.Config
	master  *machine
	servers []*machine

	mu    sync.Mutex
	calls []call // unless brief
	brief bool
	moved int64 // bytes that chunkservers read from one another
	hook  func(call)
	names int
}

// A call is one that ended, as the given code in conn.go traces it.
type call struct {
	at       time.Duration
	from, to string // machines
	method   string
	args     any
	err      error
}

// A machine is one place in the cluster. Its disk and its name stay; what runs on
// it comes and goes.
type machine struct {
	name  string
	node  *simnet.Node
	drive *simdisk.Drive

	mu   sync.Mutex
	life *life // nil while crashed
}

// A life is what runs on a machine from its start to its crash.
type life struct {
	server *dfs.ChunkServer // one of the two
	master *dfs.Master
}

func (l *life) stop() {
	if l.server != nil {
		l.server.Stop()
	} else {
		l.master.Stop()
	}
}

// startCluster starts a master and n chunkservers that keep so many replicas, and
// waits until they have met.
func startCluster(w *simtest.World, n, replication int, options ...func(*cluster)) *cluster {
	c := &cluster{w: w, net: simnet.New(w, simnet.Reliable), cfg: testConfig(replication)}
	c.net.HideStreams()
	for _, o := range options {
		o(c)
	}
	c.master = c.machine("master")
	c.startMaster()
	for i := range n {
		c.servers = append(c.servers, c.machine(fmt.Sprintf("cs%d", i+1)))
		c.startServer(i)
	}
	w.Cleanup(c.stopAll)
	w.Sleep(c.cfg.Heartbeat)
	return c
}

func (c *cluster) machine(name string) *machine {
	settings := simdisk.Settings{Quiet: true, Sync: simdisk.Range{Min: time.Millisecond, Max: 3 * time.Millisecond}}
	return &machine{name: name, node: c.net.Node(name), drive: simdisk.New(c.w, name, settings)}
}

// config returns the configuration for the present life of a machine.
func (c *cluster) config(m *machine) dfs.Config {
	cfg, name := c.cfg, m.name
	cfg.Dial = m.node.Incarnation().DialContext
	cfg.Trace = func(addr, method string, args any, err error) { c.trace(name, addr, method, args, err) }
	return cfg
}

// startMaster starts the master on what its disk holds.
func (c *cluster) startMaster() {
	m := c.master
	master, err := dfs.NewMaster(m.drive.Mount(m.node.Incarnation()), c.config(m))
	if err != nil {
		c.w.Fatalf("the master does not start: %v", err)
	}
	m.run(c, masterAddr, &life{master: master}, master.Serve)
}

// startServer starts a chunkserver on what its disk holds.
func (c *cluster) startServer(i int) {
	m := c.servers[i]
	server, err := dfs.NewChunkServer(m.addr(), masterAddr, m.drive.Mount(m.node.Incarnation()), c.config(m))
	if err != nil {
		c.w.Fatalf("%s does not start: %v", m.name, err)
	}
	m.run(c, m.addr(), &life{server: server}, server.Serve)
}

func (m *machine) addr() string { return m.name + serverPort }

func (m *machine) run(c *cluster, addr string, l *life, serve func(net.Listener) error) {
	listener, err := m.node.Listen("tcp", addr)
	require.NoError(c.w, err)
	m.mu.Lock()
	m.life = l
	m.mu.Unlock()
	c.w.Go(func() {
		if err := serve(listener); !errors.Is(err, dfs.ErrStopped) && m.running() == l && !c.w.Ending() {
			c.w.Errorf("Serve of %s ended: %v", m.name, err)
		}
	})
}

func (m *machine) running() *life {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.life
}

// take removes and returns what runs.
func (m *machine) take() *life {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.life
	m.life = nil
	return l
}

// crash ends what runs on a machine at once: nothing of it reaches the network any
// more, and what it had not synced is gone, or half there.
func (c *cluster) crash(m *machine) {
	l := m.take()
	if l == nil {
		return
	}
	m.node.Crash()
	m.drive.Crash()
	c.w.Go(l.stop)
}

// restart starts a machine again; one that runs crashes first.
func (c *cluster) restart(m *machine) {
	c.crash(m)
	m.node.Restart()
	if m == c.master {
		c.startMaster()
	} else {
		c.startServer(slices.Index(c.servers, m))
	}
}

func (c *cluster) stopAll() {
	for _, m := range append([]*machine{c.master}, c.servers...) {
		if l := m.take(); l != nil {
			l.stop()
		}
	}
}

// slowBetweenServers makes messages between chunkservers take that long.
func (c *cluster) slowBetweenServers(latency time.Duration) {
	for _, a := range c.servers {
		for _, b := range c.servers {
			c.net.SetLink(a.name, b.name, simnet.Link{Latency: simnet.Range{Min: latency, Max: latency + time.Millisecond}})
		}
	}
}

// trace records a call that ended.
func (c *cluster) trace(from, addr, method string, args any, err error) {
	to, _, _ := strings.Cut(addr, ":")
	name, detail := strings.TrimPrefix(method, "ChunkServer."), describe(args)
	if err != nil {
		detail += ": " + err.Error()
	}
	c.w.RecordFrequent(simtest.Event{Kind: "call", From: from, To: to, Detail: strings.TrimSpace(name + " " + detail)})
	switch a := args.(type) { // without the data, which nobody asks for
	case *dfs.WriteArgs:
		args = &dfs.WriteArgs{ID: a.ID, Version: a.Version, Offset: a.Offset, Next: a.Next}
	case *dfs.ReplicateArgs, *dfs.AppendArgs:
		args = nil
	}
	done := call{c.w.Now(), from, to, method, args, err}
	c.mu.Lock()
	if !c.brief {
		c.calls = append(c.calls, done)
	}
	if read, ok := args.(*dfs.ReadArgs); ok && err == nil && strings.HasPrefix(from, "cs") {
		c.moved += int64(read.Length)
	}
	hook := c.hook
	c.mu.Unlock()
	if hook != nil {
		hook(done)
	}
}

// onCall has f called with every call that ends from now on. It must not wait.
func (c *cluster) onCall(f func(call)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hook = f
}

// callsOf returns the calls of a method that ended since then.
func (c *cluster) callsOf(method string, since time.Duration) (calls []call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range c.calls {
		if call.method == method && call.at >= since {
			calls = append(calls, call)
		}
	}
	return calls
}

// describe says in few words what a message asks.
func describe(args any) string {
	switch a := args.(type) {
	case *dfs.WriteArgs:
		return fmt.Sprintf("chunk %d v%d [%d, %d) then %v", a.ID, a.Version, a.Offset, a.Offset+int64(len(a.Data)), a.Next)
	case *dfs.SealArgs:
		return fmt.Sprintf("chunk %d v%d length %d then %v", a.ID, a.Version, a.Length, a.Next)
	case *dfs.ReadArgs:
		return fmt.Sprintf("chunk %d v%d [%d, %d)", a.ID, a.Version, a.Offset, a.Offset+int64(a.Length))
	case *dfs.AppendArgs:
		return fmt.Sprintf("chunk %d v%d %d bytes", a.ID, a.Version, len(a.Record))
	case *dfs.ReplicateArgs:
		return fmt.Sprintf("chunk %d v%d [%d, %d)", a.ID, a.Version, a.Offset, a.Offset+int64(len(a.Data)))
	case *dfs.PromiseArgs:
		return fmt.Sprintf("chunk %d v%d create %v", a.ID, a.Version, a.Create)
	case *dfs.GrantArgs:
		return fmt.Sprintf("chunk %d v%d length %d primary %v then %v", a.ID, a.Version, a.Length, a.Primary, a.Secondaries)
	case *dfs.HeartbeatArgs:
		return fmt.Sprintf("%d chunks, leases %v, full %v", len(a.Chunks), a.Leases, a.Full)
	}
	return strings.TrimPrefix(fmt.Sprintf("%+v", args), "&")
}

// A user is a client on a machine of its own.
type user struct {
	*dfs.Client
	c    *cluster
	name string
}

// user returns a new client.
func (c *cluster) user() *user {
	c.mu.Lock()
	c.names++
	name := fmt.Sprintf("c%d", c.names)
	c.mu.Unlock()
	m := &machine{name: name, node: c.net.Node(name)}
	u := &user{Client: dfs.NewClient(masterAddr, c.config(m)), c: c, name: name}
	c.w.Cleanup(func() { u.Close() })
	return u
}

// soon returns a context that ends when an operation has taken too long.
func (u *user) soon() context.Context { return u.within(patience) }

func (u *user) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	u.c.w.Cleanup(cancel)
	return ctx
}

// put writes a new file.
func (u *user) put(path string, data []byte) error {
	f, err := u.Create(u.soon(), path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// mustPut writes a new file, which must succeed.
func (u *user) mustPut(path string, data []byte) {
	u.c.w.Helper()
	if err := u.put(path, data); err != nil {
		u.c.w.Fatalf("%s writes %s, %d bytes: %v", u.name, path, len(data), err)
	}
}

// get reads a file.
func (u *user) get(path string) ([]byte, error) {
	f, err := u.Open(u.soon(), path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// mustHave reads a file, which must have this content.
func (u *user) mustHave(path string, want []byte) {
	u.c.w.Helper()
	got, err := u.get(path)
	if err != nil {
		u.c.w.Fatalf("%s reads %s: %v", u.name, path, err)
	}
	u.c.same(path, want, got)
}

// same fails the world when a file has not the content that was written.
func (c *cluster) same(path string, want, got []byte) {
	if bytes.Equal(want, got) {
		return
	}
	at := 0
	for at < min(len(want), len(got)) && want[at] == got[at] {
		at++
	}
	c.w.Fatalf("%s: %d bytes were written, %d read; they differ from byte %d on, which is byte %d of chunk %d", path, len(want), len(got), at, at%chunkSize, at/chunkSize)
}

// content returns n bytes that differ from those of any other seed.
func content(seed uint64, n int) []byte {
	data := make([]byte, n)
	src := rand.NewPCG(seed, 1)
	for i := 0; i < n; i += 8 {
		v := src.Uint64()
		for j := i; j < min(n, i+8); j++ {
			data[j] = byte(v)
			v >>= 8
		}
	}
	return data
}

// ask calls a method of a machine over the network, as another program would. It
// goes through no code of the client.
func (c *cluster) ask(addr, method string, args, reply any) error {
	node := c.net.Node("test")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := node.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	client := rpc.NewClient(conn)
	defer client.Close()
	done := client.Go(method, args, reply, make(chan *rpc.Call, 1)).Done
	select {
	case call := <-done:
		err = call.Error
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.trace("test", addr, method, args, err)
	return err
}

// replica reads a whole replica from one chunkserver.
func (c *cluster) replica(m *machine, chunk dfs.ChunkInfo) ([]byte, error) {
	reply := new(dfs.ReadReply)
	err := c.ask(m.addr(), "ChunkServer.Read", &dfs.ReadArgs{ID: chunk.ID, Version: chunk.Version, Length: chunkSize}, reply)
	return reply.Data, err
}

// chunks returns the chunks of a file and where they are.
func (u *user) chunks(path string) []dfs.ChunkInfo {
	chunks, err := u.Chunks(u.soon(), path)
	if err != nil {
		u.c.w.Fatalf("chunks of %s: %v", path, err)
	}
	return chunks
}

// at returns the machine with that address.
func (c *cluster) at(addr string) *machine {
	for _, m := range c.servers {
		if m.addr() == addr {
			return m
		}
	}
	c.w.Fatalf("the master names a chunkserver %q, which there is not", addr)
	return nil
}

// holders returns the running servers that give a whole replica of the chunk,
// equal to data.
func (c *cluster) holders(chunk dfs.ChunkInfo, data []byte) (names []string) {
	for _, m := range c.servers {
		if m.running() == nil {
			continue
		}
		if got, err := c.replica(m, chunk); err == nil && bytes.Equal(got, data) {
			names = append(names, m.name)
		}
	}
	return names
}

// whole waits until each chunk of a file has exactly so many good replicas.
func (u *user) whole(path string, data []byte, replicas int, within time.Duration) {
	c := u.c
	size := int(c.cfg.ChunkSize)
	deadline := c.w.Now() + within
	for i := 0; ; {
		chunks := u.chunks(path)
		if i == len(chunks) {
			return
		}
		part := data[i*size : min(len(data), (i+1)*size)]
		holders := c.holders(chunks[i], part)
		named := func(name string) bool { return slices.Contains(chunks[i].Servers, name+serverPort) }
		if len(holders) == replicas && !slices.ContainsFunc(holders, func(name string) bool { return !named(name) }) {
			i++
			continue
		}
		if c.w.Now() > deadline {
			c.w.Fatalf("%v after the failure, chunk %d of %s is on %v, whole and right, and the master names %v: there should be %d replicas",
				within, chunks[i].ID, path, holders, chunks[i].Servers, replicas)
		}
		c.w.Sleep(500 * time.Millisecond)
	}
}

// pick chooses a number below n.
func pick(dice *simtest.Dice, n int) int { return int(dice.Uint64() % uint64(n)) }

// once chooses a time below d, for a purpose.
func once(w *simtest.World, purpose uint64, d time.Duration) time.Duration {
	dice := w.Dice(purpose)
	return dice.Duration(0, d)
}
