package raft_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	raft "distsys/lab4-raft"

	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// The rules about snapshots (§7, Figure 13) that several tests cite.
const (
	ruleCompact  = "once a server completes writing a snapshot, it may delete all log entries up through the last included index (§7), and no others"
	ruleBoundary = "the last included index and term are preserved to support the AppendEntries consistency check for the first log entry following the snapshot (§7)"
	ruleOld      = "reply immediately if term < currentTerm (Figure 13, rule 1)"
	ruleRetain   = "if existing log entry has same index and term as snapshot's last included entry, retain log entries following it (Figure 13, rule 6)"
	ruleDiscard  = "discard the entire log (Figure 13, rule 7)"
	ruleReset    = "reset state machine using snapshot contents (Figure 13, rule 8)"
	rulePrefix   = "a snapshot that describes a prefix of the log (due to retransmission or by mistake): entries following the snapshot are still valid and must be retained (§7)"
	ruleSend     = "the leader must send snapshots to followers that lag behind: when it has already discarded the next log entry that it needs to send (§7)"
	ruleRestart  = "the state of the service does not survive a crash, so a new server starts at the beginning: with the saved snapshot if there is one (ApplyMsg)"
)

// startsWith checks that a restarted s0 has first given its state machine the
// snapshot up to index.
func (s *script) startsWith(index int) {
	h := s.history()
	s.rule(len(h) > 0 && h[0].IsSnapshot && h[0].Index == index, ruleRestart,
		"s0 had a snapshot up to %d when it crashed. Since its restart it has applied [%s]", index, s.commands())
}

// Proves that a snapshot by the service takes the place of the log up to its
// index and of nothing more: the entries behind it, applied or not, are still
// there, also after a crash, and the snapshot's last entry still connects them.
// For: indexes that are off after the log was cut, entries that are not applied
// yet thrown away, a snapshot that is not saved.
func TestPaperCompactsLog4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		terms := []int{1, 1, 2, 2, 3, 3}
		for at := 1; at <= 5; at++ {
			for _, crash := range []bool{false, true} {
				s.fresh()
				l := s.leader(1, 3, terms...)
				l.give(6, 5)
				s.snapshot(at)
				what := fmt.Sprintf("s0 had [%s], and its service took a snapshot up to %d", names(l.log), at)
				s.rule(l.send(at, 1, 0).Success, ruleBoundary, "%s. It refuses an entry behind %d@%d, which is its last included entry", what, at, l.termAt(at))
				if crash {
					s.crashAfterReply()
					what += ". It crashed and restarted"
				}
				s.expectLog(ruleCompact, what, terms...)
				if crash {
					s.startsWith(at)
				}
			}
		}
		s.fresh()
		l := s.leader(1, 3, terms...)
		l.give(6, 6)
		for _, at := range []int{2, 4, 3, 6, 1} { // each on top of the last; those that are older are ignored
			s.snapshot(at)
		}
		s.crash(nil)
		s.restart()
		s.expectLog(ruleCompact, "s0's service took snapshots up to 2, 4, 3, 6 and 1; then it crashed and restarted", terms...)
		s.startsWith(6)
	})
}

// Proves that messages about entries which the snapshot has replaced do no harm:
// they are late, or partly so. For: a panic on an index below the log, entries
// stored at the wrong place, entries that the message brought and that are said
// to be stored but are not.
func TestPaperMessagesBelowSnapshot4D(t *testing.T) {
	cases := []struct{ prev, n int }{{0, 0}, {0, 2}, {0, 4}, {0, 6}, {0, 8}, {1, 0}, {1, 1}, {2, 4}, {2, 6}, {3, 0}, {3, 1}, {3, 2}, {3, 5}, {4, 0}, {4, 1}, {4, 4}}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		terms := []int{1, 1, 2, 2, 3, 3, 3, 3}
		for _, have := range []int{4, 6} {
			for _, c := range cases {
				s.fresh()
				l := s.leader(1, 3, terms...)
				l.give(have, 4)
				s.snapshot(4)
				end := c.prev + c.n
				reply := l.send(c.prev, c.n, 4)
				what := fmt.Sprintf("s0 has a snapshot up to 4@2 and entries up to %d. An AppendEntries with prev %d@%d and %d entries", have, c.prev, l.termAt(c.prev), c.n)
				if c.prev == 4 {
					s.rule(reply.Success, ruleBoundary, "%s was answered %+v", what, reply)
				}
				if reply.Success {
					s.expectLog(ruleAppend, what+" was answered with success", terms[:max(have, end)]...)
				} else {
					s.expectLog(ruleAppend, what+" was refused", terms[:have]...)
				}
			}
		}
	})
}

