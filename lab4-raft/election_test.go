package raft_test

import (
	"testing"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// Proves that servers elect a leader, and keep it: without faults the term
// does not change. For: no election at all, elections that never end.
func TestInitialElection4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3)
		leader := c.waitForLeader()
		term, _ := c.servers[leader].rf().State()
		require.GreaterOrEqual(w, term, 1, "terms count from 1 (§5.1)")
		w.Sleep(2 * time.Second)
		for _, s := range c.servers {
			got, leads := s.rf().State()
			require.Equal(w, term, got, "%s changed its term although nothing failed", s.name)
			require.Equal(w, s.id == leader, leads, "%s leads", s.name)
		}
	})
}

// Proves that a leader that is cut off is replaced, that it steps down when it
// comes back, and that the new leader stays. For: no new election, an old
// leader that goes on (§5.1).
func TestLeaderIsReplaced4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3)
		old := c.waitForLeader()
		c.isolate(old)
		leader := c.waitForLeader()
		require.NotEqual(w, old, leader)

		c.heal()
		w.Sleep(2 * time.Second)
		_, leads := c.servers[old].rf().State()
		require.False(w, leads, "%s still thinks that it leads, two seconds after it came back and met a higher term (§5.1)", name(old))
		require.Equal(w, leader, c.waitForLeader(), "the leader changed when the old one came back as a follower")

		c.crash(leader)
		c.waitForLeader()
	})
}

// Proves that without a majority nobody leads, also when answers take so long
// that the same vote comes several times; and that a leader is elected as soon as
// there is a majority again. For: a majority off by one, refusals counted as
// votes, votes counted and not voters.
func TestNoQuorumNoLeader4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		slow := simnet.Link{Latency: simnet.Range{Min: 50 * time.Millisecond, Max: 150 * time.Millisecond}}
		for _, n := range []int{4, 5} {
			c := startCluster(w, n)
			leader := c.waitForLeader()
			half := n / 2
			minority := append([]int{}, c.others(leader)[:half]...)
			rest := c.others(append(minority, leader)...)
			// The leader goes away, and as many others as leave no majority.
			gone := append([]int{leader}, rest[:n-half-1]...)
			c.isolate(gone...)
			for _, links := range []simnet.Link{simnet.Reliable, slow} {
				c.net.SetLinks(links)
				w.Sleep(electionBound)
				require.Equal(w, -1, c.leaderAmong(minority), "a server leads with %d of %d servers: that is no majority (§5.2)", half, n)
			}

			c.net.SetLinks(simnet.Reliable)
			c.heal()
			c.waitForLeader()
			c.stopAll()
		}
	})
}

// Proves that seven servers cope with many failures: three random ones are cut
// off at a time, and the rest must have a leader; over and over.
func TestManyElections4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 7)
		c.waitForLeader()
		for range 10 {
			c.isolate(w.Rand().Perm(7)[:3]...)
			c.waitForLeader()
			c.heal()
			c.waitForLeader()
		}
	})
}

// Proves that links that fail in one direction only do not stop a majority:
// the leader can send but not hear, or hear but not send. For: a leader that
// is told of a higher term and stays, a candidate that does not step down.
func TestOneWayLinks4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5)
		for range 4 {
			leader := c.waitForLeader()
			for _, id := range c.others(leader) {
				// Nobody hears the leader; it hears everybody.
				c.net.Cut(name(leader), name(id))
			}
			c.waitForLeaderAmong(c.others(leader))
			c.heal()
			w.Sleep(time.Second)

			leader = c.waitForLeader()
			deaf := c.others(leader)[0]
			for _, id := range c.others(deaf) {
				// One follower does not hear the others, and asks for votes for ever.
				c.net.Cut(name(id), name(deaf))
			}
			c.waitForLeaderAmong(c.others(deaf))
			c.heal()
			w.Sleep(time.Second)
		}
	})
}

// Proves that a leader is found although three of ten messages are lost each
// way. For: one lost message that ends an election, votes that are asked for
// one after another.
func TestElectionUnderLoss4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		lossy := simnet.Reliable
		lossy.Loss = 0.3
		c := startCluster(w, 5)
		c.net.SetLinks(lossy)
		for range 5 {
			leader := c.waitForLeader()
			c.isolate(leader)
			c.waitForLeader()
			c.heal()
			w.Sleep(time.Second)
		}
	})
}

// Proves that a leader without faults leads for ever: nobody starts an
// election within a minute. For: timeouts that are not longer than the
// heartbeats, a timer that heartbeats do not reset.
func TestStableLeader4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5)
		leader := c.waitForLeader()
		term, _ := c.servers[leader].rf().State()
		w.Sleep(time.Second)
		before := c.net.Stats()
		w.Sleep(time.Minute)
		require.Equal(w, leader, c.waitForLeader())
		now, _ := c.servers[leader].rf().State()
		require.Equal(w, term, now, "the term changed although nothing failed")
		votes := c.sent(before, "Raft.RequestVote")
		require.Zero(w, votes, "votes were asked for although nothing failed")
	})
}

// Proves that an idle leader sends each follower a heartbeat at least every
// 300 ms, and no more than 20 a second, also when it leads for the third time.
// For: loops that send without a pause, heartbeats that come in bursts, loops of
// old terms that still send, a leader that is elected once more by each late
// vote.
func TestHeartbeatBudget4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 7)
		leader := c.waitForLeader()
		led := make([]int, 7)
		for led[leader]++; led[leader] < 3; led[leader]++ {
			c.isolate(leader)
			c.waitForLeader()
			c.heal()
			w.Sleep(time.Second)
			leader = c.waitForLeader()
		}
		before := c.net.Stats()
		const span = 10 * time.Second
		w.Sleep(span)
		for _, id := range c.others(leader) {
			beats := c.sentTo(before, leader, id, "Raft.AppendEntries")
			require.GreaterOrEqual(w, beats, 33, "heartbeats from %s to %s in %v: too few", name(leader), name(id), span)
			require.LessOrEqual(w, beats, 201, "heartbeats from %s to %s in %v: too many. %s leads for the third time: do loops of its earlier terms still run?", name(leader), name(id), span, name(leader))
		}
	})
}
