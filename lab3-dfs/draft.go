package dfs

import (
	"fmt"
	"io/fs"
	"time"
)

// A draft is a chunk that is being written, by a client or as a copy. Its blocks
// may come in any order. It is no replica before it is sealed: nobody can read it,
// the master does not hear of it, and a crash removes it.
type draft struct {
	id      ChunkID
	version Version
	turn    chan struct{} // has room for one: who is in opens or seals it
	data    File          // nil until it is open

	// The store's mutex guards what follows.
	sums map[int64]blockSum // by block
	used time.Time          // when it was last written to
}

// A blockSum is the checksum of a block of a draft.
type blockSum struct {
	length int
	sum    uint32
}

// draft returns the draft of a chunk, and begins one if there is none.
func (s *store) draft(id ChunkID, v Version) (*draft, error) {
	s.mu.Lock()
	d := s.drafts[id]
	if d == nil {
		d = &draft{id: id, version: v, turn: make(chan struct{}, 1), sums: map[int64]blockSum{}}
		s.drafts[id] = d
	}
	d.used = time.Now()
	s.mu.Unlock()

	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	if d.data == nil {
		data, err := s.disk.Create(draftName(id))
		if err != nil {
			return nil, err
		}
		d.data = data
	}
	return d, nil
}

// write stores a piece of a draft, which begins where a block does.
func (s *store) write(id ChunkID, v Version, off int64, data []byte) error {
	if off < 0 || off%BlockSize != 0 {
		return fs.ErrInvalid
	}
	d, err := s.draft(id, v)
	if err != nil {
		return err
	}
	if _, err := d.data.WriteAt(data, off); err != nil {
		return err
	}
	sums := map[int64]blockSum{}
	for block := off / BlockSize; len(data) > 0; block++ {
		n := min(len(data), BlockSize)
		sums[block] = blockSum{n, checksum(data[:n])}
		data = data[n:]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for block, sum := range sums {
		d.sums[block] = sum
	}
	return nil
}

// seal makes a draft a replica, in the place of one that may be there. When it
// returns, the replica survives a crash. Sealing again does nothing.
func (s *store) seal(id ChunkID, v Version, length int64) error {
	s.mu.Lock()
	d := s.drafts[id]
	s.mu.Unlock()
	if d != nil {
		d.turn <- struct{}{}
		defer func() { <-d.turn }()
	}
	s.mu.Lock()
	old := s.replicas[id]
	open := s.drafts[id] == d && d != nil && d.data != nil
	s.mu.Unlock()
	switch {
	case open:
		return s.sealDraft(d, old, length)
	case old != nil && old.version >= v && old.length == length:
		return nil // sealed already
	}
	return ErrNoChunk
}

// sealDraft is seal with the draft's turn.
func (s *store) sealDraft(d *draft, old *replica, length int64) error {
	if old != nil {
		old.turn <- struct{}{} // nobody appends to it meanwhile
		defer func() { <-old.turn }()
		if s.isBetter(old, d, length) {
			s.mu.Lock()
			delete(s.drafts, d.id)
			s.mu.Unlock()
			d.data.Close()
			return s.disk.Remove(draftName(d.id))
		}
	}
	r := &replica{id: d.id, version: d.version, data: d.data, turn: make(chan struct{}, 1)}
	entries, err := s.sealed(d, r, length)
	if err != nil {
		return err
	}
	if err := d.data.Sync(); err != nil {
		return err
	}
	sums, err := s.disk.Create(sumsName(d.id, d.version) + ".new")
	if err != nil {
		return err
	}
	r.sumFile = sums
	if err := s.addEntries(r, 0, entries); err != nil {
		return err
	}
	if old != nil {
		if err := s.drop(old); err != nil {
			return err
		}
	}
	if err := s.disk.Rename(draftName(d.id), dataName(d.id)); err != nil {
		return err
	}
	if err := s.disk.Rename(sumsName(d.id, d.version)+".new", sumsName(d.id, d.version)); err != nil {
		return err
	}
	if err := s.disk.SyncDir(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replicas[d.id] = r
	delete(s.drafts, d.id)
	return nil
}

// isBetter reports whether a replica must not give way to a draft: a copy may have
// been ordered before the replica got its present version.
func (s *store) isBetter(r *replica, d *draft, length int64) bool {
	now := s.view(r)
	switch {
	case now.gone:
		return false
	case now.version != d.version:
		return now.version > d.version
	}
	return !now.damaged && now.length >= length
}

// sealed checks that the draft has all blocks up to length, and returns the
// entries of its sums file.
func (s *store) sealed(d *draft, r *replica, length int64) (entries []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := int64(0); at < length; {
		n := min(length-at, BlockSize)
		b, ok := d.sums[at/BlockSize]
		if !ok || int64(b.length) != n {
			return nil, fmt.Errorf("chunk %d: %d of the %d bytes at %d were written: %w", d.id, b.length, n, at, fs.ErrInvalid)
		}
		at += n
		r.note(at, b.sum)
		entries = append(entries, encodeSum(at, b.sum)...)
	}
	return entries, nil
}

// create makes an empty replica, for appends.
func (s *store) create(id ChunkID, v Version) error {
	if _, err := s.draft(id, v); err != nil {
		return err
	}
	return s.seal(id, v, 0)
}

// discard removes a draft.
func (s *store) discard(id ChunkID) {
	s.mu.Lock()
	d := s.drafts[id]
	delete(s.drafts, id)
	s.mu.Unlock()
	if d == nil {
		return
	}
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	if d.data != nil {
		d.data.Close()
		s.disk.Remove(draftName(id)) // if that fails the next start does it
	}
}

// abandoned returns the drafts that nobody has written to since then.
func (s *store) abandoned(since time.Time) (ids []ChunkID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, d := range s.drafts {
		if d.used.Before(since) {
			ids = append(ids, id)
		}
	}
	return ids
}

// remove deletes a replica, unless it has a higher version than v.
func (s *store) remove(id ChunkID, v Version) error {
	r, err := s.get(id, 0)
	if err != nil {
		return nil
	}
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	if now := s.view(r); now.gone || now.version > v {
		return nil
	}
	if err := s.drop(r); err != nil {
		return err
	}
	if err := s.disk.Remove(dataName(id)); err != nil {
		return err
	}
	return s.disk.SyncDir()
}

// drop makes a replica none: from its sums file on, which alone makes it one.
func (s *store) drop(r *replica) error {
	s.mu.Lock()
	r.gone = true
	if s.replicas[r.id] == r {
		delete(s.replicas, r.id)
	}
	version := r.version
	s.mu.Unlock()
	r.close()
	return s.disk.Remove(sumsName(r.id, version))
}

// close closes all files.
func (s *store) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.replicas {
		r.close()
	}
	for _, d := range s.drafts {
		if d.data != nil {
			d.data.Close()
		}
	}
}
