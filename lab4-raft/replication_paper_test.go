package raft_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	raft "distsys/lab4-raft"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// The rules for AppendEntries at a follower (Figure 2) that several tests cite.
const (
	ruleStale    = "reply false if term < currentTerm (Figure 2, AppendEntries rule 1)"
	ruleMatch    = "reply false if log doesn't contain an entry at prevLogIndex whose term matches prevLogTerm (Figure 2, AppendEntries rule 2)"
	ruleConflict = "if an existing entry conflicts with a new one (same index but different terms), delete the existing entry and all that follow it (Figure 2, AppendEntries rule 3): only then"
	ruleAppend   = "append any new entries not already in the log (Figure 2, AppendEntries rule 4)"
	ruleCommit   = "if leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of last new entry) (Figure 2, AppendEntries rule 5)"
	ruleApply    = "if commitIndex > lastApplied: increment lastApplied, apply log[lastApplied] to state machine (Figure 2, all servers)"
)

// Proves that a follower accepts entries, and heartbeats too, only behind an
// entry that it has: with that index and that term. What it refuses it does not
// store, and learns no commitIndex from. For: a check that only looks whether
// there is some entry, that compares the terms with <, that heartbeats pass by.
func TestPaperConsistencyCheck4B(t *testing.T) {
	cases := []struct {
		what  string
		have  []int // terms of s0's entries
		lead  []int // those of the new leader's
		term  int
		prev  int
		match bool
	}{
		{"an empty log, prev is the start", nil, []int{1, 1}, 2, 0, true},
		{"an empty log", nil, []int{1, 1}, 2, 1, false},
		{"a log that is one entry short", []int{1, 1}, []int{1, 1, 1, 1}, 2, 3, false},
		{"a log that ends long before", []int{1}, []int{1, 1, 1, 1, 1, 1}, 2, 5, false},
		{"a log with an entry of an earlier term at prev", []int{1, 1}, []int{1, 2, 2}, 2, 2, false},
		{"a log with an entry of a later term at prev", []int{1, 2}, []int{1, 1, 3}, 3, 2, false},
		{"a longer log with an entry of a later term at prev", []int{1, 2, 2, 2}, []int{1, 1, 1, 3}, 3, 3, false},
		{"a log that has prev as its last entry", []int{1, 2}, []int{1, 2, 3}, 3, 2, true},
		{"a log that has prev in its middle", []int{1, 2, 2}, []int{1, 2, 3}, 3, 2, true},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		for _, c := range cases {
			for _, n := range []int{0, len(c.lead) - c.prev} {
				s.fresh()
				old := s.stores(c.have...)
				l := s.leader(2, c.term, c.lead...)
				reply := l.send(c.prev, n, len(c.lead))
				what := fmt.Sprintf("s0 has %s: [%s]. The leader of term %d has [%s]. To an AppendEntries with prev %d@%d and %d entries",
					c.what, names(old.log), c.term, names(l.log), c.prev, l.termAt(c.prev), n)
				s.rule(reply.Success == c.match, ruleMatch, "%s s0 answered %+v", what, reply)
				s.rule(reply.Term == c.term, "AppendEntries results: currentTerm, for leader to update itself (Figure 2)", "%s s0 answered %+v", what, reply)
				if !c.match {
					w.Sleep(settle)
					s.rule(s.commands() == "", ruleMatch, "%s and commit %d, which it refused, s0 applied [%s]", what, len(l.log), s.commands())
				}
				if c.match && n > 0 {
					s.expectLog(ruleAppend, what+" it answered success", c.lead...)
				} else if c.match {
					s.expectLog(ruleConflict, what+" it answered success", c.have...)
				} else {
					s.rule(l.send(0, len(l.log), 0).Success, success, "%s s0 refused it. Then it refused all entries, with prev 0@0", what)
					s.expectLog(ruleConflict, what+" s0 refused it; it accepted all entries, with prev 0@0", c.lead...)
				}
			}
		}
	})
}

// Proves what a follower tells the leader with a refusal: where its log ends,
// or the term of the entry in conflict and where that term begins. For: the
// fields mixed up, a search that goes one too far, or stops at the term's last
// entry.
func TestPaperConflictFields4B(t *testing.T) {
	const rule = "the follower can include the term of the conflicting entry and the first index it stores for that term (§5.3; see AppendEntriesReply for a log that is too short)"
	cases := []struct {
		have, lead   []int
		prev         int
		cterm, index int
	}{
		{nil, []int{1, 1, 1}, 3, 0, 1},
		{[]int{1}, []int{1, 1, 1, 1, 1}, 5, 0, 2},
		{[]int{1, 1, 1}, []int{1, 1, 1, 1}, 4, 0, 4},
		{[]int{1, 2, 2, 2}, []int{1, 1, 1, 3}, 3, 2, 2},
		{[]int{1, 2, 2, 2, 2}, []int{1, 1, 1, 1, 3}, 2, 2, 2},
		{[]int{1, 1, 1}, []int{2, 2, 2}, 3, 1, 1},
		{[]int{1, 1, 1, 2}, []int{1, 1, 3, 3}, 3, 1, 1},
		{[]int{1, 2, 3}, []int{1, 2, 2, 4}, 3, 3, 3},
		{[]int{1, 1, 2, 2, 3, 3}, []int{1, 1, 1, 1, 1, 4}, 4, 2, 3},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		for _, c := range cases {
			s.fresh()
			old := s.stores(c.have...)
			l := s.leader(2, 5, c.lead...)
			reply := l.send(c.prev, 0, 0)
			s.rule(reply == raft.AppendEntriesReply{Term: 5, ConflictTerm: c.cterm, ConflictIndex: c.index}, rule,
				"s0 has [%s]. Asked for prev %d@%d it should refuse with ConflictTerm %d, ConflictIndex %d. It answered %+v",
				names(old.log), c.prev, l.termAt(c.prev), c.cterm, c.index, reply)
		}
	})
}

