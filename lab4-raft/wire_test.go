package raft_test

import (
	"fmt"
	"sync"

	raft "distsys/lab4-raft"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
)

// A wireCheck watches what the servers of a cluster tell each other, in every
// cluster test, and fails the world when a message breaks one of the paper's
// safety properties.
type wireCheck struct {
	w  *simtest.World
	mu sync.Mutex

	n int // servers in the cluster

	leaders map[int]string    // by term: who sent entries or heartbeats
	votes   map[ballot]string // by voter and term: who got the vote
	entries map[place]string  // by index and term: the command
	asked   map[uint64]int    // by request: the index up to which a success stores the log
	acked   map[string]int    // by server: the highest index that it is known to have stored
}

type ballot struct {
	voter string
	term  int
}

type place struct{ index, term int }

func newWireCheck(w *simtest.World, n int) *wireCheck {
	return &wireCheck{
		w: w, n: n, leaders: map[int]string{}, votes: map[ballot]string{}, entries: map[place]string{},
		asked: map[uint64]int{}, acked: map[string]int{},
	}
}

// observe is called for each message when it is sent.
func (c *wireCheck) observe(m *simnet.Message) {
	c.mu.Lock()
	mistake := c.check(m)
	c.mu.Unlock()
	if mistake != "" {
		c.w.Errorf("%s", mistake)
	}
}

func (c *wireCheck) check(m *simnet.Message) string {
	if m.Reply {
		return c.checkReply(m)
	}
	switch args := m.Body.(type) {
	case raft.RequestVoteArgs:
		// A candidate has voted for itself.
		return c.vote(m.From, args.Term, m.From)
	case raft.AppendEntriesArgs:
		if s := c.leader(m.From, args.Term); s != "" {
			return s
		}
		last := args.PrevLogIndex + len(args.Entries)
		c.asked[m.ID] = last
		c.acked[m.From] = max(c.acked[m.From], last) // A leader stores what it sends.
		if s := c.commit(m.From, args.LeaderCommit); s != "" {
			return s
		}
		return c.logMatching(m.From, args)
	case raft.InstallSnapshotArgs:
		c.asked[m.ID] = args.LastIncludedIndex
		c.acked[m.From] = max(c.acked[m.From], args.LastIncludedIndex)
		return c.leader(m.From, args.Term)
	}
	return ""
}

func (c *wireCheck) checkReply(m *simnet.Message) string {
	switch reply := m.Body.(type) {
	case raft.RequestVoteReply:
		if !reply.VoteGranted {
			return ""
		}
		var args raft.RequestVoteArgs
		if err := m.Args(&args); err != nil {
			return err.Error()
		}
		return c.vote(m.From, args.Term, m.To)
	case raft.AppendEntriesReply:
		if reply.Success {
			c.acked[m.From] = max(c.acked[m.From], c.asked[m.ID])
		}
	case raft.InstallSnapshotReply:
		c.acked[m.From] = max(c.acked[m.From], c.asked[m.ID])
	}
	return ""
}

// commit checks that what a leader calls committed is on a majority: itself,
// and those that have acknowledged it.
func (c *wireCheck) commit(leader string, index int) string {
	have := 1
	for server, acked := range c.acked {
		if server != leader && acked >= index {
			have++
		}
	}
	if index == 0 || have > c.n/2 {
		return ""
	}
	return fmt.Sprintf("%s says that index %d is committed, but only %d of %d servers, itself included, ever acknowledged it.\n"+
		"rule: an entry is committed once it is stored on a majority; matchIndex is what a follower is known to store (§5.3, Figure 2)", leader, index, have, c.n)
}

func (c *wireCheck) leader(from string, term int) string {
	if other, ok := c.leaders[term]; ok && other != from {
		return fmt.Sprintf("%s and %s both act as the leader of term %d.\nrule: at most one leader can be elected in a given term (Election Safety, Figure 3, §5.2)", other, from, term)
	}
	c.leaders[term] = from
	return ""
}

func (c *wireCheck) vote(voter string, term int, candidate string) string {
	b := ballot{voter, term}
	if other, ok := c.votes[b]; ok && other != candidate {
		return fmt.Sprintf("%s voted for %s in term %d, and for %s in the same term.\nrule: each server votes for at most one candidate in a term (§5.2); votedFor is persistent (Figure 2)", voter, other, term, candidate)
	}
	c.votes[b] = candidate
	return ""
}

// logMatching checks that an index and a term name one command, whoever sends
// it.
func (c *wireCheck) logMatching(from string, args raft.AppendEntriesArgs) string {
	for i, e := range args.Entries {
		p := place{args.PrevLogIndex + 1 + i, e.Term}
		command, ok := c.entries[p]
		if !ok {
			c.entries[p] = string(e.Command)
			continue
		}
		if command != string(e.Command) {
			return fmt.Sprintf("%s sends %q as the entry with index %d and term %d; that was %q before.\nrule: entries with the same index and term store the same command (Log Matching, Figure 3, §5.3)",
				from, clip(string(e.Command)), p.index, p.term, clip(command))
		}
	}
	return ""
}

// describe gives a message in few words, for the event log.
func describe(method string, v any) string {
	switch v := v.(type) {
	case raft.RequestVoteArgs:
		return fmt.Sprintf("term %d, last entry %d@%d", v.Term, v.LastLogIndex, v.LastLogTerm)
	case raft.RequestVoteReply:
		return fmt.Sprintf("term %d, granted %v", v.Term, v.VoteGranted)
	case raft.AppendEntriesArgs:
		return fmt.Sprintf("term %d, prev %d@%d, %s, commit %d", v.Term, v.PrevLogIndex, v.PrevLogTerm, describeEntries(v), v.LeaderCommit)
	case raft.AppendEntriesReply:
		if v.Success {
			return fmt.Sprintf("term %d, success", v.Term)
		}
		return fmt.Sprintf("term %d, refused, conflict index %d, term %d", v.Term, v.ConflictIndex, v.ConflictTerm)
	case raft.InstallSnapshotArgs:
		return fmt.Sprintf("term %d, up to %d@%d, %d bytes", v.Term, v.LastIncludedIndex, v.LastIncludedTerm, len(v.Data))
	case raft.InstallSnapshotReply:
		return fmt.Sprintf("term %d", v.Term)
	case raft.DoArgs:
		return describeRequest(v)
	case raft.DoReply:
		return describeReply(v)
	}
	return fmt.Sprintf("%+v", v)
}

func describeEntries(a raft.AppendEntriesArgs) string {
	switch n := len(a.Entries); n {
	case 0:
		return "heartbeat"
	case 1:
		return fmt.Sprintf("entry %d@%d", a.PrevLogIndex+1, a.Entries[0].Term)
	default:
		return fmt.Sprintf("entries %d@%d to %d@%d", a.PrevLogIndex+1, a.Entries[0].Term, a.PrevLogIndex+n, a.Entries[n-1].Term)
	}
}
