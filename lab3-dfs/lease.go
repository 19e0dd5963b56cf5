package dfs

import (
	"slices"
	"time"
)

// A lease is the right of one replica of a file's last chunk, the primary, to
// choose the order of appends (§3.1).
type lease struct {
	turn    chan struct{} // has room for one: who is in gives the lease
	chunk   ChunkID
	version Version
	primary string    // address
	expires time.Time // no earlier than the primary thinks
}

// leased reports whether a chunk may have a primary now. A master that has just
// started does not know the leases that the last one gave. The mutex is held.
func (m *Master) leased(c *chunk) bool {
	if c.Length == OpenLength && time.Since(m.started) < m.cfg.Lease {
		return true
	}
	l := m.leases[c.File]
	return l != nil && l.chunk == c.ID && time.Now().Before(l.expires)
}

// Lease tells who is the primary of a file's last chunk, and makes one when there
// is none. A file that has no chunk, or whose last one is full, gets another.
func (m *Master) Lease(args *LeaseArgs, reply *LeaseReply) error {
	l, err := m.leaseOf(args.Path)
	if err != nil {
		return err
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-m.ctx.Done():
		return ErrStopped
	}
	id, err := m.lastChunk(args)
	if err != nil {
		return err
	}
	if m.currentLease(l, id, args, reply) {
		return nil
	}
	if err := m.grant(l, id, true); err != nil {
		return err
	}
	if !m.currentLease(l, id, &LeaseArgs{Path: args.Path}, reply) {
		return ErrBusy
	}
	return nil
}

// leaseOf returns the lease of a file.
func (m *Master) leaseOf(path string) (*lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.file(path, 0)
	switch {
	case err != nil:
		return nil, err
	case f.Open:
		return nil, ErrBusy
	}
	return m.leaseFor(f.ID), nil
}

// leaseFor returns the lease of a file, if only an empty one. The mutex is held.
func (m *Master) leaseFor(id FileID) *lease {
	if m.leases[id] == nil {
		m.leases[id] = &lease{turn: make(chan struct{}, 1)}
	}
	return m.leases[id]
}

// lastChunk returns the chunk that appends go to. One that is new has version 0
// until its first lease.
func (m *Master) lastChunk(args *LeaseArgs) (id ChunkID, err error) {
	err = m.mutate(func() (record, error) {
		f, err := m.file(args.Path, 0)
		if err != nil {
			return record{}, err
		}
		if n := len(f.Chunks); n > 0 {
			id = f.Chunks[n-1]
			if id != args.Full && m.ns.Chunks[id].Length != m.cfg.ChunkSize {
				return record{}, nil
			}
		}
		id = m.ns.NextChunk
		return record{Op: opAddChunk, File: f.ID, Chunk: id, Length: m.cfg.ChunkSize}, nil
	})
	return id, err
}

// currentLease answers with the lease that there is, if it is for this chunk, has
// not run out, and has not failed the one who asks.
func (m *Master) currentLease(l *lease, id ChunkID, args *LeaseArgs, reply *LeaseReply) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.ns.Chunks[id]
	if c == nil || !m.leased(c) || l.chunk != id || l.version != c.Version || (args.Failed == id && args.At == l.version) {
		return false
	}
	f := m.ns.files[c.File]
	reply.Chunk = ChunkInfo{ID: id, Version: c.Version, Length: c.Length, Servers: m.readable(c)}
	reply.Index = slices.Index(f.Chunks, id)
	reply.Primary = l.primary
	return true
}

// grant gives a chunk a new version on every replica that can be reached, has
// them all end at the same byte, and makes one of them the primary if one is
// wanted. ErrBusy asks to try again. The caller has the lease's turn.
//
// No append is lost by it. An append is acknowledged when all replicas of its
// version have it, so every replica that takes part here has it, and all end at or
// behind it. No append can be added to the old version: whoever takes part has
// promised to refuse. And who does not take part does not get the version, not even
// if the master's message to it only comes late.
func (m *Master) grant(l *lease, id ChunkID, primary bool) error {
	// TODO(3D): give the lease (§3.1, §4.5).
	//  1. Find the good replicas, or choose servers for a chunk whose version is
	//     still 0. While there are too few because some are being copied: ErrBusy.
	//  2. Log a version that was never used (opPromise), then ask all of them to
	//     promise it. Those that answer take part; the others will be stale. If another
	//     primary's lease runs and that does not take part: ErrBusy until the lease has
	//     run out.
	//  3. The shortest of them has every acknowledged append. Grant that length and the
	//     version to all, as secondaries. If one fails, start over: ErrBusy.
	//  4. Log the version (opVersion). From now on a replica without it is stale.
	//  5. Grant the lease to one of them. It must not run out here before it runs
	//     out there.
	return todo("3D", "grant: give the lease of a chunk (§3.1, §4.5)")
}

// inParallel runs a function for 0 to n-1, all at the same time, and returns their
// errors.
func (m *Master) inParallel(n int, f func(i int) error) []error {
	errs := make([]error, n)
	done := make(chan struct{})
	for i := range n {
		go func() {
			errs[i] = f(i)
			done <- struct{}{}
		}()
	}
	for range n {
		<-done
	}
	return errs
}

// renew returns the chunks for which a server keeps the lease. The mutex is held.
func (m *Master) renew(s *serverState, wanted []ChunkID) (renewed []ChunkID) {
	// TODO(3D): extend the leases that this server has, and has not lost. A chunk
	// that lacks replicas gets no extension: it cannot be repaired while it is
	// appended to.
	return renewed
}

// settleAppends brings the replicas of chunks together that nobody appends to any
// more. The last append may have failed half-way, and left some longer.
func (m *Master) settleAppends() {
	// TODO(3D): find the chunks of unknown length that have no lease, and whose
	// good replicas are not equally long. Grant them a new version, without a
	// primary. A grant waits: it needs a goroutine (see spawn), and the turn.
}
