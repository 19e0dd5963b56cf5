package raft

import (
	"fmt"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// persist saves what this server must not forget in a crash (Figure 2: persistent
// state). The mutex is held.
//
// TODO(4C): save it, and rf.snapshot with it, which is nil until part 4D. Call
// persist wherever the state changed: before a reply or a request tells anyone.
//
// TODO(4D): save also where the log begins.
func (rf *Raft) persist() {
}

// restore brings back what an earlier server saved before it crashed. The mutex
// is held.
func (rf *Raft) restore() {
	state, snapshot := rf.storage.Load()
	if len(state) == 0 {
		return // this is the first start
	}
	// TODO(4C): restore the state.
	todo("4C", "restore: bring back the saved state (Figure 2)")

	// TODO(4D): restore the snapshot. What it covers is committed.
	if len(snapshot) > 0 {
		todo("4D", "restore: bring back the saved snapshot (§7)")
	}
}

// msgpack says how values become bytes. All servers may use it at the same time.
var msgpack codec.MsgpackHandle

// encode returns the values as bytes, in MessagePack. Of a struct it takes only
// the exported fields.
func encode(values ...any) []byte {
	var data []byte
	encoder := codec.NewEncoderBytes(&data, &msgpack)
	for _, value := range values {
		encoder.MustEncode(value)
	}
	return data
}

// decode reads values from bytes that [encode] made. It takes a pointer for each
// value, in the same order.
func decode(data []byte, values ...any) error {
	decoder := codec.NewDecoderBytes(data, &msgpack)
	for i, value := range values {
		if err := decoder.Decode(value); err != nil {
			return fmt.Errorf("decode value %d: %w", i, err)
		}
	}
	return nil
}
