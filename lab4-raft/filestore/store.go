package filestore

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

// A Store is the stable storage of a server: a raft.Storage.
//
// Raft saves all of its state each time, though little has changed: mostly, some
// entries were added at the end. A Store compares it with what it has, and appends the
// difference to its log: one write, and one sync, whose cost does not depend on how
// long Raft's log is. When the file has grown too much, it begins anew.
type Store struct {
	log             *Log
	state, snapshot []byte // what the log amounts to
}

// Open opens the store in a folder, which it makes if need be.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "raft.log")
	l, records, err := OpenLog(path)
	if err != nil {
		return nil, err
	}
	s := &Store{log: l}
	for i, record := range records {
		if s.state, s.snapshot, err = apply(record, s.state, s.snapshot); err != nil {
			l.Close()
			return nil, fmt.Errorf("%s: record %d: %w: %w", path, i, err, ErrDamaged)
		}
	}
	return s, nil
}

// Load returns what was saved last.
func (s *Store) Load() (state, snapshot []byte) {
	return bytes.Clone(s.state), bytes.Clone(s.snapshot)
}

// Save saves the state and the snapshot, both or none. If the disk fails, the process
// ends: a server that cannot remember what it promised must not promise more.
func (s *Store) Save(state, snapshot []byte) {
	var err error
	if s.log.Size() > 1<<20+4*int64(len(state)+len(snapshot)) {
		err = s.log.Replace(difference(nil, state, nil, snapshot))
	} else {
		err = s.log.Append(difference(s.state, state, s.snapshot, snapshot))
	}
	if err != nil {
		log.Fatalf("cannot save the state: %v", err)
	}
	s.state = append(s.state[:0], state...)
	if !bytes.Equal(s.snapshot, snapshot) {
		s.snapshot = append(s.snapshot[:0], snapshot...)
	}
}

// Close closes the file.
func (s *Store) Close() error { return s.log.Close() }
