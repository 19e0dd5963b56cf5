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
	if m.cfg.Replication > 1 && len(reports) > 0 {
		todo("3B", "takeReport: note what the server has (§2.6.2)")
	}
}

// unwanted returns the replicas that a server shall delete. The mutex is held.
func (m *Master) unwanted(s *serverState, reports []ChunkReport) (unwanted []ChunkReport) {
	// TODO(3B): replicas of chunks that no file has any more; stale and damaged
	// ones, and those beyond Replication - but only while there are enough good
	// ones elsewhere, and nobody is copying or appending. From what is deleted
	// nobody may read or copy any more.
	return unwanted
}
