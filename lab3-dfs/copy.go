package dfs

import (
	"log"
)

// fetch gets a replica from one of the servers that have it.
func (s *ChunkServer) fetch(order CopyOrder) {
	s.mu.Lock()
	busy := s.copying[order.ID]
	s.copying[order.ID] = true
	s.mu.Unlock()
	if busy {
		return
	}
	defer func() {
		s.mu.Lock()
		delete(s.copying, order.ID)
		s.mu.Unlock()
		s.report()
	}()
	for _, from := range order.From {
		err := s.noteSpace(s.fetchFrom(from, order))
		if err == nil {
			return
		}
		s.store.discard(order.ID)
		if s.ctx.Err() != nil {
			return
		}
		log.Printf("dfs: chunkserver at %s: copy chunk %d from %s: %v", s.addr, order.ID, from, err)
	}
}

// fetchFrom copies a replica from another server, piece by piece, and puts it in
// the place of the one that may be here.
func (s *ChunkServer) fetchFrom(from string, order CopyOrder) error {
	// TODO(3B): read the chunk there, write and seal a draft here. A replica whose
	// length changes meanwhile is no good source.
	return todo("3B", "fetchFrom: copy the replica piece by piece (§4.3)")
}
