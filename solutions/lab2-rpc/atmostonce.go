package rpclab

import (
	"errors"
	"time"

	"github.com/sasha-s/go-deadlock"
)

var (
	// ErrExpired is returned for a call of a session that the server does not know
	// any more. This time the call was not executed. Whether it was executed when it
	// came before, if it did, nobody knows any more.
	ErrExpired = errors.New("rpclab: session expired")

	// ErrStale is returned for a call of a session from which a later one has come.
	// It was not executed this time.
	ErrStale = errors.New("rpclab: a later call has come")
)

// A CallID names a call, the same in each request that asks for it: so a server
// can tell a repetition from a new call. A client asks for one call at a time: when
// it asks for the next one, it has the answer to the one before, or wants none.
type CallID struct {
	Session uint64
	Seq     uint64 // Seq counts the calls of the session, from 1. Numbers may be left out.
}

// Sessions is what a server remembers of its clients, so that it executes each
// call at most once: for each session the last call, and the answer to it. A
// session ends when it is closed, or when its last call ended, or it was opened,
// ttl ago. That bounds what is remembered, however many calls and clients there
// have been.
//
// Its methods may be called by many goroutines at a time.
type Sessions struct {
	ttl time.Duration
	mu  deadlock.Mutex // guards everything below; nobody executes a call while holding it

	// TODO(2C): the sessions.
	// BEGIN SOLUTION
	last uint64 // the number of the last session that was opened; none comes twice
	open map[uint64]*session
	// END SOLUTION
}

// BEGIN SOLUTION 2C

type session struct {
	call      *execution // the last call; nil if there was none
	executing int        // calls of the session: more than one if the client gave up one
	used      time.Time  // when the last call ended
	expiry    *time.Timer
}

// An execution is a call that is executed, or was. The answer is there when done is
// closed.
type execution struct {
	seq    uint64
	done   chan struct{}
	answer any
	err    error
}

// END SOLUTION

// NewSessions returns an empty table of sessions that live for ttl when they are
// not used.
func NewSessions(ttl time.Duration) *Sessions {
	s := &Sessions{ttl: ttl}
	// BEGIN SOLUTION 2C
	s.open = map[uint64]*session{}
	// END SOLUTION
	return s
}

// Open begins a session and returns its number, which no other session has had.
func (s *Sessions) Open() uint64 {
	// TODO(2C): make a session that expires.
	// BEGIN SOLUTION
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	id := s.last
	s.open[id] = &session{
		used:   time.Now(),
		expiry: time.AfterFunc(s.ttl, func() { s.expire(id) }),
	}
	return id
	// END SOLUTION
	// STUB: todo("2C", "Sessions.Open: make a session that expires")
	// STUB: return 0
}

// Close ends a session. If there is none of this number, it does nothing.
func (s *Sessions) Close(id uint64) {
	// TODO(2C): forget the session.
	// BEGIN SOLUTION
	s.mu.Lock()
	defer s.mu.Unlock()
	if open := s.open[id]; open != nil {
		open.expiry.Stop()
		delete(s.open, id)
	}
	// END SOLUTION
	// STUB: todo("2C", "Sessions.Close: forget the session")
}

// Len returns the number of sessions. Each has at most one answer.
func (s *Sessions) Len() int {
	// TODO(2C): count the sessions.
	// BEGIN SOLUTION
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
	// END SOLUTION
	// STUB: todo("2C", "Sessions.Len: count the sessions")
	// STUB: return 0
}

// Do executes a call, unless it was executed before, and returns the answer: what
// execute returned, the error too, the first time. When the call is being executed,
// Do waits for that answer. A call of a session that does not exist is
// [ErrExpired]. A call whose Seq is lower than that of a call that has come before
// is [ErrStale].
func (s *Sessions) Do(id CallID, execute func() (any, error)) (any, error) {
	// TODO(2C): find the session; tell a new call from the last one and from an older
	// one; execute without the mutex; remember the answer.
	// BEGIN SOLUTION
	e, isNew, err := s.begin(id)
	if err != nil {
		return nil, err
	}
	if isNew {
		e.answer, e.err = execute()
		close(e.done)
		s.executed(id.Session)
	}
	<-e.done
	return e.answer, e.err
	// END SOLUTION
	// STUB: todo("2C", "Sessions.Do: execute the call if it is new, otherwise return the answer to it")
	// STUB: return nil, ErrExpired
}

// BEGIN SOLUTION 2C

// begin finds the execution of a call, or notes a new one, which the caller is to
// execute.
func (s *Sessions) begin(id CallID) (e *execution, isNew bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := s.open[id.Session]
	switch {
	case open == nil:
		return nil, false, ErrExpired
	case open.call != nil && id.Seq < open.call.seq:
		return nil, false, ErrStale
	case open.call != nil && id.Seq == open.call.seq:
		return open.call, false, nil
	}
	// The client would not ask for this call if it still wanted the last answer.
	open.call = &execution{seq: id.Seq, done: make(chan struct{})}
	open.executing++
	return open.call, true, nil
}

// executed notes that a call of a session has ended.
func (s *Sessions) executed(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open := s.open[id]; open != nil {
		open.executing--
		open.used = time.Now()
		open.expiry.Reset(s.ttl)
	}
}

// expire forgets a session whose time is over. It may have been used just before
// the timer's function got the mutex.
func (s *Sessions) expire(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := s.open[id]
	if open != nil && open.executing == 0 && time.Since(open.used) >= s.ttl {
		delete(s.open, id)
	}
}

// END SOLUTION
