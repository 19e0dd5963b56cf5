package raft_test

import (
	"fmt"
	"log"
	"strings"
	"sync/atomic"
	"testing"

	raft "distsys/lab4-raft"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
)

// The rules about stable storage (Figure 2) that several tests cite.
const (
	rulePersist = "persistent state on all servers (currentTerm, votedFor, log[]): updated on stable storage before responding to RPCs (Figure 2)"
	ruleOneVote = "each server votes for at most one candidate in a given term (§5.2), also when it crashes in between: votedFor is persistent (Figure 2)"
)

// Proves that a vote survives a crash right after the answer left: the vote in a
// new term, and one in a term that the server knew already. For: a vote that is
// saved only when the term changes, or not at all, or too late; one that is
// forgotten when the state is restored.
func TestPaperVoteIsSaved4C(t *testing.T) {
	cases := []struct {
		what string
		term int
		do   func(s *script)
	}{
		{"s1 asked, in a new term", 7, func(s *script) {}},
		{"s2 asked and was refused, for its log is behind", 7, func(s *script) { s.askVote(2, 7, 0, 0) }},
		{"s2 led in that term already", 7, func(s *script) { s.appendEntries(2, 7, 0, 0, 0) }},
		{"s0 had voted for s3 in the term before", 7, func(s *script) { s.askVote(3, 6, 1, 1) }},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		for _, c := range cases {
			s.fresh()
			s.stores(1)
			c.do(s)
			s.rule(s.askVote(1, c.term, 1, 1).VoteGranted, ruleOneVote, "%s. s0 refused s1 in term %d, though it had not voted in it", c.what, c.term)
			s.crashAfterReply()
			s.rule(s.term() == c.term, rulePersist, "s0 voted in term %d and crashed. After its restart it is in term %d", c.term, s.term())
			for _, other := range []int{4, 3} {
				s.rule(!s.askVote(other, c.term, 5, 5).VoteGranted, ruleOneVote, "%s. s0 voted for s1 in term %d, crashed right after the answer left, and then voted for s%d in the same term", c.what, c.term, other)
			}
			s.rule(s.askVote(1, c.term, 1, 1).VoteGranted, "a vote is granted if votedFor is null or candidateId (Figure 2)", "s0 voted for s1 in term %d and crashed. When s1 asked again, it was refused", c.term)
			s.rule(s.askVote(4, c.term+1, 5, 5).VoteGranted, "each server votes for one candidate in a given term (§5.2)", "s0 voted in term %d, crashed, and refused its vote in term %d", c.term, c.term+1)
		}
	})
}

// Proves that a term, once told to anybody, survives a crash, wherever the
// server had it from. For: a term that is saved only with a vote.
func TestPaperTermIsSaved4C(t *testing.T) {
	higher := func(s *script) {
		for _, p := range s.peers[1:] {
			p.set(func(p *peer) {
				p.vote = func(raft.RequestVoteArgs) *raft.RequestVoteReply { return &raft.RequestVoteReply{Term: 50} }
				p.append = func(raft.AppendEntriesArgs) *raft.AppendEntriesReply { return &raft.AppendEntriesReply{Term: 50} }
			})
		}
	}
	cases := []struct {
		what string
		do   func(s *script)
	}{
		{"a RequestVote that it refused", func(s *script) { s.askVote(2, 50, 0, 0) }},
		{"a RequestVote that it granted", func(s *script) { s.askVote(2, 50, 5, 5) }},
		{"a heartbeat", func(s *script) { s.appendEntries(2, 50, 1, 1, 0) }},
		{"an AppendEntries that does not match its log", func(s *script) { s.appendEntries(2, 50, 4, 7, 0, 50) }},
		{"an answer to its RequestVote", func(s *script) {
			higher(s)
			s.awaitVote(1, silence)
		}},
		{"an answer to its AppendEntries", func(s *script) {
			s.elect()
			higher(s)
			s.within(soon, func() bool { return s.term() >= 50 })
		}},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		for _, c := range cases {
			s.fresh()
			for _, p := range s.peers[1:] {
				p.set(func(p *peer) { p.vote, p.append = nil, nil })
			}
			s.stores(1)
			c.do(s)
			w.Sleep(3 * hop)
			reply := s.askVote(3, 2, 5, 2) // stale: s0 tells its term
			s.rule(reply.Term >= 50, "if RPC request or response contains term T > currentTerm: set currentTerm = T (Figure 2, all servers)",
				"s0 got %s, with term 50. Then it told s3 that it is in term %d", c.what, reply.Term)
			s.crashAfterReply()
			s.rule(s.term() >= reply.Term, rulePersist, "s0 learned of term 50 by %s, and told s3 that it is in term %d. It crashed after that, and came back in term %d", c.what, reply.Term, s.term())
		}
	})
}

