package simnet_test

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
)

const (
	ms     = time.Millisecond
	second = time.Second
)

// steady is a perfect link with a latency that does not vary.
func steady(latency time.Duration) simnet.Link {
	return simnet.Link{Latency: simnet.Range{Min: latency, Max: latency}}
}

type Number struct{ N int }

// Service is what the nodes of these tests serve, under the name "S".
type Service struct {
	mu     sync.Mutex
	served []int         // arguments, in the order of their execution
	block  chan struct{} // Block waits for it
}

func (s *Service) Served() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.served)
}

func (s *Service) Echo(args *Number, reply *Number) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served = append(s.served, args.N)
	*reply = *args
	return nil
}

func (s *Service) Other(args Number, reply *Number) error { return s.Echo(&args, reply) }

func (s *Service) Fail(args *Number, reply *Number) error {
	reply.N = -1
	return errors.New("not today")
}

func (s *Service) Panic(args *Number, reply *Number) error { panic("boom") }

func (s *Service) Exit(args *Number, reply *Number) error {
	runtime.Goexit()
	return nil
}

func (s *Service) Block(args *Number, reply *Number) error {
	<-s.block
	return s.Echo(args, reply)
}

// pair is a network in which node 1 calls node 2.
type pair struct {
	*simnet.Network
	w       *simtest.World
	one     *simnet.Node
	two     *simnet.Node
	client  *simnet.Client // of node 1
	service *Service       // of node 2
}

func newPair(w *simtest.World, settings simnet.Link) *pair {
	n := simnet.New(w, settings)
	p := &pair{Network: n, w: w, one: n.Node("1"), two: n.Node("2")}
	p.service = serve(p.two)
	p.client = p.one.Client("2")
	return p
}

func serve(node *simnet.Node) *Service {
	s := &Service{block: make(chan struct{})}
	node.Serve("S", s)
	return s
}

// call calls S.Echo.
func (p *pair) call(n int) error {
	_, err := echo(p.client, n)
	return err
}

func echo(c *simnet.Client, n int) (int, error) {
	var reply Number
	err := c.Call("S.Echo", &Number{n}, &reply)
	return reply.N, err
}

// A pending call is one that another goroutine waits for.
type pending struct {
	err  error
	at   time.Duration // when it returned
	done chan struct{}
}

func (p *pair) start(n int) *pending { return p.startOn(p.client, "S.Echo", n) }

func (p *pair) startOn(c *simnet.Client, method string, n int) *pending {
	call := &pending{done: make(chan struct{})}
	p.w.Go(func() {
		defer close(call.done)
		call.err = c.Call(method, &Number{n}, &Number{})
		call.at = p.w.Now()
	})
	return call
}

// wait waits for the call and returns its error.
func (c *pending) wait() error {
	<-c.done
	return c.err
}

func (c *pending) isDone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// kinds returns the kinds of the events, with their details.
func kinds(events []simtest.Event) []string {
	var all []string
	for _, e := range events {
		text := e.Kind
		if e.Reply {
			text += " reply"
		}
		if e.Lazy != nil {
			e.Detail = e.Lazy()
		}
		if e.Detail != "" {
			text += " " + e.Detail
		}
		all = append(all, text)
	}
	return all
}