// Proves what a follower answers to entries that do not match behind its
// snapshot. For: a search for the first entry of a term that runs below the log,
// an end of the log that forgets the snapshot.
func TestPaperConflictAtSnapshot4D(t *testing.T) {
	const rule = "the follower can include the term of the conflicting entry and the first index it stores for that term (§5.3; see AppendEntriesReply for a log that is too short)"
	cases := []struct {
		have, lead []int
		prev       int
		cterm      int
		index      []int // what may be said: the snapshot's last entry may count as stored
	}{
		{[]int{1, 1, 1}, []int{1, 1, 1, 1, 1}, 5, 0, []int{4}},
		{[]int{1, 1, 1}, []int{1, 1, 1, 3}, 4, 0, []int{4}},
		{[]int{1, 1, 1, 1, 1}, []int{1, 1, 1, 3, 3}, 5, 1, []int{3, 4}},
		{[]int{1, 1, 1, 1, 1}, []int{1, 1, 1, 3, 3}, 4, 1, []int{3, 4}},
		{[]int{1, 1, 1, 2, 2}, []int{1, 1, 1, 3, 3}, 5, 2, []int{4}},
		{[]int{1, 1, 1, 1, 2}, []int{1, 1, 1, 1, 3}, 5, 2, []int{5}},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		for _, c := range cases {
			for _, crash := range []bool{false, true} {
				s.fresh()
				old := s.stores(c.have...)
				old.give(len(c.have), 3)
				s.snapshot(3)
				if crash {
					s.crash(nil)
					s.restart()
				}
				l := s.leader(2, 4, c.lead...)
				reply := l.send(c.prev, 0, 0)
				s.rule(!reply.Success && reply.ConflictTerm == c.cterm && slices.Contains(c.index, reply.ConflictIndex), rule,
					"s0 has [%s], the first three of them in a snapshot. Asked for prev %d@%d it should refuse with ConflictTerm %d, ConflictIndex %v. It answered %+v",
					names(old.log), c.prev, l.termAt(c.prev), c.cterm, c.index, reply)
				s.rule(l.send(3, len(l.log)-3, 0).Success, ruleBoundary, "s0 has a snapshot up to 3@1, and refused entries behind it")
				s.expectLog(ruleConflict, fmt.Sprintf("s0 had [%s], the first three of them in a snapshot. It accepted the entries of [%s] behind 3@1", names(old.log), names(l.log)), c.lead...)
			}
		}
	})
}

// Proves that a follower takes in a snapshot that is ahead of it, gives it to
// its state machine, with its index and term, goes on with the entries behind
// it, and keeps it through a crash. For: a snapshot without its bytes, its index
// or its term; one that is not saved, or erased by the next save; entries that
// are applied once more after it.
func TestPaperInstallsSnapshot4D(t *testing.T) {
	cases := []struct {
		have   []int
		commit int
	}{{nil, 0}, {[]int{1}, 0}, {[]int{1, 1, 2}, 2}, {[]int{1, 1, 2}, 3}, {[]int{1, 1, 2, 2}, 1}}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		for _, c := range cases {
			s.fresh()
			s.stores(c.have...).give(len(c.have), c.commit)
			l := s.leader(2, 4, 1, 1, 2, 2, 3, 4, 4)
			before := names(l.log[:c.commit])
			reply := l.install(5)
			require.Equal(w, 4, reply.Term, "term in the answer to an InstallSnapshot of term 4")
			s.applies(strings.TrimSpace(before+" snapshot(5)"), ruleReset, "after a snapshot up to 5")
			l.install(5) // again
			s.rule(l.send(5, 2, 7).Success, ruleBoundary, "s0 installed a snapshot up to 5@3, and refuses entries behind it")
			s.within(settle, func() bool { return s.lastApplied() == 7 })
			s.rule(s.lastApplied() == 7, ruleApply, "s0 installed a snapshot up to 5, then came entries 6 and 7, committed. It has applied [%s]", s.commands())
			s.crashAfterReply()
			s.expectLog(rulePersist, "s0 installed a snapshot up to 5@3, took entries behind it, crashed and restarted", 1, 1, 2, 2, 3, 4, 4)
			s.startsWith(5)
		}
	})
}

