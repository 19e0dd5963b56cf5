package rpclab_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// soon is more than a few messages take.
const soon = 100 * time.Millisecond

// An office is a network with a server, on the node "server", and clients
// elsewhere.
type office struct {
	w      *simtest.World
	net    *simnet.Network
	node   *simnet.Node
	server *rpclab.Server
	slow   *Slow
	served chan error // what Serve returned
}

func newOffice(w *simtest.World) *office {
	o := &office{w: w, net: simnet.New(w, simnet.Reliable)}
	o.node = o.net.Node("server")
	return o
}

// open starts a server with a new store, and listens.
func (o *office) open() *office {
	o.server = rpclab.NewServer(nil)
	o.slow = &Slow{}
	require.NoError(o.w, o.server.Register("KV", rpclab.NewStore()))
	require.NoError(o.w, o.server.Register("Slow", o.slow))
	l, err := o.node.Listen("tcp", ":100")
	require.NoError(o.w, err)
	server, served := o.server, make(chan error, 1)
	o.served = served
	go func() { served <- server.Serve(l) }()
	o.w.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		server.Shutdown(ctx)
	})
	return o
}

// Slow is a service that takes its time.
type Slow struct {
	mu    sync.Mutex
	begun []string
}

// WorkArgs are the arguments of Slow.Work.
type WorkArgs struct {
	Name string
	Time time.Duration
}

// Work returns the name of its work, after some time.
func (s *Slow) Work(args *WorkArgs, reply *string) error {
	s.mu.Lock()
	s.begun = append(s.begun, args.Name)
	s.mu.Unlock()
	time.Sleep(args.Time)
	*reply = args.Name
	return nil
}

// count returns how many calls with the name have begun.
func (s *Slow) count(name string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.begun {
		if b == name {
			n++
		}
	}
	return n
}

// A desk is a caller at some node, whose connections are watched.
type desk struct {
	*rpclab.Caller
	o    *office
	node *simnet.Node

	mu      sync.Mutex
	dials   int // so far
	dialing int // at present
	open    int // connections that were dialled and not closed
}

func (o *office) desk(name string) *desk {
	d := &desk{o: o, node: o.net.Node(name)}
	d.Caller = rpclab.NewCaller(d.dial, nil)
	o.w.Cleanup(func() { d.Close() })
	return d
}

// client returns a client at some node.
func (o *office) client(name string) *rpclab.Client { return rpclab.NewClient(o.desk(name).Caller) }

// dial is the caller's dialer.
func (d *desk) dial(ctx context.Context) (net.Conn, error) {
	d.count(1, 1, 0)
	conn, err := d.node.DialContext(ctx, "tcp", "server:100")
	d.count(0, -1, 0)
	if err != nil {
		return nil, err
	}
	d.count(0, 0, 1)
	return &watched{Conn: conn, desk: d}, nil
}

func (d *desk) count(dials, dialing, open int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dials += dials
	d.dialing += dialing
	d.open += open
	if d.dialing > 1 || d.open > 1 {
		d.o.w.Errorf("%s has %d connections and dials %d more\nrule: it has one connection at a time, and all calls share it (Caller)", d.node.Name(), d.open, d.dialing)
	}
}

// state returns how often the caller has dialled, and how many connections it has.
func (d *desk) state() (dials, open int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dials, d.open
}

// watched is a connection that tells its desk when it is closed.
type watched struct {
	net.Conn
	desk *desk
	once sync.Once
}

func (c *watched) Close() error {
	c.once.Do(func() { c.desk.count(0, 0, -1) })
	return c.Conn.Close()
}

// A job is a call of Slow.Work under way.
type job struct {
	o     *office
	name  string
	began time.Duration
	done  chan struct{} // closed when Call has returned

	reply string
	err   error
	took  time.Duration
}

// work begins a call, and lets it get to the server.
func (d *desk) work(ctx context.Context, name string, span time.Duration) *job {
	j := &job{o: d.o, name: name, began: d.o.w.Now(), done: make(chan struct{}), reply: "untouched"}
	go func() {
		defer close(j.done)
		j.err = d.Call(ctx, "Slow.Work", &WorkArgs{name, span}, &j.reply)
		j.took = d.o.w.Now() - j.began
	}()
	return j
}

// wait waits until the call has returned.
func (j *job) wait() *job {
	select {
	case <-j.done:
	case <-time.After(10 * time.Minute):
		j.o.w.Fatalf("the call %s began at %v and has not returned", j.name, j.began)
	}
	return j
}

// succeeds checks that the call returns its answer.
func (j *job) succeeds() {
	j.wait()
	require.NoError(j.o.w, j.err, "the call %s, which began at %v", j.name, j.began)
	require.Equal(j.o.w, j.name, j.reply, "the reply of the call %s", j.name)
}

// fails checks that the call returns an error, after the time given, and has left
// its reply alone.
func (j *job) fails(want error, after time.Duration) {
	j.wait()
	require.ErrorIs(j.o.w, j.err, want, "the error of the call %s, which began at %v", j.name, j.began)
	require.WithinDuration(j.o.w, time.Unix(0, 0).Add(after), time.Unix(0, 0).Add(j.took), soon, "how long the call %s took, which began at %v and failed with %v", j.name, j.began, j.err)
	j.o.w.Sleep(10 * time.Second) // an answer may still come
	require.Equal(j.o.w, "untouched", j.reply, "the reply of the call %s, which failed with %v\nrule: if it returns an error, reply is as it was, and stays so (Caller.Call)", j.name, j.err)
}

// executed checks how often the server has begun to execute the call.
func (j *job) executed(want int) {
	require.Equal(j.o.w, want, j.o.slow.count(j.name), "how often the server executed the call %s\nrule: Call sends a request once, and never again (Caller.Call)", j.name)
}

// ping checks that a new call succeeds.
func (d *desk) ping(format string, args ...any) {
	var reply string
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := d.Call(ctx, "Slow.Work", &WorkArgs{"ping", 0}, &reply); err != nil || reply != "ping" {
		d.o.w.Fatalf("%s. The next call: error %v, reply %q", fmt.Sprintf(format, args...), err, reply)
	}
}

// goroutines describes the goroutines that run in the code under test once those
// that have something to do have done it: one that is between two reads may be
// nowhere in that code.
func (o *office) goroutines() []string {
	o.w.Sleep(soon)
	return o.w.Goroutines()
}

// leaves checks that no more goroutines run in the code under test than before.
func (o *office) leaves(before int, format string, args ...any) {
	if left := o.goroutines(); len(left) > before {
		o.w.Fatalf("%s. There were %d goroutines before, and now there are %d:\n%s\nrule: every goroutine ends when it has nothing to do any more (handout, rules of the course)", fmt.Sprintf(format, args...), before, len(left), strings.Join(left, "\n"))
	}
}
