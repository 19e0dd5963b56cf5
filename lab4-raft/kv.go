package raft

import (
	"github.com/sasha-s/go-deadlock"
)

// A KV is one server of a replicated database (§8). Its Raft agrees with the
// others on the order of all requests, and each server executes them in that
// order. A client asks the leader.
//
// Reads go through the log like writes. So they are linearizable without more ado:
// a server that answers one has just committed it, which only the present leader
// can. (§8 has another way, which needs no entry: the leader notes its commit
// index, makes sure with a round of heartbeats that it still leads, and waits
// until it has executed up to there.)
type KV struct {
	rf      *Raft
	options KVOptions
	done    chan struct{} // closed by Stop

	mu      deadlock.Mutex // guards everything below
	stopped bool

	// TODO(4E): the state that all servers have alike - the values and what else
	// must be in a snapshot - and what this server needs to answer its clients.
}

// KVOptions are the settings of a KV. They are the same on all servers.
type KVOptions struct {
	// MaxLog is how many bytes of commands may gather in the log before the server
	// takes a snapshot. If the last snapshot was larger, it waits until the log is
	// as large as that: so a server spends no more on snapshots than on its log.
	// 0 means never.
	MaxLog int

	// MaxSessions is how many sessions the servers remember. When one more is
	// opened, the one that was not used for the longest time expires.
	MaxSessions int
}

// NewKV starts a server, and its Raft: see [New]. Others reach it when Raft is
// served as "Raft" and the KV itself as "KV".
func NewKV(me int, peers []Peer, storage Storage, options KVOptions) *KV {
	kv := &KV{options: options, done: make(chan struct{})}
	apply := make(chan ApplyMsg)
	kv.rf = New(me, peers, storage, apply)

	// TODO(4E): start with an empty state, and read from the apply channel until
	// Stop.
	todo("4E", "NewKV: execute what comes out of the apply channel (§8)")
	return kv
}

// Raft returns the server's Raft.
func (kv *KV) Raft() *Raft { return kv.rf }

// Stop ends the server and its Raft. It does not wait. Requests that wait get
// [ErrStopped]. Stopping a second time does nothing.
func (kv *KV) Stop() {
	kv.rf.Stop()
	kv.mu.Lock()
	defer kv.mu.Unlock()
	if !kv.stopped {
		kv.stopped = true
		close(kv.done)
	}
}

// Do handles one request. It answers when the operation was executed, or when it
// knows that this server cannot say.
func (kv *KV) Do(args *DoArgs, reply *DoReply) error {
	// TODO(4E): propose the request, and wait until it comes out of the apply
	// channel. Mind that another command may come in its place, and that none may
	// come for a long time, because this server no longer leads.
	todo("4E", "Do: propose the request, and answer when it was executed (§8)")
	return ErrStopped
}

// TODO(4E): propose requests. A leader saves its log for every command. Requests
// that come while it does that can share the next command: then a disk that is
// slow to save does not make all clients wait in a line.

// TODO(4E): execute what comes out of the apply channel, and answer those who wait
// for it.

// TODO(4E): notice when this server has lost its leadership with requests waiting.
// The place of their commands in the log may stay empty for as long as no client
// asks for anything.

// TODO(4E): execute a request at most once (§8): a session remembers its last
// request and the answer. What decides it must be the same on all servers, and
// survive a snapshot. Sessions beyond MaxSessions expire, on all servers the same.

// TODO(4E): take a snapshot when the log has grown (see MaxLog), and start from one
// when the apply channel brings it (§7).