// Proves what becomes of the log when a snapshot is installed: what follows the
// snapshot's last entry stays if that entry is in the log, with the same term;
// otherwise nothing stays. For: a log that is thrown away in any case, or never;
// a comparison of the index alone.
func TestPaperInstallAndLog4D(t *testing.T) {
	cases := []struct {
		have, lead []int
		at         int
		want       []int
		rule       string
	}{
		{[]int{1, 1, 1, 1, 1}, []int{1, 1, 1, 1, 1}, 3, []int{1, 1, 1, 1, 1}, ruleRetain},
		{[]int{1, 1, 2, 2, 3}, []int{1, 1, 2, 4}, 3, []int{1, 1, 2, 2, 3}, ruleRetain},
		{[]int{1, 1, 2, 2}, []int{1, 1, 2, 2}, 1, []int{1, 1, 2, 2}, ruleRetain},
		{[]int{1, 1, 1}, []int{1, 1, 1, 1}, 3, []int{1, 1, 1}, ruleRetain},
		{[]int{1, 1, 2, 2, 2}, []int{1, 1, 3, 3}, 3, []int{1, 1, 3}, ruleDiscard},
		{[]int{1, 1, 2, 2, 2}, []int{1, 1, 3, 3}, 4, []int{1, 1, 3, 3}, ruleDiscard},
		{[]int{1, 1, 2, 2, 2, 2, 2}, []int{1, 1, 3, 4}, 3, []int{1, 1, 3}, ruleDiscard},
		{[]int{1, 1}, []int{1, 1, 1, 3, 3}, 4, []int{1, 1, 1, 3}, ruleDiscard},
		{[]int{1, 1, 1}, []int{1, 1, 1, 1}, 4, []int{1, 1, 1, 1}, ruleDiscard},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		for _, c := range cases {
			for _, crash := range []bool{false, true} {
				s.fresh()
				old := s.stores(c.have...)
				l := s.leader(2, 5, c.lead...)
				l.install(c.at)
				what := fmt.Sprintf("s0 had [%s], none committed. It installed a snapshot up to %d@%d", names(old.log), c.at, l.termAt(c.at))
				if crash {
					s.crashAfterReply()
					what += ", crashed and restarted"
				}
				old.term, old.id = 6, 3
				for i := len(c.want) + 1; i <= len(c.have); i++ {
					s.rule(old.lacks(i), c.rule, "%s. It still has %s", what, old.log[i-1].Command)
				}
				s.expectLog(c.rule, what, c.want...)
			}
		}
	})
}

// Proves that a snapshot that brings nothing new changes nothing: the log, the
// state machine and the newer snapshot stay as they are. It came late, or twice.
// For: a stale snapshot that is accepted, that cuts off the log, that replaces
// the newer one.
func TestPaperStaleSnapshot4D(t *testing.T) {
	terms := []int{1, 1, 2, 2, 3, 3}
	cases := []struct {
		what  string
		base  int // of s0's snapshot, 0 for none
		setup func(s *script, l *leader)
	}{
		{"s0 has applied five entries of its log", 0, func(s *script, l *leader) { l.give(6, 5) }},
		{"s0's service took a snapshot up to 5", 5, func(s *script, l *leader) {
			l.give(6, 5)
			s.snapshot(5)
		}},
		{"s0 installed a snapshot up to 5", 5, func(s *script, l *leader) {
			l.install(5)
			l.send(5, 1, 5)
		}},
		{"s0 installed a snapshot up to 4 and applied entry 5", 4, func(s *script, l *leader) {
			l.install(4)
			l.send(4, 2, 5)
		}},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		for _, c := range cases {
			for _, at := range []int{1, 4, 5} {
				for _, crash := range []bool{false, true} {
					s.fresh()
					l := s.leader(1, 3, terms...)
					c.setup(s, l)
					s.within(settle, func() bool { return s.lastApplied() == 5 })
					before := s.commands()
					l.install(at)
					w.Sleep(settle / 2)
					s.rule(s.commands() == before || at == 5 && s.commands() == before+" snapshot(5)", rulePrefix,
						"%s. Then came a snapshot up to %d. It had applied [%s], and now [%s]", c.what, at, before, s.commands())
					what := fmt.Sprintf("%s, and has entry 6. Then came a snapshot up to %d", c.what, at)
					if crash {
						s.crash(nil)
						s.restart()
						what += ", and s0 crashed and restarted"
					}
					s.expectLog(rulePrefix, what, terms...)
					if crash && c.base >= at { // a newer one it may keep, or not
						s.startsWith(c.base)
					}
				}
			}
		}
	})
}

