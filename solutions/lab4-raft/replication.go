package raft

import (
	"slices"
	"time"
)

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
	// BEGIN SOLUTION
	rf.log.append(Entry{Term: rf.currentTerm, Command: command})
	rf.persist() // the leader counts itself among those that store the entry
	rf.matchIndex[rf.me] = rf.log.lastIndex()
	for peer := range rf.peers {
		signal(rf.wake[peer])
	}
	rf.advanceCommitIndex() // in a cluster of one it is committed
	return rf.log.lastIndex(), rf.currentTerm, true
	// END SOLUTION
	// STUB: todo("4B", "Propose: append the command to the log and send it to all peers (§5.3)")
	// STUB: return 0, rf.currentTerm, false
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
	// BEGIN SOLUTION
	if args.Term < rf.currentTerm {
		reply.Term = rf.currentTerm
		return nil
	}
	rf.becomeFollower(args.Term) // also a candidate of this term: it has lost
	rf.resetElectionTimer()
	reply.Term = rf.currentTerm
	// END SOLUTION
	// STUB: todo("4A", "AppendEntries: refuse an old leader, follow the current one (§5.1, §5.2)")

	// TODO(4B): refuse entries that do not connect to this log, and tell the leader
	// where to go on (rule 2, the end of §5.3). Store those that do. Remove entries
	// only if they are in conflict with new ones: this message may be old, and the
	// log may have grown since (rules 3 and 4).
	// BEGIN SOLUTION
	if !rf.connects(args.PrevLogIndex, args.PrevLogTerm) {
		reply.ConflictTerm, reply.ConflictIndex = rf.conflict(args.PrevLogIndex)
		return nil
	}
	rf.store(args.PrevLogIndex+1, args.Entries)
	// END SOLUTION
	// STUB: if args.PrevLogIndex > 0 || len(args.Entries) > 0 {
	// STUB: 	todo("4B", "AppendEntries: check the log and store the entries (rules 2 to 4, §5.3)")
	// STUB: 	return nil
	// STUB: }
	reply.Success = true

	// TODO(4B): learn what is committed (rule 5).
	// BEGIN SOLUTION
	// Up to the last new entry this log is like the leader's. What comes after it
	// was not checked, and may be something else than what the leader committed.
	rf.commit(min(args.LeaderCommit, args.PrevLogIndex+len(args.Entries)))
	// END SOLUTION
	// STUB: if args.LeaderCommit > rf.commitIndex {
	// STUB: 	todo("4B", "AppendEntries: raise commitIndex (rule 5) and apply what is committed (§5.3)")
	// STUB: }
	return nil
}

// TODO(4B): the parts of AppendEntries that deserve a function of their own.
// BEGIN SOLUTION

// connects reports whether the log has the entry that precedes the leader's new
// ones. If it does, all entries up to there are the same as well (§5.3: Log
// Matching Property). The mutex is held.
func (rf *Raft) connects(prevIndex, prevTerm int) bool {
	if prevIndex <= rf.log.base {
		return true // the start of the log, or in the snapshot: committed, so the same
	}
	return prevIndex <= rf.log.lastIndex() && rf.log.term(prevIndex) == prevTerm
}

// conflict returns what the leader is told about an entry that does not connect,
// see [AppendEntriesReply]. The mutex is held.
func (rf *Raft) conflict(prevIndex int) (term, index int) {
	if prevIndex > rf.log.lastIndex() {
		return 0, rf.log.lastIndex() + 1
	}
	term, index = rf.log.term(prevIndex), prevIndex
	for index-1 > rf.log.base && rf.log.term(index-1) == term {
		index--
	}
	return term, index
}

// store puts entries in the log, the first of them at the given index. The log
// connects to it. Entries that are there already stay, and so does what follows
// them: only an entry of another term ends the common part (rules 3 and 4). The
// mutex is held.
func (rf *Raft) store(index int, entries []Entry) {
	for i, entry := range entries {
		at := index + i
		known := at <= rf.log.base || at <= rf.log.lastIndex() && rf.log.term(at) == entry.Term
		if !known {
			rf.log.truncate(at)
			rf.log.append(entries[i:]...)
			rf.persist() // before the leader is told that they are stored
			return
		}
	}
}

