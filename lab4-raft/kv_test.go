package raft_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	raft "distsys/lab4-raft"

	"distsys/grader/lincheck"
	"distsys/grader/simnet"
	"distsys/grader/simtest"
)

const exactlyOnce = "all requests with one Session and Seq are one request: it is executed once, and all are given its answer (§8)"

// Proves that the database does what each operation says, and that an operation
// takes about two round trips: one to the leader, and one from there to a majority.
// For: an answer that waits for the next heartbeat.
func TestKVBasic4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startKV(w, 3, 2, raft.KVOptions{MaxSessions: manySessions})
		cl := c.clients[0]
		cl.get("hello")
		began := w.Now()
		steps := []struct {
			op   raft.Op
			want raft.Result
		}{
			{raft.Op{Kind: raft.OpGet, Key: "x"}, raft.Result{}},
			{raft.Op{Kind: raft.OpExists, Key: "x"}, raft.Result{}},
			{raft.Op{Kind: raft.OpPut, Key: "x", Value: "1"}, raft.Result{}},
			{raft.Op{Kind: raft.OpGet, Key: "x"}, raft.Result{Value: "1", Found: true}},
			{raft.Op{Kind: raft.OpExists, Key: "x"}, raft.Result{OK: true}},
			{raft.Op{Kind: raft.OpAppend, Key: "x", Value: "23"}, raft.Result{N: 3}},
			{raft.Op{Kind: raft.OpIncr, Key: "x", By: 877}, raft.Result{N: 1000, OK: true}},
			{raft.Op{Kind: raft.OpCAS, Key: "x", Old: "1", Value: "y"}, raft.Result{}},
			{raft.Op{Kind: raft.OpCAS, Key: "x", Old: "1000", Value: "y"}, raft.Result{OK: true}},
			{raft.Op{Kind: raft.OpIncr, Key: "x", By: 1}, raft.Result{}},
			{raft.Op{Kind: raft.OpSetNX, Key: "x", Value: "z"}, raft.Result{}},
			{raft.Op{Kind: raft.OpDelete, Key: "x"}, raft.Result{OK: true}},
			{raft.Op{Kind: raft.OpDelete, Key: "x"}, raft.Result{}},
			{raft.Op{Kind: raft.OpSetNX, Key: "x", Value: ""}, raft.Result{OK: true}},
			{raft.Op{Kind: raft.OpGet, Key: "x"}, raft.Result{Found: true}},
			{raft.Op{Kind: raft.OpPut, Key: "\x00\xff\r\n", Value: "\x00\xff\r\n"}, raft.Result{}},
			{raft.Op{Kind: raft.OpGet, Key: "\x00\xff\r\n"}, raft.Result{Value: "\x00\xff\r\n", Found: true}},
			{raft.Op{Kind: raft.OpIncr, Key: "n", By: math.MaxInt64}, raft.Result{N: math.MaxInt64, OK: true}},
			{raft.Op{Kind: raft.OpIncr, Key: "n", By: 1}, raft.Result{}},
		}
		for _, step := range steps {
			if got := cl.do(step.op); got != step.want {
				w.Fatalf("%s answered %s, not %s", describeOp(step.op), describeResult(got), describeResult(step.want))
			}
		}
		if each := (w.Now() - began) / time.Duration(len(steps)); each > 40*time.Millisecond {
			w.Fatalf("an operation takes %v on average, though a message takes 1-5 ms. Two round trips would do; does one wait for a heartbeat, or a tick?", each)
		}
		if got := c.clients[1].get("n"); got.Value != fmt.Sprint(math.MaxInt64) {
			w.Fatalf("another client reads %q", got.Value)
		}
		c.rec.Check(lincheck.NewKV().Model())
	})
}