// Proves that a message that is old, short or empty removes nothing: s0 said
// that it has five entries, and must still have them. For: a log cut off at the
// last new entry, by a heartbeat or a duplicate; entries taken for conflicting
// because the leader's term is another than theirs.
func TestPaperKeepsLongerLog4B(t *testing.T) {
	cases := []struct {
		what    string
		prev, n int
	}{
		{"a heartbeat sent before the last entries", 2, 0},
		{"a heartbeat sent before all entries", 0, 0},
		{"the first two entries again", 0, 2},
		{"a copy of an entry in the middle", 2, 1},
		{"all but the last entry again", 1, 3},
		{"all entries again", 0, 5},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		for _, c := range cases {
			for _, term := range []int{2, 4} {
				s.fresh()
				s.stores(1, 1, 1, 2, 2)
				l := s.leader(1, term, 1, 1, 1, 2, 2) // in term 4, it has been elected again
				reply := l.send(c.prev, c.n, 0)
				s.rule(reply.Success, ruleMatch, "s0 has [%s]. From the leader of term %d came %s: s0 answered %+v", names(l.log), term, c.what, reply)
				s.expectLog(ruleConflict, fmt.Sprintf("s0 had [%s]. From the leader of term %d came %s", names(l.log), term, c.what), 1, 1, 1, 2, 2)
			}
		}
	})
}

// Proves that a conflict removes exactly the first entry in conflict and what
// follows it, and that the leader's entries take their place. For: a suffix that
// stays behind the new entries, an index off by one either way, new entries that
// are appended behind the old ones.
func TestPaperTruncatesAtConflict4B(t *testing.T) {
	cases := []struct {
		have, lead []int
		prev, n    int
		want       []int
	}{
		{[]int{1, 1, 1, 1, 1}, []int{1, 1, 2}, 2, 1, []int{1, 1, 2}},
		{[]int{1, 1, 1, 1, 1}, []int{1, 1, 2}, 0, 3, []int{1, 1, 2}},
		{[]int{1, 1, 1, 1, 1}, []int{1, 1, 1, 3, 3}, 1, 4, []int{1, 1, 1, 3, 3}},
		{[]int{1, 1, 1, 1, 1}, []int{1, 1, 1, 1, 2}, 3, 2, []int{1, 1, 1, 1, 2}},
		{[]int{1, 1, 1}, []int{2, 2}, 0, 2, []int{2, 2}},
		{[]int{1, 2, 2, 2}, []int{1, 1, 1, 1, 1, 3}, 1, 5, []int{1, 1, 1, 1, 1, 3}},
		{[]int{1, 1, 3, 3, 3}, []int{1, 1, 2, 2, 4}, 2, 1, []int{1, 1, 2}},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		for _, c := range cases {
			s.fresh()
			old := s.stores(c.have...)
			l := s.leader(2, 5, c.lead...)
			reply := l.send(c.prev, c.n, 0)
			what := fmt.Sprintf("s0 had [%s]. The leader of term 5 sent %d entries behind %d@%d of its log [%s]", names(old.log), c.n, c.prev, l.termAt(c.prev), names(l.log))
			s.rule(reply.Success, ruleMatch, "%s. s0 refused them: %+v", what, reply)
			// One who has s0's old log comes to lead: s0 no longer has the end of it.
			old.term = 6
			for i := len(c.want) + 1; i <= len(c.have); i++ {
				s.rule(old.lacks(i), ruleConflict, "%s. But s0 still has %s", what, old.log[i-1].Command)
			}
			s.expectLog(ruleConflict, what, c.want...)
		}
	})
}

// Proves that messages that come twice and out of order leave the log as if they
// had come once, in order. For: entries appended again, old entries that
// overwrite newer ones, commands applied twice.
func TestPaperRepeatedMessages4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		l := s.leader(1, 2, 1, 1, 2, 2, 2, 2)
		type message struct{ prev, n, commit int }
		messages := []message{{0, 2, 0}, {2, 1, 1}, {3, 2, 2}, {2, 3, 3}, {5, 0, 4}, {5, 1, 5}, {6, 0, 6}}
		var seen []message
		for _, m := range messages {
			s.rule(l.send(m.prev, m.n, m.commit).Success, ruleAppend, "s0 refused %d entries behind %d@%d, which it stores", m.n, m.prev, l.termAt(m.prev))
			seen = append(seen, m)
			for _, i := range w.Rand().Perm(len(seen)) {
				old := seen[i]
				s.rule(l.send(old.prev, old.n, old.commit).Success, ruleAppend, "s0 refused a copy of a message that it had accepted: %d entries behind %d", old.n, old.prev)
			}
		}
		s.applies(names(l.log), ruleApply, "after all entries came, and were committed, each message several times")
		s.expectLog(ruleAppend, "messages came several times, and out of order", 1, 1, 2, 2, 2, 2)
	})
}