// Proves that entries survive a crash right after they were acknowledged, with
// their terms and commands, and that entries that were removed do not come back.
// For: a log that is saved on one path only, or before it is changed; terms or
// the end of the log lost in encoding.
func TestPaperEntriesAreSaved4C(t *testing.T) {
	cases := []struct {
		what       string
		have, lead []int
		prev       int
	}{
		{"the first entries", nil, []int{1, 1, 3}, 0},
		{"entries behind others", []int{1, 1}, []int{1, 1, 1, 2, 5}, 2},
		{"one entry", []int{1, 1, 2}, []int{1, 1, 2, 2}, 3},
		{"entries, some of which it had", []int{1, 1}, []int{1, 1, 1, 2}, 0},
		{"entries in place of others", []int{1, 1, 2, 2}, []int{1, 1, 3, 3, 3}, 2},
		{"one entry in place of many", []int{1, 1, 1, 1, 1, 1}, []int{1, 1, 2}, 1},
		{"entries in place of all others", []int{1, 1, 1}, []int{4}, 0},
	}
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		for _, c := range cases {
			s.fresh()
			old := s.stores(c.have...)
			l := s.leader(2, 6, c.lead...)
			if len(c.have) > 0 {
				s.askVote(2, 6, 0, 0) // so that the term is not new with the entries
			}
			s.rule(l.send(c.prev, len(c.lead)-c.prev, 0).Success, success, "s0 has [%s] and refused the entries of [%s] behind %d", names(old.log), names(l.log), c.prev)
			s.crashAfterReply()
			what := fmt.Sprintf("s0 acknowledged %s, so that its log was [%s], crashed right after that, and restarted", c.what, names(l.log))
			old.term = 7
			for i := len(c.lead) + 1; i <= len(c.have); i++ {
				s.rule(old.lacks(i), rulePersist, "%s. Now it has %s again", what, old.log[i-1].Command)
			}
			s.expectLog(rulePersist, what, c.lead...)
		}
	})
}

// Proves that a candidate has saved its term and its vote for itself before
// anybody hears of its candidacy. It crashes the moment that its first request
// leaves. For: a candidacy that is not saved, or saved after the requests went
// out, or the term saved without the vote.
func TestPaperCandidacyIsSaved4C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		last := 0
		for range 3 {
			var candidacy, down atomic.Int64
			stop := s.net.Observe(func(m *simnet.Message) {
				a, ok := m.Body.(raft.RequestVoteArgs)
				if ok && m.From == name(0) && a.Term > last && candidacy.CompareAndSwap(0, int64(a.Term)) {
					s.crash(nil)
					down.Store(1)
				}
			})
			s.rule(s.within(silence, func() bool { return down.Load() > 0 }), "if election timeout elapses: convert to candidate (Figure 2)", "s0 was in term %d, heard nothing for %v, and asked nobody for a vote in a later term", last, silence)
			stop()
			term := int(candidacy.Load())
			s.restart()
			s.rule(s.term() >= term, rulePersist, "s0 became candidate in term %d and crashed when its first RequestVote left. It came back in term %d", term, s.term())
			s.rule(!s.askVote(2, term, 0, 0).VoteGranted, ruleOneVote, "s0 became candidate in term %d, so it voted for itself. It crashed when its first RequestVote left; when it was back, it voted for s2 in the same term", term)
			last = term
		}
	})
}