// Proves that many clients at the same time each get their own answer, and that
// what they see is linearizable. For: the answer to one client given to another,
// state that is read without the mutex.
func TestKVManyClients4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startKV(w, 3, 8, raft.KVOptions{MaxLog: 2000, MaxSessions: manySessions})
		for _, cl := range c.clients {
			cl.get("a") // Elections may take as long as what is measured.
		}
		before := c.rec.Len()
		c.atWork(4*time.Millisecond, func() { w.Sleep(1200 * time.Millisecond) })
		if n := c.rec.Len() - before; n < 100 {
			w.Fatalf("8 clients did only %d operations in 1.2 s", n)
		}
	})
}

// Proves that a request that comes several times, one after another or together, is
// executed once and always answered alike; that one that is older than the session's
// last is not executed; and that nothing is executed without a session.
func TestKVExactlyOnce4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startKV(w, 3, 1, raft.KVOptions{MaxSessions: manySessions})
		cl := c.clients[0]
		incr := raft.Op{Kind: raft.OpIncr, Key: "n", By: 1}
		a, b := cl.open(), cl.open()
		if a == b {
			w.Fatalf("two sessions have the same number, %d", a)
		}
		once := func(session, seq uint64, n int64) {
			for range 2 {
				cl.expect(raft.DoArgs{Session: session, Seq: seq, Op: incr}, raft.DoReply{Status: raft.Done, Result: raft.Result{N: n, OK: true}}, exactlyOnce)
			}
		}
		once(a, 1, 1)
		once(b, 1, 2)
		once(a, 2, 3)

		// Three at once, of which none is executed when the next one comes.
		leader := c.waitForLeader()
		together := raft.DoArgs{Session: b, Seq: 2, Op: incr}
		calls := []*pending{cl.ask(leader, together), cl.ask(leader, together), cl.ask(leader, together)}
		w.Sleep(500 * time.Millisecond)
		for _, call := range calls {
			want := raft.DoReply{Status: raft.Done, Result: raft.Result{N: 4, OK: true}}
			if reply, err, _ := call.answer(); reply != want {
				w.Fatalf("%s came three times at once. One of them was answered %s (error %v), not %s.\nrule: %s",
					describeRequest(together), describeReply(reply), err, describeReply(want), exactlyOnce)
			}
		}
		once(b, 2, 4)
		once(a, 3, 5)
		cl.expect(raft.DoArgs{Session: a, Seq: 1, Op: incr}, raft.DoReply{Status: raft.Old}, "a request that is older than the last one of its session is not executed: its client has gone on")
		cl.expect(raft.DoArgs{Session: a + b + 7, Seq: 1, Op: incr}, raft.DoReply{Status: raft.Expired}, "a session that was not opened, or has expired, does nothing")
		cl.counter("n", 5, "five different requests added 1 to it, some of them several times")
	})
}

// Proves that an operation takes effect once although its answers are lost, and
// although another server has become the leader when the client asks again. For: a
// table of duplicates that only the leader keeps, a check for duplicates when the
// request comes instead of when it is executed.
func TestKVAnswerLost4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startKV(w, 3, 1, raft.KVOptions{MaxSessions: manySessions})
		cl := c.clients[0]
		cl.get("hello")
		for i := 1; i <= 5; i++ {
			leader := c.waitForLeader()
			var mu sync.Mutex
			lost := 0
			stop := c.net.Intercept(func(m *simnet.Message) simnet.Verdict {
				mu.Lock()
				defer mu.Unlock()
				if m.Reply && m.Method == "KV.Do" && m.From == name(leader) {
					lost++
					return simnet.Drop
				}
				return simnet.Pass
			})
			w.Go(func() {
				for deadline := w.Now() + opBound; w.Now() < deadline; w.Sleep(time.Millisecond) {
					mu.Lock()
					n := lost
					mu.Unlock()
					if n > i%2 {
						c.net.Isolate(name(leader))
						return
					}
				}
			})
			r := cl.do(raft.Op{Kind: raft.OpIncr, Key: "n", By: 1})
			stop()
			c.heal()
			if r.N != int64(i) {
				w.Fatalf("increment %d of a counter answered %d. Answers of %s, which led, were lost, and then it was cut off; the client asked again.\nrule: %s", i, r.N, name(leader), exactlyOnce)
			}
		}
		c.rec.Check(lincheck.NewKV().Model())
	})
}

