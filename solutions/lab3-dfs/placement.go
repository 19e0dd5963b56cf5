package dfs

import (
	"cmp"
	"io/fs"
	"maps"
	"slices"
	"time"
)

// A serverState is what the master knows of a chunkserver.
type serverState struct {
	id    string
	addr  string
	heard time.Time // when its last heartbeat came
	sent  time.Time // when that was sent, by the server's own clock
	full  bool      // its disk
	load  int       // replicas that it has, or was given since it last reported
	used  int       // the placement that last chose it
}

// A holding is what the master knows of a replica.
type holding struct {
	version Version
	length  int64
	damaged bool
	since   time.Time // when the master first heard of it
}

// alive reports whether a server was heard of lately. The mutex is held.
func (m *Master) alive(s *serverState) bool {
	return s != nil && time.Since(s.heard) < m.cfg.DeadAfter
}

// choose returns n servers, or fewer if there are not so many, for new replicas:
// servers that live, have space, and are not in not. The mutex is held.
func (m *Master) choose(n int, not map[string]bool) []*serverState {
	// TODO(3A): spread the load (§4.2): take those with the fewest replicas, and
	// of equal ones the one that has not been chosen for longest.
	// BEGIN SOLUTION
	var able []*serverState
	for _, s := range m.servers {
		if m.alive(s) && !s.full && !not[s.id] {
			able = append(able, s)
		}
	}
	slices.SortFunc(able, func(a, b *serverState) int {
		return cmp.Or(a.load-b.load, a.used-b.used, cmp.Compare(a.id, b.id))
	})
	able = able[:min(n, len(able))]
	for _, s := range able {
		m.placings++
		s.used = m.placings
		s.load++
	}
	return able
	// END SOLUTION
	// STUB: todo("3A", "choose: pick chunkservers for a chunk's replicas")
	// STUB: return nil
}

// AddChunk gives a file that is being written its next chunk, and the chunk its
// servers.
func (m *Master) AddChunk(args *AddChunkArgs, reply *ChunkInfo) error {
	return m.mutate(func() (record, error) {
		f := m.ns.files[args.File]
		if f == nil {
			return record{}, fs.ErrNotExist
		}
		servers := m.choose(m.cfg.Replication, m.identities(args.Avoid))
		switch {
		case !f.Open || args.Index < len(f.Chunks)-1 || args.Index > len(f.Chunks):
			return record{}, fs.ErrInvalid
		case len(servers) == 0:
			return record{}, m.nobody()
		}
		reply.Length, reply.Servers = OpenLength, addresses(servers)
		if args.Index < len(f.Chunks) { // asked again
			reply.ID, reply.Version = f.Chunks[args.Index], m.ns.Chunks[f.Chunks[args.Index]].Version
			return record{}, nil
		}
		reply.ID, reply.Version = m.ns.NextChunk, 1
		m.noteLastChunk(f, m.cfg.ChunkSize, args.Servers)
		return record{Op: opAddChunk, File: args.File, Chunk: reply.ID, Version: reply.Version, Length: m.cfg.ChunkSize}, nil
	})
}

// nobody says why no server can be chosen. A master that has just started has not
// heard of those that there are. The mutex is held.
func (m *Master) nobody() error {
	if len(m.servers) == 0 && time.Since(m.started) < m.cfg.DeadAfter {
		return ErrBusy
	}
	for _, s := range m.servers {
		if m.alive(s) && s.full {
			return ErrNoSpace
		}
	}
	return ErrNoServers
}

// Complete ends the writing of a file. It is answered with ErrBusy until each of
// its chunks is on two servers at least, if there are two.
func (m *Master) Complete(args *CompleteArgs, _ *Nothing) error {
	err := m.mutate(func() (record, error) {
		f := m.ns.files[args.File]
		switch {
		case f == nil:
			return record{}, fs.ErrNotExist
		case !f.Open:
			return record{}, nil // asked again
		}
		length := args.Size - int64(max(0, len(f.Chunks)-1))*m.cfg.ChunkSize
		m.noteLastChunk(f, length, args.Servers)
		return record{Op: opComplete, File: args.File, Length: length}, nil
	})
	if err != nil {
		return err
	}
	return m.safe(args.File)
}

