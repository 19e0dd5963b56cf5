package sockets_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	sockets "distsys/lab1-sockets"
)

// Whatever comes, reading it ends with a value or an error, and takes no more
// memory than the input justifies. What was read can be written, and is then read
// the same.
func FuzzReadValue(f *testing.F) {
	if _, err := sockets.NewReader(strings.NewReader(samples[0].bytes)).ReadValue(); err != nil {
		f.Fatalf("not even %q can be read: %v", samples[0].bytes, err)
	}
	for _, s := range samples {
		f.Add([]byte(s.bytes))
	}
	f.Add([]byte("*1\r\n*1\r\n$2147483647\r\n"))
	f.Add([]byte("PING\r\n*-1\r\n\r\n*0\r\n$-1\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		used := allocated(func() { readAll(t, input) })
		if most := uint64(4<<20 + 2000*len(input)); used > most {
			t.Errorf("%d bytes of input made the reader allocate %d bytes", len(input), used)
		}
	})
}

// readAll reads input as values and as commands.
func readAll(t *testing.T, input []byte) {
	r := sockets.NewReader(bytes.NewReader(input))
	for {
		v, err := r.ReadValue()
		if err != nil {
			mustBeKnown(t, err)
			break
		}
		var out bytes.Buffer
		w := sockets.NewWriter(&out)
		if err := errors.Join(w.WriteValue(v), w.Flush()); err != nil {
			t.Fatalf("%v was read, but cannot be written: %v", v, err)
		}
		back, err := sockets.NewReader(&out).ReadValue()
		if err != nil || !same(v, back) {
			t.Fatalf("%v was read and written, and is then read as %v, %v", v, back, err)
		}
	}
	r = sockets.NewReader(bytes.NewReader(input))
	for {
		args, err := r.ReadCommand()
		if err != nil {
			mustBeKnown(t, err)
			return
		}
		if len(args) == 0 {
			t.Fatal("ReadCommand returned an empty command")
		}
	}
}

func mustBeKnown(t *testing.T, err error) {
	var malformed *sockets.ProtocolError
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &malformed) {
		t.Fatalf("unexpected error %v", err)
	}
}