// Proves that a request that a leader took, and that comes again to its successor
// while the first copy is still in the log, is executed once. For: a duplicate that
// is looked for only when the request comes.
func TestKVProposedTwice4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startKV(w, 3, 1, raft.KVOptions{MaxSessions: manySessions})
		cl := c.clients[0]
		session := cl.open()
		for seq := uint64(1); seq <= 4; seq++ {
			// The leader's request reaches the others, but not the news that it is
			// committed: their answers are lost.
			leader := c.waitForLeader()
			for _, id := range c.others(leader) {
				c.net.Cut(name(id), name(leader))
			}
			args := raft.DoArgs{Session: session, Seq: seq, Op: raft.Op{Kind: raft.OpIncr, Key: "n", By: 1}}
			cl.ask(leader, args)
			w.Sleep(50 * time.Millisecond)
			c.isolate(leader)
			cl.expect(args, raft.DoReply{Status: raft.Done, Result: raft.Result{N: int64(seq), OK: true}},
				exactlyOnce+". The request is in the log twice: once from the old leader, "+name(leader)+", and once from its successor")
			c.heal()
		}
	})
}

// Proves that a leader that is cut off answers nothing as done: neither a read, for
// it may have been replaced, nor a write, which nobody else knows of. For: reads from
// the leader's own state without asking anybody, an answer before the command is
// committed.
func TestKVStaleLeader4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startKV(w, 3, 2, raft.KVOptions{MaxSessions: manySessions})
		inside, outside := c.clients[0], c.clients[1]
		outside.put("x", "old")
		sessions := []uint64{inside.open(), inside.open()}
		old := c.waitForLeader()
		c.split([][]int{{old}, c.others(old)}, []int{0}, []int{1})

		calls := []*pending{
			inside.ask(old, raft.DoArgs{Session: sessions[0], Seq: 1, Op: raft.Op{Kind: raft.OpGet, Key: "x"}}),
			inside.ask(old, raft.DoArgs{Session: sessions[1], Seq: 1, Op: raft.Op{Kind: raft.OpIncr, Key: "n", By: 1}}),
		}
		outside.put("x", "new")
		calls = append(calls, inside.ask(old, raft.DoArgs{Session: sessions[0], Seq: 2, Op: raft.Op{Kind: raft.OpGet, Key: "x"}}))
		w.Sleep(2 * time.Second)
		c.heal()
		w.Sleep(2 * time.Second)
		for i, what := range []string{"a get", "an incr", "a get, after another leader had committed a put of the same key"} {
			if reply, _, _ := calls[i].answer(); reply.Status == raft.Done {
				w.Fatalf("%s was cut off from the other servers and got %s. It answered %s.\n"+
					"rule: a server that cannot reach a majority cannot know whether it still leads, and commits nothing (§8)", name(old), what, describeReply(reply))
			}
		}

		follower := c.others(c.waitForLeader())[0]
		c.split([][]int{{follower}, c.others(follower)}, []int{0}, []int{1})
		outside.put("x", "newer")
		call := inside.ask(follower, raft.DoArgs{Session: sessions[0], Seq: 3, Op: raft.Op{Kind: raft.OpGet, Key: "x"}})
		w.Sleep(200 * time.Millisecond)
		if reply, _, _ := call.answer(); reply.Status == raft.Done {
			w.Fatalf("%s followed, was cut off from the other servers, and got a get. It answered %s.\n"+
				"rule: only a leader that has just committed something knows what the last values are (§8)", name(follower), describeReply(reply))
		}
		c.heal()
		c.rec.Check(lincheck.NewKV().Model())
	})
}

