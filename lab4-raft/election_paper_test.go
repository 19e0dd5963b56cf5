package raft_test

import (
	"testing"
	"time"

	raft "distsys/lab4-raft"

	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// Proves that a follower that hears nothing becomes a candidate: in the next
// term, asking every peer at the same time, with its own id and an empty log.
// For: votes asked for one after another, a term that is not increased (§5.2).
func TestPaperStartsElection4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		first := s.awaitVote(1, silence)
		require.Equal(w, raft.RequestVoteArgs{Term: 1, CandidateID: 0}, first, "the first RequestVote of a server with an empty log (Figure 2)")
		w.Sleep(5 * time.Millisecond)
		for _, p := range s.peers[1:] {
			s.rule(len(p.votes(0)) > 0, "a candidate issues RequestVote RPCs in parallel to each of the other servers (§5.2)",
				"s%d was not asked for its vote, though s1 was, 5 ms ago; no peer has answered", p.id)
		}
	})
}

// Proves that a candidate that wins nothing tries again, each time in a new
// term. For: an election that is repeated in the same term, or not at all.
func TestPaperNewTermEachElection4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		last := 0
		for range 5 {
			v := s.awaitNewTerm(1, last, silence)
			require.Equal(w, last+1, v.Term, "each election increments the term by one (§5.2)")
			last = v.Term
		}
	})
}

// awaitNewTerm waits for a RequestVote of a later term than last.
func (s *script) awaitNewTerm(id, last int, within time.Duration) raft.RequestVoteArgs {
	return s.awaitFrom(id, 0, within, "a RequestVote in a new term (§5.2)", func(args any) bool {
		v, ok := args.(raft.RequestVoteArgs)
		return ok && v.Term > last
	}).args.(raft.RequestVoteArgs)
}

// Proves that election timeouts are random, and drawn anew for each election.
// For: a constant timeout, one that is drawn once, a spread too small to break
// a split vote (§5.2).
func TestPaperTimeoutsAreRandom4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		const elections = 12
		var starts []time.Duration
		for term := 1; term <= elections; term++ {
			s.awaitNewTerm(1, term-1, silence)
			starts = append(starts, w.Now())
		}
		shortest, longest := time.Hour, time.Duration(0)
		for i := 1; i < len(starts); i++ {
			gap := starts[i] - starts[i-1]
			shortest, longest = min(shortest, gap), max(longest, gap)
		}
		s.rule(longest-shortest > 50*time.Millisecond, "each candidate restarts its randomised election timeout at the start of an election (§5.2)",
			"%d elections in a row came after nearly the same timeout, %v to %v", elections-1, shortest, longest)
	})
}

// Proves that a server votes once a term, for the first who asks, says yes
// again to the same candidate, and votes anew in a later term. For: a vote that
// is not recorded, or is forgotten when a message of the same term comes.
func TestPaperOneVoteATerm4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		const rule = "each server votes for at most one candidate in a term, first-come-first-served (§5.2)"
		for term := 10; term < 14; term++ {
			s.rule(s.askVote(1, term, 0, 0).VoteGranted, rule, "s1 asked first in term %d, and was refused", term)
			s.rule(!s.askVote(2, term, 0, 0).VoteGranted, rule, "s0 voted for s1 in term %d, then also for s2", term)
			s.rule(s.askVote(1, term, 0, 0).VoteGranted, "a vote is granted if votedFor is null or candidateId (Figure 2)",
				"s0 voted for s1 in term %d; when s1 asked again, it was refused: its first answer may have been lost", term)
			s.appendEntries(1, term, 0, 0, 0) // s1 has won. The vote stands.
			s.rule(!s.askVote(3, term, 0, 0).VoteGranted, rule, "s0 voted for s1 in term %d, heard from s1 as the leader, then also voted for s3", term)
		}
	})
}

// Proves that a candidate has voted for itself. For: an election in which the
// term is new but the vote is not taken.
func TestPaperCandidateVotesForItself4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		v := s.awaitVote(1, silence)
		s.rule(!s.askVote(2, v.Term, 0, 0).VoteGranted, "a candidate votes for itself (§5.2), and each server votes once a term",
			"s0 is a candidate in term %d, and voted for s2 in the same term", v.Term)
	})
}

// Proves that RPCs of an earlier term are refused with the current term, and
// change nothing. For: stale candidates that get votes, stale leaders that are
// obeyed.
func TestPaperStaleTermIsRefused4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		s.appendEntries(1, 7, 0, 0, 0)
		const rule = "if a server receives a request with a stale term number, it rejects the request (§5.1)"
		vote := s.askVote(2, 6, 0, 0)
		s.rule(!vote.VoteGranted && vote.Term == 7, rule, "s0 is in term 7. To a RequestVote of term 6 it answered %+v", vote)
		beat := s.appendEntries(2, 6, 0, 0, 0)
		s.rule(!beat.Success && beat.Term == 7, rule, "s0 is in term 7. To an AppendEntries of term 6 it answered %+v", beat)
	})
}

