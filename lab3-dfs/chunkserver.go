package dfs

import "net"

// A ChunkServer keeps chunks on a disk, and tells the master which.
type ChunkServer struct {
	*service
	addr, master string
}

// NewChunkServer starts a chunkserver on what its disk holds. Others reach it at
// addr; it reports to the master at that address.
func NewChunkServer(addr, master string, disk Disk, cfg Config) (*ChunkServer, error) {
	return &ChunkServer{service: newService(cfg.WithDefaults()), addr: addr, master: master}, nil
}

// Serve answers clients and other chunkservers until Stop is called; then it
// returns ErrStopped.
func (s *ChunkServer) Serve(l net.Listener) error { return s.serve(l, "ChunkServer", s) }

// Stop ends the chunkserver. No goroutine of it is left when it returns.
func (s *ChunkServer) Stop() { s.stop() }
