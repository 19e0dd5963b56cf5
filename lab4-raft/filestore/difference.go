package filestore

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// A difference tells how two texts become two others. Of each text it has the new
// length, the number of changes, and of each change its place, its length and the new
// bytes. Numbers are varints.

// block is how finely texts are compared, in bytes.
const block = 64

var errDifference = errors.New("a difference does not fit what it is applied to")

// difference returns how the old state and snapshot become the new ones.
func difference(oldState, state, oldSnapshot, snapshot []byte) []byte {
	return appendChanges(appendChanges(nil, oldState, state), oldSnapshot, snapshot)
}

// apply returns what the state and the snapshot become.
func apply(difference, oldState, oldSnapshot []byte) (state, snapshot []byte, err error) {
	state, rest, err := applyChanges(difference, oldState)
	if err != nil {
		return nil, nil, err
	}
	snapshot, rest, err = applyChanges(rest, oldSnapshot)
	if err == nil && len(rest) > 0 {
		err = errDifference
	}
	return state, snapshot, err
}

func appendChanges(data, old, new []byte) []byte {
	spans := changed(old, new)
	data = binary.AppendUvarint(data, uint64(len(new)))
	data = binary.AppendUvarint(data, uint64(len(spans)))
	for _, s := range spans {
		data = binary.AppendUvarint(data, uint64(s.from))
		data = binary.AppendUvarint(data, uint64(s.to-s.from))
		data = append(data, new[s.from:s.to]...)
	}
	return data
}

// A span is a part of a text.
type span struct{ from, to int }

// changed returns the spans of the new text that are not in the old one at the same
// place.
func changed(old, new []byte) (spans []span) {
	for from := 0; from < len(new); {
		to := min(from+block, len(new))
		if from >= len(old) {
			to = len(new)
		}
		if to > len(old) || !bytes.Equal(old[from:to], new[from:to]) {
			if n := len(spans); n > 0 && spans[n-1].to == from {
				spans[n-1].to = to
			} else {
				spans = append(spans, span{from, to})
			}
		}
		from = to
	}
	return spans
}

func applyChanges(data, old []byte) (new, rest []byte, err error) {
	number := func() int {
		n, size := binary.Uvarint(data)
		if size <= 0 || n > 1<<40 {
			err = errDifference
			return 0
		}
		data = data[size:]
		return int(n)
	}
	length, spans := number(), number()
	if err != nil || length > len(old)+len(data) {
		return nil, nil, errDifference
	}
	new = make([]byte, length)
	copy(new, old)
	for range spans {
		from, n := number(), number()
		if err != nil || n > len(data) || from+n > length {
			return nil, nil, errDifference
		}
		copy(new[from:], data[:n])
		data = data[n:]
	}
	return new, data, nil
}
