package simnet_test

import (
	"fmt"
	"net/rpc"
	"sync"
	"testing"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// Observers see requests and replies when they are sent: who, what, when, with
// which error, and what was asked. Bodies are values whatever was passed.
func TestObserve(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steady(ms))
		var seen []simnet.Message
		stop := p.Observe(func(m *simnet.Message) {
			var args Number
			require.NoError(w, m.Args(&args))
			require.Equal(w, Number{5}, args)
			require.Positive(w, m.ID)
			seen = append(seen, simnet.Message{From: m.From, To: m.To, Method: m.Method, Reply: m.Reply, Body: m.Body, Err: m.Err, At: m.At})
		})
		require.NoError(w, p.client.Call("S.Echo", &Number{5}, &Number{}))
		require.NoError(w, p.client.Call("S.Other", Number{5}, &Number{}))
		require.Error(w, p.client.Call("S.Fail", Number{5}, &Number{}))
		require.Equal(w, []simnet.Message{
			{From: "1", To: "2", Method: "S.Echo", Body: Number{5}},
			{From: "2", To: "1", Method: "S.Echo", Reply: true, Body: Number{5}, At: 1 * ms},
			{From: "1", To: "2", Method: "S.Other", Body: Number{5}, At: 2 * ms},
			{From: "2", To: "1", Method: "S.Other", Reply: true, Body: Number{5}, At: 3 * ms},
			{From: "1", To: "2", Method: "S.Fail", Body: Number{5}, At: 4 * ms},
			{From: "2", To: "1", Method: "S.Fail", Reply: true, Err: rpc.ServerError("not today"), At: 5 * ms},
		}, seen)
		stop()
		require.NoError(w, p.call(5))
		require.Len(w, seen, 6)
	})
}

// Deliveries are seen when they happen, each copy, and lost messages are not.
func TestObserveDelivery(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := steady(ms)
		link.Duplicate = 1
		p := newPair(w, link)
		var mu sync.Mutex // Both copies arrive at the same instant.
		var seen []string
		stop := p.ObserveDelivery(func(m *simnet.Message) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, fmt.Sprintln(m.At, m.From, m.Reply, m.Body, m.Err))
		})
		p.Intercept(func(m *simnet.Message) simnet.Verdict {
			if m.Reply {
				return simnet.Drop
			}
			return simnet.Pass
		})
		require.Error(w, p.call(5))
		require.Equal(w, []string{"1ms 1 false {5} <nil>\n", "1ms 1 false {5} <nil>\n"}, seen)
		stop()
		require.Error(w, p.call(5))
		require.Len(w, seen, 2)
	})
}

// An observer that crashes the sender stops the message that it sees: this is
// how a test crashes a server between saving and replying.
func TestObserverCrashesSender(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		p.Observe(func(m *simnet.Message) {
			if m.Reply {
				p.two.Crash()
			}
		})
		require.ErrorIs(w, p.call(1), simnet.ErrUnreachable)
		require.Equal(w, []int{1}, p.service.Served())
		require.Zero(w, p.Stats().Replies().Total().Delivered)
	})
}

// An observer may use the network, and call through it.
func TestObserverMayCall(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		p.Observe(func(m *simnet.Message) {
			if m.Body == (Number{1}) && !m.Reply {
				p.Isolate("1")
				p.Heal()
				require.NoError(w, p.call(2))
			}
		})
		require.NoError(w, p.call(1))
		require.Equal(w, []int{2, 1}, p.service.Served())
	})
}

// A panic in an observer is the test's and fails the world, not the process.
func TestObserverPanics(t *testing.T) {
	for _, reply := range []bool{false, true} {
		r := simtest.Try(t, 1, func(w *simtest.World) {
			p := newPair(w, simnet.Reliable)
			p.Observe(func(m *simnet.Message) {
				if m.Reply == reply {
					panic("boom")
				}
			})
			_ = p.call(1)
		})
		require.Equal(t, simtest.Panic, r.Status)
		require.Contains(t, r.Failures[0].Message, "a function that observes or intercepts messages panicked: boom")
		require.Contains(t, r.Failures[0].Message, "observe_test.go:")
	}
}