// Proves that a follower commits what the leader has committed, but only as far
// as this very message shows that their logs are the same. For: commitIndex set
// to leaderCommit, or bounded by the end of the follower's own log, which may go
// on with entries that the leader never had.
func TestPaperCommitIndex4B(t *testing.T) {
	cases := []struct {
		prev, n, commit int
		want            string
	}{
		{2, 0, 4, "1@1 2@1"},
		{1, 0, 4, "1@1"},
		{1, 1, 4, "1@1 2@1"},
		{0, 1, 4, "1@1"},
		{0, 0, 4, ""},
		{2, 1, 4, "1@1 2@1 3@2"},
		{0, 4, 2, "1@1 2@1"},
		{0, 4, 0, ""},
		{2, 2, 4, "1@1 2@1 3@2 4@2"},
		{2, 2, 5, "1@1 2@1 3@2 4@2"},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		for _, c := range cases {
			s.fresh()
			old := s.stores(1, 1, 1, 1, 1)
			l := s.leader(2, 2, 1, 1, 2, 2, 2)
			l.send(c.prev, c.n, c.commit)
			when := fmt.Sprintf("s0 had [%s], none committed. The leader of term 2 sent %d entries behind %d@%d, and commit %d. Now", names(old.log), c.n, c.prev, l.termAt(c.prev), c.commit)
			w.Sleep(settle)
			s.applies(c.want, ruleCommit, when)
			l.send(0, 5, 5)
			s.applies("1@1 2@1 3@2 4@2 5@2", ruleCommit, "when the leader of term 2 then sent all its entries, and commit 5")
		}
	})
}

// Proves that commitIndex never goes back: not for a leader that knows less, not
// for an old message. s0 becomes leader in the end, and tells its commitIndex.
// For: commitIndex = min(...) without a look at what it was.
func TestPaperCommitNeverGoesBack4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		l := s.leader(1, 2, 1, 1, 2, 2, 2)
		l.give(4, 4)
		l.send(2, 0, 1) // old
		l.send(2, 0, 5) // sent behind an old nextIndex: it vouches for two entries
		next := s.leader(2, 3, 1, 1, 2, 2)
		next.send(4, 0, 0) // a new leader does not know yet what is committed
		w.Sleep(settle)
		s.applies("1@1 2@1 3@2 4@2", ruleApply, "after messages that vouch for less")

		s.replicas(1, 1, 2, 2)
		s.elect()
		s.rule(s.within(soon, func() bool { return s.peers[1].told(0) >= 4 }), "commitIndex: index of highest log entry known to be committed; increases monotonically (Figure 2)",
			"s0 had applied four entries, and then got messages that vouch for less. Now it leads, and tells the others commit %d", s.peers[1].told(0))
		index := s.propose("x")
		require.Equal(w, 5, index, "index of the command that was proposed after four entries")
		s.rule(s.within(soon, func() bool { return s.commands() == "1@1 2@1 3@2 4@2 x" }), ruleApply, "s0 leads, and all have its command: but it has applied [%s]", s.commands())
	})
}

// Proves that a follower applies each committed entry once, in the order of the
// log, and nothing that is not committed. For: entries applied when they come,
// one goroutine for each, an index or a term left out of the message.
func TestPaperApplies4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		terms := []int{1, 1, 2}
		for len(terms) < 60 {
			terms = append(terms, 4)
		}
		l := s.leader(1, 4, terms...)
		for _, m := range []struct{ prev, n, commit int }{{0, 3, 0}, {3, 0, 1}, {3, 4, 1}, {7, 0, 3}, {7, 0, 3}, {7, 40, 40}, {47, 0, 47}, {47, 13, 60}} {
			l.send(m.prev, m.n, m.commit)
			s.applies(names(l.log[:m.commit]), ruleApply, fmt.Sprintf("with commit %d", m.commit))
			w.Sleep(settle / 2)
			s.applies(names(l.log[:m.commit]), ruleApply, fmt.Sprintf("with commit %d", m.commit))
		}
		for i, m := range s.history() {
			require.Equal(w, raft.ApplyMsg{Index: i + 1, Term: terms[i], Command: command(i+1, terms[i])}, m, "what s0 told its state machine")
		}
	})
}

