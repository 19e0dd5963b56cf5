package raft

// Peer calls another server of the cluster. A *rpc.Client of net/rpc is a Peer,
// and so is the simulated network's client.
//
// A call sends its arguments, waits for the answer and puts it in reply. It
// returns an error when no answer came, after a time that may be much longer
// than a heartbeat interval: the request may not have arrived, or it may have
// been handled and only the reply was lost.
type Peer interface {
	// Call calls "Raft.RequestVote", "Raft.AppendEntries" or
	// "Raft.InstallSnapshot" on the other server.
	Call(serviceMethod string, args, reply any) error
}

// An Entry is one entry of the log. Its index is its place in the log: the
// first entry has index 1.
type Entry struct {
	Term    int    // Term is the term in which a leader received the entry.
	Command []byte // Command is for the state machine; to Raft it is only bytes.
}

// RequestVoteArgs is sent by a candidate to gather votes (Figure 2, RequestVote
// RPC).
type RequestVoteArgs struct {
	Term         int // Term is the candidate's term.
	CandidateID  int // CandidateID is the candidate that asks for the vote: its place among the peers.
	LastLogIndex int // LastLogIndex is the index of the candidate's last log entry (§5.4.1).
	LastLogTerm  int // LastLogTerm is the term of the candidate's last log entry (§5.4.1).
}

// RequestVoteReply is the answer to a RequestVote (Figure 2).
type RequestVoteReply struct {
	Term        int  // Term is the voter's current term, for the candidate to update itself.
	VoteGranted bool // VoteGranted says that the candidate received the vote.
}

// AppendEntriesArgs is sent by the leader to replicate log entries; it is also
// the heartbeat (Figure 2, AppendEntries RPC).
type AppendEntriesArgs struct {
	Term         int     // Term is the leader's term.
	LeaderID     int     // LeaderID is the leader's place among the peers.
	PrevLogIndex int     // PrevLogIndex is the index of the entry just before the new ones.
	PrevLogTerm  int     // PrevLogTerm is the term of that entry.
	Entries      []Entry // Entries are the entries to store: none in a heartbeat, several for efficiency.
	LeaderCommit int     // LeaderCommit is the leader's commitIndex.
}

// AppendEntriesReply is the answer to an AppendEntries (Figure 2). When the
// follower's log does not match, the two conflict fields let the leader go back
// past a whole term at once. Section 5.3 of the paper sketches this at its end:
//
//   - The follower has an entry at PrevLogIndex, of another term: ConflictTerm is
//     that term, and ConflictIndex is the first index the follower stores for it.
//   - The follower's log is too short: ConflictTerm is 0, and ConflictIndex is
//     the index after its last entry.
type AppendEntriesReply struct {
	Term          int  // Term is the follower's current term, for the leader to update itself.
	Success       bool // Success says that the follower had an entry matching PrevLogIndex and PrevLogTerm, and now stores Entries.
	ConflictTerm  int  // ConflictTerm is the term of the entry in conflict, or 0 when there is none.
	ConflictIndex int  // ConflictIndex is where the conflict begins.
}

// InstallSnapshotArgs is sent by the leader to a follower that is so far behind
// that the leader no longer has the entries it needs (Figure 13).
//
// The paper sends a snapshot in chunks. Here it always goes in one piece.
type InstallSnapshotArgs struct {
	Term              int    // Term is the leader's term.
	LeaderID          int    // LeaderID is the leader's place among the peers.
	LastIncludedIndex int    // LastIncludedIndex is the index of the last entry that the snapshot replaces.
	LastIncludedTerm  int    // LastIncludedTerm is the term of that entry.
	Offset            int    // Offset is where Data belongs in the snapshot: always 0.
	Data              []byte // Data is the snapshot. It may be empty.
	Done              bool   // Done says that this is the last chunk: always true.
}

// InstallSnapshotReply is the answer to an InstallSnapshot (Figure 13).
type InstallSnapshotReply struct {
	Term int // Term is the follower's current term, for the leader to update itself.
}