// noteLastChunk takes a writer's word for who has the last chunk of its file,
// before the servers report it. The mutex is held.
func (m *Master) noteLastChunk(f *inode, length int64, servers []string) {
	if len(f.Chunks) == 0 {
		return
	}
	id := f.Chunks[len(f.Chunks)-1]
	for server := range m.identities(servers) {
		m.hold(id, server, ChunkReport{ID: id, Version: m.ns.Chunks[id].Version, Length: length})
	}
}

// hold notes that a server has a replica. The mutex is held.
func (m *Master) hold(id ChunkID, server string, r ChunkReport) {
	if m.holders[id] == nil {
		m.holders[id] = map[string]*holding{}
	}
	h := m.holders[id][server]
	if h == nil {
		h = &holding{since: time.Now()}
		m.holders[id][server] = h
	}
	// A heartbeat may have been sent before the replica got its present version.
	h.version = max(h.version, r.Version)
	h.length, h.damaged = r.Length, r.Damaged
}

// safe returns ErrBusy as long as a chunk of the file is on one server only.
func (m *Master) safe(id FileID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.ns.files[id]
	if f == nil {
		return fs.ErrNotExist
	}
	want := min(2, m.cfg.Replication, m.usable())
	for _, id := range f.Chunks {
		if len(m.good(m.ns.Chunks[id])) < want {
			return ErrBusy
		}
	}
	return nil
}

// usable counts the servers that could take a replica. The mutex is held.
func (m *Master) usable() (n int) {
	for _, s := range m.servers {
		if m.alive(s) && !s.full {
			n++
		}
	}
	return n
}

// Chunks tells which chunks a file has, and where they are.
func (m *Master) Chunks(args *ChunksArgs, reply *ChunksReply) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.file(args.Path, args.File)
	if err != nil {
		return err
	}
	reply.File, reply.Total = m.info(args.Path, f), len(f.Chunks)
	first := min(max(0, args.First), len(f.Chunks))
	last := min(first+max(0, args.Count), len(f.Chunks))
	for _, id := range f.Chunks[first:last] {
		c := m.ns.Chunks[id]
		reply.Chunks = append(reply.Chunks, ChunkInfo{ID: id, Version: c.Version, Length: c.Length, Servers: m.readable(c)})
	}
	return nil
}

// file returns the file with that path or, without a path, that ID. The mutex is
// held.
func (m *Master) file(path string, id FileID) (*inode, error) {
	if path == "" && id != 0 {
		if f := m.ns.files[id]; f != nil {
			return f, nil
		}
		return nil, fs.ErrNotExist
	}
	f, err := m.ns.lookup(path)
	if err == nil && f.Dir {
		return nil, ErrIsDir
	}
	return f, err
}

// good returns the servers that live and have a replica that is all right. The
// mutex is held.
func (m *Master) good(c *chunk) (servers []*serverState) {
	for _, id := range slices.Sorted(maps.Keys(m.holders[c.ID])) {
		if s := m.servers[id]; m.alive(s) && m.holders[c.ID][id].isGood(c) {
			servers = append(servers, s)
		}
	}
	return servers
}

// isGood reports whether a replica is neither stale nor damaged.
func (h *holding) isGood(c *chunk) bool {
	return h.version >= c.Version && !h.damaged && (c.Length == OpenLength || h.length == c.Length)
}

// readable returns the addresses of the servers to read a chunk from, the good
// ones first. Then come servers that may be dead, and damaged replicas, of which
// only some blocks cannot be read. The mutex is held.
func (m *Master) readable(c *chunk) []string {
	addrs := addresses(m.good(c))
	for _, id := range slices.Sorted(maps.Keys(m.holders[c.ID])) {
		if s := m.servers[id]; s != nil && m.holders[c.ID][id].version >= c.Version && !slices.Contains(addrs, s.addr) {
			addrs = append(addrs, s.addr)
		}
	}
	return addrs
}

func addresses(servers []*serverState) []string {
	addrs := make([]string, len(servers))
	for i, s := range servers {
		addrs[i] = s.addr
	}
	return addrs
}

// identities returns the servers at these addresses. The mutex is held.
func (m *Master) identities(addrs []string) map[string]bool {
	ids := map[string]bool{}
	for id, s := range m.servers {
		if slices.Contains(addrs, s.addr) {
			ids[id] = true
		}
	}
	return ids
}
