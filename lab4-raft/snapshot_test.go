package raft_test

import (
	"testing"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// every is how often the state machines of these tests take a snapshot.
const every = 10

// Proves that snapshots keep the log short: what a server stores does not grow
// with the number of commands, and everything still works. For: entries that
// are not discarded, indexes mixed up after the log was cut (§7).
func TestLogStaysBounded4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, snapshots(every))
		leader := c.waitForLeader()
		padding := make([]byte, 500)
		for range 12 * every {
			index, _ := c.propose(leader, append(padding, c.command()...))
			c.waitApplied(index, c.all()...)
			for _, s := range c.servers {
				state, snapshot := s.disk.size()
				// Up to two intervals of entries, and room for the encoding.
				require.Less(w, state, 2*every*(len(padding)+100)+1000, "bytes of state that %s stores after %d commands, with a snapshot every %d (§7)", s.name, index, every)
				if index > every {
					require.NotZero(w, snapshot, "%s has no snapshot on its disk after %d commands", s.name, index)
				}
			}
		}
	})
}

// Proves that a follower that was away too long is brought up by a snapshot
// (InstallSnapshot, Figure 13), and then by entries again.
func TestLaggingFollower4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, snapshots(every))
		for range 3 {
			leader := c.waitForLeader()
			away := c.others(leader)[0]
			c.isolate(away)
			for range 3*every + w.Rand().IntN(every) {
				c.agree(2)
			}
			before := c.net.Stats()
			c.heal()
			last := c.agree(3)
			c.waitApplied(last, c.all()...)
			require.NotZero(w, c.sent(before, "Raft.InstallSnapshot"), "snapshots sent to a follower that lacks entries the leader has discarded (§7)")
			require.Less(w, c.sent(before, "Raft.InstallSnapshot"), 20, "snapshots sent to bring up one follower")
		}
	})
}

// Proves that a server that restarts gives its state machine the snapshot
// first and then the entries behind it, and that one that crashed long ago is
// brought up. For: a snapshot that is not restored, or restored without its
// index or its term; a save that erases it.
func TestRestartFromSnapshot4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, snapshots(every))
		for range 4 {
			for range every + w.Rand().IntN(every) {
				c.agree(3)
			}
			victim := w.Rand().IntN(3)
			c.crash(victim)
			for range w.Rand().IntN(3 * every) {
				c.agree(2)
			}
			c.restart(victim)
			c.agree(3)
		}
	})
}

// Proves that the whole cluster comes back from its snapshots after a crash of
// all, and goes on at the index where it was.
func TestAllCrash4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5, snapshots(every))
		last := 0
		for range 4 {
			for range every + w.Rand().IntN(every) {
				last = c.agree(5)
			}
			for _, id := range c.all() {
				c.crash(id)
			}
			for _, id := range w.Rand().Perm(5) {
				c.restart(id)
			}
			index := c.agree(5)
			require.Greater(w, index, last, "index of a new command after all servers crashed: committed entries were lost")
		}
	})
}

// Proves that snapshots and entries in flight do not confuse a server: many
// commands at once, snapshots every few of them, followers that lag, come
// back and restart, on a network that loses, delays, duplicates and reorders.
// Never out of order, never twice, never back. For: an entry applied after a
// snapshot that contains it, a snapshot delivered from a goroutine of its own,
// stale snapshots accepted, unapplied entries trimmed.
func TestSnapshotsUnderFire4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5, snapshots(3))
		bad := simnet.Unreliable
		bad.Duplicate = 0.2
		bad.Reorder, bad.ReorderDelay = 0.3, simnet.Range{Min: 20 * time.Millisecond, Max: 300 * time.Millisecond}
		c.net.SetLinks(bad)
		for range 12 {
			victim := w.Rand().IntN(5)
			switch w.Rand().IntN(3) {
			case 0:
				c.isolate(victim)
			case 1:
				c.crash(victim)
			}
			for range 2 {
				for range 12 {
					c.offer(c.command())
				}
				c.agree(3)
			}
			c.heal()
			if c.servers[victim].rf() == nil {
				c.restart(victim)
			}
		}
		c.net.SetLinks(simnet.Reliable)
		c.waitApplied(c.agree(5), c.all()...)
	})
}

// Proves that a busy service can take snapshots at any pace: each server after
// each command, while a follower is always a little behind. For: a mutex held
// while the apply channel is written, a snapshot older than the installed one.
func TestSnapshotEachCommand4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, snapshots(1))
		leader := c.waitForLeader()
		slow := c.others(leader)[0]
		late := simnet.Reliable
		late.Latency = simnet.Range{Min: 20 * time.Millisecond, Max: 60 * time.Millisecond}
		c.net.SetLink(name(leader), name(slow), late)
		for range 60 {
			c.offer(c.command())
			w.Sleep(time.Duration(w.Rand().Int64N(int64(8 * time.Millisecond))))
		}
		c.waitApplied(c.ledger.length(), c.all()...) // without one more command
		c.waitApplied(c.agree(3), c.all()...)
	})
}
