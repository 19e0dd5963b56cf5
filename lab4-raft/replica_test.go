package raft_test

import (
	"fmt"
	"math"
	"strings"
	"sync"

	raft "distsys/lab4-raft"
)

// A leader is a peer that leads s0. It has a log and sends what a correct leader
// with that log could send, also late, twice or out of order.
type leader struct {
	s    *script
	id   int
	term int
	log  []raft.Entry // the first has index 1
}

// leader makes a peer the leader of a term. Its log has entries of the given
// terms.
func (s *script) leader(id, term int, terms ...int) *leader {
	return &leader{s, id, term, entries(1, terms...)}
}

// termAt returns the term of an entry, 0 for index 0.
func (l *leader) termAt(index int) int {
	if index == 0 {
		return 0
	}
	return l.log[index-1].Term
}

// terms returns the terms of the leader's entries.
func (l *leader) terms() (list []int) {
	for _, e := range l.log {
		list = append(list, e.Term)
	}
	return list
}

// send sends s0 the n entries after prev: none is a heartbeat.
func (l *leader) send(prev, n, commit int) (reply raft.AppendEntriesReply) {
	l.s.call(l.id, "AppendEntries", &raft.AppendEntriesArgs{
		Term: l.term, LeaderID: l.id, PrevLogIndex: prev, PrevLogTerm: l.termAt(prev),
		Entries: l.log[prev : prev+n], LeaderCommit: commit,
	}, &reply)
	return reply
}

// give has s0 store the leader's first n entries, and apply some of them.
func (l *leader) give(n, commit int) {
	reply := l.send(0, n, 0)
	l.s.rule(reply.Success, success, "s0 refused [%s], with prev 0@0: %+v", names(l.log[:n]), reply)
	l.send(n, 0, commit)
	l.s.applies(names(l.log[:commit]), ruleApply, fmt.Sprintf("after it got [%s], and a heartbeat with commit %d", names(l.log[:n]), commit))
}

// lacks finds out that s0 does not store the leader's entry at index: it refuses
// an entry behind it.
func (l *leader) lacks(index int) bool {
	next := entries(index+1, l.term)
	if index < len(l.log) {
		next = l.log[index : index+1]
	}
	var reply raft.AppendEntriesReply
	l.s.call(l.id, "AppendEntries", &raft.AppendEntriesArgs{
		Term: l.term, LeaderID: l.id, PrevLogIndex: index, PrevLogTerm: l.termAt(index), Entries: next,
	}, &reply)
	return !reply.Success
}

// install sends s0 a snapshot of everything up to index.
func (l *leader) install(index int) (reply raft.InstallSnapshotReply) {
	l.s.call(l.id, "InstallSnapshot", &raft.InstallSnapshotArgs{
		Term: l.term, LeaderID: l.id, LastIncludedIndex: index, LastIncludedTerm: l.termAt(index),
		Data: []byte(l.s.state(index)), Done: true,
	}, &reply)
	return reply
}

// state is the snapshot that a service takes after the command at index.
func state(index int) string { return fmt.Sprintf("state after %d commands", index) }

// snapshot has the service take a snapshot. It waits a moment: a server may well
// note that a command is applied only after the service took it.
func (s *script) snapshot(index int) {
	s.w.Sleep(hop)
	s.run.rf.Snapshot(index, []byte(s.state(index)))
}

// stores has s0 store entries of the given terms, and commits none. The leader
// that sends them is s1, in the term of the last entry.
func (s *script) stores(terms ...int) *leader {
	term := 1
	if len(terms) > 0 {
		term = terms[len(terms)-1]
	}
	l := s.leader(1, term, terms...)
	reply := l.send(0, len(terms), 0)
	s.rule(reply.Success, success, "s0 was empty and refused [%s], with prev 0@0, from the leader of term %d: %+v", names(l.log), term, reply)
	return l
}

const success = "a follower accepts entries that follow an entry it has (§5.3); the start of the log needs none"

// expectLog ends a part of a test: s0's log, or what a snapshot of it stands for,
// must be entries of exactly the given terms, with the commands of that name.
// Others who might lead find that nothing follows them; then a new leader, which
// is returned, appends one entry, and commits all.
func (s *script) expectLog(sentence, what string, terms ...int) *leader {
	n := len(terms)
	for last := s.term(); last > 0; last-- {
		term := s.term() + 1
		reply := s.appendEntries(1, term, n+1, last, 0, term)
		s.rule(!reply.Success, sentence, "%s. Now s0's log should be [%s] and end there. But it accepts an entry behind %d@%d", what, names(entries(1, terms...)), n+1, last)
	}
	term := s.term() + 1
	l := s.leader(2, term, append(append([]int(nil), terms...), term)...)
	reply := l.send(n, 1, 0)
	s.rule(reply.Success, sentence, "%s. Now s0's log should be [%s]. But it refuses an entry behind %d@%d: %+v", what, names(l.log[:n]), n, l.termAt(n), reply)
	l.send(n+1, 0, n+1)
	s.within(settle, func() bool { return s.lastApplied() == n+1 })
	s.rule(s.lastApplied() == n+1, ruleApply, "%s. Now s0's log should be [%s]. A leader appended one entry and committed all, but s0 has applied [%s]", what, names(l.log[:n]), s.commands())
	for _, m := range s.history() {
		want := l.log[m.Index-1]
		if m.IsSnapshot {
			s.rule(m.Term == want.Term, "ApplyMsg.Term is the term of the entry at Index", "s0 gave its state machine a snapshot up to %s, and said that the term there is %d", want.Command, m.Term)
			continue
		}
		s.rule(string(m.Command) == string(want.Command), sentence,
			"%s. Now s0's log should be [%s]. A leader appended one entry and committed all. At index %d s0 has applied %q", what, names(l.log[:n]), m.Index, m.Command)
	}
	return l
}

