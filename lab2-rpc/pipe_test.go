package rpclab_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/stretchr/testify/require"

	"distsys/grader/simtest"
)

// A pipe is one end of a connection in memory. Writing never waits: what the
// other end has not read yet is kept.
type pipe struct {
	w     *simtest.World
	name  string
	other *pipe

	mu     sync.Mutex
	change *sync.Cond
	in     []byte
	eof    bool // the other end writes no more
	closes int  // calls of Close
	read   int  // bytes that left in
	chunk  int  // the most that a Read returns; 0 is everything
}

// newPipe connects two ends. What they write is in the world's log under their
// names.
func newPipe(w *simtest.World, a, b string) (*pipe, *pipe) {
	x, y := &pipe{w: w, name: a}, &pipe{w: w, name: b}
	x.other, y.other = y, x
	x.change, y.change = sync.NewCond(&x.mu), sync.NewCond(&y.mu)
	return x, y
}

func (p *pipe) Read(buf []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.in) == 0 && !p.eof && p.closes == 0 {
		p.change.Wait()
	}
	switch {
	case p.closes > 0:
		return 0, io.ErrClosedPipe
	case len(p.in) == 0:
		return 0, io.EOF
	}
	if p.chunk > 0 && len(buf) > p.chunk {
		buf = buf[:p.chunk]
	}
	n := copy(buf, p.in)
	p.in = p.in[n:]
	p.read += n
	return n, nil
}

func (p *pipe) Write(data []byte) (int, error) {
	if p.closed() {
		return 0, io.ErrClosedPipe
	}
	if p.w != nil {
		whole := bytes.Clone(data)
		p.w.Record(simtest.Event{Kind: "send", From: p.name, To: p.other.name, Lazy: func() string { return show(whole) }})
	}
	p.other.deliver(data)
	return len(data), nil
}

func (p *pipe) deliver(data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.in = append(p.in, data...)
	p.change.Broadcast()
}

// Close ends both directions.
func (p *pipe) Close() error {
	p.mu.Lock()
	p.closes++
	p.change.Broadcast()
	p.mu.Unlock()
	p.other.finish()
	return nil
}

// CloseWrite ends the direction to the other end.
func (p *pipe) CloseWrite() { p.other.finish() }

func (p *pipe) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eof = true
	p.change.Broadcast()
}

func (p *pipe) closed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closes > 0
}

// finished reports whether the other end writes no more.
func (p *pipe) finished() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.eof
}

// consumed returns how many bytes were read.
func (p *pipe) consumed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.read
}

// settle is enough time for everything that takes none.
const settle = 10 * time.Millisecond

// take returns the bytes that have come, when all is quiet.
func (p *pipe) take() []byte {
	p.w.Sleep(settle)
	p.mu.Lock()
	defer p.mu.Unlock()
	data := p.in
	p.in = nil
	return data
}

// handle is how the tests' side encodes: as MessagePack is today.
var handle = func() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{WriteExt: true}
	h.RawToString = true
	return h
}()

// encode returns a value in MessagePack.
func encode(v any) []byte {
	var data []byte
	codec.NewEncoderBytes(&data, handle).MustEncode(v)
	return data
}

// frame returns a message of these values.
func frame(values ...any) []byte { return encode(values) }

// decodeAll returns the values that data holds, and what could not be decoded.
func decodeAll(data []byte) (values []any, rest []byte) {
	for len(data) > 0 {
		d := codec.NewDecoderBytes(data, handle)
		var v any
		if d.Decode(&v) != nil {
			return values, data
		}
		values = append(values, v)
		data = data[d.NumBytesRead():]
	}
	return values, nil
}

// show gives bytes on the wire for people: what they say, and the bytes
// themselves, both cut short.
func show(data []byte) string {
	if len(data) == 0 {
		return "nothing"
	}
	const most = 24
	dump := fmt.Sprintf("% x", data[:min(len(data), most)])
	if len(data) > most {
		dump += fmt.Sprintf(" ... (%d bytes)", len(data))
	}
	if len(data) > 64<<10 {
		return dump
	}
	values, rest := decodeAll(data)
	var b strings.Builder
	for _, v := range values {
		text := fmt.Sprint(v)
		if len(text) > 80 {
			text = text[:80] + "..."
		}
		b.WriteString(text + " ")
	}
	if len(rest) > 0 && len(values) > 0 {
		b.WriteString("and more ")
	}
	return b.String() + "= " + dump
}

// mustClose checks the end of a codec on either side of a connection: Close closes
// it, lets a read that waits go, and may come twice; and a reader is told when the
// peer is gone. CodecOn makes a
// codec, and returns it and what reads a header.
func mustClose(w *simtest.World, codecOn func(*pipe) (closer io.Closer, read func() error)) {
	peer, end := newPipe(w, "peer", "codec")
	closer, read := codecOn(end)
	result := make(chan error, 1)
	go func() { result <- read() }()
	w.Sleep(settle)
	require.NoError(w, closer.Close())
	closer.Close()
	require.True(w, peer.finished(), "Close has not closed the connection")
	select {
	case err := <-result:
		require.Error(w, err, "a header is read, on a connection that was closed")
	case <-time.After(settle):
		w.Fatalf("a read that waited when Close was called still waits")
	}
	require.Equal(w, 1, end.closes, "how often the connection was closed")

	peer, end = newPipe(w, "peer", "codec")
	peer.Close()
	_, read = codecOn(end)
	require.ErrorIs(w, read(), io.EOF, "a header is read, when the peer is gone")
}