// Proves that a server that has lost its leadership with requests waiting says so
// soon after it learns it, though nobody asks for anything meanwhile; and that it does
// not take the commands that come in the place of its own for its own. For: a handler
// that waits for ever, an answer by index without a look at the term.
func TestKVLostLeadership4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startKV(w, 3, 2, raft.KVOptions{MaxSessions: manySessions})
		inside, outside := c.clients[0], c.clients[1]
		outside.put("x", "1")
		for round, busy := range []bool{false, true, false, true} {
			sessions := []uint64{inside.open(), inside.open(), inside.open()}
			old := c.waitForLeader()
			c.split([][]int{{old}, c.others(old)}, []int{0}, []int{1})
			var calls []*pending
			for _, session := range sessions {
				calls = append(calls, inside.ask(old, raft.DoArgs{Session: session, Seq: 1, Op: raft.Op{Kind: raft.OpIncr, Key: "lost", By: 1}}))
				w.Sleep(10 * time.Millisecond)
			}
			c.waitForLeaderAmong(c.others(old))
			what := "The others elected another leader, and had nothing to do"
			if busy {
				what = "The others elected another leader, and committed other commands at the same indexes"
				for i := range 5 {
					outside.put("x", fmt.Sprint(round, i))
				}
			}
			c.heal()
			w.Sleep(2 * time.Second)
			for _, call := range calls {
				reply, err, ended := call.answer()
				switch {
				case !ended:
					w.Fatalf("%s led, was cut off, and got an incr. %s. Then %s was connected again; 2 s later the client still waits for its answer.\n"+
						"rule: a server that no longer leads says so to those who wait", name(old), what, name(old))
				case err == nil && reply.Status == raft.Done:
					w.Fatalf("%s led, was cut off, and got an incr. %s. Then %s was connected again, and answered the incr %s; but its command is lost.\n"+
						"rule: the command at the index is this one only if it has the term that Propose returned", name(old), what, name(old), describeReply(reply))
				}
			}
		}
		if got := outside.get("lost"); got.Found {
			w.Fatalf("requests of which nobody has a copy were executed: %q", got.Value)
		}
	})
}

// Proves that the table of duplicates is part of the snapshot: a request that was
// executed before it is known also to a server that starts from it, restarted or
// brought up by the leader. For: a snapshot of the values alone.
func TestKVSnapshotHoldsSessions4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startKV(w, 3, 1, raft.KVOptions{MaxLog: 500, MaxSessions: manySessions})
		cl := c.clients[0]
		session := cl.open()
		args := raft.DoArgs{Session: session, Seq: 1, Op: raft.Op{Kind: raft.OpIncr, Key: "n", By: 1}}
		again := func(when string) {
			cl.expect(args, raft.DoReply{Status: raft.Done, Result: raft.Result{N: 1, OK: true}}, exactlyOnce+". This one came again "+when)
		}
		again("at once")
		fill := func() {
			for i := range 15 {
				cl.put("x", strings.Repeat(fmt.Sprint(i), 100))
			}
			w.Sleep(time.Second)
		}

		// Restarted from a snapshot.
		fill()
		for _, s := range c.servers {
			if _, snapshot := s.disk.size(); snapshot == 0 {
				w.Fatalf("after commands of more than 1500 bytes %s has no snapshot on its disk; MaxLog is 500", s.name)
			}
		}
		for _, id := range c.all() {
			c.crash(id)
		}
		for _, id := range c.all() {
			c.restart(id)
		}
		again("after all servers had taken snapshots and restarted from them")
		if next := cl.open(); next == session {
			w.Fatalf("after a restart from a snapshot a new session has the number of an old one, %d", next)
		}

		// Brought up by the leader.
		cl.put("gone", "1")
		w.Sleep(time.Second)
		behind := c.others(c.waitForLeader())[0]
		c.isolate(behind)
		cl.do(raft.Op{Kind: raft.OpDelete, Key: "gone"})
		args = raft.DoArgs{Session: session, Seq: 2, Op: raft.Op{Kind: raft.OpAppend, Key: "once", Value: "!"}}
		cl.expect(args, raft.DoReply{Status: raft.Done, Result: raft.Result{N: 1}}, exactlyOnce)
		fill()
		c.heal()
		w.Sleep(time.Second)
		for range 50 { // until it leads
			if leader := c.waitForLeader(); leader != behind {
				c.restart(leader)
			}
		}
		cl.expect(args, raft.DoReply{Status: raft.Done, Result: raft.Result{N: 1}}, exactlyOnce+". This one came again when "+name(behind)+" led, which had started from a snapshot of another server")
		if got := cl.get("gone"); got.Found {
			w.Fatalf("%s was cut off while the key \"gone\" was deleted, then started from a snapshot, and now leads. It finds the key: %q.\n"+
				"rule: a snapshot replaces the state (§7)", name(behind), got.Value)
		}
	})
}