// Proves that a snapshot of a leader of an earlier term is refused, and that
// InstallSnapshot obeys the rules for terms like every other RPC. For: a
// snapshot that is taken without a look at the term, a term not adopted or not
// saved, a leader that goes on.
func TestPaperInstallTerm4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		s.stores(1, 1, 4)
		reply := s.leader(2, 3, 1, 1).install(2)
		s.rule(reply.Term == 4, ruleOld, "s0 is in term 4. To an InstallSnapshot of term 3 it answered %+v", reply)
		w.Sleep(settle)
		s.rule(s.commands() == "", ruleOld, "s0 is in term 4. After an InstallSnapshot of term 3 it applied [%s]", s.commands())
		all := s.expectLog(ruleOld, "s0 is in term 4 and refused a snapshot of term 3", 1, 1, 4).terms()

		const rule = "if RPC request or response contains term T > currentTerm: set currentTerm = T, convert to follower (Figure 2, all servers)"
		s.replicas(all...)
		term := s.elect()
		l := s.leader(2, term+3, all...)
		reply = l.install(4) // old, but its term is new
		s.rule(reply.Term == term+3 && s.term() == term+3 && !s.leads(), rule, "s0 led in term %d. To an InstallSnapshot of term %d it answered %+v. It is in term %d, and leads: %v", term, term+3, reply, s.term(), s.leads())
		s.crashAfterReply()
		s.rule(s.term() == term+3, rulePersist, "s0 answered an InstallSnapshot with term %d and crashed. It came back in term %d", term+3, s.term())
		reply = s.leader(1, term+2, all...).install(4)
		s.rule(reply.Term == term+3, ruleOld, "s0 is in term %d. To an InstallSnapshot of term %d it answered %+v", term+3, term+2, reply)
		s.expectLog(ruleOld, "s0 crashed, restarted, and refused a snapshot of an earlier term", all...)
	})
}

// Proves that an InstallSnapshot of the current leader, also one that brings
// nothing new, keeps a follower from starting an election, and one of an earlier
// term does not. For: a follower that deposes the leader that is bringing it up.
func TestPaperInstallResetsTimer4D(t *testing.T) {
	const rule = "a server remains in follower state as long as it receives valid RPCs from a leader or candidate (§5.2)"
	simtest.Run(t, func(w *simtest.World) {
		for _, term := range []int{10, 9} {
			s := startScript(w, 3)
			s.appendEntries(1, 10, 0, 0, 0)
			l := s.leader(1, 10, 1, 1, 1)
			if term < 10 {
				l = s.leader(2, term, 1, 1, 1)
			}
			began := w.Now()
			for w.Now()-began < 2*silence && len(s.peers[1].votes(0)) == 0 {
				l.install(3)
				w.Sleep(calm / 3)
			}
			asked := len(s.peers[1].votes(0)) > 0
			s.rule(asked == (term < 10), rule, "s0 is in term 10; every %v came an InstallSnapshot of the leader of term %d. In %v it started an election: %v", calm/3, term, w.Now()-began, asked)
			s.crash(nil)
		}
	})
}

// Proves that a server whose log is all in its snapshot still knows how
// up-to-date it is, as voter and as candidate, also after a crash. For: the last
// entry's index or term taken for 0 when the log is empty.
func TestPaperUpToDateAfterCompaction4D(t *testing.T) {
	const rule = "the voter denies its vote if its own log is more up-to-date (§5.4.1); the last entry may be the snapshot's (§7)"
	cases := []struct {
		index, term int
		grant       bool
	}{{4, 2, true}, {5, 2, true}, {3, 2, false}, {0, 0, false}, {9, 1, false}, {4, 3, true}, {5, 3, true}}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		for _, how := range []string{"its service took", "it installed"} {
			for _, crash := range []bool{false, true} {
				s.fresh()
				l := s.leader(1, 2, 1, 1, 1, 2)
				if how == "it installed" {
					l.install(4)
				} else {
					l.give(4, 4)
					s.snapshot(4)
				}
				if crash {
					s.crash(nil)
					s.restart()
				}
				for i, c := range cases {
					reply := s.askVote(2, 10+i, c.index, c.term)
					s.rule(reply.VoteGranted == c.grant, rule, "s0's log is empty behind a snapshot up to 4@2 that %s. A candidate whose last entry is %d@%d was answered %+v", how, c.index, c.term, reply)
				}
				v := s.awaitNewTerm(1, 10+len(cases)-1, silence)
				s.rule(v.LastLogIndex == 4 && v.LastLogTerm == 2, "lastLogIndex, lastLogTerm: index and term of candidate's last log entry (Figure 2); it may be the snapshot's (§7)",
					"s0's log is empty behind a snapshot up to 4@2 that %s. It asks for votes with last entry %d@%d", how, v.LastLogIndex, v.LastLogTerm)
			}
		}
	})
}