// Proves that a service that is slow to take commands stops nothing but itself.
// For: the mutex held while the apply channel is written (it is stuck then), and
// a handler that writes to it.
func TestPaperSlowService4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		l := s.leader(1, 2, 1, 1, 2, 2, 2, 2)
		s.pause()
		for i := range 6 {
			mark := w.Now()
			s.rule(l.send(i, 1, i+1).Success, ruleAppend, "s0 refused entry %d", i+1)
			s.rule(w.Now()-mark < settle, "the service may take its time (see Raft.New): nobody waits for it with the mutex",
				"the service does not read the apply channel; an AppendEntries was answered after %v", w.Now()-mark)
			s.run.rf.State()
			s.run.rf.Propose([]byte("x"))
			w.Sleep(settle / 2)
		}
		s.resume()
		s.applies(names(l.log), ruleApply, "when the service reads on")
	})
}

// Proves that the entries of a leader of an earlier term are refused: nothing is
// stored, committed or removed. For: a term check that comes too late.
func TestPaperStaleLeader4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		s.stores(1, 1, 3)
		stale := s.leader(2, 2, 1, 1, 2, 2)
		for _, m := range []struct{ prev, n, commit int }{{2, 2, 4}, {0, 4, 4}, {2, 0, 2}, {0, 1, 1}} {
			reply := stale.send(m.prev, m.n, m.commit)
			s.rule(!reply.Success && reply.Term == 3, ruleStale, "s0 is in term 3. To an AppendEntries of term 2 it answered %+v", reply)
		}
		w.Sleep(settle)
		s.rule(s.commands() == "", ruleStale, "s0 is in term 3; the leader of term 2 said that entries are committed, and s0 applied [%s]", s.commands())
		s.expectLog(ruleStale, "s0 had [1@1 2@1 3@3]. Then came messages of the leader of term 2", 1, 1, 3)
	})
}

// Proves that a server votes only for candidates whose log is at least as
// up-to-date as its own: the later last term wins; in the same term, the longer
// log. For: no check, a check of the length alone, of the term alone, a strict
// one, one against currentTerm.
func TestPaperUpToDate4B(t *testing.T) {
	const rule = "the voter denies its vote if its own log is more up-to-date: if the logs have last entries with different terms, the later term; if they end with the same term, whichever log is longer (§5.4.1)"
	cases := []struct {
		have        []int
		index, term int
		grant       bool
	}{
		{nil, 0, 0, true},
		{nil, 1, 1, true},
		{[]int{1, 1, 2}, 3, 2, true},
		{[]int{1, 1, 2}, 4, 2, true},
		{[]int{1, 1, 2}, 2, 2, false},
		{[]int{1, 1, 2}, 1, 2, false},
		{[]int{1, 1, 2}, 3, 1, false},
		{[]int{1, 1, 2}, 9, 1, false},
		{[]int{1, 1, 2}, 0, 0, false},
		{[]int{1, 1, 2}, 1, 3, true},
		{[]int{1, 1, 2}, 2, 4, true},
		{[]int{1, 1, 2}, 7, 3, true},
		{[]int{1}, 1, 1, true},
		{[]int{1}, 0, 0, false},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		for _, c := range cases {
			for _, term := range []int{5, 20} {
				s.fresh()
				old := s.stores(c.have...)
				if term == 20 { // s0 has seen the term before, in a heartbeat
					old.term = 20
					old.send(len(c.have), 0, 0)
				}
				reply := s.askVote(3, term, c.index, c.term)
				s.rule(reply.VoteGranted == c.grant, rule, "s0 has [%s]. A candidate of term %d, whose last entry is %d@%d, was answered %+v", names(old.log), term, c.index, c.term, reply)
				require.Equal(w, term, reply.Term, "term in the answer to a RequestVote")
			}
		}
	})
}

// Proves that a candidate tells the index and the term of its last entry. For:
// the current term in place of the entry's, an index that is off by one.
func TestPaperCandidateTellsLastEntry4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		for _, terms := range [][]int{{1}, {1, 1, 2}, {1, 3, 3, 3}} {
			s.fresh()
			l := s.stores(terms...)
			s.askVote(2, 9, 0, 0) // a later term, without a vote
			v := s.awaitNewTerm(1, 9, silence)
			n := len(terms)
			s.rule(v.LastLogIndex == n && v.LastLogTerm == l.termAt(n), "lastLogIndex, lastLogTerm: index and term of candidate's last log entry (Figure 2, RequestVote)",
				"s0's log is [%s]. It asks for votes with last entry %d@%d", names(l.log), v.LastLogIndex, v.LastLogTerm)
		}
	})
}

// Proves that Propose on a server that does not lead does nothing: a follower, a
// candidate, a leader that was deposed. For: entries of a follower in its log.
func TestPaperProposeElsewhere4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const rule = "leaders accept log entries from clients (§5); on any other server Propose does nothing, and returns index 0 and false"
		s := startScript(w, 5)
		refuses := func(who string) {
			index, _, leads := s.run.rf.Propose([]byte("x"))
			s.rule(index == 0 && !leads, rule, "%s answered Propose with index %d, leader %v", who, index, leads)
		}
		refuses("s0, just started,")
		s.stores(1, 1)
		refuses("s0, a follower,")
		l := s.expectLog(rule, "s0 follows, and commands were proposed to it", 1, 1)
		s.awaitNewTerm(1, s.term(), silence)
		refuses("s0, a candidate,")
		s.replicas(l.terms()...)
		term := s.elect()
		s.askVote(2, term+1, 0, 0)
		refuses("s0, which led until a moment ago,")
		s.expectLog(rule, "s0 led, was deposed, and commands were proposed to it", l.terms()...)
	})
}

