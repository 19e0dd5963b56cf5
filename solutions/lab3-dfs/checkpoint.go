package dfs

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
)

// due reports whether it is time for a checkpoint.
func (l *opLog) due() bool {
	// TODO(3C): when as many records as [Config.Checkpoint] says would have to be
	// replayed.
	// BEGIN SOLUTION
	return l.waiting >= l.every
	// END SOLUTION
	// STUB: return false
}

// checkpoint writes this state of the namespace, which contains all records so
// far, and empties the log. Nothing is appended meanwhile. At every moment the disk
// holds a whole checkpoint and all records behind it. An error means that the log
// takes no more. Without room for a checkpoint the log only grows longer.
func (l *opLog) checkpoint(state []byte) error {
	// TODO(3C): write the new checkpoint beside the old one, let it take the old
	// one's place, and only then empty the log.
	// BEGIN SOLUTION
	l.waiting = 0
	if err := l.writeCheckpoint(state); err != nil {
		log.Printf("dfs: no checkpoint now: %v", err)
		return nil // the old one and the log are as good as before
	}
	if err := l.installCheckpoint(); err != nil {
		return err
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	l.end = 0
	return l.file.Sync() // so that old records do not come back behind new ones
	// END SOLUTION
	// STUB: return todo("3C", "checkpoint: write the namespace, then empty the log (§2.6.3)")
}

// BEGIN SOLUTION 3C

// writeCheckpoint writes a checkpoint that does not count yet.
func (l *opLog) writeCheckpoint(state []byte) error {
	f, err := l.disk.Create(newCheckFile)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(frame(l.last, state), 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// installCheckpoint lets the new checkpoint take the place of the old one.
func (l *opLog) installCheckpoint() error {
	if err := l.disk.Rename(newCheckFile, checkFile); err != nil {
		return err
	}
	return l.disk.SyncDir() // if the name is lost in a crash, so is the checkpoint
}

// loadCheckpoint reads the checkpoint.
func (l *opLog) loadCheckpoint(ns *namespace) error {
	f, err := l.disk.Open(checkFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the file %s is missing", ErrDamaged, checkFile)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", checkFile, err)
	}
	number, state, size, ok := unframe(data)
	if !ok || size != int64(len(data)) {
		return fmt.Errorf("%w: %s does not match its checksum", ErrDamaged, checkFile)
	}
	l.last = number
	return ns.decode(state)
}

// END SOLUTION

// byteOrder is how numbers are stored.
var byteOrder = binary.BigEndian

// encode returns the record as bytes.
func (r record) encode() []byte { return mustJSON(r) }

// decodeRecord returns the record that encode made bytes of.
func decodeRecord(data []byte) (r record, err error) {
	err = json.Unmarshal(data, &r)
	return r, err
}

// encode returns the whole namespace as bytes, for a checkpoint. The master's
// mutex is held.
func (ns *namespace) encode() []byte { return mustJSON(ns) }

// decode makes the namespace what encode made bytes of.
func (ns *namespace) decode(data []byte) error {
	if err := json.Unmarshal(data, ns); err != nil {
		return fmt.Errorf("decode the namespace: %w", err)
	}
	ns.reindex()
	return nil
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("dfs: encode %T: %v", v, err)) // there is nothing in it that cannot be encoded
	}
	return data
}
