package dfs

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// due reports whether it is time for a checkpoint.
func (l *opLog) due() bool {
	// TODO(3C): when as many records as [Config.Checkpoint] says would have to be
	// replayed.
	return false
}

// checkpoint writes this state of the namespace, which contains all records so
// far, and empties the log. Nothing is appended meanwhile. At every moment the disk
// holds a whole checkpoint and all records behind it. An error means that the log
// takes no more. Without room for a checkpoint the log only grows longer.
func (l *opLog) checkpoint(state []byte) error {
	// TODO(3C): write the new checkpoint beside the old one, let it take the old
	// one's place, and only then empty the log.
	return todo("3C", "checkpoint: write the namespace, then empty the log (§2.6.3)")
}

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
