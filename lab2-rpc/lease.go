package rpclab

import (
	"errors"
	"time"

	"github.com/sasha-s/go-deadlock"
)

var (
	// ErrHeld is returned when somebody else held the lock for as long as the caller
	// was willing to wait.
	ErrHeld = errors.New("rpclab: lock is held")

	// ErrNotHeld is returned when a token is not that of a lease that goes on: the
	// lease has ended, or was released.
	ErrNotHeld = errors.New("rpclab: lease has ended")
)

// AcquireArgs are the arguments of Lock.Acquire.
type AcquireArgs struct {
	Name  string        // Name is that of the lock.
	Owner string        // Owner tells clients apart. A client that repeats a request uses the same.
	Lease time.Duration // Lease is how long the lock is to be held, if it is not renewed.
	Wait  time.Duration // Wait is how long the server may keep the caller waiting.
}

// Grant is the reply of Lock.Acquire and Lock.Renew.
type Grant struct {
	Token  uint64        // Token is larger than that of each lease granted before.
	Waited time.Duration // Waited is how much time passed from the request's coming to the answer.
	Left   time.Duration // Left is how much was left of the lease when the server answered.
}

// RenewArgs are the arguments of Lock.Renew.
type RenewArgs struct {
	Name  string
	Token uint64
	Lease time.Duration // Lease is how long the lock is to be held from now on.
}

// ReleaseArgs are the arguments of Lock.Release.
type ReleaseArgs struct {
	Name  string
	Token uint64
}

// ReleaseReply is the reply of Lock.Release.
type ReleaseReply struct{}

// A LockService grants locks for a time: leases. Its methods Acquire, Renew and
// Release are meant for net/rpc, under the name Lock. They may be called by many
// goroutines at a time.
//
// A lock has one owner at a time. It comes free when its owner releases it or when
// the lease ends, and not before; then whoever has waited longest gets it at once.
// Each lease has a token, a number larger than those of all leases before it. A
// lease that has ended does not go on again.
type LockService struct {
	mu deadlock.Mutex // guards everything below; nobody waits while holding it

	// TODO(2D): the locks, those who wait for them, and the last token.
}

// NewLockService returns a service all of whose locks are free.
func NewLockService() *LockService {
	s := &LockService{}
	return s
}

// Acquire waits until the lock is free, at most for args.Wait, and grants a lease.
// If it waits in vain, it returns [ErrHeld], and the owner is not in line any more.
//
// A request may be a repetition whose first answer was lost. If the owner holds the
// lock, Acquire returns the grant that it has: the token is the same and the lease
// no longer than it was. If the owner waits already, it keeps its place in the line
// and has no second one.
func (s *LockService) Acquire(args *AcquireArgs, reply *Grant) error {
	// TODO(2D): take a place in the line; wait for the grant, without the mutex, or
	// for args.Wait to pass.
	todo("2D", "LockService.Acquire: take a place in the line, wait for the grant")
	return ErrHeld
}

// Renew makes the lease that has the token end args.Lease from now. If there is no
// such lease any more, it returns [ErrNotHeld], also when the lock is free.
func (s *LockService) Renew(args *RenewArgs, reply *Grant) error {
	// TODO(2D): move the end of the lease.
	todo("2D", "LockService.Renew: move the end of the lease")
	return ErrNotHeld
}

// Release ends the lease that has the token. If there is no such lease any more, it
// returns [ErrNotHeld], and the lock, whoever has it, is not touched.
func (s *LockService) Release(args *ReleaseArgs, reply *ReleaseReply) error {
	// TODO(2D): end the lease; the next in line gets the lock.
	todo("2D", "LockService.Release: end the lease; the next in line gets the lock")
	return ErrNotHeld
}
