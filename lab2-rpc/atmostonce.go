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
}

// NewSessions returns an empty table of sessions that live for ttl when they are
// not used.
func NewSessions(ttl time.Duration) *Sessions {
	s := &Sessions{ttl: ttl}
	return s
}

// Open begins a session and returns its number, which no other session has had.
func (s *Sessions) Open() uint64 {
	// TODO(2C): make a session that expires.
	todo("2C", "Sessions.Open: make a session that expires")
	return 0
}

// Close ends a session. If there is none of this number, it does nothing.
func (s *Sessions) Close(id uint64) {
	// TODO(2C): forget the session.
	todo("2C", "Sessions.Close: forget the session")
}

// Len returns the number of sessions. Each has at most one answer.
func (s *Sessions) Len() int {
	// TODO(2C): count the sessions.
	todo("2C", "Sessions.Len: count the sessions")
	return 0
}

// Do executes a call, unless it was executed before, and returns the answer: what
// execute returned, the error too, the first time. When the call is being executed,
// Do waits for that answer. A call of a session that does not exist is
// [ErrExpired]. A call whose Seq is lower than that of a call that has come before
// is [ErrStale].
func (s *Sessions) Do(id CallID, execute func() (any, error)) (any, error) {
	// TODO(2C): find the session; tell a new call from the last one and from an older
	// one; execute without the mutex; remember the answer.
	todo("2C", "Sessions.Do: execute the call if it is new, otherwise return the answer to it")
	return nil, ErrExpired
}
