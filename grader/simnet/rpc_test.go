package simnet_test

import (
	"errors"
	"fmt"
	"net/netip"
	"net/rpc"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// A Client can do nothing but Call, not even by reflection, and is what a lab
// takes for a peer.
func TestClientHasNothingButCall(t *testing.T) {
	var _ interface {
		Call(serviceMethod string, args, reply any) error
	} = (*simnet.Client)(nil)
	typ := reflect.TypeFor[*simnet.Client]()
	require.Equal(t, 1, typ.NumMethod())
	require.Equal(t, "Call", typ.Method(0).Name)
	for i := range typ.Elem().NumField() {
		require.False(t, typ.Elem().Field(i).IsExported())
		require.Equal(t, reflect.Func, typ.Elem().Field(i).Type.Kind())
	}
}

// A call brings the arguments there and the reply back, with arguments by
// value and by pointer, and takes two latencies.
func TestCall(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steady(3*ms))
		var reply Number
		require.NoError(w, p.client.Call("S.Echo", &Number{5}, &reply))
		require.Equal(w, 5, reply.N)
		require.Equal(w, 6*ms, w.Now())
		require.NoError(w, p.client.Call("S.Other", Number{6}, &reply))
		require.Equal(w, 6, reply.N)
		require.NoError(w, p.client.Call("S.Other", Number{7}, nil)) // The reply is not wanted.
		require.Equal(w, []int{5, 6, 7}, p.service.Served())
	})
}

// An error of the handler arrives as net/rpc's ServerError, and the reply
// stays as it was.
func TestHandlerError(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		reply := Number{42}
		err := p.client.Call("S.Fail", &Number{1}, &reply)
		require.Equal(w, rpc.ServerError("not today"), err)
		require.Equal(w, 42, reply.N)
	})
}

// An unknown service, method or form of name gets net/rpc's own error.
func TestUnknownMethod(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		for method, text := range map[string]string{
			"T.Echo":  "rpc: can't find service T.Echo",
			"S.Steal": "rpc: can't find method S.Steal",
			"Echo":    "rpc: service/method request ill-formed: Echo",
		} {
			require.Equal(w, rpc.ServerError(text), p.client.Call(method, &Number{1}, &Number{}))
		}
	})
}

// A lost call leaves the reply as it was.
func TestLostCallLeavesReply(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := simnet.Reliable
		link.Replies = &simnet.Link{Loss: 1}
		p := newPair(w, link)
		reply := Number{42}
		require.ErrorIs(w, p.client.Call("S.Echo", &Number{1}, &reply), simnet.ErrLost)
		require.Equal(w, 42, reply.N)
	})
}

// A panic in a handler fails the world, says which node and method, and shows
// the handler's own frames only. The caller gets no reply.
func TestHandlerPanics(t *testing.T) {
	var err error
	r := simtest.Try(t, 1, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		err = p.client.Call("S.Panic", &Number{1}, &Number{})
	})
	require.Equal(t, simtest.Panic, r.Status)
	require.ErrorIs(t, err, simnet.ErrLost)
	message := r.Failures[0].Message
	require.Contains(t, message, "node 2 in S.Panic panicked: boom\n")
	require.Contains(t, message, "(*Service).Panic  simnet_test.go:")
	require.Equal(t, 1, strings.Count(message, "\n"), message)
}

// A panic of a zombie harms nobody: its process is gone.
func TestZombiePanics(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		n.Node("2").Serve("Late", &Late{})
		w.Go(func() { _ = n.Node("1").Client("2").Call("Late.Panic", &Number{}, &Number{}) })
		w.Sleep(second)
		n.Node("2").Crash()
		w.Sleep(time.Minute)
	})
}

type Late struct{}

func (*Late) Panic(args *Number, reply *Number) error {
	time.Sleep(10 * second)
	panic("boom")
}

// A handler that ends its goroutine, as a failed require does, sends no reply.
func TestHandlerGoexit(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		require.ErrorIs(w, p.client.Call("S.Exit", &Number{1}, &Number{}), simnet.ErrLost)
		require.NoError(w, p.call(2))
	})
}

// Handlers run side by side: one that waits stops none of the others.
func TestHandlersRunConcurrently(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		blocked := p.startOn(p.client, "S.Block", 1)
		w.Sleep(second)
		require.NoError(w, p.call(2))
		close(p.service.block)
		require.NoError(w, blocked.wait())
		require.Equal(w, []int{2, 1}, p.service.Served())
	})
}

type Box struct {
	Bytes []byte
	Map   map[string][]int
	Next  *Box
}

// Boxes spoils what it gets, and keeps a copy of that and what it gave.
type Boxes struct {
	mu   sync.Mutex
	got  []string
	gave *Box
}

func (s *Boxes) Swap(args *Box, reply *Box) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, string(args.Bytes)+fmt.Sprint(args.Map)+fmt.Sprint(args.Next))
	if len(args.Map) > 0 {
		args.Bytes[0], args.Map["b"][0], args.Next.Bytes[0] = 'X', 9, 'X'
	}
	*reply = Box{Bytes: []byte("gave"), Map: map[string][]int{"a": {1}}, Next: &Box{Bytes: []byte("next")}}
	s.gave = reply
	return nil
}

