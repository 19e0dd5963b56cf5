package raft

import (
	"fmt"
	"time"

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
	// BEGIN SOLUTION
	state   kvState
	waiting map[int]batch // by index of the log: who waits for it

	logSize      int // bytes of the commands since the last snapshot
	snapshotSize int // bytes of that

	incoming chan *waiter // from Do to the proposer
	// END SOLUTION
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
	// BEGIN SOLUTION
	kv.state = newKVState()
	kv.waiting = map[int]batch{}
	kv.incoming = make(chan *waiter)
	go kv.applier(apply)
	go kv.proposer()
	go kv.watch()
	// END SOLUTION
	// STUB: todo("4E", "NewKV: execute what comes out of the apply channel (§8)")
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
	// BEGIN SOLUTION
	w := &waiter{request: *args, answer: make(chan DoReply, 1)}
	select {
	case kv.incoming <- w:
	case <-kv.done:
		return ErrStopped
	}
	select {
	case *reply = <-w.answer:
		return nil
	case <-kv.done:
		return ErrStopped
	}
	// END SOLUTION
	// STUB: todo("4E", "Do: propose the request, and answer when it was executed (§8)")
	// STUB: return ErrStopped
}

// TODO(4E): propose requests. A leader saves its log for every command. Requests
// that come while it does that can share the next command: then a disk that is
// slow to save does not make all clients wait in a line.
// BEGIN SOLUTION

// A waiter is a request whose answer is awaited.
type waiter struct {
	request DoArgs
	answer  chan DoReply // has room for the one answer
}

// A batch is the requests that were proposed together, and the term in which they
// were.
type batch struct {
	term    int
	waiters []*waiter
}

func (b batch) fail() {
	for _, w := range b.waiters {
		w.answer <- DoReply{Status: NotLeader}
	}
}

// maxBatch bounds the requests in one command.
const maxBatch = 256

// proposer proposes what comes from Do.
func (kv *KV) proposer() {
	for {
		select {
		case w := <-kv.incoming:
			kv.propose(kv.gather(w))
		case <-kv.done:
			return
		}
	}
}

// gather returns a request and those that are there as well. It does not wait for
// more.
func (kv *KV) gather(first *waiter) []*waiter {
	waiters := []*waiter{first}
	for len(waiters) < maxBatch {
		select {
		case w := <-kv.incoming:
			waiters = append(waiters, w)
		default:
			return waiters
		}
	}
	return waiters
}

// propose proposes requests as one command. It holds the mutex, so the command
// cannot be executed before it is known who waits for it.
func (kv *KV) propose(waiters []*waiter) {
	requests := make([]DoArgs, len(waiters))
	for i, w := range waiters {
		requests[i] = w.request
	}
	command := encode(requests)

	kv.mu.Lock()
	defer kv.mu.Unlock()
	index, term, isLeader := kv.rf.Propose(command)
	b := batch{term, waiters}
	if !isLeader {
		b.fail()
		return
	}
	kv.waiting[index].fail() // a leader of an earlier term, this server itself, had another command there
	kv.waiting[index] = b
}

// END SOLUTION

// TODO(4E): execute what comes out of the apply channel, and answer those who wait
// for it.
// BEGIN SOLUTION

// applier executes what Raft says, in its order.
func (kv *KV) applier(apply <-chan ApplyMsg) {
	for {
		select {
		case m := <-apply:
			kv.applied(m)
		case <-kv.done:
			return
		}
	}
}

func (kv *KV) applied(m ApplyMsg) {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	if m.IsSnapshot {
		kv.install(m)
		return
	}
	var requests []DoArgs
	if err := decode(m.Command, &requests); err != nil {
		panic(fmt.Sprintf("raft: the command at index %d is none of this database: %v", m.Index, err))
	}
	replies := make([]DoReply, len(requests))
	for i := range requests {
		replies[i] = kv.state.execute(&requests[i], kv.options.MaxSessions)
	}
	kv.answer(m.Index, m.Term, replies)
	kv.logSize += len(m.Command)
	kv.compact(m.Index)
}

// answer answers those who wait for the command at index. If it is of another term
// than theirs, it is another command: theirs is lost. The mutex is held.
func (kv *KV) answer(index, term int, replies []DoReply) {
	b := kv.waiting[index]
	delete(kv.waiting, index)
	if b.term != term {
		b.fail()
		return
	}
	for i, w := range b.waiters {
		w.answer <- replies[i]
	}
}

