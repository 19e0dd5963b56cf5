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
	// BEGIN SOLUTION
	members, err := m.members(l, id)
	if err != nil {
		return err
	}
	version, fresh, err := m.promise(id)
	if err != nil {
		return err
	}
	members, length := m.askPromises(&PromiseArgs{ID: id, Version: version, Create: fresh}, members)
	if len(members) == 0 || !m.mayReplace(l, id, members) {
		return ErrBusy
	}
	args := &GrantArgs{ID: id, Version: version, Length: length, Lease: m.cfg.Lease}
	if !m.grantAll(args, members) {
		return ErrBusy
	}
	if err := m.commitVersion(id, version, length, members); err != nil {
		return err
	}
	if primary {
		return m.makePrimary(l, args, members)
	}
	return nil
	// END SOLUTION
	// STUB: return todo("3D", "grant: give the lease of a chunk (§3.1, §4.5)")
}

// BEGIN SOLUTION 3D

// members returns the servers that take part in a new lease.
func (m *Master) members(l *lease, id ChunkID) ([]*serverState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.ns.Chunks[id]
	if c == nil {
		return nil, ErrNoChunk
	}
	if c.Version == 0 {
		servers := m.choose(m.cfg.Replication, nil)
		if len(servers) == 0 {
			return nil, m.nobody()
		}
		return servers, nil
	}
	good := m.good(c)
	switch {
	case len(good) == 0:
		return nil, ErrBusy
	case len(good) < m.cfg.Replication && len(m.copies[id]) > 0:
		return nil, ErrBusy // wait for the copies: they would be stale
	}
	return good, nil
}

// promise logs a new version for a chunk. The next master will not give it to
// anybody else, even if it never learns what became of this.
func (m *Master) promise(id ChunkID) (version Version, fresh bool, err error) {
	err = m.mutate(func() (record, error) {
		c := m.ns.Chunks[id]
		if c == nil {
			return record{}, ErrNoChunk
		}
		version, fresh = c.Promised+1, c.Version == 0
		return record{Op: opPromise, Chunk: id, Version: version}, nil
	})
	return version, fresh, err
}

// askPromises asks the servers to promise the version, all at the same time. It
// returns those that have, and how many bytes all of them have.
func (m *Master) askPromises(args *PromiseArgs, servers []*serverState) (members []*serverState, length int64) {
	replies := make([]PromiseReply, len(servers))
	errs := m.inParallel(len(servers), func(i int) error {
		return m.peers.call(m.ctx, servers[i].addr, "ChunkServer.Promise", args, &replies[i])
	})
	for i, s := range servers {
		if errs[i] == nil {
			if len(members) == 0 || replies[i].Length < length {
				length = replies[i].Length
			}
			members = append(members, s)
		}
	}
	return members, length
}

// mayReplace reports whether nobody else can be primary: a lease that has not run
// out is only taken from a primary that knows it.
func (m *Master) mayReplace(l *lease, id ChunkID, members []*serverState) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.chunk != id || !time.Now().Before(l.expires) {
		return true
	}
	return slices.ContainsFunc(members, func(s *serverState) bool { return s.addr == l.primary })
}

// grantAll gives the version to all members, and reports whether all have it.
func (m *Master) grantAll(args *GrantArgs, members []*serverState) bool {
	errs := m.inParallel(len(members), func(i int) error {
		return m.peers.call(m.ctx, members[i].addr, "ChunkServer.Grant", args, new(Nothing))
	})
	return !slices.ContainsFunc(errs, func(err error) bool { return err != nil })
}

// commitVersion makes a version the chunk's. Replicas without it are stale.
func (m *Master) commitVersion(id ChunkID, version Version, length int64, members []*serverState) error {
	return m.mutate(func() (record, error) {
		for _, s := range members {
			m.hold(id, s.id, ChunkReport{ID: id, Version: version, Length: length})
		}
		return record{Op: opVersion, Chunk: id, Version: version}, nil
	})
}

// makePrimary gives the lease to the first member. The master counts its time
// from the answer, the primary from the request: so it ends here last.
func (m *Master) makePrimary(l *lease, args *GrantArgs, members []*serverState) error {
	to := *args
	to.Primary, to.Secondaries = true, addresses(members[1:])
	m.mu.Lock()
	l.chunk, l.version, l.primary = to.ID, to.Version, members[0].addr
	l.expires = time.Now().Add(m.cfg.CallTimeout + to.Lease) // should the answer be lost
	m.mu.Unlock()
	if err := m.peers.call(m.ctx, l.primary, "ChunkServer.Grant", &to, new(Nothing)); err != nil {
		return ErrBusy
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l.expires = time.Now().Add(to.Lease)
	return nil
}

// END SOLUTION

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
	// BEGIN SOLUTION
	for _, id := range wanted {
		c := m.ns.Chunks[id]
		if c == nil || !m.leased(c) || len(m.good(c)) < min(m.cfg.Replication, m.usable()) {
			continue
		}
		if l := m.leases[c.File]; l != nil && l.primary == s.addr && l.version == c.Version {
			l.expires = time.Now().Add(m.cfg.Lease)
			renewed = append(renewed, id)
		}
	}
	// END SOLUTION
	return renewed
}

// settleAppends brings the replicas of chunks together that nobody appends to any
// more. The last append may have failed half-way, and left some longer.
func (m *Master) settleAppends() {
	// TODO(3D): find the chunks of unknown length that have no lease, and whose
	// good replicas are not equally long. Grant them a new version, without a
	// primary. A grant waits: it needs a goroutine (see spawn), and the turn.
	// BEGIN SOLUTION
	for id, l := range m.unsettled() {
		m.spawn(func() {
			select {
			case l.turn <- struct{}{}:
				_ = m.grant(l, id, false) // if it fails it is tried again
				<-l.turn
			default: // somebody is giving the lease
			}
		})
	}
	// END SOLUTION
}

// BEGIN SOLUTION 3D

// unsettled returns the chunks whose good replicas are not equally long, and the
// leases of their files.
func (m *Master) unsettled() map[ChunkID]*lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	unsettled := map[ChunkID]*lease{}
	for id, c := range m.ns.Chunks {
		if c.Length != OpenLength || m.leased(c) || m.ns.files[c.File].Open {
			continue
		}
		good := m.good(c)
		if slices.ContainsFunc(good, func(s *serverState) bool {
			return m.holders[id][s.id].length != m.holders[id][good[0].id].length
		}) {
			unsettled[id] = m.leaseFor(c.File)
		}
	}
	return unsettled
}

// END SOLUTION