// Proves that a leader has saved its own entries when it counts itself among
// those that store them. Also that a leader comes back as a follower. For: a
// Propose that does not save.
func TestPaperLeaderSavesEntries4C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		s.stores(1, 1)
		replicas := s.replicas(1, 1)
		replicas[2].nothing()
		term := s.elect()
		s.propose("3@" + fmt.Sprint(term))
		s.propose("4@" + fmt.Sprint(term))
		s.rule(s.within(soon, func() bool { return s.lastApplied() == 4 }), ruleApply, "s0 leads, s1 acknowledged its entries; s0 has applied [%s]", s.commands())
		s.crash(nil)
		s.restart()
		s.rule(!s.leads(), "when servers start up, they begin as followers (§5.2)", "s0 led in term %d and crashed. After its restart it leads at once", term)
		s.expectLog(rulePersist, fmt.Sprintf("s0 led in term %d, counted itself and s1 as a majority that stores its entries, applied them, crashed, and restarted", term), 1, 1, term, term)
	})
}

// Proves that a restarted server begins again at the first entry once it learns
// what is committed, each entry once; and that it does not take the end of its
// log for committed. For: lastApplied saved, commitIndex set to the last entry.
func TestPaperReplaysAfterRestart4C(t *testing.T) {
	const rule = "commitIndex and lastApplied are volatile, initialized to 0 (Figure 2): a new server starts at the beginning, with the command at index 1 (ApplyMsg)"
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		l := s.leader(1, 3, 1, 1, 2, 3, 3)
		l.give(5, 3)
		for range 2 {
			s.crash(nil)
			s.restart()
			w.Sleep(settle)
			s.rule(strings.HasPrefix("1@1 2@1 3@2", s.commands()), ruleApply, "s0 has [%s]; only the first three are committed. After its restart it applied [%s]", names(l.log), s.commands())
			l.send(5, 0, 3)
			s.applies("1@1 2@1 3@2", rule, "after a restart, with commit 3")
		}
		l.send(5, 0, 5)
		s.applies(names(l.log), rule, "after a restart, first with commit 3 and then with commit 5")
		s.expectLog(rulePersist, "s0 was restarted twice", 1, 1, 2, 3, 3)
	})
}

// Proves that a crash between a save and the answer does no harm: the state on
// disk is that of some moment, and the request is answered as it should be when
// it is repeated. For: a term that is saved while votedFor still belongs to the
// term before, saves that leave half of a change.
func TestPaperCrashAtSave4C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		for n := 1; n <= 3; n++ {
			s.fresh()
			s.stores(1, 1, 1)
			s.askVote(3, 5, 3, 1)
			s.crashAtSave(n, 1, "RequestVote", &raft.RequestVoteArgs{Term: 6, CandidateID: 1, LastLogIndex: 3, LastLogTerm: 1}, &raft.RequestVoteReply{})
			s.rule(s.askVote(1, 6, 3, 1).VoteGranted, "if votedFor is null or candidateId, and candidate's log is at least as up-to-date as receiver's log, grant vote (Figure 2)",
				"s0 voted for s3 in term 5. s1 asked in term 6; s0 crashed right after save number %d, before it answered. s1 asked again, and was refused", n)
			s.rule(!s.askVote(2, 6, 3, 1).VoteGranted, ruleOneVote, "s0 voted for s1 and then for s2 in term 6, after a crash at save number %d", n)

			l := s.leader(1, 6, 1, 1, 6, 6)
			s.crashAtSave(n, 1, "AppendEntries", &raft.AppendEntriesArgs{
				Term: 6, LeaderID: 1, PrevLogIndex: 1, PrevLogTerm: 1, Entries: l.log[1:],
			}, &raft.AppendEntriesReply{})
			s.rule(l.send(1, 3, 0).Success, ruleAppend, "an AppendEntries came twice; s0 crashed at the first, right after save number %d, and refused the second", n)
			s.expectLog(rulePersist, fmt.Sprintf("s0 crashed right after save number %d, which an AppendEntries with three entries caused; it restarted, and the message came again", n), 1, 1, 6, 6)
		}
	})
}