// Proves that a leader gives its commands to all, in order and with the right
// places, commits them, applies them, and tells the others. For: prevLogTerm of
// the wrong entry, a commitIndex that is kept secret, commands lost or mixed up
// when several come at once.
func TestPaperLeaderReplicates4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		s.stores(1, 1, 2)
		replicas := s.replicas(1, 1, 2)
		term := s.elect()
		want := "1@1 2@1 3@2"
		for i, c := range strings.Fields("a b c d e f g h") {
			index, got, leads := s.run.rf.Propose([]byte(c))
			s.rule(index == 4+i && got == term && leads, "the leader appends the command to its log as a new entry (§5.3)",
				"s0 leads in term %d and has %d entries. Propose returned index %d, term %d, leader %v", term, 3+i, index, got, leads)
			want += " " + c
			if i > 2 {
				w.Sleep(time.Duration(w.Rand().Int64N(int64(5 * time.Millisecond))))
			}
		}
		for id, r := range replicas[1:] {
			s.rule(s.within(soon, func() bool { return r.String() == want }), "if last log index ≥ nextIndex for a follower: send AppendEntries RPC with log entries starting at nextIndex (Figure 2, leaders)",
				"s0's log is [%s]; s%d answers at once, and has [%s]", want, id+1, r)
		}
		s.rule(s.within(soon, func() bool { return s.commands() == want }), "a log entry is committed once the leader that created the entry has replicated it on a majority of the servers (§5.3)",
			"all servers have [%s]; s0, the leader, has applied [%s]", want, s.commands())
		for _, p := range s.peers[1:] {
			s.rule(s.within(soon, func() bool { return p.told(0) == 11 }), "the leader includes the highest index it knows to be committed in future AppendEntries RPCs (including heartbeats) (§5.3)",
				"s0 has applied 11 entries and told s%d commit %d", p.id, p.told(0))
		}
	})
}

// Proves that a leader commits an entry when a majority of all servers, itself
// included, stores it, and not before. For: a majority off by one, in clusters
// of odd and even size; a leader that counts itself twice, or not at all.
func TestPaperMajorityCommits4B(t *testing.T) {
	const rule = "a log entry is committed once the leader that created the entry has replicated it on a majority of the servers (§5.3)"
	simtest.Run(t, func(w *simtest.World) {
		for _, n := range []int{2, 3, 4, 5, 7} {
			s := startScript(w, n)
			replicas := s.replicas()
			for _, r := range replicas[1:] {
				r.upTo(0)
			}
			s.elect()
			s.propose("a")
			for _, r := range replicas[1 : n/2] {
				r.everything()
			}
			w.Sleep(watch)
			s.rule(s.commands() == "", rule, "of %d servers, the leader and %d more store its entry; it applied it", n, n/2-1)
			for _, p := range s.peers[1:] {
				s.rule(p.told(0) == 0, rule, "of %d servers, the leader and %d more store its entry; it told s%d that it is committed", n, n/2-1, p.id)
			}
			replicas[n/2].everything()
			s.rule(s.within(soon, func() bool { return s.commands() == "a" }), rule, "of %d servers, the leader and %d more store its entry: that is a majority. It has applied [%s]", n, n/2, s.commands())
			s.crash(nil)
		}
	})
}

// Proves that a cluster of one is a majority. For: commits that are only looked
// for when an answer comes.
func TestPaperSingleServer4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 1)
		s.rule(s.within(silence, s.leads), "a candidate wins an election if it receives votes from a majority of the servers (§5.2)", "s0 is alone, and does not lead after %v", silence)
		want := ""
		for i, c := range strings.Fields("a b c d") {
			require.Equal(w, i+1, s.propose(c), "index of the next command")
			want = strings.TrimSpace(want + " " + c)
			if i%2 == 1 {
				s.applies(want, "a log entry is committed once it is replicated on a majority of the servers (§5.3)", "alone in its cluster")
			}
		}
	})
}

// Proves that a leader does not commit entries of earlier terms because a
// majority stores them, and that they are committed along with the first entry
// of its own. For: a missing look at the entry's term (Figure 8).
func TestPaperOwnTermCommits4B(t *testing.T) {
	const rule = "only log entries from the leader's current term are committed by counting replicas; once such an entry has been committed, all prior entries are committed indirectly (§5.4.2)"
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		s.stores(1, 2, 2)
		replicas := s.replicas(1, 2, 2)
		replicas[3].upTo(3)
		replicas[4].upTo(3)
		term := s.elect()
		w.Sleep(watch)
		s.rule(s.commands() == "", rule, "s0 leads in term %d. All servers store [1@1 2@2 3@2]; s0 applied [%s]", term, s.commands())
		for _, p := range s.peers[1:] {
			s.rule(p.told(0) == 0, rule, "s0 leads in term %d. All servers store [1@1 2@2 3@2]; s0 told s%d commit %d", term, p.id, p.told(0))
		}
		s.propose("a")
		s.rule(s.within(soon, func() bool { return s.commands() == "1@1 2@2 3@2 a" }), rule, "s0 leads in term %d. It and two of the other four store [1@1 2@2 3@2 a], where a is of its term; it has applied [%s]", term, s.commands())
	})
}

