package raft_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// Proves that commands are committed on all servers, at indexes that count
// from 1, and not before somebody proposes them; and that a commit takes about
// a round trip, not a heartbeat. For: nothing applied, indexes that count from
// 0, no-op entries, entries that wait for the next heartbeat.
func TestBasicAgreement4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5)
		leader := c.waitForLeader()
		require.Zero(w, c.ledger.length(), "something was applied before anything was proposed")
		const n = 20
		var took time.Duration
		for want := 1; want <= n; want++ {
			command := c.command()
			began := w.Now()
			index, _ := c.propose(leader, command)
			require.Equal(w, want, index, "index of command number %d (§5.3)", want)
			if !c.reached(index, command, 1, electionBound) {
				w.Fatalf("%q at index %d was not applied within %v. %s", command, index, electionBound, c.lazyStates())
			}
			took += w.Now() - began
			w.Sleep(time.Duration(w.Rand().Int64N(int64(100 * time.Millisecond))))
		}
		require.Less(w, took/n, 20*time.Millisecond,
			"a command on average, from Propose until somebody applied it, with 1-5 ms between servers: send new entries at once, not with the next heartbeat")
		c.waitApplied(n, c.all()...)
	})
}

// Proves that each command is sent to each peer about once. For: the whole log
// in each message, a broadcast per reply, duplicated loops.
func TestBytesBudget4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3)
		leader := c.waitForLeader()
		c.agree(3)
		before := c.net.Stats()
		const n, size = 20, 5000
		for i := range n {
			index, _ := c.propose(leader, bytes.Repeat([]byte{byte(i)}, size))
			c.waitApplied(index, c.all()...)
		}
		for _, id := range c.others(leader) {
			sent := c.bytesTo(before, leader, id)
			require.Less(w, sent, n*size*3/2, "bytes sent by %s to %s for %d commands of %d bytes: send each entry to each follower once", name(leader), name(id), n, size)
		}
	})
}

// Proves that followers that were cut off catch up, and that the others go on
// without them. For: a leader that waits for all, a follower never brought up.
func TestFollowerReturns4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5)
		for range 3 {
			leader := c.waitForLeader()
			away := c.others(leader)[:2]
			c.isolate(away...)
			for range 5 {
				c.agree(3)
			}
			c.heal()
			c.waitApplied(c.agree(5), c.all()...)
		}
	})
}

// Proves that nothing is committed without a majority, and that the same
// commands or others are once it is back. For: a majority off by one, a leader
// that counts itself twice, commit before the followers have answered.
func TestNoCommitWithoutMajority4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, n := range []int{4, 5} {
			c := startCluster(w, n)
			c.agree(n)
			leader := c.waitForLeader()
			// The leader keeps one follower less than a majority needs.
			c.isolate(c.others(leader)[:n/2+n%2]...)
			applied := c.ledger.length()
			for range 3 {
				c.propose(leader, c.command())
			}
			w.Sleep(2 * time.Second)
			require.Equal(w, applied, c.ledger.length(), "%d of %d servers committed something: that is no majority (§5.3)", n/2, n)
			c.heal()
			c.waitApplied(c.agree(n), c.all()...)
			c.stopAll()
		}
	})
}

// Proves that a leader that is cut off with commands nobody else has, gives
// them up for those of its successor, and that two generations of such leaders
// do not confuse the log. For: no truncation on a conflict, an old leader that
// commits its own entries.
func TestLeaderCutOffWithUncommitted4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5)
		c.agree(5)
		first := c.waitForLeader()
		c.isolate(first)
		lost := c.command()
		for range 10 {
			c.propose(first, c.command())
		}
		c.propose(first, lost)

		second := c.waitForLeader()
		for range 5 {
			c.agree(4)
		}
		c.isolate(second)
		for range 20 {
			c.propose(second, c.command())
		}
		c.heal()
		c.isolate(second)
		c.waitApplied(c.agree(4), c.others(second)...)

		c.heal()
		c.waitApplied(c.agree(5), c.all()...)
		_, times := c.ledger.find(lost)
		require.Zero(w, times, "%q was never on a majority, yet it was committed", lost)
	})
}

// Proves that commands proposed at the same time all get an index of their
// own, and are all committed once. For: races in Propose, entries overwritten.
func TestConcurrentPropose4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3)
		leader := c.waitForLeader()
		const n = 100
		indexes := make([]int, n)
		done := make(chan int)
		for i := range n {
			w.Go(func() {
				d := w.Dice(uint64(i))
				w.Sleep(d.Duration(0, 20*time.Millisecond))
				indexes[i], _ = c.propose(leader, fmt.Appendf(nil, "concurrent-%d", i))
				done <- i
			})
		}
		for range n {
			<-done
		}
		c.waitApplied(n, c.all()...)
		for i, index := range indexes {
			got, times := c.ledger.find(fmt.Appendf(nil, "concurrent-%d", i))
			require.Equal(w, index, got, "Propose said that command %d has index %d", i, index)
			require.Equal(w, 1, times, "how often command %d was committed", i)
		}
	})
}

