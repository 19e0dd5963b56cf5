// Package rpclab is remote procedure call in Go, from the service down to the
// bytes on the wire, and what a call means when the network fails.
//
// One file a concept. Part 2A is a service over net/rpc: kv.go is the service,
// server.go serves it on connections, caller.go calls through connections that
// come and go, client.go is what a program uses. Part 2B is a wire protocol for
// the same calls, MessagePack-RPC: message.go reads and writes messages,
// servercodec.go and clientcodec.go make them fit net/rpc.
//
// The rule for all of them: nobody waits while holding a mutex - not for an
// answer, not for a connection, not for time to pass.
package rpclab

import (
	"errors"

	"github.com/sasha-s/go-deadlock"
)

var (
	// ErrNoKey is returned when a key does not exist.
	ErrNoKey = errors.New("rpclab: no such key")

	// ErrVersion is returned when a key does not have the version that the
	// caller named: somebody else has changed it.
	ErrVersion = errors.New("rpclab: another version")
)

// GetArgs are the arguments of KV.Get.
type GetArgs struct{ Key string }

// GetReply is the reply of KV.Get.
type GetReply struct {
	Value   string
	Version uint64
}

// PutArgs are the arguments of KV.Put.
type PutArgs struct {
	Key, Value string
	Version    uint64 // Version is the one that the caller knows, 0 for a key that is to be new.
}

// PutReply is the reply of KV.Put.
type PutReply struct {
	Version uint64 // Version is that of the new value.
}

// DeleteArgs are the arguments of KV.Delete.
type DeleteArgs struct {
	Key     string
	Version uint64 // Version is the one that the caller knows.
}

// DeleteReply is the reply of KV.Delete.
type DeleteReply struct{}

// A Store holds values by key, in memory. Each value has a version, 1 or higher,
// and each Put of a key gives it a higher version than it ever had, also when
// the key was deleted in between. So who knows a version knows the value.
//
// Its methods Get, Put and Delete are meant for net/rpc, under the name KV. They
// may be called by many goroutines at a time, and each takes effect at once and
// as a whole. The errors they return are [ErrNoKey] and [ErrVersion] as they
// are: of an error, net/rpc sends only its text.
type Store struct {
	mu deadlock.Mutex // guards everything below

	// TODO(2A): the values and their versions.
}

// NewStore returns an empty store.
func NewStore() *Store {
	s := &Store{}
	return s
}

// Get reads the value of a key and its version. Without the key it returns
// [ErrNoKey].
func (s *Store) Get(args *GetArgs, reply *GetReply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// TODO(2A): look the key up.
	todo("2A", "Store.Get: look the key up")
	return nil
}

// Put sets the value of a key whose version is args.Version. With version 0 it
// makes the key, which must not exist: otherwise it returns [ErrVersion]. With
// another version the key must exist, otherwise it returns [ErrNoKey], and have
// this version, otherwise it returns [ErrVersion].
func (s *Store) Put(args *PutArgs, reply *PutReply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// TODO(2A): compare versions, then set the value and give it a new version.
	todo("2A", "Store.Put: compare versions, then set the value")
	return nil
}

// Delete removes a key whose version is args.Version. Without the key it returns
// [ErrNoKey], with another version [ErrVersion].
func (s *Store) Delete(args *DeleteArgs, reply *DeleteReply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// TODO(2A): compare versions, then remove the key.
	todo("2A", "Store.Delete: compare versions, then remove the key")
	return nil
}