// lastApplied returns the index that s0's state machine has reached.
func (s *script) lastApplied() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reached
}

// A replica is a peer that follows s0 by the book. It only leaves unanswered
// what the test wants it to.
type replica struct {
	mu       sync.Mutex
	term     int
	votedFor int          // -1 is nobody
	base     int          // the index of log[0]
	log      []raft.Entry // log[0] is no entry; it has the term of the one before the first
	limit    int          // see upTo
	refused  map[int]bool // the values of PrevLogIndex that did not match
}

// replica makes a peer one. Its log has entries of the given terms.
func (s *script) replica(id int, terms ...int) *replica {
	r := &replica{votedFor: -1, log: append(make([]raft.Entry, 1), entries(1, terms...)...), limit: math.MaxInt, refused: map[int]bool{}}
	r.term = r.log[len(terms)].Term
	s.peers[id].set(func(p *peer) { p.vote, p.append, p.install = r.requestVote, r.appendEntries, r.installSnapshot })
	return r
}

// replicas makes all peers replicas with the same log. The first one is nil.
func (s *script) replicas(terms ...int) []*replica {
	list := make([]*replica, len(s.peers))
	for id := 1; id < len(list); id++ {
		list[id] = s.replica(id, terms...)
	}
	return list
}

// upTo makes the replica leave unanswered what it would accept beyond limit. With
// a negative limit it answers nothing but RequestVotes.
func (r *replica) upTo(limit int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = limit
}

// nothing makes the replica answer no AppendEntries and no InstallSnapshot.
func (r *replica) nothing() { r.upTo(-1) }

// everything makes the replica answer all requests.
func (r *replica) everything() { r.upTo(math.MaxInt) }

// sees makes the replica learn of a term, and vote for somebody in it.
func (r *replica) sees(term, vote int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.term, r.votedFor = term, vote
}

// lastIndex returns the index of the last entry.
func (r *replica) lastIndex() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last()
}

// refusals returns how many places the leader tried that did not match.
func (r *replica) refusals() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.refused)
}

func (r *replica) last() int { return r.base + len(r.log) - 1 }

// String gives the log, as "1@1 2@1 ...".
func (r *replica) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := names(r.log[1:])
	if r.base > 0 {
		text = strings.TrimSpace(fmt.Sprintf("snapshot(%d) %s", r.base, text))
	}
	return text
}

func (r *replica) adopt(term int) {
	if term > r.term {
		r.term, r.votedFor = term, -1
	}
}

func (r *replica) requestVote(a raft.RequestVoteArgs) *raft.RequestVoteReply {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.adopt(a.Term)
	term := r.log[len(r.log)-1].Term
	upToDate := a.LastLogTerm > term || a.LastLogTerm == term && a.LastLogIndex >= r.last()
	if a.Term == r.term && (r.votedFor < 0 || r.votedFor == a.CandidateID) && upToDate {
		r.votedFor = a.CandidateID
		return &raft.RequestVoteReply{Term: r.term, VoteGranted: true}
	}
	return &raft.RequestVoteReply{Term: r.term}
}

func (r *replica) appendEntries(a raft.AppendEntriesArgs) *raft.AppendEntriesReply {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limit < 0 {
		return nil
	}
	if a.Term < r.term {
		return &raft.AppendEntriesReply{Term: r.term}
	}
	r.adopt(a.Term)
	if reply := r.check(a); reply != nil {
		r.refused[a.PrevLogIndex] = true
		return reply
	}
	if a.PrevLogIndex+len(a.Entries) > r.limit {
		return nil
	}
	for i, e := range a.Entries {
		at := a.PrevLogIndex + 1 + i - r.base
		if at < 1 || at < len(r.log) && r.log[at].Term == e.Term {
			continue
		}
		r.log = append(r.log[:at:at], e)
	}
	return &raft.AppendEntriesReply{Term: r.term, Success: true}
}

// check returns the refusal of entries that do not match the log, or nil.
func (r *replica) check(a raft.AppendEntriesArgs) *raft.AppendEntriesReply {
	if a.PrevLogIndex > r.last() {
		return &raft.AppendEntriesReply{Term: r.term, ConflictIndex: r.last() + 1}
	}
	if a.PrevLogIndex < r.base {
		return nil // committed, so it is the same
	}
	index, term := a.PrevLogIndex, r.log[a.PrevLogIndex-r.base].Term
	if term == a.PrevLogTerm {
		return nil
	}
	for index-1 > r.base && r.log[index-1-r.base].Term == term {
		index--
	}
	return &raft.AppendEntriesReply{Term: r.term, ConflictTerm: term, ConflictIndex: index}
}

func (r *replica) installSnapshot(a raft.InstallSnapshotArgs) *raft.InstallSnapshotReply {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.LastIncludedIndex > r.limit {
		return nil
	}
	r.adopt(a.Term)
	if a.Term < r.term || a.LastIncludedIndex <= r.base {
		return &raft.InstallSnapshotReply{Term: r.term}
	}
	rest := []raft.Entry{{Term: a.LastIncludedTerm}}
	if at := a.LastIncludedIndex - r.base; at < len(r.log) && r.log[at].Term == a.LastIncludedTerm {
		rest = append(rest, r.log[at+1:]...)
	}
	r.base, r.log = a.LastIncludedIndex, rest
	return &raft.InstallSnapshotReply{Term: r.term}
}