// Proves that a snapshot that arrives while the state machine is busy with
// earlier entries mixes up nothing: no entry that it contains is applied after
// it, none behind it is left out, and nothing goes back. For: entries in flight
// when the snapshot comes, lastApplied set back or too far, a mutex held while
// the apply channel is written.
func TestPaperSnapshotInFlight4D(t *testing.T) {
	cases := []struct {
		what string
		do   func(l *leader)
	}{
		{"a snapshot up to 6", func(l *leader) { l.install(6) }},
		{"a snapshot up to 5 and one up to 6", func(l *leader) { l.install(5); l.install(6) }},
		{"a snapshot up to 6 and one up to 5", func(l *leader) { l.install(6); l.install(5) }},
		{"a snapshot up to 2", func(l *leader) { l.install(2); l.send(4, 2, 6) }},
		{"a snapshot up to 4", func(l *leader) { l.install(4); l.send(4, 2, 6) }},
		{"a snapshot up to 4 and one up to 6", func(l *leader) { l.install(4); l.send(4, 1, 5); l.install(6) }},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		for _, c := range cases {
			for _, read := range []int{0, 1, 3} { // messages that the state machine reads before it stops
				s.fresh()
				l := s.leader(1, 3, 1, 1, 2, 2, 3, 3, 3, 3)
				l.give(4, read)
				s.pause()
				l.send(4, 0, 4)
				w.Sleep(5 * hop)
				c.do(l)
				s.rule(l.send(6, 2, 8).Success, ruleBoundary, "s0 had four entries, then came %s, then entries 7 and 8 behind 6@3, and s0 refused them", c.what)
				w.Sleep(5 * hop)
				s.resume()
				s.within(settle, func() bool { return s.lastApplied() == 8 })
				s.rule(s.lastApplied() == 8, ruleReset, "four entries were committed; the service had read %d of them and stopped; then came %s, then entries 7 and 8, also committed; then the service read on. It got [%s]", read, c.what, s.commands())
				s.expectLog(ruleRetain, fmt.Sprintf("four entries were committed; the service had read %d of them and stopped; then came %s, then entries 7 and 8; then the service read on", read, c.what), 1, 1, 2, 2, 3, 3, 3, 3)
			}
		}
	})
}

// Proves that a snapshot may arrive at the very moment at which entries before it
// and behind it become committed. For: snapshots that a goroutine of their own, or
// the handler, gives to the state machine, past the entries.
func TestPaperSnapshotAtOnce4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		for range 20 {
			s.fresh()
			l := s.leader(1, 3, 1, 1, 2, 2, 3, 3, 3, 3)
			l.give(8, 1)
			messages := []func(){
				func() { l.send(8, 0, 3) }, func() { l.send(8, 0, 5) }, func() { l.install(4) },
				func() { l.install(6) }, func() { l.send(8, 0, 8) },
			}
			for _, i := range w.Rand().Perm(len(messages)) {
				w.Go(messages[i])
			}
			w.Sleep(5 * hop)
			s.within(settle, func() bool { return s.lastApplied() == 8 })
			s.rule(s.lastApplied() == 8, ruleReset, "eight entries and snapshots up to 4 and 6 arrived, and all was committed at once. s0 has applied [%s]", s.commands())
			s.expectLog(ruleRetain, "eight entries and snapshots up to 4 and 6 arrived, and all was committed at once", l.terms()...)
		}
	})
}