// Proves that a server adopts every higher term it hears of: in a request, also
// in one it refuses, and in a reply. For: a term that is adopted only with a
// vote.
func TestPaperAdoptsHigherTerm4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 3)
		const rule = "if one server's current term is smaller than the other's, it updates its term to the larger value (§5.1)"
		term := func() int { term, _ := s.run.rf.State(); return term }
		s.askVote(1, 5, 0, 0)
		s.rule(term() == 5, rule, "after a RequestVote of term 5, s0 is in term %d", term())
		s.appendEntries(1, 8, 0, 0, 0)
		s.rule(term() == 8, rule, "after an AppendEntries of term 8, s0 is in term %d", term())
		// A reply: s0 asks for votes, and is refused by somebody in term 20.
		s.peers[1].set(func(p *peer) {
			p.vote = func(raft.RequestVoteArgs) *raft.RequestVoteReply { return &raft.RequestVoteReply{Term: 20} }
		})
		s.awaitVote(1, silence)
		w.Sleep(3 * hop)
		s.rule(term() >= 20, rule, "a peer refused its vote because it is in term 20; s0 is in term %d", term())
	})
}

// Proves that a leader, too, steps down when it meets a higher term: in a
// request that it refuses, and in a reply to its heartbeat. For: a leader that
// goes on in the old term, or in the new one.
func TestPaperLeaderStepsDown4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const rule = "if a candidate or leader discovers that its term is out of date, it immediately reverts to follower state (§5.1)"
		s := startScript(w, 3)
		term := s.elect()
		s.askVote(1, term+3, 0, 0)
		now, leads := s.run.rf.State()
		s.rule(!leads && now == term+3, rule, "s0 led in term %d and was asked for its vote in term %d. Now it is in term %d, and leads: %v", term, term+3, now, leads)

		term = s.elect()
		s.peers[1].set(func(p *peer) {
			p.append = func(raft.AppendEntriesArgs) *raft.AppendEntriesReply {
				return &raft.AppendEntriesReply{Term: term + 5}
			}
			p.vote = nil
		})
		s.peers[2].set(func(p *peer) { p.vote = nil })
		s.await(1, time.Second, "a heartbeat", func(args any) bool { _, ok := args.(raft.AppendEntriesArgs); return ok })
		w.Sleep(3 * hop)
		now, leads = s.run.rf.State()
		s.rule(!leads && now >= term+5, rule, "s0 led in term %d; a reply to its heartbeat says term %d. Now it is in term %d, and leads: %v", term, term+5, now, leads)
		mark := s.peers[2].count()
		w.Sleep(silence)
		for _, r := range s.peers[2].since(mark) {
			_, beat := r.args.(raft.AppendEntriesArgs)
			s.rule(!beat, rule, "s0 gave up its leadership, and still sends %+v", r.args)
		}
	})
}

// Proves that a candidate recognises the leader of its own term, and not one
// of an earlier term. For: a candidate that stays one, or that steps down for
// anybody.
func TestPaperCandidateRecognisesLeader4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		s.appendEntries(4, 3, 0, 0, 0)
		s.awaitNewTerm(1, 3, silence)
		term, _ := s.run.rf.State()

		stale := s.appendEntries(4, term-1, 0, 0, 0)
		s.rule(!stale.Success, "a candidate rejects an AppendEntries with a smaller term and continues in candidate state (§5.2)",
			"s0 is a candidate in term %d, and accepted the leader of term %d", term, term-1)

		s.appendEntries(2, term, 0, 0, 0)
		// The votes come too late now: s0 follows s2.
		for _, p := range s.peers[1:] {
			p.grant()
		}
		w.Sleep(calm)
		now, leads := s.run.rf.State()
		s.rule(!leads || now != term, "if the leader's term is at least as large as the candidate's, the candidate returns to follower state (§5.2)",
			"s0 was a candidate in term %d, heard from the leader of that term, and then became leader of the same term", term)
	})
}

