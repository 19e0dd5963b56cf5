package simnet_test

import (
	"testing"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// unreachable checks that a call failed as calls to a crashed node do: not
// soon, but before long.
func unreachable(w *simtest.World, c *pending, since time.Duration) {
	require.ErrorIs(w, c.wait(), simnet.ErrUnreachable)
	require.GreaterOrEqual(w, c.at-since, 500*ms)
	require.Less(w, c.at-since, 5*second)
}

// A crash of the receiver kills the request under way to it.
func TestCrashKillsRequestInFlight(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steady(100*ms))
		call := p.start(1)
		w.Sleep(50 * ms)
		p.two.Crash()
		p.two.Restart() // The message was for the incarnation before.
		again := serve(p.two)
		unreachable(w, call, 50*ms)
		require.Empty(w, p.service.Served())
		require.Empty(w, again.Served())
	})
}

// A crash of the sender kills the message under way from it: the request of a
// caller, the reply of a server.
func TestCrashKillsMessagesOfTheCrashed(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steady(100*ms))
		call := p.start(1)
		w.Sleep(50 * ms)
		p.one.Crash()
		unreachable(w, call, 50*ms)
		require.Empty(w, p.service.Served())

		p.one.Restart()
		p.client = p.one.Client("2")
		call = p.start(2)
		w.Sleep(150 * ms)
		require.Equal(w, []int{2}, p.service.Served())
		p.two.Crash()
		unreachable(w, call, w.Now())
	})
}

// Callers of a crashed node, and of one that has not yet served, get an error.
func TestCallToCrashed(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		p.two.Crash()
		p.two.Crash() // Nothing more happens.
		require.ErrorIs(w, p.call(1), simnet.ErrUnreachable)
		p.two.Restart()
		require.ErrorIs(w, p.call(2), simnet.ErrUnreachable)
		serve(p.two)
		require.NoError(w, p.call(3))
	})
}

// A zombie's calls reach nobody, also after the restart, and take long. The
// new incarnation's calls pass.
func TestZombieCallsReachNobody(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		seen := 0
		p.Observe(func(*simnet.Message) { seen++ })
		zombie := p.client
		p.one.Crash()
		p.one.Restart()
		call := p.startOn(zombie, "S.Echo", 1)
		unreachable(w, call, 0)
		require.Empty(w, p.service.Served())
		require.Zero(w, seen)
		require.Zero(w, p.Stats().Total())
		_, err := echo(p.one.Client("2"), 2)
		require.NoError(w, err)
	})
}

// A zombie's replies reach nobody: the handler was running when the node
// crashed.
func TestZombieRepliesReachNobody(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		call := p.startOn(p.client, "S.Block", 1)
		w.Sleep(second)
		p.two.Crash()
		close(p.service.block)
		unreachable(w, call, second)
		require.Equal(w, []int{1}, p.service.Served())
		require.Zero(w, p.Stats().Replies().Total())
	})
}

// A call whose handler does not return waits, until the server crashes or the
// caller does.
func TestHandlerThatNeverReturns(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		call := p.startOn(p.client, "S.Block", 1)
		w.Sleep(20 * time.Minute)
		require.False(w, call.isDone())
		p.two.Crash()
		unreachable(w, call, 20*time.Minute)

		p.two.Restart()
		serve(p.two)
		call = p.startOn(p.client, "S.Block", 1)
		w.Sleep(time.Minute)
		now := w.Now()
		p.one.Crash()
		unreachable(w, call, now)
	})
}

// An incarnation is alive until its crash; a restart begins another one.
func TestIncarnation(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		first := p.two.Incarnation()
		require.True(w, first.Alive())
		require.Equal(w, 1, first.Number())
		require.Equal(w, p.two, first.Node())
		p.two.Crash()
		require.False(w, first.Alive())
		require.Equal(w, first, p.two.Incarnation())
		p.two.Restart()
		second := p.two.Incarnation()
		require.True(w, second.Alive())
		require.Equal(w, 2, second.Number())
		p.two.Restart() // of a node that is up
		require.False(w, second.Alive())
		require.False(w, first.Alive())
		require.Equal(w, 3, p.two.Incarnation().Number())
	})
}

// Nothing reaches a paused node until it resumes; then everything does, in
// order.
func TestPauseHoldsWhatComes(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		p.two.Pause()
		var calls []*pending
		for i := range 20 {
			calls = append(calls, p.start(i))
			w.Sleep(10 * ms)
		}
		w.Sleep(time.Minute)
		require.Empty(w, p.service.Served())
		p.two.Resume()
		now := w.Now()
		for i, c := range calls {
			require.NoError(w, c.wait())
			require.Equal(w, i, p.service.Served()[i])
			require.GreaterOrEqual(w, c.at, now+2*ms) // two new latencies
		}
	})
}

// Nothing leaves a paused node until it resumes: neither requests nor replies.
func TestPauseHoldsWhatLeaves(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steady(100*ms))
		other := serve(p.one)
		answer := p.start(0) // The reply gets held.
		w.Sleep(50 * ms)
		p.one.Pause()
		p.two.Pause()
		p.one.Resume()
		var calls []*pending
		for i := range 20 {
			calls = append(calls, p.startOn(p.two.Client("1"), "S.Echo", i))
			w.Sleep(10 * ms)
		}
		w.Sleep(time.Minute)
		require.Empty(w, other.Served())
		require.False(w, answer.isDone())
		p.two.Resume()
		for i, c := range calls {
			require.NoError(w, c.wait())
			require.Equal(w, i, other.Served()[i])
		}
		require.NoError(w, answer.wait())
	})
}

// A crash ends a pause, and what was held dies.
func TestCrashWhilePaused(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		p.two.Pause()
		in, out := p.start(1), p.startOn(p.two.Client("1"), "S.Echo", 2)
		w.Sleep(second)
		p.two.Crash()
		p.two.Resume()
		unreachable(w, in, second)
		unreachable(w, out, second)
		p.two.Restart()
		again := serve(p.two)
		require.NoError(w, p.call(3))
		require.Equal(w, []int{3}, again.Served())
	})
}

// A node that is down cannot serve, and what cannot be registered is reported.
func TestServeErrors(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		p.two.Crash()
		serve(p.two)
	})
	require.Contains(t, r.Failures[0].Message, "node 2 is down. Restart it")
	r = simtest.Try(t, 1, func(w *simtest.World) {
		simnet.New(w, simnet.Reliable).Node("2").Serve("S", struct{}{})
	})
	require.Contains(t, r.Failures[0].Message, `node 2 cannot serve "S": rpc.Register`)
}
