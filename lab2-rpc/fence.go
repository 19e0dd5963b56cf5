package rpclab

import (
	"errors"

	"github.com/sasha-s/go-deadlock"
)

// ErrFenced is returned when a token is older than one that the store has seen.
var ErrFenced = errors.New("rpclab: token is too old")

// FencedArgs are the arguments of Store.Read and Store.Write.
type FencedArgs struct {
	Lock       string // Lock is the name of the lock that guards the key. A lock may guard many.
	Token      uint64 // Token is that of the caller's lease. No lease has 0.
	Key, Value string
}

// FencedReply is the reply of Store.Read and Store.Write.
type FencedReply struct{ Value string }

// A FencedStore holds values by key, in memory, for those who hold a lock. A holder
// whose lease has ended may not know: it may have stood still meanwhile, or its
// request may have been on the way. So the store looks at the token. Its methods
// Read and Write are meant for net/rpc, under the name Store. They may be called by
// many goroutines at a time.
//
// The store does not ask the lock service. Once a Read or a Write with a lock's
// token has been executed, no Read or Write with a lower token of the same lock is:
// it is [ErrFenced], and nothing changes. So is one with the token 0.
type FencedStore struct {
	mu deadlock.Mutex // guards everything below

	// TODO(2D): the values, and what is needed to refuse old tokens.
}

// NewFencedStore returns an empty store.
func NewFencedStore() *FencedStore {
	s := &FencedStore{}
	return s
}

// Read returns the value of a key; one that was never written is empty. It needs a
// token too: what a holder has read, and then bases a write on, must not change in
// between by the hand of an earlier holder.
func (s *FencedStore) Read(args *FencedArgs, reply *FencedReply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// TODO(2D): look at the token, then read.
	todo("2D", "FencedStore.Read: look at the token, then read")
	return nil
}

// Write sets the value of a key.
func (s *FencedStore) Write(args *FencedArgs, reply *FencedReply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// TODO(2D): look at the token, then write.
	todo("2D", "FencedStore.Write: look at the token, then write")
	return nil
}
