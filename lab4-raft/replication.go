package raft

// Propose asks the server to have a command agreed on. It returns at once. If the
// server is the leader, the command will be at the returned index of the log, if
// it is ever committed: the leader may lose its leadership first. The service
// knows when the apply channel brings an entry with that index: it is this command
// if it has the returned term, and otherwise this command was lost.
//
// On any other server Propose does nothing, and returns index 0 and false.
//
// The caller must not change the command afterwards.
func (rf *Raft) Propose(command []byte) (index, term int, isLeader bool) {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	if rf.role != leader {
		return 0, rf.currentTerm, false
	}
	// TODO(4B): append the command to the log, and have it sent to all peers
	// without waiting for the next heartbeat (§5.3).
	todo("4B", "Propose: append the command to the log and send it to all peers (§5.3)")
	return 0, rf.currentTerm, false
}

// AppendEntries takes in entries, or a heartbeat, from a leader (Figure 2,
// AppendEntries RPC).
func (rf *Raft) AppendEntries(args *AppendEntriesArgs, reply *AppendEntriesReply) error {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	if rf.stopped {
		return ErrStopped
	}
	// TODO(4A): refuse a leader of an earlier term (rule 1). Follow any other,
	// and wait a whole election timeout again (§5.1, §5.2).
	todo("4A", "AppendEntries: refuse an old leader, follow the current one (§5.1, §5.2)")

	// TODO(4B): refuse entries that do not connect to this log, and tell the leader
	// where to go on (rule 2, the end of §5.3). Store those that do. Remove entries
	// only if they are in conflict with new ones: this message may be old, and the
	// log may have grown since (rules 3 and 4).
	if args.PrevLogIndex > 0 || len(args.Entries) > 0 {
		todo("4B", "AppendEntries: check the log and store the entries (rules 2 to 4, §5.3)")
		return nil
	}
	reply.Success = true

	// TODO(4B): learn what is committed (rule 5).
	if args.LeaderCommit > rf.commitIndex {
		todo("4B", "AppendEntries: raise commitIndex (rule 5) and apply what is committed (§5.3)")
	}
	return nil
}

// TODO(4B): the parts of AppendEntries that deserve a function of their own.

// TODO(4A): as the leader, send each peer a heartbeat every heartbeatInterval until
// the term is over. A call may take seconds to fail, and the next heartbeat cannot
// wait for that.
//
// TODO(4B): send each peer the entries from its nextIndex on (§5.3). Commands that
// come while a request is under way are best sent together, in the next one.

// TODO(4B): deal with the answers: keep nextIndex and matchIndex (§5.3), and find
// out which entries are committed (§5.3, §5.4.2). Answers may come late, twice or
// in another order than their requests.

// TODO(4B): send what is committed on the apply channel, in the order of the log,
// each entry once (§5.3). Do it from one goroutine, which waits without the mutex:
// the service may call Propose or Snapshot before it reads on.