// Proves that an answer counts for the entries that its request carried, not for
// those that the leader has got since. For: matchIndex set to the end of the log.
func TestPaperAnswerIsForRequest4B(t *testing.T) {
	const rule = "matchIndex: index of highest log entry known to be replicated on the server (Figure 2): what its request carried, not what the leader has by now"
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		replicas := s.replicas()
		replicas[1].upTo(1)
		replicas[2].upTo(0)
		s.elect()
		gate := s.holdAppends(1, func(a raft.AppendEntriesArgs) bool { return len(a.Entries) > 0 })
		s.propose("a")
		s.rule(s.within(soon, func() bool { return gate.Len() > 0 }), rule, "s0 leads, has the command a, and sends s1 no entry")
		s.propose("b")
		s.propose("c")
		gate.open()
		for until := w.Now() + watch; w.Now() < until; w.Sleep(10 * time.Millisecond) {
			s.rule(s.commands() == "" || s.commands() == "a", rule, "s1 acknowledged the request with a alone. Since then s0 got b and c, which nobody else has. It applied [%s]", s.commands())
		}
		replicas[1].everything()
		s.rule(s.within(soon, func() bool { return s.commands() == "a b c" }), rule, "s1 now answers everything; s0 has applied [%s]", s.commands())
	})
}

// A held gate holds the answers of a peer until it is opened.
type held struct {
	*simnet.Gate
	passed atomic.Bool
}

// open lets the held answers go, and all later ones pass.
func (h *held) open() {
	h.passed.Store(true)
	h.Release()
}

// holdAppends holds a peer's answers to the AppendEntries that match accepts.
func (s *script) holdAppends(id int, match func(raft.AppendEntriesArgs) bool) *held {
	return hold(s, id, "Raft.AppendEntries", match)
}

// hold holds a peer's answers to the requests that match accepts.
func hold[Args any](s *script, id int, method string, match func(Args) bool) *held {
	h := &held{Gate: s.net.Gate()}
	s.net.Intercept(func(m *simnet.Message) simnet.Verdict {
		var a Args
		if m.Reply && m.From == name(id) && m.Method == method && m.Err == nil && !h.passed.Load() && m.Args(&a) == nil && match(a) {
			return h.Hold()
		}
		return simnet.Pass
	})
	return h
}

// Proves that matchIndex does not go back when an old answer comes late: what a
// follower once acknowledged it has. s1 acknowledges three entries, then an old
// answer of it arrives, then it falls silent. With s2 that makes a majority.
// For: matchIndex = what the last answer says.
func TestPaperMatchNeverGoesBack4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		replicas := s.replicas()
		for _, r := range replicas[2:] {
			r.nothing()
		}
		var first atomic.Bool
		gate := s.holdAppends(1, func(raft.AppendEntriesArgs) bool { return !first.Swap(true) })
		s.elect()
		for _, c := range strings.Fields("a b c") {
			s.propose(c)
		}
		if !s.within(time.Second, func() bool { return replicas[1].lastIndex() == 3 }) {
			gate.open() // this leader waits for the answer to its first heartbeat
			s.rule(s.within(soon, func() bool { return replicas[1].lastIndex() == 3 }), "the leader retries AppendEntries RPCs until all followers store all log entries (§5.3)", "s1 answers everything, and has only [%s]", replicas[1])
		}
		w.Sleep(3 * hop) // s1's answer arrives
		replicas[1].nothing()
		gate.open()
		w.Sleep(3 * hop)
		replicas[2].everything()
		s.rule(s.within(soon, func() bool { return s.commands() == "a b c" }), "matchIndex: index of highest log entry known to be replicated on the server; increases monotonically (Figure 2)",
			"s1 acknowledged a, b and c, and an old answer to a heartbeat arrived after that; now s2 acknowledged them too. That is a majority of five. s0 has applied [%s]", s.commands())
	})
}

// Proves that refusals that come late do no harm: the follower has been brought
// up since, and then does not answer for a while. For: nextIndex moved below 1 by
// them, or matchIndex moved at all.
func TestPaperLateRefusals4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		s.stores(1, 1)
		replicas := s.replicas(1, 1)
		replicas[1] = s.replica(1) // has nothing yet
		var n atomic.Int64
		gate := s.holdAppends(1, func(a raft.AppendEntriesArgs) bool { return n.Add(1) <= 4 })
		s.elect()
		s.within(silence, func() bool { return replicas[1].lastIndex() == 2 })
		w.Sleep(3 * hop) // its answer arrives
		replicas[1].nothing()
		gate.open()
		w.Sleep(watch)
		replicas[1].everything()
		s.propose("a")
		s.propose("b")
		const want = "1@1 2@1 a b"
		for id, r := range replicas[1:] {
			s.rule(s.within(soon, func() bool { return r.String() == want }), "the leader retries AppendEntries RPCs until all followers store all log entries (§5.3)",
				"four refusals of s1 came late, when its log had been made like the leader's. s%d should have [%s], and has [%s]", id+1, want, r)
		}
		s.rule(s.within(soon, func() bool { return s.commands() == want }), ruleApply, "all servers have [%s]; s0, the leader, has applied [%s]", want, s.commands())
	})
}