// Proves that long divergent logs are brought together in few messages: the
// follower says where its conflicting term begins, and the leader skips the
// term (end of §5.3). For: backing up one entry a message.
func TestFastBackup4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5)
		c.agree(5)
		// The first leader and one follower collect entries that are never
		// committed; the rest go on without them.
		const n = 200
		first := c.waitForLeader()
		partner := c.others(first)[0]
		rest := c.others(first, partner)
		c.partition([]int{first, partner}, rest)
		for range n {
			c.propose(first, c.command())
		}
		w.Sleep(500 * time.Millisecond)
		second := c.waitForLeaderAmong(rest)
		for range n {
			c.propose(second, c.command())
		}
		w.Sleep(time.Second)

		c.heal()
		before := c.net.Stats()
		began := w.Now()
		c.waitApplied(c.agree(5), c.all()...)
		took := w.Now() - began
		for _, id := range []int{first, partner} {
			// Up to 20 heartbeats a second, and a handful for the way back.
			appends := int(c.net.Stats().Since(before).Method("Raft.AppendEntries").Requests().To(name(id)).Total().Sent)
			require.Less(w, appends, 60+int(20*took.Seconds()), "AppendEntries sent to %s, whose log differed from the leader's in %d entries of one term, in %v: go back a term at a time (§5.3)", name(id), n, took)
		}
	})
}

// Proves that a server with the more up-to-date log wins, and that no other does
// (§5.4.1): against a longer log of an earlier term; and against one that is
// shorter, whose owner has the higher term and asks first. For: the longer log
// preferred, or both conditions asked for; no look at the log; a leader that
// steps down for somebody who cannot win, and then waits for ever.
func TestUpToDateLogWins4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3)
		c.agree(3)
		for range 2 {
			// Of the old leader's entries nobody knows; the others commit one.
			old := c.waitForLeader()
			c.isolate(old)
			for range 5 {
				c.propose(old, c.command())
			}
			away := c.waitForLeader()
			c.agree(2)
			has := c.others(old, away)[0]
			c.heal()
			c.partition([]int{old, has}, []int{away})
			require.Equal(w, has, c.waitForLeaderAmong([]int{old, has}),
				"id of the leader: %s has five entries of an earlier term that were never committed, %s has a committed one of a later term (§5.4.1)", name(old), name(has))
			c.heal()
			c.waitApplied(c.agree(3), c.all()...)

			// One server misses two commands, and tries to become leader for long.
			has = c.waitForLeader()
			lags, away := c.others(has)[0], c.others(has)[1]
			c.isolate(lags)
			c.agree(2)
			c.agree(2)
			w.Sleep(2 * time.Second)
			c.heal()
			c.partition([]int{lags, has}, []int{away})
			require.Equal(w, has, c.waitForLeaderAmong([]int{lags, has}), "id of the leader: %s lacks two committed entries that %s has (§5.4.1)", name(lags), name(has))
			c.heal()
			c.waitApplied(c.agree(3), c.all()...)
		}
	})
}

// Proves that requests and replies that come late and in another order harm
// nothing, and that agreement goes on. For: matchIndex and nextIndex that go
// back, success of an old message counted for a new one, truncation by a
// delayed message.
func TestReorderedMessages4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5)
		links := simnet.Reordering
		links.Reorder, links.ReorderDelay = 0.2, simnet.Range{Min: 100 * time.Millisecond, Max: 300 * time.Millisecond}
		c.net.SetLinks(links)
		for range 10 {
			c.manyAtOnce(5)
		}
		c.net.SetLinks(simnet.Reliable)
		c.waitApplied(c.agree(5), c.all()...)
	})
}

// Proves that agreement is reached over a network that loses, delays and
// duplicates messages, while leaders come and go. For: a lost message that is
// never sent again, duplicates that are stored twice.
func TestUnreliableAgreement4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5)
		bad := simnet.Unreliable
		bad.Duplicate = 0.1
		c.net.SetLinks(bad)
		for round := range 8 {
			c.manyAtOnce(5)
			if round%3 == 2 {
				c.isolate(c.waitForLeader())
				c.manyAtOnce(5)
				c.heal()
			}
		}
		c.waitApplied(c.agree(5), c.all()...)
	})
}

// manyAtOnce proposes a few commands to every server that leads, at once, and
// then has one more agreed on by a majority.
func (c *cluster) manyAtOnce(n int) {
	for range n {
		c.offer(c.command())
	}
	c.agree(len(c.servers)/2 + 1)
}
