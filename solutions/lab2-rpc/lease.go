package rpclab

import (
	"errors"
	// BEGIN SOLUTION
	"slices"
	// END SOLUTION
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
	// BEGIN SOLUTION
	token uint64           // the last one, of whatever lock
	locks map[string]*lock // those that are held
	// END SOLUTION
}

// BEGIN SOLUTION 2D

// A lock is one that is held.
type lock struct {
	owner string
	token uint64
	ends  time.Time
	timer *time.Timer
	queue []*waiter // the one who came first is first
}

// A waiter is an owner who waits for a lock, perhaps with more than one request.
// When it gets the lock granted is closed, and token and ends are set before.
type waiter struct {
	owner    string
	lease    time.Duration
	requests int
	granted  chan struct{}
	token    uint64
	ends     time.Time
}

// END SOLUTION

// NewLockService returns a service all of whose locks are free.
func NewLockService() *LockService {
	s := &LockService{}
	// BEGIN SOLUTION 2D
	s.locks = map[string]*lock{}
	// END SOLUTION
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
	// BEGIN SOLUTION
	came := time.Now()
	w := s.enqueue(args)
	wait := time.NewTimer(args.Wait)
	defer wait.Stop()
	select {
	case <-w.granted:
	case <-wait.C:
		if !s.leave(args.Name, w) {
			return ErrHeld
		}
	}
	now := time.Now()
	reply.Token, reply.Waited, reply.Left = w.token, now.Sub(came), w.ends.Sub(now)
	return nil
	// END SOLUTION
	// STUB: todo("2D", "LockService.Acquire: take a place in the line, wait for the grant")
	// STUB: return ErrHeld
}

// Renew makes the lease that has the token end args.Lease from now. If there is no
// such lease any more, it returns [ErrNotHeld], also when the lock is free.
func (s *LockService) Renew(args *RenewArgs, reply *Grant) error {
	// TODO(2D): move the end of the lease.
	// BEGIN SOLUTION
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.held(args.Name, args.Token)
	if l == nil {
		return ErrNotHeld
	}
	l.ends = time.Now().Add(args.Lease)
	l.timer.Reset(args.Lease)
	reply.Token, reply.Left = l.token, args.Lease
	return nil
	// END SOLUTION
	// STUB: todo("2D", "LockService.Renew: move the end of the lease")
	// STUB: return ErrNotHeld
}

// Release ends the lease that has the token. If there is no such lease any more, it
// returns [ErrNotHeld], and the lock, whoever has it, is not touched.
func (s *LockService) Release(args *ReleaseArgs, reply *ReleaseReply) error {
	// TODO(2D): end the lease; the next in line gets the lock.
	// BEGIN SOLUTION
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.held(args.Name, args.Token)
	if l == nil {
		return ErrNotHeld
	}
	s.free(args.Name, l)
	return nil
	// END SOLUTION
	// STUB: todo("2D", "LockService.Release: end the lease; the next in line gets the lock")
	// STUB: return ErrNotHeld
}

// BEGIN SOLUTION 2D

// enqueue returns the place of an owner, which may have the lock already.
func (s *LockService) enqueue(args *AcquireArgs) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &waiter{owner: args.Owner, lease: args.Lease, requests: 1, granted: make(chan struct{})}
	l := s.current(args.Name)
	switch {
	case l == nil:
		s.grant(args.Name, w, nil)
		return w
	case l.owner == args.Owner:
		w.token, w.ends = l.token, l.ends
		close(w.granted)
		return w
	}
	for _, waiting := range l.queue {
		if waiting.owner == args.Owner {
			waiting.requests++
			return waiting
		}
	}
	l.queue = append(l.queue, w)
	return w
}

// current returns the lock if it is held now. At the very moment when a lease ends,
// its timer may not have run yet.
func (s *LockService) current(name string) *lock {
	if l := s.locks[name]; l != nil && !time.Now().Before(l.ends) {
		s.free(name, l)
	}
	return s.locks[name]
}

// held returns the lock if the lease with this token goes on.
func (s *LockService) held(name string, token uint64) *lock {
	if l := s.current(name); l != nil && l.token == token {
		return l
	}
	return nil
}

// grant gives a free lock to w. The others wait on.
func (s *LockService) grant(name string, w *waiter, others []*waiter) {
	s.token++
	w.token, w.ends = s.token, time.Now().Add(w.lease)
	s.locks[name] = &lock{
		owner: w.owner, token: w.token, ends: w.ends, queue: others,
		timer: time.AfterFunc(w.lease, func() { s.expire(name, w.token) }),
	}
	close(w.granted)
}

// free ends a lease. The next in line gets the lock.
func (s *LockService) free(name string, l *lock) {
	l.timer.Stop()
	delete(s.locks, name)
	if len(l.queue) > 0 {
		s.grant(name, l.queue[0], l.queue[1:])
	}
}

// expire ends a lease whose time is over, unless it was renewed just then.
func (s *LockService) expire(name string, token uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held(name, token) // frees it if it has ended
}

// leave ends the waiting of one request. It returns true if the lock was granted
// after all.
func (s *LockService) leave(name string, w *waiter) (granted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.granted:
		return true
	default:
	}
	w.requests--
	if l := s.locks[name]; l != nil && w.requests == 0 {
		l.queue = slices.DeleteFunc(l.queue, func(x *waiter) bool { return x == w })
	}
	return false
}

// END SOLUTION