// Proves that a service may take its snapshot right where it executes a command,
// before it reads on: of each, or of some. What is committed but not yet applied
// stays in the log. For: a log that is cut where it is committed and not where
// the snapshot is, a mutex held while the apply channel is written.
func TestPaperSnapshotWhileApplying4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		terms := []int{1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3}
		for _, every := range []int{1, 2, 3, 5} {
			s.fresh()
			run := s.run
			s.mu.Lock()
			s.onApply = func(m raft.ApplyMsg) {
				if !m.IsSnapshot && m.Index%every == 0 {
					run.rf.Snapshot(m.Index, []byte(s.state(m.Index)))
				}
			}
			s.mu.Unlock()
			l := s.leader(1, 3, terms...)
			l.give(12, 10)
			s.rule(l.send(11, 1, 0).Success, ruleCompact, "ten of twelve entries are committed, the service takes a snapshot after every %d. s0 does not have entry 11 any more", every)
			s.mu.Lock()
			s.onApply = nil
			s.mu.Unlock()
			s.crashAfterReply()
			s.expectLog(ruleCompact, fmt.Sprintf("ten of twelve entries were committed; the service took a snapshot after every %d; then s0 crashed and restarted", every), terms...)
		}
	})
}

// Proves that a service that is late with its snapshot does not undo a newer
// one, which came from the leader meanwhile. For: a Snapshot that does not look
// at what is there.
func TestPaperSnapshotOlderThanInstalled4D(t *testing.T) {
	const rule = "a snapshot that is no newer than the one it has is ignored (Raft.Snapshot)"
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		for at := 1; at <= 3; at++ {
			s.fresh()
			l := s.leader(1, 3, 1, 1, 2, 2, 3, 3, 3)
			l.give(3, 3)
			l.install(6)
			s.applies(names(l.log[:3])+" snapshot(6)", ruleReset, "after a snapshot up to 6")
			s.snapshot(at)
			s.rule(l.send(6, 1, 7).Success, rule, "s0 installed a snapshot up to 6, then its service came with one up to %d. Now s0 refuses entries behind 6@3", at)
			s.crashAfterReply()
			s.expectLog(rule, fmt.Sprintf("s0 installed a snapshot up to 6, then its service came with one up to %d; then s0 crashed and restarted", at), 1, 1, 2, 2, 3, 3, 3)
			s.startsWith(6)
		}
	})
}

// Proves that every later save keeps the snapshot. For: saving nil in its place,
// which erases it.
func TestPaperSavesKeepSnapshot4D(t *testing.T) {
	cases := []struct {
		what string
		do   func(s *script, l *leader)
	}{
		{"a vote", func(s *script, l *leader) { s.askVote(2, 9, 9, 3) }},
		{"a term", func(s *script, l *leader) { s.appendEntries(2, 9, 0, 0, 0) }},
		{"entries", func(s *script, l *leader) { l.send(4, 2, 0) }},
		{"an election", func(s *script, l *leader) {
			s.awaitNewTerm(1, 3, silence)
			s.askVote(2, 2, 9, 2)
		}},
		{"a crash and entries", func(s *script, l *leader) {
			s.crash(nil)
			s.restart()
			l.send(4, 2, 0)
		}},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		for _, c := range cases {
			for _, installed := range []bool{false, true} {
				s.fresh()
				terms := []int{1, 1, 2, 2, 3, 3}
				l := s.leader(1, 3, terms...)
				if installed {
					l.install(4)
				} else {
					l.give(4, 4)
					s.snapshot(4)
				}
				c.do(s, l)
				if !strings.Contains(c.what, "entries") {
					terms = terms[:4]
				}
				s.crashAfterReply()
				s.expectLog(rulePersist, fmt.Sprintf("s0 had a snapshot up to 4. It saved %s, crashed and restarted", c.what), terms...)
				s.startsWith(4)
			}
		}
	})
}

// Proves that a snapshot may be empty: it still says up to where it goes. For: a
// snapshot taken for none because it has no bytes.
func TestPaperEmptySnapshot4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, installed := range []bool{false, true} {
			s := startScript(w, 3)
			s.state = func(int) string { return "" }
			l := s.leader(1, 3, 1, 1, 2, 2, 3, 3)
			if installed {
				l.install(4)
				s.applies("snapshot(4)", ruleReset, "after an empty snapshot up to 4")
			} else {
				l.give(4, 4)
				s.snapshot(4)
			}
			s.rule(l.send(4, 2, 5).Success, ruleBoundary, "s0 has an empty snapshot up to 4@2, and refuses entries behind it")
			s.crashAfterReply()
			s.expectLog(rulePersist, "s0 had an empty snapshot up to 4, took entries behind it, crashed and restarted", 1, 1, 2, 2, 3, 3)
			s.startsWith(4)
			s.crash(nil)
		}
	})
}

