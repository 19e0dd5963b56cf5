package simnet_test

import (
	"testing"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// reach says which nodes can call which: "12" when node 1 can call node 2.
func reach(w *simtest.World, n *simnet.Network, names ...string) (pairs []string) {
	type attempt struct {
		pair string
		ok   bool
	}
	results := make(chan attempt)
	for _, from := range names {
		for _, to := range names {
			if from != to {
				client := n.Node(from).Client(to)
				w.Go(func() {
					_, err := echo(client, 1)
					results <- attempt{from + to, err == nil}
				})
			}
		}
	}
	for range len(names) * (len(names) - 1) {
		if r := <-results; r.ok {
			pairs = append(pairs, r.pair)
		}
	}
	return pairs
}

func newNetwork(w *simtest.World, names ...string) *simnet.Network {
	n := simnet.New(w, simnet.Reliable)
	for _, name := range names {
		serve(n.Node(name))
	}
	return n
}

var everyone = []string{"12", "13", "14", "21", "23", "24", "31", "32", "34", "41", "42", "43"}

// Messages pass within groups only. The nodes in no group form one together.
// A node in two groups is a bridge. Another Partition replaces the one before,
// and one without groups ends it.
func TestPartition(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		names := []string{"1", "2", "3", "4"}
		n := newNetwork(w, names...)
		require.ElementsMatch(w, everyone, reach(w, n, names...))
		n.Partition([]string{"1", "2"}, []string{"3", "4"})
		require.ElementsMatch(w, []string{"12", "21", "34", "43"}, reach(w, n, names...))
		n.Partition([]string{"1"})
		require.ElementsMatch(w, []string{"23", "24", "32", "34", "42", "43"}, reach(w, n, names...))
		n.Partition([]string{"1"}, []string{"2"}, []string{"3"})
		require.Empty(w, reach(w, n, names...))
		n.Partition([]string{"1", "2"}, []string{"2", "3", "4"})
		require.ElementsMatch(w, []string{"12", "21", "23", "32", "24", "42", "34", "43"}, reach(w, n, names...))
		n.Partition()
		require.ElementsMatch(w, everyone, reach(w, n, names...))
	})
}

// A one-way cut stops what travels in that direction: requests and replies. So
// no call between the two succeeds, but the requests of one side arrive.
func TestCut(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		one := serve(p.one)
		p.Cut("1", "2")
		require.ErrorIs(w, p.call(1), simnet.ErrUnreachable)
		require.Empty(w, p.service.Served())
		_, err := echo(p.two.Client("1"), 2)
		require.ErrorIs(w, err, simnet.ErrUnreachable)
		require.Equal(w, []int{2}, one.Served())
		p.Mend("1", "2")
		require.NoError(w, p.call(3))
	})
}

// An isolated node reaches nobody and nobody reaches it, until it rejoins.
// Heal undoes everything at once.
func TestIsolateAndHeal(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		names := []string{"1", "2", "3", "4"}
		n := newNetwork(w, names...)
		n.Isolate("4")
		require.ElementsMatch(w, []string{"12", "13", "21", "23", "31", "32"}, reach(w, n, names...))
		n.Rejoin("4")
		require.ElementsMatch(w, everyone, reach(w, n, names...))
		n.Isolate("4")
		n.Cut("1", "2")
		n.Partition([]string{"3"})
		require.Empty(w, reach(w, n, names...))
		n.Heal()
		require.ElementsMatch(w, everyone, reach(w, n, names...))
	})
}

// A node always reaches itself.
func TestCallToSelf(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		p.Isolate("2")
		_, err := echo(p.two.Client("2"), 1)
		require.NoError(w, err)
	})
}

// The caller of an unreachable node gets an error, after 0.5-5 s.
func TestUnreachableTakesLong(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		p.Isolate("2")
		for range 50 {
			began := w.Now()
			require.ErrorIs(w, p.call(1), simnet.ErrUnreachable)
			require.GreaterOrEqual(w, w.Now()-began, 500*ms)
			require.Less(w, w.Now()-began, 5*second)
		}
	})
}

// A partition stops messages that are under way when it begins, requests and
// replies; one that is over when they arrive does not.
func TestPartitionStopsMessagesInFlight(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steady(100*ms))
		request := p.start(1)
		w.Sleep(50 * ms)
		p.Isolate("1")
		require.ErrorIs(w, request.wait(), simnet.ErrUnreachable)
		require.Empty(w, p.service.Served())

		p.Heal()
		reply := p.start(2)
		w.Sleep(150 * ms)
		p.Isolate("1")
		require.ErrorIs(w, reply.wait(), simnet.ErrUnreachable)
		require.Equal(w, []int{2}, p.service.Served())

		p.Heal()
		short := p.start(3)
		w.Sleep(50 * ms)
		p.Isolate("1")
		w.Sleep(10 * ms)
		p.Heal()
		require.NoError(w, short.wait())
	})
}

// A misspelt name is the test's mistake and is reported as such.
func TestUnknownNode(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) { newPair(w, simnet.Reliable).Isolate("3") })
	require.Len(t, r.Failures, 1)
	require.Contains(t, r.Failures[0].Message, `there is no node "3". There are: 1 2`)
}
