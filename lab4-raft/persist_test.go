package raft_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// Proves that a server that crashes and comes back has kept its log: a
// follower, the leader, and then all servers at once, with commands in between.
// For: a log that is not saved, or saved on one path only; nothing applied
// again after a restart.
func TestRestart4C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3)
		c.agree(3)
		c.restart(c.others(c.waitForLeader())[0])
		c.agree(3)
		c.restart(c.waitForLeader())
		c.agree(3)
		for _, id := range c.all() {
			c.crash(id)
		}
		w.Sleep(time.Second)
		for _, id := range c.all() {
			c.restart(id)
		}
		last := c.agree(3)
		require.Equal(w, 4, last, "index of the fourth command: nothing that was committed may be lost in a crash (§5.1, Figure 2: persistent state)")
		c.waitApplied(last, c.all()...)
	})
}

// Proves that what a majority has is not lost when its members crash in turns:
// at each moment some are down, and never the same ones. For: entries saved
// only by the leader, or only when they are committed.
func TestRestartInTurns4C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5)
		for range 5 {
			leader := c.waitForLeader()
			c.agree(5)
			away := c.others(leader)[:2]
			for _, id := range away {
				c.crash(id)
			}
			c.agree(3)
			// The three that have the last command crash; only then do the two
			// come back, with one of the three.
			had := c.others(away...)
			for _, id := range had {
				c.crash(id)
			}
			for _, id := range append(away, had[w.Rand().IntN(3)]) {
				c.restart(id)
			}
			c.agree(3)
			for _, id := range had {
				if c.servers[id].rf() == nil {
					c.restart(id)
				}
			}
			c.agree(5)
		}
	})
}

// Proves that a command that was acknowledged is not lost when the leader and
// a follower crash right after a save: between saving and replying. For: an
// answer that leaves before the save, a save that is forgotten on one path.
func TestCrashAfterSave4C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3)
		c.agree(3)
		for range 8 {
			victim := w.Rand().IntN(3)
			c.crashAtSave(victim, 1+w.Rand().IntN(3))
			for range 3 {
				c.agree(2)
			}
			c.servers[victim].disk.setAfterSave(nil)
			c.restart(victim)
			c.agree(3)
		}
	})
}

// crashAtSave crashes a server when its n-th save from now has taken effect,
// and before anything that follows it.
func (c *cluster) crashAtSave(id, n int) {
	d := c.servers[id].disk
	var saves atomic.Int64
	d.setAfterSave(func() {
		if saves.Add(1) == int64(n) {
			c.crash(id)
		}
	})
}

// Proves that the whole cluster survives being restarted over and over, a
// random part of it at a time, also while commands are on their way. For: a
// vote or a term that is not saved, a state that is not restored.
func TestManyRestarts4C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5)
		for range 15 {
			c.agree(3)
			c.offer(c.command())
			for _, id := range w.Rand().Perm(5)[:1+w.Rand().IntN(5)] {
				c.restart(id)
			}
		}
		c.waitApplied(c.agree(5), c.all()...)
	})
}

// Proves that the schedule of Figure 8 harms nothing when it comes up by
// itself: leaders crash soon after they got a command, with it on a minority,
// and come back later. For: entries of earlier terms committed by counting
// replicas (§5.4.2).
func TestFigure8Random4C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		figure8(w, simnet.Reliable, 120)
	})
}

// Proves that Figure 8 harms nothing on a network that loses and delays
// messages either.
func TestFigure8Unreliable4C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		figure8(w, simnet.Unreliable, 120)
	})
}

// figure8 has leaders fail soon after they got a command, keeps a bare majority
// up, and in the end has everybody agree.
func figure8(w *simtest.World, links simnet.Link, rounds int) {
	c := startCluster(w, 5)
	c.net.SetLinks(links)
	for range rounds {
		leader := -1
		for _, s := range c.servers {
			if rf := s.rf(); rf != nil {
				if _, _, leads := rf.Propose(c.command()); leads {
					leader = s.id
				}
			}
		}
		if w.Rand().IntN(10) == 0 {
			w.Sleep(time.Duration(w.Rand().Int64N(int64(500 * time.Millisecond))))
		} else {
			w.Sleep(time.Duration(w.Rand().Int64N(int64(13 * time.Millisecond))))
		}
		if leader >= 0 {
			c.crash(leader)
		}
		if down := c.down(); len(down) > 2 {
			c.restart(down[w.Rand().IntN(len(down))])
		}
		if leader < 0 {
			w.Sleep(50 * time.Millisecond)
		}
	}
	for _, id := range c.down() {
		c.restart(id)
	}
	c.net.SetLinks(simnet.Reliable)
	c.waitApplied(c.agree(5), c.all()...)
}

// down returns the crashed servers.
func (c *cluster) down() []int {
	var ids []int
	for _, s := range c.servers {
		if s.rf() == nil {
			ids = append(ids, s.id)
		}
	}
	return ids
}

// Proves that the replicated log is linearizable under churn: a command that
// was acknowledged is in the log for ever at the index it was told, once; and
// of two commands, one acknowledged before the other was proposed, the first
// has the lower index. Clients propose while servers crash, come back, and are
// cut off, on a network that loses and delays messages.
func TestChurn4C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5)
		c.net.SetLinks(simnet.Unreliable)
		h := &history{}
		stop := make(chan struct{})
		for client := range 3 {
			w.Go(func() { c.client(client, h, stop) })
		}
		for range 20 {
			id := w.Rand().IntN(5)
			switch {
			case c.servers[id].rf() == nil:
				c.restart(id)
			case len(c.down()) < 2 && w.Rand().IntN(2) == 0:
				c.crash(id)
			case w.Rand().IntN(3) == 0:
				c.isolate(id)
			default:
				c.heal()
			}
			w.Sleep(time.Duration(w.Rand().Int64N(int64(700 * time.Millisecond))))
		}
		close(stop)
		for _, id := range c.down() {
			c.restart(id)
		}
		c.heal()
		c.net.SetLinks(simnet.Reliable)
		c.waitApplied(c.agree(5), c.all()...)
		h.check(c)
		require.NotEmpty(w, h.acks, "no command was acknowledged all the time")
	})
}

// client proposes commands, one at a time, and records those that it saw
// applied at the index it was told.
func (c *cluster) client(id int, h *history, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		command := fmt.Appendf(nil, "client-%d-%d", id, n)
		began := c.w.Now()
		if index := c.offer(command); index > 0 && c.reached(index, command, 1, time.Second) {
			h.add(ack{string(command), index, began, c.w.Now()})
		}
		c.w.Sleep(10 * time.Millisecond)
	}
}

// A history is what the clients of a log saw.
type history struct {
	mu   sync.Mutex
	acks []ack
}

type ack struct {
	command    string
	index      int
	began, end time.Duration
}

func (h *history) add(a ack) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acks = append(h.acks, a)
}

// check is the definition of linearizability for a log whose append returns
// the index: each acknowledged command is at its index, and the order of the
// indexes respects real time.
func (h *history) check(c *cluster) {
	for _, a := range h.acks {
		at, times := c.ledger.find([]byte(a.command))
		require.Equal(c.w, a.index, at, "%q was acknowledged at this index", a.command)
		require.Equal(c.w, 1, times, "%q is in the log this often", a.command)
		for _, b := range h.acks {
			if a.end < b.began && a.index >= b.index {
				c.w.Fatalf("not linearizable: %q was acknowledged at %v with index %d; %q was proposed later, at %v, and got index %d",
					a.command, a.end, a.index, b.command, b.began, b.index)
			}
		}
	}
}