// END SOLUTION

// TODO(4A): as the leader, send each peer a heartbeat every heartbeatInterval until
// the term is over. A call may take seconds to fail, and the next heartbeat cannot
// wait for that.
//
// TODO(4B): send each peer the entries from its nextIndex on (§5.3). Commands that
// come while a request is under way are best sent together, in the next one.
// BEGIN SOLUTION 4A

// replicator makes one peer's log like the leader's, and sends it heartbeats,
// until the term is over.
//
// It waits for the answer to a request before it sends the next one. What is
// proposed meanwhile travels together, and no entry is sent twice: only an answer
// moves nextIndex. But it never waits longer than until a heartbeat is due, for
// the request may be lost, and its call may hang for seconds. The heartbeat again
// carries all entries from nextIndex on, which makes up for the loss.
//
// A call that fails at once is no answer: a peer that is down is tried again with
// the next heartbeat, not with each command.
func (rf *Raft) replicator(peer, term int, wake <-chan struct{}) {
	for {
		heartbeat := time.After(heartbeatInterval)
		answered := rf.sendNext(peer, term)
		if answered == nil {
			return
		}
		select {
		case <-answered:
			select {
			case <-wake:
			case <-heartbeat:
			}
		case <-heartbeat:
		}
	}
}

// sendNext sends a peer what it needs next. It returns a channel that is closed
// when the answer has been dealt with, or nil if this server does not lead in that
// term any more.
func (rf *Raft) sendNext(peer, term int) <-chan struct{} {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	if rf.role != leader || rf.currentTerm != term {
		return nil
	}
	answered := make(chan struct{})
	// END SOLUTION
	// BEGIN SOLUTION 4D
	if rf.nextIndex[peer] <= rf.log.base { // what it needs is only in the snapshot
		go rf.sendSnapshot(peer, rf.snapshotArgs(), answered)
		return answered
	}
	// END SOLUTION
	// BEGIN SOLUTION 4A
	go rf.sendEntries(peer, rf.appendArgs(peer), answered)
	return answered
}

// appendArgs returns the AppendEntries request for a peer. Without new entries it
// is a heartbeat. The mutex is held.
func (rf *Raft) appendArgs(peer int) *AppendEntriesArgs {
	next := rf.nextIndex[peer]
	return &AppendEntriesArgs{
		Term:         rf.currentTerm,
		LeaderID:     rf.me,
		PrevLogIndex: next - 1,
		PrevLogTerm:  rf.log.term(next - 1),
		Entries:      rf.log.from(next),
		LeaderCommit: rf.commitIndex,
	}
}

// sendEntries sends a peer one AppendEntries request and deals with the answer.
func (rf *Raft) sendEntries(peer int, args *AppendEntriesArgs, answered chan<- struct{}) {
	reply := &AppendEntriesReply{}
	if err := rf.peers[peer].Call("Raft.AppendEntries", args, reply); err != nil {
		return
	}
	defer close(answered)
	rf.mu.Lock()
	defer rf.mu.Unlock()
	if !rf.isCurrent(leader, args.Term, reply.Term) {
		return
	}
	// END SOLUTION
	// BEGIN SOLUTION 4B
	if reply.Success {
		rf.matched(peer, args.PrevLogIndex+len(args.Entries))
	} else {
		rf.goBack(peer, args, reply)
	}
	// END SOLUTION
	// BEGIN SOLUTION 4A
}

// signal wakes the goroutine that receives from c, now or when it next does. The
// channel has room for one, so a signal is never lost, and several count as one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// END SOLUTION

// TODO(4B): deal with the answers: keep nextIndex and matchIndex (§5.3), and find
// out which entries are committed (§5.3, §5.4.2). Answers may come late, twice or
// in another order than their requests.
// BEGIN SOLUTION

// matched takes in that a peer's log is like the leader's up to index. That is
// known from what was sent: the leader's log may have grown since. It remains
// true, so an older answer that comes late changes nothing. The mutex is held.
func (rf *Raft) matched(peer, index int) {
	rf.matchIndex[peer] = max(rf.matchIndex[peer], index)
	rf.nextIndex[peer] = max(rf.nextIndex[peer], index+1)
	rf.sendRest(peer)
	rf.advanceCommitIndex()
}