// Proves that what a server keeps does not grow with the number of operations: neither
// its log, nor its snapshot; and that the values survive. For: no snapshots, a table
// that holds all answers ever given.
func TestKVStateStaysBounded4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const maxLog = 4000
		c := startKV(w, 3, 1, raft.KVOptions{MaxLog: maxLog, MaxSessions: 5})
		cl := c.clients[0]
		value := func(i int) string { return fmt.Sprint(i) + strings.Repeat("v", 100) }
		check := func(ops string) {
			w.Sleep(300 * time.Millisecond)
			for _, s := range c.servers {
				state, snapshot := s.disk.size()
				// Some requests more than MaxLog, and room for the encoding.
				if state > 4*maxLog {
					w.Fatalf("%s stores %d bytes of log after %s; MaxLog is %d.\nrule: a server takes a snapshot when the log has grown (§7)", s.name, state, ops, maxLog)
				}
				if snapshot > maxLog {
					w.Fatalf("%s stores a snapshot of %d bytes after %s. The values are 300 bytes, and there are at most 5 sessions.\n"+
						"rule: of each session only the last answer can be asked for again", s.name, snapshot, ops)
				}
			}
		}
		for i := range 120 {
			cl.put(fmt.Sprint("key", i%3), value(i))
			if i%40 == 39 {
				check(fmt.Sprintf("%d puts of 100 bytes to 3 keys", i+1))
			}
		}
		for range 60 {
			cl.get("key0")
			cl.open()
		}
		check("120 puts to 3 keys, 60 gets, and 60 sessions opened")
		for _, id := range c.all() {
			c.crash(id)
		}
		for _, id := range c.all() {
			c.restart(id)
		}
		for i := range 3 {
			if got := cl.get(fmt.Sprint("key", i)); got.Value != value(117+i) {
				w.Fatalf("after a restart of all servers the value of key%d is %q, not %q", i, clip(got.Value), clip(value(117+i)))
			}
		}
		c.rec.Check(lincheck.NewKV().Model())
	})
}

// Proves that when there are too many sessions the one that was idle the longest
// expires, on all servers the same, also on one that starts from a snapshot; that its
// requests are then refused and not executed; and that the others keep what they know.
// For: a table that forgets a client and executes its request again.
func TestKVSessionsExpire4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, maxLog := range []int{0, 300} {
			c := startKV(w, 3, 1, raft.KVOptions{MaxLog: maxLog, MaxSessions: 4})
			cl := c.clients[0]
			incr := func(session, seq uint64) raft.DoArgs {
				return raft.DoArgs{Session: session, Seq: seq, Op: raft.Op{Kind: raft.OpIncr, Key: "n", By: 1}}
			}
			done := func(n int64) raft.DoReply {
				return raft.DoReply{Status: raft.Done, Result: raft.Result{N: n, OK: true}}
			}
			var s [4]uint64
			for i := range s {
				s[i] = cl.open()
			}
			for i, which := range []int{1, 0, 3, 2, 0, 3} {
				cl.expect(incr(s[which], 1+uint64(i/4)), done(int64(i+1)), exactlyOnce)
			}
			// 1 was idle the longest, then 2.
			for n, victim := range []int{1, 2} {
				cl.open()
				for range 2 {
					cl.expect(incr(s[victim], 1), raft.DoReply{Status: raft.Expired},
						"with more than MaxSessions sessions the one that was not used for the longest time expires, by the order of the log and not by a clock: on all servers the same. A request of a session that is not there is not executed")
					for _, id := range []int{0, 3} {
						cl.expect(incr(s[id], 2), done(int64(5+id/3)), exactlyOnce+". This session is in use, and does not expire")
					}
					for _, id := range c.all() {
						if n == 0 || c.waitForLeader() == id {
							c.restart(id)
						}
					}
				}
			}
			c.stopAll()
		}
	})
}