// Proves that a leader brings up a follower that needs entries which it has
// discarded: with its snapshot, again until it is acknowledged, then with the
// entries behind it; and that the answer counts for what the snapshot covers and
// for no more. For: a follower that is never brought up, a panic on a nextIndex
// below the log, a snapshot without its bytes, index or term, matchIndex set to
// the end of the log.
func TestPaperSendsSnapshot4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		s.stores(1, 1)
		replicas := s.replicas(1, 1)
		replicas[2] = s.replica(2) // it has nothing, and is silent
		replicas[2].nothing()
		term := s.elect()
		for _, c := range strings.Fields("a b") {
			s.propose(c)
		}
		s.rule(s.within(soon, func() bool { return s.commands() == "1@1 2@1 a b" }), ruleApply, "s0 leads, s1 has all entries; s0 has applied [%s]", s.commands())
		s.snapshot(4)
		s.propose("c")
		s.rule(s.within(soon, func() bool { return s.commands() == "1@1 2@1 a b c" }), ruleApply, "s0 leads, s1 has all entries; s0 has applied [%s]", s.commands())
		w.Sleep(watch)

		replicas[1].nothing()
		s.propose("d")
		mark := s.peers[2].count()
		replicas[2].upTo(4)
		s.rule(s.within(soon, func() bool { return replicas[2].String() == "snapshot(4)" }), ruleSend, "s0 leads, and has discarded entries 1 to 4. s2 has none of them, and answers. It has got [%s]", replicas[2])
		for _, a := range s.peers[2].installs(mark) {
			require.Equal(w, raft.InstallSnapshotArgs{Term: term, LeaderID: 0, LastIncludedIndex: 4, LastIncludedTerm: term, Data: []byte(state(4)), Done: true}, a, "s0's InstallSnapshot (Figure 13)")
		}
		w.Sleep(watch)
		s.rule(!strings.Contains(s.commands(), "d"), "matchIndex: index of highest log entry known to be replicated on the server (Figure 2)",
			"s2 acknowledged a snapshot up to 4, and nothing else; s1 is silent. The leader applied [%s]", s.commands())
		replicas[2].everything()
		s.rule(s.within(soon, func() bool { return replicas[2].String() == "snapshot(4) c d" }), ruleSend, "s2 has the leader's snapshot up to 4 and answers everything; it should get the entries c and d behind it, and has [%s]", replicas[2])
		s.rule(s.within(soon, func() bool { return s.commands() == "1@1 2@1 a b c d" }), ruleApply, "s0 and s2 have all entries; s0, the leader, has applied [%s]", s.commands())
	})
}

// Proves that an answer to a snapshot that comes late moves nothing back: the
// follower has acknowledged entries behind it since. Then it falls silent. For:
// matchIndex = what the last answer says.
func TestPaperLateSnapshotAnswer4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		l := s.leader(1, 2, 1, 1, 2)
		l.give(3, 3)
		s.snapshot(3)
		replicas := s.replicas(1, 1, 2)
		for _, r := range replicas[2:] {
			r.nothing()
		}
		replicas[1] = s.replica(1)
		first := true
		gate := hold(s, 1, "Raft.InstallSnapshot", func(raft.InstallSnapshotArgs) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			defer func() { first = false }()
			return first
		})
		s.elect()
		s.propose("a")
		const want = "snapshot(3) a"
		if !s.within(time.Second, func() bool { return replicas[1].String() == want }) {
			gate.open() // this leader waits for the answer to its first snapshot
			s.rule(s.within(soon, func() bool { return replicas[1].String() == want }), ruleSend, "s0 leads; it has a snapshot up to 3 and [a]. s1 had nothing, answers everything, and has [%s]", replicas[1])
		}
		w.Sleep(3 * hop) // s1's answer arrives
		replicas[1].nothing()
		gate.open()
		w.Sleep(3 * hop)
		replicas[2].everything()
		s.rule(s.within(soon, func() bool { return s.lastApplied() == 4 }), "matchIndex: index of highest log entry known to be replicated on the server; increases monotonically (Figure 2)",
			"s1 acknowledged entry 4, and an old answer to a snapshot up to 3 arrived after that; now s2 acknowledged entry 4 too. That is a majority of five. s0 has applied [%s]", s.commands())
	})
}