// crashAtSave has a peer call s0, which crashes right after it has saved n times,
// if it saves so often. It is up again when crashAtSave returns.
func (s *script) crashAtSave(n, from int, method string, args, reply any) {
	var saves atomic.Int64
	s.disk.setAfterSave(func() {
		if saves.Add(1) == int64(n) {
			s.crash(nil)
		}
	})
	_ = s.net.Node(name(from)).Client(name(0)).Call("Raft."+method, args, reply) // it may well fail
	s.disk.setAfterSave(nil)
	if state, _ := s.disk.size(); state == 0 {
		log.Printf("TODO(4C): persist: save what a crash must not erase (Figure 2). s0 answered a %s and has saved nothing", method)
	}
	if s.run == nil {
		s.restart()
	}
}

// Proves that a server in the place of S1 in Figure 8 does what the paper says,
// with each step as it is drawn there: (a) it leads and replicates index 2 to S2
// only; (b) it crashes, S5 leads and has another entry at index 2; (c) S5 crashes,
// S1 is back, leads again, and replicates its old entry to S3: that is a majority,
// but not committed. Then either (d) it crashes, and S5 overwrites the entry, or
// (e) it replicates an entry of its own term, and both are committed. For: entries
// of an earlier term committed by counting; a log, term or vote lost in a crash.
func TestPaperFigure8Leader4C(t *testing.T) {
	const rule = "Raft never commits log entries from previous terms by counting replicas (§5.4.2, Figure 8)"
	simtest.Run(t, func(w *simtest.World) {
		for _, ending := range []string{"d", "e"} {
			s := startScript(w, 5)
			s.leader(1, 1, 1).give(1, 1)
			replicas := s.replicas(1)
			for _, r := range replicas[2:] {
				r.upTo(1)
			}
			// (a)
			first := s.elect()
			s.propose(fmt.Sprintf("2@%d", first))
			s.rule(s.within(soon, func() bool { return replicas[1].lastIndex() == 2 }), "the leader sends AppendEntries with log entries starting at nextIndex (Figure 2, leaders)", "s0 leads in term %d and has a command; s1 has only [%s]", first, replicas[1])
			w.Sleep(3 * hop)
			s.rule(s.commands() == "1@1", "a log entry is committed once the leader has replicated it on a majority (§5.3)", "Figure 8 (a): only two of five servers have index 2. s0 applied [%s]", s.commands())
			// (b)
			s.crash(nil)
			for id := 2; id < 5; id++ {
				replicas[id].sees(first+1, 4)
			}
			s5 := s.leader(4, first+1, 1, first+1)
			replicas[4] = s.replica(4, 1, first+1)
			replicas[4].nothing()
			// (c)
			s.peers[4].set(func(p *peer) { p.vote, p.append = nil, nil })
			s.restart()
			second := s.figure8Elect(first + 1)
			replicas[2].upTo(2)
			old := fmt.Sprintf("1@1 2@%d", first)
			s.within(soon, func() bool { return replicas[2].String() == old }) // a leader may also wait for the next command
			for until := w.Now() + watch; w.Now() < until; w.Sleep(20 * hop) {
				s.rule(s.lastApplied() <= 1, rule, "Figure 8 (c): s0 leads in term %d. Index 2 of term %d is on s0, s1 and s2 [%s], a majority of five, but is not committed. s0 applied [%s]", second, first, replicas[2], s.commands())
				for _, p := range s.peers[1:4] {
					s.rule(p.told(0) <= 1, rule, "Figure 8 (c): s0 leads in term %d. Index 2 of term %d is on s0, s1 and s2 [%s], a majority of five, but is not committed. s0 told s%d commit %d", second, first, replicas[2], p.id, p.told(0))
				}
			}
			switch ending {
			case "d":
				s.crash(nil)
				s.restart()
				s5.term = second + 1
				s.rule(s5.send(1, 1, 1).Success, ruleConflict, "Figure 8 (d): S5 leads in term %d and replaces index 2. s0 refused its entry, with prev 1@1", s5.term)
				s.crashAfterReply()
				s.expectLog("an entry of an earlier term, though on a majority, can be overwritten by another leader (Figure 8 (d))", "Figure 8 (d): s0 took S5's index 2, crashed and restarted", 1, first+1)
			case "e":
				s.propose(fmt.Sprintf("3@%d", second))
				replicas[1].everything()
				replicas[2].everything()
				s.rule(s.within(soon, func() bool { return s.lastApplied() == 3 }), "once an entry from the current term has been committed in this way, then all prior entries are committed indirectly (§5.4.2)",
					"Figure 8 (e): s0 leads in term %d; index 3 of that term is on s0, s1 and s2, a majority. It has applied [%s]", second, s.commands())
				s.crash(nil)
				s.restart()
				s.rule(!s.askVote(4, second+5, 2, first+1).VoteGranted, "the voter denies its vote if its own log is more up-to-date (§5.4.1): S5 cannot win an election (Figure 8 (e))", "s0's log ends with 3@%d. After a restart it voted for S5, whose log ends with 2@%d", second, first+1)
				s.expectLog(rulePersist, "Figure 8 (e): s0 committed its index 3, crashed and restarted", 1, first, second)
			}
			s.crash(nil)
		}
	})
}

