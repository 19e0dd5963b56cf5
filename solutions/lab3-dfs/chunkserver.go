package dfs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"time"

	"github.com/sasha-s/go-deadlock"
)

// A ChunkServer keeps chunks on a disk, and tells the master which.
//
// store.go and draft.go put chunks on the disk, copy.go fetches them from others,
// append.go adds records to them.
type ChunkServer struct {
	*service
	id           string // for ever: it is on the disk
	addr, master string
	store        *store
	wake         chan struct{} // has room for one: asks for a heartbeat now

	mu      deadlock.Mutex // guards everything below
	full    time.Time      // until then the disk counts as full
	copying map[ChunkID]bool
}

// NewChunkServer starts a chunkserver on what its disk holds. Others reach it at
// addr; it reports to the master at that address.
func NewChunkServer(addr, master string, disk Disk, cfg Config) (*ChunkServer, error) {
	cfg = cfg.WithDefaults()
	id, err := identity(disk)
	if err != nil {
		return nil, fmt.Errorf("dfs: chunkserver at %s: identity: %w", addr, err)
	}
	store, err := openStore(disk)
	if err != nil {
		return nil, fmt.Errorf("dfs: chunkserver at %s: %w", addr, err)
	}
	s := &ChunkServer{
		service: newService(cfg),
		id:      id,
		addr:    addr,
		master:  master,
		store:   store,
		wake:    make(chan struct{}, 1),
		copying: map[ChunkID]bool{},
	}
	s.spawn(s.heartbeats)
	return s, nil
}

