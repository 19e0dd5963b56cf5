package raft

import (
	"math/rand/v2"
	"time"
)

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
	// BEGIN SOLUTION
	if args.Term > rf.currentTerm {
		rf.becomeFollower(args.Term)
	}
	reply.Term = rf.currentTerm
	if args.Term < rf.currentTerm {
		return nil
	}
	free := rf.votedFor == noVote || rf.votedFor == args.CandidateID
	if free && rf.isUpToDate(args.LastLogIndex, args.LastLogTerm) {
		rf.votedFor = args.CandidateID
		rf.persist() // a server that forgets its vote could vote again
		rf.resetElectionTimer()
		reply.VoteGranted = true
	}
	// END SOLUTION
	// STUB: todo("4A", "RequestVote: decide whether to grant the vote (§5.2, §5.4.1)")
	return nil
}

// TODO(4A): a function for stepping down: back to follower, in a term that may
// be higher than the current one (§5.1). The vote belongs to a term.
// BEGIN SOLUTION

// becomeFollower makes this server a follower in a term that it heard of, its own
// or a higher one (§5.1). In its own term it keeps its vote. The mutex is held.
func (rf *Raft) becomeFollower(term int) {
	if rf.role == leader {
		rf.resetElectionTimer() // a leader has none running
	}
	rf.role = follower
	if term > rf.currentTerm {
		rf.currentTerm = term
		rf.votedFor = noVote
		rf.persist()
	}
}

// isUpToDate reports whether a log that ends with the given entry is at least as
// up-to-date as this server's: a later last term wins, and in the same term the
// longer log (§5.4.1). So the leader has every committed entry. The mutex is held.
func (rf *Raft) isUpToDate(lastIndex, lastTerm int) bool {
	myIndex := rf.log.lastIndex()
	myTerm := rf.log.term(myIndex)
	if lastTerm != myTerm {
		return lastTerm > myTerm
	}
	return lastIndex >= myIndex
}

// END SOLUTION

// TODO(4A): an election timeout that is drawn anew each time, so that servers
// seldom become candidates together (§5.2). Wait for it again only after this
// server granted a vote, heard from the current leader, or started an election.
// BEGIN SOLUTION

// electionTimeout draws a timeout.
func electionTimeout() time.Duration {
	return minElectionTimeout + rand.N(maxElectionTimeout-minElectionTimeout)
}

// resetElectionTimer waits for a whole election timeout again. The mutex is held.
func (rf *Raft) resetElectionTimer() {
	rf.electionTimer.Reset(electionTimeout())
}

// electionTimedOut is called by the election timer, in a goroutine of its own.
func (rf *Raft) electionTimedOut() {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	if rf.stopped || rf.role == leader {
		return
	}
	rf.startElection()
}

// END SOLUTION

// TODO(4A): when the timeout passes, start an election: a new term, a vote for
// oneself, and RequestVote to all peers at the same time (§5.2). A request may be
// lost: ask again (§5.1). An answer may be old: by the time it comes, the election
// it belongs to may be over.
// BEGIN SOLUTION

// startElection makes this server a candidate in a new term (§5.2). If the
// election comes to nothing, the timer starts the next one. The mutex is held.
func (rf *Raft) startElection() {
	rf.role = candidate
	rf.currentTerm++
	rf.votedFor = rf.me
	rf.persist() // before anyone hears of it
	rf.resetElectionTimer()
	rf.votes = map[int]bool{rf.me: true}

	args := &RequestVoteArgs{
		Term:         rf.currentTerm,
		CandidateID:  rf.me,
		LastLogIndex: rf.log.lastIndex(),
		LastLogTerm:  rf.log.term(rf.log.lastIndex()),
	}
	for peer := range rf.peers {
		if peer != rf.me {
			go rf.canvass(peer, args)
		}
	}
	rf.countVotes() // in a cluster of one this was the election
}

// voteInterval is how long a candidate waits for a vote before it asks again.
const voteInterval = 50 * time.Millisecond

// canvass asks a peer for its vote until it answers or the election is over. On
// a network that loses messages, one request an election would often leave the
// candidate without a majority (§5.1: servers retry RPCs). Each request has a
// goroutine of its own, since its call may take long to find out that it is lost.
func (rf *Raft) canvass(peer int, args *RequestVoteArgs) {
	for rf.awaitsVote(peer, args.Term) {
		go rf.requestVote(peer, args)
		time.Sleep(voteInterval)
	}
}

// awaitsVote reports whether this server is a candidate in the given term that
// the peer has not answered yet.
func (rf *Raft) awaitsVote(peer, term int) bool {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	_, answered := rf.votes[peer]
	return rf.role == candidate && rf.currentTerm == term && !answered
}

// requestVote asks a peer once for its vote.
func (rf *Raft) requestVote(peer int, args *RequestVoteArgs) {
	reply := &RequestVoteReply{}
	if err := rf.peers[peer].Call("Raft.RequestVote", args, reply); err != nil {
		return
	}
	rf.mu.Lock()
	defer rf.mu.Unlock()
	if rf.isCurrent(candidate, args.Term, reply.Term) {
		rf.votes[peer] = reply.VoteGranted
		rf.countVotes()
	}
}

// isCurrent looks at the terms of an answer before anything else does. An answer
// with a higher term ends this server's candidacy or leadership (§5.1). One to a
// request from an earlier term, or from a role that this server has given up,
// says nothing about the present. The mutex is held.
func (rf *Raft) isCurrent(asked role, askedTerm, replyTerm int) bool {
	if rf.stopped {
		return false
	}
	if replyTerm > rf.currentTerm {
		rf.becomeFollower(replyTerm)
	}
	return rf.role == asked && rf.currentTerm == askedTerm
}

// countVotes makes the candidate a leader once a majority has voted for it
// (§5.2). The mutex is held.
func (rf *Raft) countVotes() {
	granted := 0
	for _, yes := range rf.votes {
		if yes {
			granted++
		}
	}
	if granted > len(rf.peers)/2 {
		rf.becomeLeader()
	}
}

// END SOLUTION

// TODO(4A): become leader: set nextIndex and matchIndex to their first values
// (Figure 2), and let all peers know at once with a heartbeat (§5.2).
// BEGIN SOLUTION

// becomeLeader makes the winner of an election the leader. A replicator for each
// peer says so at once, before another server's timeout passes (§5.2). The mutex
// is held.
func (rf *Raft) becomeLeader() {
	rf.role = leader
	rf.electionTimer.Stop()
	n := len(rf.peers)
	rf.nextIndex = make([]int, n)
	rf.matchIndex = make([]int, n)
	rf.wake = make([]chan struct{}, n)
	rf.matchIndex[rf.me] = rf.log.lastIndex()
	for peer := range rf.peers {
		rf.nextIndex[peer] = rf.log.lastIndex() + 1
		rf.wake[peer] = make(chan struct{}, 1)
		if peer != rf.me {
			go rf.replicator(peer, rf.currentTerm, rf.wake[peer])
		}
	}
}

// END SOLUTION