// Proves that what a server knows as a leader belongs to that term of
// leadership. s0 leads, and s1 acknowledges a and b, and c, but that answer is
// late. s2 takes over, and overwrites everything. s0 leads again: what s1 has
// acknowledged to the earlier leader, before and now, says nothing about the new
// entries. For: answers of an earlier term that count, nextIndex and matchIndex
// that are not initialised after each election.
func TestPaperNewTermStartsOver4B(t *testing.T) {
	const rule = "nextIndex and matchIndex are reinitialized after election (Figure 2), and answers are for the term in which was asked (§5.1)"
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		replicas := s.replicas()
		for _, r := range replicas[2:] {
			r.nothing()
		}
		old := s.elect()
		gate := s.holdAppends(1, func(a raft.AppendEntriesArgs) bool { return a.Term == old && a.PrevLogIndex+len(a.Entries) >= 3 })
		s.propose("a")
		s.propose("b")
		s.within(soon, func() bool { return replicas[1].lastIndex() == 2 })
		w.Sleep(5 * hop)
		s.propose("c")
		s.rule(s.within(soon, func() bool { return gate.Len() > 0 }), "the leader sends AppendEntries with log entries starting at nextIndex (Figure 2, leaders)", "s0 leads and has a, b and c; s1 got [%s]", replicas[1])
		replicas[1].nothing()

		for _, r := range replicas[1:] {
			r.sees(old+1, 2)
		}
		l := s.leader(2, old+1, old+1)
		s.rule(l.send(0, 1, 0).Success, ruleMatch, "s0 led in term %d. The leader of term %d sent an entry with prev 0@0, and was refused", old, old+1)
		for id := 2; id < 5; id++ {
			replicas[id] = s.replica(id, old+1)
			replicas[id].nothing()
		}
		term := s.elect()
		s.propose("x")
		s.propose("y")
		replicas[2].everything()
		s.within(soon, func() bool { return replicas[2].lastIndex() == 3 })
		gate.open()
		w.Sleep(watch)
		s.rule(s.commands() == "", rule, "s0 leads in term %d. Its log is [%s x y]; of the other four only s2 has that. s1 acknowledged three other entries to s0 in term %d. s0 applied [%s]",
			term, names(l.log), old, s.commands())
		replicas[3].everything()
		want := names(l.log) + " x y"
		s.rule(s.within(soon, func() bool { return s.commands() == want }), ruleApply, "s0, s2 and s3 have [%s]; s0, the leader, has applied [%s]", want, s.commands())
	})
}

// Proves that requests carry the entries that the leader had when it made them.
// s0's calls are slow to read their arguments; meanwhile another leader replaces
// s0's entries. For: entries sent as a slice of the live log.
func TestPaperEntriesAreCopied4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		s.stores(1, 1)
		replicas := s.replicas(1, 1)
		term := s.elect()
		w.Sleep(5 * hop)
		s.lag.Store(int64(10 * time.Millisecond))
		s.propose("a")
		s.propose("b")
		s.propose("c")
		w.Sleep(hop)
		next := term + 1
		l := s.leader(2, next, 1, 1, next, next) // fits in the memory that s0's log has already
		s.rule(l.send(2, 2, 0).Success, ruleMatch, "s0 refused entries of the leader of term %d behind 2@1", next)
		s.lag.Store(0)
		w.Sleep(settle)
		for _, a := range s.peers[1].appends(0) {
			for i, e := range a.Entries {
				s.rule(e.Term <= a.Term, "the leader sends entries of its log; a request must not change after it was made (aliasing)",
					"s0 led in term %d and sent %q of term %d as the entry at index %d", a.Term, e.Command, e.Term, a.PrevLogIndex+1+i)
			}
		}
		s.rule(strings.HasPrefix("1@1 2@1 a b c", replicas[1].String()), "the leader sends entries of its log", "s0 led in term %d with [1@1 2@1 a b c]; s1 now has [%s]", term, replicas[1])
		s.expectLog(ruleConflict, "s0 led, and then another leader replaced its entries", 1, 1, next, next)
	})
}

// Proves that a leader never gives up on a follower that does not answer. For: a
// loop that ends with the first failed call, entries sent once.
func TestPaperRetries4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		replicas := s.replicas()
		replicas[1].nothing()
		s.elect()
		for _, c := range strings.Fields("a b c") {
			s.propose(c)
			w.Sleep(time.Second)
		}
		replicas[1].everything()
		s.rule(s.within(soon, func() bool { return replicas[1].String() == "a b c" }), "if followers crash or run slowly, or if network packets are lost, the leader retries AppendEntries RPCs indefinitely (§5.3)",
			"s1 did not answer for three seconds, and answers now. s0 leads and has [a b c]; s1 has got [%s]", replicas[1])
	})
}

