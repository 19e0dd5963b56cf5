package dfs

import (
	"cmp"
	"maps"
	"slices"
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
	// BEGIN SOLUTION
	m.forgetLostCopies()
	for _, c := range m.needy() {
		good := m.good(c)
		missing := m.cfg.Replication - len(good) - len(m.copies[c.ID])
		not := map[string]bool{}
		for _, s := range good {
			not[s.id] = true
		}
		for id := range m.servers {
			if m.copies[c.ID][id] != (time.Time{}) || m.copiesTo(id) >= maxCopies {
				not[id] = true
			}
		}
		for _, target := range m.choose(missing, not) {
			m.order(c, target, good)
		}
	}
	// END SOLUTION
}

// order tells a server to copy a chunk from one of the others. The mutex is held.
func (m *Master) order(c *chunk, target *serverState, from []*serverState) {
	if m.copies[c.ID] == nil {
		m.copies[c.ID] = map[string]time.Time{}
	}
	m.copies[c.ID][target.id] = time.Now().Add(2 * m.cfg.DeadAfter)
	m.orders[target.id] = append(m.orders[target.id], CopyOrder{ID: c.ID, Version: c.Version, From: addresses(from)})
}

// BEGIN SOLUTION 3B

// needy returns the chunks that need a copy and can have one, those with the
// fewest good replicas first. The mutex is held.
func (m *Master) needy() []*chunk {
	var needy []*chunk
	have := map[ChunkID]int{}
	for _, id := range slices.Sorted(maps.Keys(m.ns.Chunks)) {
		c := m.ns.Chunks[id]
		n := len(m.good(c))
		if c.Version > 0 && n > 0 && n+len(m.copies[id]) < m.cfg.Replication && !m.leased(c) {
			have[id] = n
			needy = append(needy, c)
		}
	}
	slices.SortStableFunc(needy, func(a, b *chunk) int { return cmp.Compare(have[a.ID], have[b.ID]) })
	return needy
}

// forgetLostCopies gives up copies that did not come in time, or whose server is
// dead or full. The mutex is held.
func (m *Master) forgetLostCopies() {
	now := time.Now()
	for id, copies := range m.copies {
		maps.DeleteFunc(copies, func(server string, until time.Time) bool {
			return now.After(until) || !m.alive(m.servers[server]) || m.servers[server].full
		})
		if len(copies) == 0 || m.ns.Chunks[id] == nil {
			delete(m.copies, id)
		}
	}
}

// copiesTo counts the copies that are under way to a server. The mutex is held.
func (m *Master) copiesTo(server string) (n int) {
	for _, copies := range m.copies {
		if _, ok := copies[server]; ok {
			n++
		}
	}
	return n
}

// END SOLUTION