// Proves that Stop ends the requests that wait, and that a server that was stopped
// answers no others.
func TestKVStop4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startKV(w, 3, 1, raft.KVOptions{MaxSessions: manySessions})
		session := c.clients[0].open()
		old := c.waitForLeader()
		c.isolate(old)
		run := c.servers[old].run
		ask := func() <-chan error {
			ended := make(chan error, 1)
			go func() {
				var reply raft.DoReply
				err := run.kv.Do(&raft.DoArgs{Session: session, Seq: 1, Op: raft.Op{Kind: raft.OpPut, Key: "x", Value: "1"}}, &reply)
				if err == nil && reply.Status == raft.Done {
					err = errors.New("done")
				}
				ended <- err
			}()
			return ended
		}
		waiting := ask()
		w.Sleep(50 * time.Millisecond)
		run.kv.Stop()
		run.kv.Stop()
		for i, ended := range []<-chan error{waiting, ask()} {
			select {
			case err := <-ended:
				if !errors.Is(err, raft.ErrStopped) {
					w.Fatalf("Do of a stopped server returned %v, not ErrStopped (call %d)", err, i+1)
				}
			case <-time.After(time.Second):
				w.Fatalf("1 s after Stop a call of Do still waits (call %d: 1 came before Stop, 2 after it)", i+1)
			}
		}
	})
}

// Proves that the database is linearizable while the network falls apart and comes
// together again. For: stale reads, lost writes, writes executed twice.
func TestKVPartitions4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startKV(w, 5, 4, raft.KVOptions{MaxSessions: manySessions})
		c.atWork(40*time.Millisecond, func() {
			for range 8 {
				order := w.Rand().Perm(5)
				cut := 1 + w.Rand().IntN(3)
				c.split([][]int{order[:cut], order[cut:]}, []int{0})
				w.Sleep(time.Duration(300+w.Rand().IntN(900)) * time.Millisecond)
			}
		})
	})
}

// Proves that the database is linearizable while servers crash and come back, and
// all of them take snapshots. For: state that is not in the snapshot, commands
// executed again after a restart.
func TestKVCrashes4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startKV(w, 5, 4, raft.KVOptions{MaxLog: 1500, MaxSessions: manySessions})
		c.atWork(40*time.Millisecond, func() {
			for range 12 {
				switch down := c.down(); {
				case len(down) > 0 && w.Rand().IntN(2) == 0:
					c.restart(down[0])
				case len(down) < 2:
					c.crash(max(0, c.leaderAmong(c.all())))
				default:
					c.restart(w.Rand().IntN(5))
				}
				w.Sleep(time.Duration(100+w.Rand().IntN(600)) * time.Millisecond)
			}
		})
	})
}

// Proves the same with everything at once: loss, delay, duplicates and reordering,
// partitions, crashes, snapshots.
func TestKVUnderFire4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startKV(w, 5, 4, raft.KVOptions{MaxLog: 1500, MaxSessions: manySessions})
		bad := simnet.Unreliable.ReorderReplies()
		bad.Duplicate = 0.1
		bad.Replies.Reorder = 0.2
		c.net.SetLinks(bad)
		c.atWork(40*time.Millisecond, func() {
			for range 10 {
				id := w.Rand().IntN(5)
				switch {
				case c.servers[id].rf() == nil:
					c.restart(id)
				case len(c.down()) < 2 && w.Rand().IntN(3) == 0:
					c.crash(id)
				case w.Rand().IntN(2) == 0:
					order := w.Rand().Perm(5)
					c.split([][]int{order[:2], order[2:]})
				default:
					c.heal()
				}
				w.Sleep(time.Duration(200+w.Rand().IntN(700)) * time.Millisecond)
			}
		})
	})
}
