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
	todo("4D", "Snapshot: replace the log up to index by the snapshot (§7)")
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
	todo("4D", "InstallSnapshot: take in the leader's snapshot (Figure 13)")
	return nil
}

// TODO(4D): send the snapshot to a peer whose next entry is no longer in the log,
// and tell the service of a snapshot before the entries that follow it (§7).