// figure8Elect waits until s0 leads in a term later than the one given. Servers
// that have voted in that term refuse at first.
func (s *script) figure8Elect(after int) (term int) {
	got := s.awaitFrom(1, 0, 2*silence+soon, fmt.Sprintf("an AppendEntries of a term above %d: a majority votes for it, and it must lead", after), func(args any) bool {
		a, ok := args.(raft.AppendEntriesArgs)
		return ok && a.Term > after
	})
	return got.args.(raft.AppendEntriesArgs).Term
}

// Proves that a server in the place of S3 in Figure 8 votes as the paper says, and
// remembers it through crashes: in (d) it has index 2 of S1, and votes for S5,
// whose last entry is of a later term, and takes its entry; in (e) it has an entry
// of S1's later term, and denies S5 its vote. It restarts between all steps. For:
// the longer log preferred to the later term, the terms of the log lost in a crash.
func TestPaperFigure8Voter4C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		const s1, s5 = 1, 4
		for _, ending := range []string{"d", "e"} {
			s.fresh()
			s.leader(2, 1, 1).give(1, 1)
			s.crashAfterReply()
			s.rule(s.askVote(s1, 2, 1, 1).VoteGranted, ruleOneVote, "s0 denied its vote in term 2 to S1, whose log is like its own") // (a)
			s.crashAfterReply()
			s.rule(s.askVote(s5, 3, 1, 1).VoteGranted, ruleOneVote, "s0 denied its vote in term 3 to S5, whose log is like its own") // (b)
			s.crashAfterReply()
			s.rule(!s.askVote(s1, 3, 2, 2).VoteGranted, ruleOneVote, "s0 voted for S5 in term 3, crashed, and voted for S1 in term 3")
			s.rule(s.askVote(s1, 4, 2, 2).VoteGranted, ruleOneVote, "s0 denied its vote in term 4 to S1, whose log is ahead of its own") // (c)
			s.crashAfterReply()
			l := s.leader(s1, 4, 1, 2, 4)
			if ending == "d" {
				s.rule(l.send(1, 1, 1).Success, success, "s0 refused index 2 of S1, with prev 1@1")
				s.crashAfterReply()
				s.rule(s.askVote(s5, 5, 2, 3).VoteGranted, "the log with the later last term is more up-to-date (§5.4.1)", "Figure 8 (d): s0's log ends with 2@2; S5's with 2@3, which is more up-to-date. s0 denied its vote")
				s.crashAfterReply()
				n := s.leader(s5, 5, 1, 3)
				s.rule(n.send(1, 1, 1).Success, ruleConflict, "Figure 8 (d): S5 leads in term 5. s0 refused its index 2, with prev 1@1")
				s.crashAfterReply()
				s.expectLog(ruleConflict, "Figure 8 (d): s0 took S5's index 2, crashed and restarted", 1, 3)
			} else {
				s.rule(l.send(1, 2, 1).Success, success, "s0 refused entries of S1, with prev 1@1")
				s.crashAfterReply()
				s.rule(!s.askVote(s5, 5, 2, 3).VoteGranted, "the voter denies its vote if its own log is more up-to-date (§5.4.1)", "Figure 8 (e): s0's log ends with 3@4; S5's with 2@3. s0 voted for S5")
				s.crashAfterReply()
				s.expectLog(rulePersist, "Figure 8 (e): s0 took S1's index 2 and 3, crashed and restarted", 1, 2, 4)
			}
		}
	})
}