// identity returns the identity that the disk remembers, or makes one.
func identity(disk Disk) (string, error) {
	const name, temporary, size = "identity", "identity.new", 26
	id := make([]byte, size)
	f, err := disk.Open(name)
	switch {
	case err == nil:
		defer f.Close()
		return string(id), readFull(f, id, 0)
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	copy(id, rand.Text())
	if f, err = disk.Create(temporary); err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.WriteAt(id, 0); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	if err := disk.Rename(temporary, name); err != nil {
		return "", err
	}
	return string(id), disk.SyncDir()
}

// Serve answers clients and other chunkservers until Stop is called; then it
// returns ErrStopped. It may be called for several listeners.
func (s *ChunkServer) Serve(l net.Listener) error { return s.serve(l, "ChunkServer", s) }

// Stop ends the chunkserver. No goroutine of it is left when it returns.
func (s *ChunkServer) Stop() {
	s.stop()
	s.store.close()
}

// Write stores a piece of a new chunk, and passes it on to the next server.
func (s *ChunkServer) Write(args *WriteArgs, reply *ChainReply) error {
	if len(args.Data) == 0 || args.Offset+int64(len(args.Data)) > s.cfg.ChunkSize {
		return fs.ErrInvalid
	}
	// TODO(3B): pass the piece on at the same time (see passOn), and answer once
	// everybody has it.
	// BEGIN SOLUTION
	passed := s.passOn("ChunkServer.Write", args.Next, func(next []string) any {
		return &WriteArgs{ID: args.ID, Version: args.Version, Offset: args.Offset, Data: args.Data, Next: next}
	})
	// END SOLUTION
	// STUB: if len(args.Next) > 0 {
	// STUB: 	return todo("3B", "Write: pass the piece on along the chain (§3.2)")
	// STUB: }

	// TODO(3A): store it.
	// BEGIN SOLUTION
	err := s.noteSpace(s.store.write(args.ID, args.Version, args.Offset, args.Data))
	// END SOLUTION
	// STUB: err := todo("3A", "Write: store the piece")

	// BEGIN SOLUTION 3B
	*reply = <-passed
	// END SOLUTION
	return err
}

// Seal ends the writing of a chunk, here and on the servers that follow. The
// replica is safe when it returns.
func (s *ChunkServer) Seal(args *SealArgs, reply *ChainReply) error {
	// TODO(3B): as in Write.
	// BEGIN SOLUTION
	passed := s.passOn("ChunkServer.Seal", args.Next, func(next []string) any {
		return &SealArgs{ID: args.ID, Version: args.Version, Length: args.Length, Next: next}
	})
	// END SOLUTION
	// STUB: if len(args.Next) > 0 {
	// STUB: 	return todo("3B", "Seal: have the whole chain seal the chunk")
	// STUB: }
	err := s.noteSpace(s.store.seal(args.ID, args.Version, args.Length))
	// BEGIN SOLUTION 3B
	*reply = <-passed
	// END SOLUTION
	return err
}

// passOn calls a method of the first of the next servers, with arguments that
// send it on to the rest. It does not wait: the answer, what became of the rest of
// the chain, comes out of the channel.
func (s *ChunkServer) passOn(method string, next []string, args func(next []string) any) <-chan ChainReply {
	answer := make(chan ChainReply, 1)
	if len(next) == 0 {
		answer <- ChainReply{}
		return answer
	}
	go func() {
		ctx, cancel := context.WithTimeout(s.ctx, chainTime(s.cfg, len(next)))
		defer cancel()
		reply := new(ChainReply)
		if err := s.peers.call(ctx, next[0], method, args(next[1:]), reply); err != nil {
			reply = &ChainReply{Failed: next[0], Reason: err.Error()}
		}
		answer <- *reply
	}()
	return answer
}

// chainTime returns how long to wait for a chain of n servers. A server waits a
// shorter time for the next one than others wait for it: so the one that is slow
// gets the blame.
func chainTime(cfg Config, n int) time.Duration {
	return cfg.CallTimeout * time.Duration(n) / time.Duration(max(cfg.Replication, n))
}

// Read returns bytes of a chunk.
func (s *ChunkServer) Read(args *ReadArgs, reply *ReadReply) error {
	// TODO(3A): find the replica (see store.get) and read (see store.read). When it
	// turns out to be damaged, have the master told (see report).
	// BEGIN SOLUTION
	r, err := s.store.get(args.ID, args.Version)
	if err != nil {
		return err
	}
	reply.Data, reply.Length, err = s.store.read(r, args.Offset, args.Length)
	if errors.Is(err, ErrCorrupt) {
		s.report()
	}
	return err
	// END SOLUTION
	// STUB: return todo("3A", "Read: read bytes of a replica")
}

// noteSpace notes an error that says that the disk is full.
func (s *ChunkServer) noteSpace(err error) error {
	if errors.Is(err, ErrNoSpace) {
		s.mu.Lock()
		s.full = time.Now().Add(12 * s.cfg.DeadAfter)
		s.mu.Unlock()
		s.report()
	}
	return err
}

// heartbeats tells the master regularly what this server has, and does what the
// master answers.
func (s *ChunkServer) heartbeats() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for failed := ""; ; {
		select {
		case <-timer.C:
		case <-s.wake:
		case <-s.ctx.Done():
			return
		}
		now := ""
		if err := s.heartbeat(); err != nil && s.ctx.Err() == nil {
			now = err.Error()
		}
		if now != "" && now != failed {
			log.Printf("dfs: chunkserver at %s: heartbeat: %s", s.addr, now)
		}
		failed = now
		for _, id := range s.store.abandoned(time.Now().Add(-4 * s.cfg.DeadAfter)) {
			s.store.discard(id)
		}
		timer.Reset(s.cfg.Heartbeat)
	}
}

// report has a heartbeat sent soon.
func (s *ChunkServer) report() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *ChunkServer) heartbeat() error {
	ctx, cancel := context.WithTimeout(s.ctx, min(s.cfg.CallTimeout, s.cfg.DeadAfter/2))
	defer cancel()
	args := &HeartbeatArgs{Server: s.id, Addr: s.addr, Sent: time.Now(), Chunks: s.store.reports(), Leases: s.leases()}
	s.mu.Lock()
	args.Full = args.Sent.Before(s.full)
	s.mu.Unlock()
	reply := new(HeartbeatReply)
	if err := s.peers.call(ctx, s.master, "Master.Heartbeat", args, reply); err != nil {
		return err
	}
	s.extend(reply.Renewed, args.Sent)
	for _, r := range reply.Delete {
		if err := s.store.remove(r.ID, r.Version); err != nil {
			log.Printf("dfs: chunkserver at %s: delete chunk %d: %v", s.addr, r.ID, err)
		}
	}
	if len(reply.Delete) > 0 {
		s.mu.Lock()
		s.full = time.Time{}
		s.mu.Unlock()
	}
	for _, order := range reply.Copy {
		s.spawn(func() { s.fetch(order) })
	}
	return nil
}
