package raft

// RequestVote answers a candidate that asks for this server's vote (Figure 2,
// RequestVote RPC).
func (rf *Raft) RequestVote(args *RequestVoteArgs, reply *RequestVoteReply) error {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	if rf.stopped {
		return ErrStopped
	}
	// TODO(4A): adopt a higher term (§5.1). Grant at most one vote a term, and
	// only to a candidate whose log is at least as up-to-date as this one
	// (§5.2, §5.4.1).
	todo("4A", "RequestVote: decide whether to grant the vote (§5.2, §5.4.1)")
	return nil
}

// TODO(4A): a function for stepping down: back to follower, in a term that may
// be higher than the current one (§5.1). The vote belongs to a term.

// TODO(4A): an election timeout that is drawn anew each time, so that servers
// seldom become candidates together (§5.2). Wait for it again only after this
// server granted a vote, heard from the current leader, or started an election.

// TODO(4A): when the timeout passes, start an election: a new term, a vote for
// oneself, and RequestVote to all peers at the same time (§5.2). A request may be
// lost: ask again (§5.1). An answer may be old: by the time it comes, the election
// it belongs to may be over.

// TODO(4A): become leader: set nextIndex and matchIndex to their first values
// (Figure 2), and let all peers know at once with a heartbeat (§5.2).
