package dfs

import (
	"context"
	"errors"
	"time"
)

// A primary is what the replica with the lease knows (§3.1).
type primary struct {
	expires     time.Time // it orders appends until then
	secondaries []string  // addresses of the other replicas
	used        time.Time // when it last ordered one
}

// Append adds a record to the end of a file, atomically and at least once (§3.3):
// when it returns an offset, the record is there whole. It may be there a second
// time if an earlier try failed half-way. The offset is the store's choice; between
// records there may be zeros, because a record never crosses the end of a chunk.
// Errors: ErrTooLong, ErrNoSpace, fs.ErrNotExist. While somebody still writes the
// file, Append waits.
func (c *Client) Append(ctx context.Context, path string, record []byte) (offset int64, err error) {
	if len(record) > c.cfg.MaxRecord() {
		return 0, pathError("append", path, ErrTooLong)
	}
	// TODO(3D): ask the master for the primary (Master.Lease), and the primary to
	// append. When the chunk is full, or the primary fails, tell the master and
	// try again, until ctx ends. Between tries wait for retryPause.
	return 0, pathError("append", path, todo("3D", "Client.Append: find the primary, and have it append (§3.3)"))
}

// Promise promises to refuse appends of earlier versions, and tells how long the
// replica is.
func (s *ChunkServer) Promise(args *PromiseArgs, reply *PromiseReply) error {
	r, err := s.store.get(args.ID, 0)
	if errors.Is(err, ErrNoChunk) && args.Create {
		if err := s.noteSpace(s.store.create(args.ID, 0)); err != nil {
			return err
		}
		r, err = s.store.get(args.ID, 0)
	}
	if err != nil {
		return err
	}
	return s.change(r, func(now view) error {
		// TODO(3D): promise (see promise), and answer how long the replica is. A replica
		// that is damaged, or has promised or has a higher version, cannot take part.
		return todo("3D", "Promise: refuse earlier versions from now on (§4.5)")
	})
}

// promise notes the version that a replica has promised. If it was the primary, it
// is no more.
func (s *ChunkServer) promise(r *replica, v Version) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	r.promised, r.primary = v, nil
}

// change runs a function that changes a replica, when no other does.
func (s *ChunkServer) change(r *replica, f func(now view) error) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-s.ctx.Done():
		return ErrStopped
	}
	now := s.store.view(r)
	if now.gone {
		return ErrNoChunk
	}
	return f(now)
}

// Grant gives a replica the version that it has promised, and the length that all
// replicas have, and makes it the primary if it is to be that.
func (s *ChunkServer) Grant(args *GrantArgs, _ *Nothing) error {
	r, err := s.store.get(args.ID, 0)
	if err != nil {
		return err
	}
	return s.change(r, func(now view) error {
		// TODO(3D): cut the replica (see store.cut), and give it the version, on the disk
		// too (see store.setVersion). Only if that is what it has promised, and has not
		// forgotten: otherwise it may have taken other appends since. Then note the
		// lease (see setPrimary).
		return todo("3D", "Grant: cut the replica, and note the lease (§3.1)")
	})
}

// setPrimary makes a replica the primary or, with nil, takes the lease from it.
func (s *ChunkServer) setPrimary(r *replica, p *primary) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	r.primary = p
}

// secondaries returns the other replicas of a chunk, if this one is the primary
// and its lease has not run out. Otherwise the error is ErrNotPrimary.
func (s *ChunkServer) secondaries(r *replica) ([]string, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	// TODO(3D): see whether the lease has run out.
	return nil, todo("3D", "secondaries: look at the lease")
}

// Append adds a record to a chunk: on this server, the primary, and on all other
// replicas at the same place.
func (s *ChunkServer) Append(args *AppendArgs, reply *AppendReply) error {
	if len(args.Record) > s.cfg.MaxRecord() {
		return ErrTooLong
	}
	r, err := s.store.get(args.ID, args.Version)
	if err != nil {
		return err
	}
	return s.change(r, func(now view) error {
		// TODO(3D): choose the offset, and add the record on all replicas. One that
		// does not fit any more: add zeros up to the end of the chunk, and answer
		// ErrChunkFull (§3.3). If a replica fails, the others may have what it has
		// not: give up the lease, so that nothing is added before the master has
		// brought them together.
		return todo("3D", "Append: choose the offset, and add the record on all replicas (§3.3)")
	})
}

// Replicate adds what the primary says.
func (s *ChunkServer) Replicate(args *ReplicateArgs, _ *Nothing) error {
	r, err := s.store.get(args.ID, args.Version)
	if err != nil {
		return err
	}
	return s.change(r, func(now view) error {
		// TODO(3D): add it, but only to the version that it is meant for, only at the
		// end, and only if no higher version was promised.
		return todo("3D", "Replicate: add what the primary says (§3.1)")
	})
}

// leases returns the chunks whose lease this server would like to keep: those
// that it was asked to append to lately.
func (s *ChunkServer) leases() (ids []ChunkID) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	now := time.Now()
	for id, r := range s.store.replicas {
		if p := r.primary; p != nil && now.Before(p.expires) && now.Sub(p.used) < s.cfg.Lease/2 {
			ids = append(ids, id)
		}
	}
	return ids
}

// extend notes that the master renewed leases. The master's answer may have taken
// long, so their time runs from when it was asked.
func (s *ChunkServer) extend(ids []ChunkID, asked time.Time) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	// TODO(3D): extend the leases that this server still has.
}