// Proves that only granted votes count, only those of the present election,
// and that a majority of the whole cluster is needed. For: refusals counted as
// votes, late votes of an earlier term, a majority off by one.
func TestPaperCountsVotes4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		leads := func() bool { _, leads := s.run.rf.State(); return leads }
		// s1 votes for s0. s2 and s3 refuse; s4 is silent: two of five votes.
		s.peers[1].grant()
		refuse := func(p *peer) {
			p.vote = func(a raft.RequestVoteArgs) *raft.RequestVoteReply { return &raft.RequestVoteReply{Term: a.Term} }
		}
		s.peers[2].set(refuse)
		s.peers[3].set(refuse)
		for range 4 {
			s.awaitVote(1, silence)
			w.Sleep(4 * hop)
			s.rule(!leads(), "a candidate wins an election if it receives votes from a majority of the servers in the full cluster (§5.2)",
				"s0 leads with two votes of five: its own and that of s1; s2 and s3 refused, s4 is silent")
		}
		// s2 and s3 now vote, but so late that s0 is in a later term.
		late := func(p *peer) {
			p.vote = func(a raft.RequestVoteArgs) *raft.RequestVoteReply {
				time.Sleep(silence)
				return &raft.RequestVoteReply{Term: a.Term, VoteGranted: true}
			}
		}
		s.peers[2].set(late)
		s.peers[3].set(late)
		term, _ := s.run.rf.State()
		until := w.Now() + 3*silence
		for w.Now() < until {
			now, leading := s.run.rf.State()
			s.rule(!leading, "a vote is for one term (§5.2): an answer to a request of an earlier term says nothing about the present one",
				"s0 leads in term %d; since term %d it got one vote in time, and others only %v late", now, term, silence)
			w.Sleep(20 * time.Millisecond)
		}
	})
}

// Proves that a leader tells every peer at once, and then again and again,
// also those that do not answer. For: a first heartbeat that waits for its
// interval, a loop that stops at a silent peer.
func TestPaperLeaderSendsHeartbeats4A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScript(w, 5)
		silent := s.peers[3]
		silent.set(func(p *peer) {
			p.append = func(raft.AppendEntriesArgs) *raft.AppendEntriesReply { return nil }
		})
		term := s.elect()
		w.Sleep(20 * time.Millisecond)
		for _, p := range s.peers[1:] {
			_, ok := p.lastAppend()
			s.rule(ok, "once a candidate wins an election, it sends heartbeat messages to all of the other servers (§5.2)",
				"s0 leads in term %d; 20 ms after its first heartbeat to s1, s%d has got none", term, p.id)
		}
		mark := silent.count()
		w.Sleep(time.Second)
		beats := len(silent.since(mark))
		s.rule(beats >= 3, "leaders send periodic heartbeats to all followers (§5.2)",
			"s3 does not answer; in one second s0 sent it %d heartbeats", beats)
	})
}

// lastAppend returns the last AppendEntries that a peer received.
func (p *peer) lastAppend() (args raft.AppendEntriesArgs, ok bool) {
	for _, r := range p.since(0) {
		if a, is := r.args.(raft.AppendEntriesArgs); is {
			args, ok = a, true
		}
	}
	return args, ok
}

// Proves what resets the election timer, and what does not. A granted vote and
// an AppendEntries of the current leader do. A refused vote and a message of
// an earlier term do not: otherwise servers that can never win keep those that
// could from trying. For: a timer reset on every RPC (§5.2, Figure 2).
func TestPaperElectionTimer4A(t *testing.T) {
	simtest.Run(t, timerCases)
}

func timerCases(w *simtest.World) {
	const rule = "if election timeout elapses without receiving AppendEntries RPC from current leader or granting vote to candidate: convert to candidate (Figure 2)"
	cases := []struct {
		what   string
		resets bool
		send   func(s *script, term int)
	}{
		{"an AppendEntries of the current leader", true, func(s *script, term int) { s.appendEntries(1, 10, 0, 0, 0) }},
		{"a RequestVote that was granted", true, func(s *script, term int) { s.askVote(2, term, 0, 0) }},
		{"a RequestVote of the same term that was refused", false, func(s *script, term int) { s.askVote(2, 10, 0, 0) }},
		{"a RequestVote of an earlier term", false, func(s *script, term int) { s.askVote(2, 9, 0, 0) }},
		{"an AppendEntries of an earlier term", false, func(s *script, term int) { s.appendEntries(2, 9, 0, 0, 0) }},
	}
	for _, c := range cases {
		s := startScript(w, 3)
		// s0 votes for s1 in term 10, and knows it as the leader.
		s.askVote(1, 10, 0, 0)
		s.appendEntries(1, 10, 0, 0, 0)
		mark := s.peers[1].count()
		began := w.Now()
		for i := 1; w.Now()-began < 2*silence && len(s.peers[1].votes(mark)) == 0; i++ {
			w.Sleep(calm / 3)
			if len(s.peers[1].votes(mark)) > 0 {
				break
			}
			c.send(s, 10+i)
		}
		asked := len(s.peers[1].votes(mark)) > 0
		if c.resets {
			s.rule(!asked, rule, "every %v came %s, and yet s0 started an election", calm/3, c.what)
		} else {
			s.rule(asked, rule, "for %v nothing came but, every %v, %s; and s0 started no election", 2*silence, calm/3, c.what)
		}
		s.crash(nil)
	}
}