// Proves that a refusal does no harm that comes when the leader has discarded the
// entries that it is about. For: a panic in the search for the conflicting term.
func TestPaperRefusalAfterCompaction4D(t *testing.T) {
	cases := [][]int{{1, 1, 1, 1, 1}, {1, 1, 1}, {1}, nil} // what s1 has
	simtest.Run(t, func(w *simtest.World) {
		for _, have := range cases {
			s := startScript(w, 3)
			s.stores(1, 1, 2)
			replicas := s.replicas(1, 1, 2)
			replicas[1] = s.replica(1, have...)
			gate := s.holdAppends(1, func(raft.AppendEntriesArgs) bool { return true })
			s.elect()
			s.propose("a")
			s.rule(s.within(soon, func() bool { return s.lastApplied() == 4 }), ruleApply, "s0 leads, s2 has all entries; s0 has applied [%s]", s.commands())
			s.snapshot(4)
			gate.open()
			s.propose("b")
			s.rule(s.within(soon, func() bool { return replicas[1].String() == "snapshot(4) b" }), ruleSend, "s0 leads; it had four entries, and s1, which had [%s], refused what s0 sent. The refusal came after s0 had replaced all four by a snapshot, and got b. Now s1 answers everything, and has [%s]",
				names(entries(1, have...)), replicas[1])
			s.rule(s.within(soon, func() bool { return s.lastApplied() == 5 }), ruleApply, "all have b; s0 has applied [%s]", s.commands())
			s.crash(nil)
		}
	})
}

// Proves that a leader that started from a snapshot counts its entries right, and
// copies them to followers that have more, less, or other entries than its log
// begins with. For: indexes mixed up after a restart, nextIndex at the very
// beginning of the log, a backup that runs below it.
func TestPaperLeadsFromSnapshot4D(t *testing.T) {
	cases := [][]int{ // what s1 has
		{1, 2, 2, 3, 4}, {1, 2, 2, 3}, {1, 2, 2}, {1, 2}, {1}, nil,
		{1, 1, 1, 1, 1, 1}, {1, 2, 2, 2, 2, 2}, {1, 2, 2, 3, 3, 3},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		for _, have := range cases {
			s.fresh()
			l := s.leader(2, 4, 1, 2, 2, 3, 4)
			l.give(5, 3)
			s.snapshot(3)
			s.crash(nil)
			s.restart()
			r := s.replica(1, have...)
			s.replica(2, 1, 2, 2, 3, 4).nothing()
			s.elect()
			index := s.propose("x")
			require.Equal(w, 6, index, "index of a command that is proposed behind a snapshot up to 3 and two entries")
			with := func() string {
				return fmt.Sprintf("s0 leads; it has a snapshot up to 3@2 and [4@3 5@4 x]. s1 had [%s]", names(entries(1, have...)))
			}
			want := []string{"1@1 2@2 3@2 4@3 5@4 x", "snapshot(3) 4@3 5@4 x"}
			s.rule(s.within(soon, func() bool { return slices.Contains(want, r.String()) }), ruleSend, "%s; it answers everything, and has [%s]", with(), r)
			s.rule(s.within(soon, func() bool { return s.commands() == want[1] }), ruleRestart, "%s, and now has all. s0 has applied [%s]", with(), s.commands())
			s.startsWith(3)
		}
	})
}

// Proves that a leader steps down when the answer to its snapshot has a higher
// term. For: an answer that is not looked at.
func TestPaperSnapshotAnswerTerm4D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		l := s.leader(1, 2, 1, 1, 2)
		l.give(3, 3)
		s.snapshot(3)
		s.replicas(1, 1, 2)
		s.replica(2)
		s.peers[2].set(func(p *peer) {
			p.install = func(a raft.InstallSnapshotArgs) *raft.InstallSnapshotReply {
				return &raft.InstallSnapshotReply{Term: a.Term + 5}
			}
		})
		higher := s.elect() + 5
		s.run.rf.Propose([]byte("x")) // unless s0 has stepped down already
		s.rule(s.within(soon, func() bool { return len(s.peers[2].installs(0)) > 0 }), ruleSend, "s0 leads, and has discarded all entries up to 3. s2 has none of them, answers, and gets no snapshot")
		w.Sleep(5 * hop)
		s.rule(s.term() >= higher, "if RPC request or response contains term T > currentTerm: set currentTerm = T, convert to follower (Figure 2, all servers)",
			"s2 answered an InstallSnapshot with term %d; s0 is in term %d, and leads: %v", higher, s.term(), s.leads())
	})
}
