package dfs

import (
	"time"
)

// Heartbeat hears that a chunkserver lives and what it has, and tells it what to
// do (§4.4, §4.5).
func (m *Master) Heartbeat(args *HeartbeatArgs, reply *HeartbeatReply) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.hear(args)
	if err != nil || s == nil {
		return err
	}
	m.takeReport(s, args.Chunks)
	reply.Delete = m.unwanted(s, args.Chunks)
	reply.Copy, m.orders[s.id] = m.orders[s.id], nil
	reply.Renewed = m.renew(s, args.Leases)
	return nil
}

// hear notes that a server lives. It returns nil for a heartbeat that came late,
// after a later one. The mutex is held.
func (m *Master) hear(args *HeartbeatArgs) (*serverState, error) {
	s := m.servers[args.Server]
	switch {
	case s == nil:
		s = &serverState{id: args.Server}
		m.servers[args.Server] = s
	case s.addr != args.Addr && m.alive(s):
		return nil, ErrDuplicateServer
	case !args.Sent.After(s.sent):
		return nil, nil
	}
	s.addr, s.full, s.load = args.Addr, args.Full, len(args.Chunks)
	s.heard, s.sent = time.Now(), args.Sent
	return s, nil
}

// takeReport notes what a server has, and what it does not have any more. The
// mutex is held.
func (m *Master) takeReport(s *serverState, reports []ChunkReport) {
	// TODO(3B): note all replicas (see hold). Forget those that the server does not
	// report, unless you have heard of them so lately that this heartbeat may have
	// been sent before. A copy that arrived is no longer under way.
	// BEGIN SOLUTION
	reported := map[ChunkID]bool{}
	for _, r := range reports {
		reported[r.ID] = true
		c := m.ns.Chunks[r.ID]
		if c == nil {
			continue // removed; see unwanted
		}
		m.hold(r.ID, s.id, r)
		if m.holders[r.ID][s.id].isGood(c) {
			delete(m.copies[r.ID], s.id)
		}
	}
	for id, holders := range m.holders {
		h := holders[s.id]
		switch {
		case m.ns.Chunks[id] == nil:
			delete(m.holders, id)
		case h != nil && !reported[id] && time.Since(h.since) > m.cfg.DeadAfter:
			delete(holders, s.id)
		}
	}
	// END SOLUTION
	// STUB: if m.cfg.Replication > 1 && len(reports) > 0 {
	// STUB: 	todo("3B", "takeReport: note what the server has (§2.6.2)")
	// STUB: }
}

// unwanted returns the replicas that a server shall delete. The mutex is held.
func (m *Master) unwanted(s *serverState, reports []ChunkReport) (unwanted []ChunkReport) {
	// TODO(3B): replicas of chunks that no file has any more; stale and damaged
	// ones, and those beyond Replication - but only while there are enough good
	// ones elsewhere, and nobody is copying or appending. From what is deleted
	// nobody may read or copy any more.
	// BEGIN SOLUTION
	for _, r := range reports {
		c := m.ns.Chunks[r.ID]
		if c == nil || m.superfluous(s, c) {
			unwanted = append(unwanted, r)
			delete(m.holders[r.ID], s.id)
		}
	}
	// END SOLUTION
	return unwanted
}

// BEGIN SOLUTION 3B

// superfluous reports whether a server's replica can go. Of too many good ones
// that of the fullest server goes. The mutex is held.
func (m *Master) superfluous(s *serverState, c *chunk) bool {
	h := m.holders[c.ID][s.id]
	if h == nil || m.leased(c) {
		return false
	}
	good := m.good(c)
	if !h.isGood(c) {
		return len(good) >= m.cfg.Replication
	}
	if len(good) <= m.cfg.Replication {
		return false
	}
	for _, other := range good {
		if other.load > s.load {
			return false
		}
	}
	return true
}

// END SOLUTION