// goBack moves nextIndex back after a peer refused entries that do not connect to
// its log (the end of §5.3). The mutex is held.
func (rf *Raft) goBack(peer int, args *AppendEntriesArgs, reply *AppendEntriesReply) {
	if args.PrevLogIndex != rf.nextIndex[peer]-1 || args.PrevLogIndex <= rf.matchIndex[peer] {
		return // a late answer: nextIndex has moved since
	}
	// If the leader has entries of the conflicting term, the logs may agree up to
	// the last of them. If not, they differ in all of that term's entries.
	next := reply.ConflictIndex
	if last := rf.lastOfTerm(reply.ConflictTerm, args.PrevLogIndex); last > 0 {
		next = last + 1
	}
	next = min(next, args.PrevLogIndex) // whatever the answer says, go back
	rf.nextIndex[peer] = max(next, rf.matchIndex[peer]+1)
	rf.sendRest(peer)
}

// lastOfTerm returns the index of the last entry of a term, looking back from
// index, or 0 when there is none. The mutex is held.
func (rf *Raft) lastOfTerm(term, index int) int {
	for index > rf.log.base && rf.log.term(index) > term {
		index--
	}
	if index > rf.log.base && rf.log.term(index) == term {
		return index
	}
	return 0
}

// sendRest lets a peer's replicator go on at once if the peer lacks entries. The
// mutex is held.
func (rf *Raft) sendRest(peer int) {
	if rf.nextIndex[peer] <= rf.log.lastIndex() {
		signal(rf.wake[peer])
	}
}

// advanceCommitIndex commits what a majority stores. The leader counts only
// entries of its own term: one of an earlier term may still be overwritten,
// although a majority stores it (§5.4.2, Figure 8). It is committed along with the
// first of the leader's own that follows it. The mutex is held.
func (rf *Raft) advanceCommitIndex() {
	// Sorted, the first (n-1)/2 may have less than the one after them; it and the
	// rest are a majority.
	sorted := slices.Sorted(slices.Values(rf.matchIndex))
	index := sorted[(len(sorted)-1)/2]
	if index > rf.commitIndex && rf.log.term(index) == rf.currentTerm {
		rf.commit(index)
	}
}

// commit raises commitIndex; it never goes back. The mutex is held.
func (rf *Raft) commit(index int) {
	if index > rf.commitIndex {
		rf.commitIndex = index
		signal(rf.applyWake)
	}
}

// END SOLUTION

// TODO(4B): send what is committed on the apply channel, in the order of the log,
// each entry once (§5.3). Do it from one goroutine, which waits without the mutex:
// the service may call Propose or Snapshot before it reads on.
// BEGIN SOLUTION

// applier is the one goroutine that sends on the apply channel: so the messages
// come in order. It runs as long as the server.
func (rf *Raft) applier() {
	for {
		msg, ok := rf.nextMsg()
		if !ok {
			select {
			case <-rf.applyWake:
				continue
			case <-rf.done:
				return
			}
		}
		select {
		case rf.apply <- msg:
		case <-rf.done:
			return
		}
	}
}

// nextMsg returns what the service must be told next, if there is anything. It
// moves lastApplied before the message is sent. So whatever happens until the
// service takes it, the next message goes on from there.
func (rf *Raft) nextMsg() (msg ApplyMsg, ok bool) {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	if rf.stopped {
		return ApplyMsg{}, false
	}
	// END SOLUTION
	// BEGIN SOLUTION 4D
	if rf.lastApplied < rf.log.base {
		// The next entry is gone. The snapshot came from the leader or, after a
		// restart, from storage, and replaces it.
		rf.lastApplied = rf.log.base
		return rf.snapshotMsg(), true
	}
	// END SOLUTION
	// BEGIN SOLUTION 4B
	if rf.lastApplied == rf.commitIndex {
		return ApplyMsg{}, false
	}
	rf.lastApplied++
	entry := rf.log.at(rf.lastApplied)
	return ApplyMsg{Index: rf.lastApplied, Term: entry.Term, Command: entry.Command}, true
}

// END SOLUTION
