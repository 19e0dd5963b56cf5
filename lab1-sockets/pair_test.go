package sockets_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	sockets "distsys/lab1-sockets"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
)

// A pair is two nodes, client and server, with a socket of the student's on each.
type pair struct {
	w         *simtest.World
	net       *simnet.Network
	transport *sockets.Transport // of both sides; a test may change it before use
	client    net.PacketConn
	server    net.PacketConn
	listener  net.Listener // on the server, after listen
	delivered counter      // bytes that were read
}

const millisecond = time.Millisecond

// steadyLink loses nothing and keeps the order.
func steadyLink(rtt time.Duration) simnet.Link {
	return simnet.Link{Latency: simnet.Range{Min: rtt / 2, Max: rtt / 2}, MTU: sockets.MaxDatagram, Bandwidth: 1_000_000}
}

func newPair(w *simtest.World, link simnet.Link) *pair {
	p := &pair{w: w, net: simnet.New(w, link)}
	p.net.Describe(describeSegment)
	// Long enough that no connection dies of bad luck, however bad.
	p.transport = &sockets.Transport{UserTimeout: 45 * time.Minute}
	p.client, p.server = p.socket("client"), p.socket("server")
	return p
}

func (p *pair) socket(node string) net.PacketConn {
	pc, err := p.net.Node(node).ListenPacket("udp", ":9000")
	if err != nil {
		p.w.Fatalf("%v", err)
	}
	p.w.Cleanup(func() { pc.Close() })
	return pc
}

func (p *pair) listen() {
	l, err := p.transport.Listen(p.server)
	if err != nil {
		p.w.Fatalf("Listen failed: %v", err)
	}
	p.listener = l
	p.w.Cleanup(func() { l.Close() })
}

// dial opens a connection from the client.
func (p *pair) dial() net.Conn {
	conn, err := p.transport.Dial(context.Background(), p.client, p.server.LocalAddr())
	if err != nil {
		p.w.Fatalf("Dial failed: %v", err)
	}
	p.w.Cleanup(func() { conn.Close() })
	return conn
}

func (p *pair) accept() net.Conn {
	conn, err := p.listener.Accept()
	if err != nil {
		p.w.Fatalf("Accept failed: %v", err)
	}
	p.w.Cleanup(func() { conn.Close() })
	return conn
}

// connect opens one connection.
func (p *pair) connect() (client, server net.Conn) {
	p.listen()
	accepted := make(chan net.Conn, 1)
	p.w.Go(func() { accepted <- p.accept() })
	client = p.dial()
	select {
	case server = <-accepted:
	case <-time.After(40 * time.Minute): // The last step of the handshake may be lost many times.
		p.w.Fatalf("Dial has returned, but Accept did not return the connection within 40 minutes\nrule: the answer to SYN is sent again until it is acknowledged (RFC 9293, 3.8.1)")
	}
	return client, server
}

// all runs functions at the same time, until all have returned.
func (p *pair) all(within time.Duration, what string, functions ...func()) {
	var wait sync.WaitGroup
	for _, f := range functions {
		wait.Add(1)
		p.w.Go(func() {
			defer wait.Done()
			f()
		})
	}
	done := make(chan struct{})
	p.w.Go(func() {
		wait.Wait()
		close(done)
	})
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-done:
		p.w.Sleep(0) // ends here if one of them failed
	case <-timer.C:
		p.w.Fatalf("%s did not end within %v. %d bytes have been read in all", what, within, p.delivered.Load())
	}
}

// A stream is bytes that are different everywhere, and from those of any other
// stream.
type stream uint64

// fill writes the bytes from place at on into b.
func (s stream) fill(b []byte, at int) {
	var word [8]byte
	for i := range b {
		if place := at + i; i == 0 || place%8 == 0 {
			x := (uint64(place/8) + 1) * (uint64(s)*2 + 0x9e3779b97f4a7c15)
			binary.LittleEndian.PutUint64(word[:], x^x>>29)
		}
		b[i] = word[(at+i)%8]
	}
}

// send writes n bytes of a stream and ends it, if the connection can.
func (p *pair) send(conn net.Conn, s stream, n int) {
	p.write(conn, s, 0, n)
	p.end(conn)
}

func (p *pair) write(conn net.Conn, s stream, from, to int) {
	buf := make([]byte, 16<<10)
	for at := from; at < to; {
		part := buf[:min(len(buf), to-at)]
		s.fill(part, at)
		n, err := conn.Write(part)
		if err != nil || n != len(part) {
			p.w.Sleep(0) // ends here if the test has failed already
			p.w.Fatalf("Write of bytes %d to %d of a stream returned %d and %v", at, at+len(part), n, err)
		}
		at += n
	}
}

func (p *pair) end(conn net.Conn) {
	c, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		p.w.Fatalf("the connection, a %T, has no method CloseWrite", conn)
	}
	if err := c.CloseWrite(); err != nil {
		p.w.Fatalf("CloseWrite: %v", err)
	}
}

// expect reads a stream of n bytes to its end.
func (p *pair) expect(conn net.Conn, s stream, n int) {
	p.read(conn, s, 0, n)
	if k, err := conn.Read(make([]byte, 1)); k > 0 || err != io.EOF {
		p.w.Fatalf("after all %d bytes of a stream Read returned %d and %v, and should return io.EOF", n, k, err)
	}
}

// read reads and checks the bytes of a stream from one place to another.
func (p *pair) read(conn net.Conn, s stream, from, to int) {
	buf, want := make([]byte, 20_000), make([]byte, 20_000)
	for at := from; at < to; {
		n, err := conn.Read(buf[:min(len(buf), to-at)])
		s.fill(want[:n], at)
		for i := range n {
			if buf[i] != want[i] {
				p.w.Fatalf("byte %d of a stream is wrong: it is %#02x, and %#02x was sent%s\nrule: bytes arrive unchanged, in order, each once", at+i, buf[i], want[i], s.whereabouts(buf[i:n], at+i))
			}
		}
		at += n
		p.delivered.Add(int64(n))
		if err != nil {
			p.w.Sleep(0) // ends here if the test has failed already
			p.w.Fatalf("Read returned %v after %d bytes of the stream; %d were sent", err, at, to)
		}
	}
}

// whereabouts says where in the stream the bytes are that came in the wrong place.
func (s stream) whereabouts(got []byte, at int) string {
	if len(got) < 8 {
		return ""
	}
	near := make([]byte, 200_000)
	from := max(0, at-len(near)/2)
	s.fill(near, from)
	for i := range len(near) - 8 {
		if string(near[i:i+8]) == string(got[:8]) {
			return fmt.Sprintf(". What came belongs at byte %d", from+i)
		}
	}
	return ". What came is not from this stream, or damaged"
}

// sent returns how many bytes a node has sent in datagrams.
func (p *pair) sent(node string) int { return int(p.net.Stats().From(node).Total().Bytes) }

// isDeadline reports whether the error is that of a deadline.
func isDeadline(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// A counter counts the bytes that pass.
type counter struct{ atomic.Int64 }
