package raft

// Snapshot tells the server that the service has written down its state after
// executing the command at index. The server keeps the snapshot and drops the log
// up to there (§7). A snapshot that is no newer than the one it has is ignored.
//
// The caller must not change the snapshot afterwards.
func (rf *Raft) Snapshot(index int, snapshot []byte) {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	if rf.stopped {
		return
	}
	// TODO(4D): drop the log up to index and keep the snapshot in its place, also
	// through a crash (§7). Only entries that were applied may go.
	// BEGIN SOLUTION
	if index <= rf.log.base || index > rf.lastApplied {
		return
	}
	rf.log.compact(index, rf.log.term(index))
	rf.snapshot = snapshot
	rf.persist()
	// END SOLUTION
	// STUB: todo("4D", "Snapshot: replace the log up to index by the snapshot (§7)")
}

// InstallSnapshot takes in the leader's snapshot (Figure 13).
func (rf *Raft) InstallSnapshot(args *InstallSnapshotArgs, reply *InstallSnapshotReply) error {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	if rf.stopped {
		return ErrStopped
	}
	// TODO(4D): refuse a leader of an earlier term, follow any other. Put the
	// snapshot in the place of the log up to it, keep what follows it if that
	// matches (rules 6 and 7), and have it applied (rule 8). A snapshot that brings
	// nothing new changes nothing. Mind the entries that are just being applied.
	// BEGIN SOLUTION
	if args.Term < rf.currentTerm {
		reply.Term = rf.currentTerm
		return nil
	}
	rf.becomeFollower(args.Term)
	rf.resetElectionTimer()
	reply.Term = rf.currentTerm
	if args.LastIncludedIndex <= rf.commitIndex {
		return nil // old: all of it is here, and is applied from the log
	}
	rf.log.compact(args.LastIncludedIndex, args.LastIncludedTerm)
	rf.snapshot = args.Data
	rf.persist()
	rf.commit(args.LastIncludedIndex)
	// END SOLUTION
	// STUB: todo("4D", "InstallSnapshot: take in the leader's snapshot (Figure 13)")
	return nil
}

// TODO(4D): send the snapshot to a peer whose next entry is no longer in the log,
// and tell the service of a snapshot before the entries that follow it (§7).
// BEGIN SOLUTION

// snapshotArgs returns the InstallSnapshot request for a peer that lacks entries
// from before the log. The mutex is held.
func (rf *Raft) snapshotArgs() *InstallSnapshotArgs {
	return &InstallSnapshotArgs{
		Term:              rf.currentTerm,
		LeaderID:          rf.me,
		LastIncludedIndex: rf.log.base,
		LastIncludedTerm:  rf.log.term(rf.log.base),
		Data:              rf.snapshot,
		Done:              true,
	}
}

// sendSnapshot sends a peer one InstallSnapshot request and deals with the answer.
func (rf *Raft) sendSnapshot(peer int, args *InstallSnapshotArgs, answered chan<- struct{}) {
	reply := &InstallSnapshotReply{}
	if err := rf.peers[peer].Call("Raft.InstallSnapshot", args, reply); err != nil {
		return
	}
	defer close(answered)
	rf.mu.Lock()
	defer rf.mu.Unlock()
	if rf.isCurrent(leader, args.Term, reply.Term) {
		rf.matched(peer, args.LastIncludedIndex)
	}
}

// snapshotMsg returns the message that gives the service the snapshot. The mutex
// is held.
func (rf *Raft) snapshotMsg() ApplyMsg {
	return ApplyMsg{
		Index:      rf.log.base,
		Term:       rf.log.term(rf.log.base),
		IsSnapshot: true,
		Snapshot:   rf.snapshot,
	}
}

// END SOLUTION