// Proves that a new leader first tries the entries behind the last one that it
// had when it was elected. For: nextIndex initialised to 1, or off by one.
func TestPaperFirstNextIndex4B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		s.stores(1, 1, 1, 2, 2)
		for _, r := range s.replicas(1, 1, 1, 2, 2)[1:] {
			r.nothing()
		}
		s.elect()
		s.propose("a")
		for _, p := range s.peers[1:] {
			s.rule(s.within(soon, func() bool { return p.firstEntries() != nil }), "the leader sends AppendEntries with log entries starting at nextIndex (Figure 2, leaders)", "s0 leads, has a new command, and sends s%d no entry", p.id)
			a := p.firstEntries()
			s.rule(a.PrevLogIndex == 5, "when a leader first comes to power, it initializes all nextIndex values to the index just after the last one in its log (§5.3)",
				"s0 had five entries when it was elected. To s%d, which has not answered yet, it sends first the entries behind %d", p.id, a.PrevLogIndex)
		}
	})
}

// firstEntries returns the first AppendEntries with entries that a peer got.
func (p *peer) firstEntries() *raft.AppendEntriesArgs {
	for _, a := range p.appends(0) {
		if len(a.Entries) > 0 {
			return &a
		}
	}
	return nil
}

// Proves that a leader finds the place where a follower's log departs from its
// own in one step for each term, and then makes the log like its own. For: going
// back one entry at a time; the conflict fields misread, so that it never gets
// there, or overwrites too little; matchIndex initialised too high.
func TestPaperBacksUpByTerm4B(t *testing.T) {
	terms := func(runs ...int) (list []int) { // pairs of term and length
		for i := 0; i < len(runs); i += 2 {
			for range runs[i+1] {
				list = append(list, runs[i])
			}
		}
		return list
	}
	cases := []struct {
		lead, follow []int
		steps        int // terms of the follower in conflict
	}{
		{terms(1, 40), nil, 0},
		{terms(1, 3, 6, 40), terms(1, 3, 2, 15, 3, 15, 4, 15), 3},
		{terms(1, 2, 2, 2, 6, 30), terms(1, 2, 2, 25), 1},
		{terms(1, 2, 2, 20, 6, 10), terms(1, 2, 2, 5, 3, 20, 5, 10), 2},
		{terms(1, 1, 3, 20, 5, 20), terms(1, 1, 2, 20, 4, 20), 2},
		{terms(4, 30), terms(1, 10, 2, 10, 3, 10), 3},
		{terms(1, 10, 6, 20), terms(1, 30), 1},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		for i, c := range cases {
			s.fresh()
			s.stores(c.lead...)
			s.replica(2, c.lead...)
			r := s.replica(1, c.follow...)
			s.elect()
			s.propose("x")
			want := names(entries(1, c.lead...)) + " x"
			s.rule(s.within(2*soon, func() bool { return r.String() == want }), "the leader forces the followers' logs to duplicate its own (§5.3)",
				"case %d: s0 leads and has [%s]; s1 answers everything, and has [%s]", i, want, r)
			s.rule(r.refusals() <= c.steps+2, "one AppendEntries RPC will be required for each term with conflicting entries, rather than one RPC per entry (§5.3)",
				"case %d: s1's log differed from the leader's in the entries of %d terms. s0 tried %d values of prevLogIndex that it refused", i, c.steps, r.refusals())
		}
	})
}

// Proves that a leader keeps its log, whatever it hears: refusals by followers
// whose logs are longer, a leader of an earlier term. For: a leader that
// truncates its own log.
func TestPaperLeaderAppendOnly4B(t *testing.T) {
	const rule = "a leader never overwrites or deletes entries in its log; it only appends new entries (Leader Append-Only, Figure 3, §5.3)"
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		s.stores(1, 3)
		replicas := s.replicas(1, 3)
		replicas[1] = s.replica(1, 1, 2, 2, 2, 2, 2)
		replicas[3].upTo(2)
		replicas[4].upTo(2)
		replicas[2].upTo(2)
		term := s.elect()
		s.propose("a")
		s.propose("b")
		stale := s.leader(2, 2, 1, 2, 2, 2)
		s.rule(!stale.send(1, 3, 3).Success, ruleStale, "s0 leads in term %d and accepted entries of the leader of term 2", term)
		w.Sleep(watch)
		for _, r := range replicas[2:] {
			r.everything()
		}
		for id, r := range replicas[1:] {
			s.rule(s.within(soon, func() bool { return r.String() == "1@1 2@3 a b" }), rule, "s0 leads, and its log was [1@1 2@3 a b]; s%d answers everything, and has [%s]", id+1, r)
		}
		s.rule(s.within(soon, func() bool { return s.commands() == "1@1 2@3 a b" }), rule, "s0 leads, and its log was [1@1 2@3 a b]. All have it; s0 applied [%s]", s.commands())
	})
}