// Nodes share no memory: neither arguments nor replies, neither of the
// original nor of a duplicate.
func TestNoSharedMemory(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := simnet.Reliable
		link.Duplicate = 1
		n := simnet.New(w, link)
		boxes := &Boxes{}
		n.Node("2").Serve("Boxes", boxes)
		sent := &Box{Bytes: []byte("sent"), Map: map[string][]int{"b": {2}}, Next: &Box{Bytes: []byte{7}}}
		var reply Box
		require.NoError(w, n.Node("1").Client("2").Call("Boxes.Swap", sent, &reply))
		w.Sleep(second)
		boxes.mu.Lock()
		defer boxes.mu.Unlock()
		require.Equal(w, []string{"sentmap[b:[2]]&{[7] map[] <nil>}", "sentmap[b:[2]]&{[7] map[] <nil>}"}, boxes.got)
		require.Equal(w, &Box{Bytes: []byte("sent"), Map: map[string][]int{"b": {2}}, Next: &Box{Bytes: []byte{7}}}, sent)

		reply.Bytes[0], reply.Map["a"][0], reply.Next.Bytes[0] = 'X', 9, 'X'
		require.Equal(w, &Box{Bytes: []byte("gave"), Map: map[string][]int{"a": {1}}, Next: &Box{Bytes: []byte("next")}}, boxes.gave)
	})
}

// The arguments are encoded before Call waits: what becomes of them later is
// of no effect.
func TestArgumentsAreReadAtOnce(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		args := &Number{1}
		var reply Number
		sent, called := make(chan bool, 2), make(chan error)
		p.Observe(func(*simnet.Message) { sent <- true })
		w.Go(func() { called <- p.client.Call("S.Echo", args, &reply) })
		<-sent
		args.N = 2
		require.NoError(w, <-called)
		require.Equal(w, 1, reply.N)
	})
}

// A reply replaces what was there, as a whole: nothing of an earlier reply is
// left, and its memory is not written to.
func TestReplyIsReplaced(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		n.Node("2").Serve("Boxes", &Boxes{})
		old := []byte("older bytes")
		reply := Box{Bytes: old, Map: map[string][]int{"old": nil}}
		require.NoError(w, n.Node("1").Client("2").Call("Boxes.Swap", &Box{}, &reply))
		require.Equal(w, "older bytes", string(old))
		require.Equal(w, map[string][]int{"a": {1}}, reply.Map)
	})
}

// Nil and empty slices, large and negative numbers, strings that are not text:
// all arrive as they were.
func TestValuesArriveAsTheyWere(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		n.Node("2").Serve("Mirror", Mirror{})
		sent := Values{
			Empty: []byte{}, Text: "\xff\x00ä", Small: -1 << 63, Large: 1<<64 - 1, Float: -0.5, Flag: true,
			When: time.Date(2000, 1, 1, 0, 0, 0, 7, time.UTC), Took: -time.Nanosecond,
			Keys: map[int]string{-1: "a"}, Array: [3]int8{1, -2, 3}, Addr: netip.MustParseAddr("::1"), inner: inner{5},
		}
		var got Values
		require.NoError(w, n.Node("1").Client("2").Call("Mirror.Show", sent, &got))
		require.Equal(w, sent, got)
		require.Nil(w, got.Nil)
		require.NotNil(w, got.Empty)
	})
}

type Values struct {
	inner
	Addr       netip.Addr // encodes itself
	Nil, Empty []byte
	Text       string
	Small      int64
	Large      uint64
	Float      float64
	Flag       bool
	When       time.Time
	Took       time.Duration
	Keys       map[int]string
	Array      [3]int8
}

type Mirror struct{}

func (Mirror) Show(args Values, reply *Values) error {
	*reply = args
	return nil
}

// At the end of the world calls end with ErrEnded: those that are made then,
// within a second or so, and those that are pending, whatever for. No message
// goes anywhere.
func TestCallsEndWithTheWorld(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steady(ms))
		blocked := p.startOn(p.client, "S.Block", 1)
		w.Sleep(second)
		inFlight := p.start(2)
		p.two.Pause()
		w.Cleanup(func() {
			before := p.Stats().Total()
			began := w.Now()
			require.ErrorIs(w, p.call(3), simnet.ErrEnded)
			require.Equal(w, second, w.Now()-began)
			for _, call := range []*pending{blocked, inFlight} {
				require.ErrorIs(w, call.wait(), simnet.ErrEnded)
				require.LessOrEqual(w, call.at-began, 2*second)
			}
			require.Empty(w, p.service.Served())
			require.Equal(w, before.Sent, p.Stats().Total().Sent)
		})
	})
}

// A storm is ended: callers freeze once the world ran over its bound.
func TestStormFreezes(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		for range 1_999_000 {
			w.Record(simtest.Event{At: 1, Kind: "note"})
		}
		for range 10 {
			go func() {
				for {
					_ = p.call(1)
				}
			}()
		}
		w.Sleep(time.Hour)
	})
	require.Equal(t, simtest.Stuck, r.Status)
	require.Contains(t, r.Failures[0].Message, "a storm")
	require.Less(t, len(r.Events), 2_001_000)
	require.Len(t, r.Failures, 1)
}

// No goroutine of the network is left when a world has ended.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for seed := range uint64(5) {
		r := simtest.Try(t, seed, func(w *simtest.World) {
			p := newPair(w, simnet.Unreliable)
			for i := range 100 {
				p.start(i)
			}
			w.Sleep(20 * ms)
		})
		require.False(t, r.Failed(), r)
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * ms)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

// The errors can be told apart.
func TestErrorsDiffer(t *testing.T) {
	all := []error{simnet.ErrLost, simnet.ErrUnreachable, simnet.ErrEnded}
	for i, a := range all {
		for j, b := range all {
			require.Equal(t, i == j, errors.Is(a, b))
		}
	}
}