// END SOLUTION

// TODO(4E): notice when this server has lost its leadership with requests waiting.
// The place of their commands in the log may stay empty for as long as no client
// asks for anything.
// BEGIN SOLUTION

// watchInterval is how often a server looks whether it still leads.
const watchInterval = 100 * time.Millisecond

// watch tells clients whose commands may be lost to ask elsewhere.
func (kv *KV) watch() {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			kv.failLost()
		case <-kv.done:
			return
		}
	}
}

func (kv *KV) failLost() {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	if len(kv.waiting) == 0 {
		return
	}
	term, isLeader := kv.rf.State()
	for index, b := range kv.waiting {
		if !isLeader || b.term != term {
			b.fail()
			delete(kv.waiting, index)
		}
	}
}

// END SOLUTION

// TODO(4E): execute a request at most once (§8): a session remembers its last
// request and the answer. What decides it must be the same on all servers, and
// survive a snapshot. Sessions beyond MaxSessions expire, on all servers the same.
// BEGIN SOLUTION

// A kvState is what all servers have alike when they have executed the same
// commands. It is what a snapshot holds.
type kvState struct {
	Store       store
	Sessions    map[uint64]*session
	LastSession uint64 // the number of the last one opened
	Executed    uint64 // how many requests were executed: the clock of the sessions
}

// A session is what is remembered of a client.
type session struct {
	Seq    uint64 // of its last request
	Result Result // the answer to that
	Used   uint64 // kvState.Executed at that time
}

func newKVState() kvState {
	return kvState{Store: store{}, Sessions: map[uint64]*session{}}
}

// execute executes a request if it was not executed before. A client has no more
// than one request under way, so the last answer of each is all that may be asked
// for again.
func (s *kvState) execute(r *DoArgs, maxSessions int) DoReply {
	s.Executed++
	if r.Op.Kind == OpOpen {
		return DoReply{Done, Result{N: int64(s.open(maxSessions))}}
	}
	session := s.Sessions[r.Session]
	if session == nil {
		return DoReply{Status: Expired}
	}
	session.Used = s.Executed
	switch {
	case r.Seq < session.Seq:
		return DoReply{Status: Old}
	case r.Seq > session.Seq:
		session.Seq, session.Result = r.Seq, s.Store.execute(r.Op)
	}
	return DoReply{Done, session.Result}
}

// open opens a session and returns its number.
func (s *kvState) open(maxSessions int) uint64 {
	if len(s.Sessions) >= maxSessions {
		delete(s.Sessions, s.idlest())
	}
	s.LastSession++
	s.Sessions[s.LastSession] = &session{Used: s.Executed}
	return s.LastSession
}

// idlest returns the session that was not used for the longest time.
func (s *kvState) idlest() (number uint64) {
	for n, session := range s.Sessions {
		if number == 0 || session.Used < s.Sessions[number].Used {
			number = n
		}
	}
	return number
}

// END SOLUTION

// TODO(4E): take a snapshot when the log has grown (see MaxLog), and start from one
// when the apply channel brings it (§7).
// BEGIN SOLUTION

// compact takes a snapshot if the log has grown enough. The mutex is held.
func (kv *KV) compact(index int) {
	if kv.options.MaxLog == 0 || kv.logSize < max(kv.options.MaxLog, kv.snapshotSize) {
		return
	}
	snapshot := encode(&kv.state)
	kv.rf.Snapshot(index, snapshot)
	kv.logSize, kv.snapshotSize = 0, len(snapshot)
}

// install replaces the state by a snapshot. Whoever waits for a command that the
// snapshot covers will not learn what it answered: only asking again tells. The
// mutex is held.
func (kv *KV) install(m ApplyMsg) {
	state := newKVState()
	if err := decode(m.Snapshot, &state); err != nil {
		panic(fmt.Sprintf("raft: the snapshot up to index %d is none of this database: %v", m.Index, err))
	}
	kv.state = state
	kv.logSize, kv.snapshotSize = 0, len(m.Snapshot)
	for index, b := range kv.waiting {
		if index <= m.Index {
			b.fail()
			delete(kv.waiting, index)
		}
	}
}

// END SOLUTION
