package dfs

import (
	"time"
)

// maxCopies bounds how many copies a server gets at a time, so that repair leaves
// room for clients (§4.3).
const maxCopies = 4

// planRepair finds the chunks that have too few good replicas, and tells servers
// to copy them.
func (m *Master) planRepair() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.started) < m.cfg.DeadAfter {
		return // not all servers have had the time to report
	}
	// TODO(3B): for each chunk that lacks good replicas and is not being written or
	// appended to, order copies (see order): those with the fewest replicas first
	// (§4.3), from good replicas only, each to a server that has no good one and
	// few copies under way. A copy that does not arrive is ordered anew.
}

// order tells a server to copy a chunk from one of the others. The mutex is held.
func (m *Master) order(c *chunk, target *serverState, from []*serverState) {
	if m.copies[c.ID] == nil {
		m.copies[c.ID] = map[string]time.Time{}
	}
	m.copies[c.ID][target.id] = time.Now().Add(2 * m.cfg.DeadAfter)
	m.orders[target.id] = append(m.orders[target.id], CopyOrder{ID: c.ID, Version: c.Version, From: addresses(from)})
}
