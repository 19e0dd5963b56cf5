// Package raft is the Raft consensus algorithm, after Ongaro and Ousterhout, "In
// Search of an Understandable Consensus Algorithm" (extended version). Comments
// name the sections and figures of that paper.
//
// A service on each server of a cluster makes a [Raft], proposes commands to the
// leader with [Raft.Propose], and executes the commands that come out of the
// apply channel. All servers are told the same commands in the same order.
//
// One file a concept: election.go chooses a leader (§5.2), replication.go copies
// its log to the others and applies it (§5.3, §5.4), persist.go survives a crash,
// snapshot.go keeps the log short (§7). On top of them kv.go is a replicated
// database and clerk.go its client (§8). The rules for all of them: mu guards the
// state of the server, and nobody waits while holding it - not for the answer to
// a call, not for the reader of the apply channel, not for time to pass.
package raft

import (
	"errors"
	"time"

	"github.com/sasha-s/go-deadlock"
)

// ErrStopped is returned by the RPC handlers of a server that was stopped.
var ErrStopped = errors.New("raft: server stopped")

const (
	// heartbeatInterval is how often a leader lets each follower hear of it.
	heartbeatInterval = 100 * time.Millisecond

	// An election timeout lies between these two. The paper suggests 150 to
	// 300 ms and more frequent heartbeats (§9.3). Here a network may lose every
	// third message, and several heartbeats in a row must be lost before a
	// follower takes its leader for dead.
	minElectionTimeout = 300 * time.Millisecond
	maxElectionTimeout = 600 * time.Millisecond
)

// noVote is the value of votedFor as long as a server has not voted in its term.
const noVote = -1

// A role is what a server is at present (§5.1, Figure 4).
type role int

const (
	follower role = iota
	candidate
	leader
)

// ApplyMsg tells the service what to do next: to execute a command or, when
// IsSnapshot is set, to replace its state by a snapshot.
//
// Commands come in the order of their indexes, each once and none left out. A
// snapshot stands for all commands up to its index; the next message has the
// index after that. No message goes back behind an earlier one.
//
// The state of the service does not survive a crash, so a new server starts at the
// beginning: with the saved snapshot if there is one, otherwise with the command
// at index 1. The service must not change the bytes.
type ApplyMsg struct {
	Index      int    // Index is the command's place in the log, or that of the last command in the snapshot.
	Term       int    // Term is the term of the entry at Index.
	Command    []byte // Command is what was proposed.
	IsSnapshot bool   // IsSnapshot says that this is a snapshot and no command.
	Snapshot   []byte // Snapshot is what the service gave to [Raft.Snapshot], here or on another server. It may be empty.
}

// Raft is one server of a cluster.
type Raft struct {
	me      int             // this server's place in peers
	peers   []Peer          // peers[me] is nil
	storage Storage         // what survives a crash
	apply   chan<- ApplyMsg // what the service is told
	done    chan struct{}   // closed by Stop

	mu      deadlock.Mutex // guards everything below
	stopped bool
	role    role

	// Persistent state on all servers (Figure 2), and the snapshot (§7).
	currentTerm int
	votedFor    int
	log         raftLog
	snapshot    []byte // replaces the entries up to log.base

	// Volatile state on all servers (Figure 2).
	commitIndex int
	lastApplied int

	// Volatile state on leaders, one for each server (Figure 2).
	nextIndex  []int
	matchIndex []int

	// TODO(4A): what else an election needs.

	// TODO(4B): what else applying needs.
}

// New starts a server. It is a follower until it hears otherwise (§5.2).
//
// There is one peer for each server of the cluster, in the same order on all of
// them. The server's own place is me, and peers[me] is nil. If the storage
// remembers a server that crashed, the new one goes on in its place.
//
// The service must read the apply channel until it stops the server. The server
// never closes that channel.
func New(me int, peers []Peer, storage Storage, apply chan<- ApplyMsg) *Raft {
	rf := &Raft{
		me:       me,
		peers:    peers,
		storage:  storage,
		apply:    apply,
		done:     make(chan struct{}),
		votedFor: noVote,
		log:      newLog(),
	}
	// Whatever is started below waits for the mutex, and finds a complete server.
	rf.mu.Lock()
	defer rf.mu.Unlock()
	rf.restore()

	// TODO(4B): start the one goroutine that sends on the apply channel.

	// TODO(4A): start the election timer (§5.2).
	todo("4A", "New: start the election timer (§5.2)")
	return rf
}

// State returns the server's current term, and whether it believes to be the
// leader.
func (rf *Raft) State() (term int, isLeader bool) {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	return rf.currentTerm, rf.role == leader
}

// Stop ends the server: from now on it calls nobody, saves nothing and applies
// nothing, and its handlers return [ErrStopped]. Stop does not wait. The server's
// goroutines end soon after, those in a [Peer]'s Call when the call returns.
// Stopping a second time does nothing.
func (rf *Raft) Stop() {
	rf.mu.Lock()
	defer rf.mu.Unlock()
	if rf.stopped {
		return
	}
	rf.stopped = true
	rf.role = follower
	close(rf.done)
}
