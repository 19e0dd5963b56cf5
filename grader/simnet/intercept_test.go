package simnet_test

import (
	"testing"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// A test can lose particular messages, and stop doing so.
func TestInterceptDrop(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		stop := p.Intercept(func(m *simnet.Message) simnet.Verdict {
			if n := m.Body.(Number).N; n == 2 && !m.Reply || n == 3 && m.Reply {
				return simnet.Drop
			}
			return simnet.Pass
		})
		require.NoError(w, p.call(1))
		require.ErrorIs(w, p.call(2), simnet.ErrLost)
		require.ErrorIs(w, p.call(3), simnet.ErrLost)
		require.Equal(w, []int{1, 3}, p.service.Served())
		stop()
		require.NoError(w, p.call(2))
	})
}

// A test can fix when a message arrives, whatever its link would do to it. A
// partition still stops it.
func TestInterceptDeliver(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Link{Loss: 1, Duplicate: 1})
		p.Intercept(func(m *simnet.Message) simnet.Verdict {
			if m.Reply {
				return simnet.Deliver(3 * second)
			}
			return simnet.Deliver(7 * ms)
		})
		require.NoError(w, p.call(1))
		require.Equal(w, 7*ms+3*second, w.Now())
		require.Equal(w, []int{1}, p.service.Served())
		p.Isolate("1")
		require.ErrorIs(w, p.call(2), simnet.ErrUnreachable)
	})
}

// Of several intercepts the first that has an opinion decides.
func TestInterceptOrder(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		asked := ""
		judge := func(name string, v simnet.Verdict) func(*simnet.Message) simnet.Verdict {
			return func(m *simnet.Message) simnet.Verdict {
				asked += name
				return v
			}
		}
		p.Intercept(judge("a", simnet.Pass))
		p.Intercept(judge("b", simnet.Deliver(ms)))
		p.Intercept(judge("c", simnet.Drop))
		require.NoError(w, p.call(1))
		require.Equal(w, "abab", asked)
	})
}

// hold holds the requests with these numbers.
func (p *pair) hold(numbers ...int) *simnet.Gate {
	gate := p.Gate()
	p.Intercept(func(m *simnet.Message) simnet.Verdict {
		for _, n := range numbers {
			if !m.Reply && m.Body == (Number{n}) {
				return gate.Hold()
			}
		}
		return simnet.Pass
	})
	return gate
}

// A gate holds messages while others pass. Released, they arrive at once and
// in order.
func TestGate(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		gate := p.hold(1, 2, 3)
		var held []*pending
		for i := 1; i <= 3; i++ {
			held = append(held, p.start(i))
			w.Sleep(ms)
		}
		require.NoError(w, p.call(4))
		w.Sleep(20 * second)
		require.Equal(w, 3, gate.Len())
		require.Equal(w, []int{4}, p.service.Served())
		gate.Release()
		require.Zero(w, gate.Len())
		w.Sleep(10) // ns
		require.Equal(w, []int{4, 1, 2, 3}, p.service.Served())
		for _, call := range held {
			require.NoError(w, call.wait())
		}
	})
}

// Held messages can be lost, die in a crash, and meet partitions and pauses
// when they are released.
func TestGateAndFaults(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		gate := p.hold(1)

		call := p.start(1)
		w.Sleep(second)
		gate.Discard()
		require.ErrorIs(w, call.wait(), simnet.ErrLost)

		call = p.start(1)
		w.Sleep(second)
		p.Isolate("2")
		gate.Release()
		require.ErrorIs(w, call.wait(), simnet.ErrUnreachable)
		p.Heal()

		call = p.start(1)
		w.Sleep(second)
		p.one.Pause()
		gate.Release()
		w.Sleep(second)
		require.False(w, call.isDone())
		p.one.Resume()
		require.NoError(w, call.wait())

		call = p.start(1)
		w.Sleep(second)
		p.two.Crash()
		unreachable(w, call, w.Now())
		gate.Release()
		w.Sleep(10 * second)
		require.Equal(w, []int{1}, p.service.Served())
	})
}
