package sockets_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
	sockets "distsys/lab1-sockets"

	"github.com/stretchr/testify/require"
)

// A service is a server of this lab.
type service interface {
	Serve(l net.Listener) error
	Shutdown(ctx context.Context) error
}

const (
	port     = "7"
	server   = "server"         // the node that the service is on
	patience = 10 * time.Second // how long a client waits for what must come soon
	window   = 64 << 10         // bytes that a stream holds between writer and reader
	slack    = 1 << 20          // bytes that a server may hold for a client, or a client for a server
	later    = time.Millisecond // goroutines that have nothing to wait for are done by then
	never    = 1000 * time.Hour // a deadline for what must not be waited for
	aWhile   = 2 * time.Second  // in which nothing must happen
)

// A site is a service on a node of a network.
type site struct {
	w      *simtest.World
	net    *simnet.Network
	served chan error // what Serve returned
	peers  int
}

// start starts the service on the node "server", in a network with these links.
// Streams hold no more than a window, as on TCP. The service gets its connections
// as wrap gives them, if there is one.
func start(w *simtest.World, s service, links simnet.Link, wrap ...func(net.Conn) net.Conn) *site {
	n := simnet.New(w, links)
	n.SetStreamBuffer(window)
	l, err := n.Node(server).Listen("tcp", ":"+port)
	require.NoError(w, err)
	for _, wrap := range wrap {
		l = wrapping{l, wrap}
	}
	at := &site{w: w, net: n, served: make(chan error, 1)}
	w.Go(func() { at.served <- s.Serve(l) })
	w.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		s.Shutdown(ctx)
		l.Close()
	})
	return at
}

// A wrapping is a listener that changes the connections it accepts.
type wrapping struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (l wrapping) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		conn = l.wrap(conn)
	}
	return conn, err
}

// startEcho starts an echo server.
func startEcho(w *simtest.World, links simnet.Link) (*site, *sockets.EchoServer) {
	s := &sockets.EchoServer{}
	return start(w, s, links), s
}

// dial connects a client on a node of its own.
func (at *site) dial() *peer {
	at.w.Helper()
	at.peers++
	return at.dialFrom(fmt.Sprintf("c%d", at.peers))
}

// dialFrom connects a client on the given node.
func (at *site) dialFrom(node string) *peer {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := at.net.Node(node).DialContext(ctx, "tcp", server+":"+port)
	require.NoError(at.w, err, "%s cannot connect to the server", node)
	return newPeer(at.w, node, conn)
}

// mustReturn waits for Serve to return, and says with which error.
func (at *site) mustReturn(after string) error {
	select {
	case err := <-at.served:
		return err
	case <-time.After(patience):
		at.w.Fatalf("%s, but Serve has not returned within %v", after, patience)
	}
	return nil
}

// mustBeGone checks that the service has left nothing behind.
func (at *site) mustBeGone() {
	time.Sleep(later)
	if left := at.w.Goroutines(); len(left) > 0 {
		at.w.Fatalf("Shutdown and Serve have returned, but %d goroutines of the server are left. The first:\n%s", len(left), left[0])
	}
}

// refuses checks that nobody can connect any more.
func (at *site) refuses() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := at.net.Node("late").DialContext(ctx, "tcp", server+":"+port)
	if err == nil {
		conn.Close()
		at.w.Fatalf("Shutdown was called, but the server still listens: a client could connect")
	}
}

// A peer is the test's end of a connection.
type peer struct {
	net.Conn
	w    *simtest.World
	name string
}

func newPeer(w *simtest.World, name string, conn net.Conn) *peer {
	w.Cleanup(func() { conn.Close() })
	return &peer{Conn: conn, w: w, name: name}
}

// send writes all of msg.
func (p *peer) send(msg []byte) {
	p.w.Helper()
	p.SetWriteDeadline(time.Now().Add(patience))
	n, err := p.Write(msg)
	if err != nil {
		p.w.Fatalf("%s could send only %d of %d bytes (%s): %v", p.name, n, len(msg), excerpt(msg, 0), err)
	}
}

// sendText is send for a text.
func (p *peer) sendText(text string) { p.send([]byte(text)) }

// offer writes as much of msg as the server takes within d, and returns how many
// bytes that are.
func (p *peer) offer(msg []byte, d time.Duration) int {
	p.SetWriteDeadline(time.Now().Add(d))
	n, err := p.Write(msg)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		p.w.Fatalf("%s was disconnected while it sent: %v", p.name, err)
	}
	return n
}

// expect reads as many bytes as want has. They must be the same.
func (p *peer) expect(want []byte, why string) {
	p.w.Helper()
	got := make([]byte, len(want))
	p.SetReadDeadline(time.Now().Add(patience))
	n, err := io.ReadFull(p, got)
	if at := firstDifference(got[:n], want[:n]); at >= 0 {
		p.w.Fatalf("%s got wrong bytes, from byte %d on: %s instead of %s\n%s", p.name, at, excerpt(got[:n], at), excerpt(want, at), why)
	}
	if err != nil {
		p.w.Fatalf("%s got %d of %d bytes, and then %s; missing is %s\n%s", p.name, n, len(want), ended(err), excerpt(want, n), why)
	}
}

// expectText is expect for a text.
func (p *peer) expectText(want, why string) { p.expect([]byte(want), why) }

// expectEnd reads the end of the stream.
func (p *peer) expectEnd(why string) {
	p.w.Helper()
	p.SetReadDeadline(time.Now().Add(patience))
	var b [64]byte
	switch n, err := p.Read(b[:]); {
	case n > 0:
		p.w.Fatalf("%s expected the end of the stream, but got %s\n%s", p.name, excerpt(b[:n], 0), why)
	case err != io.EOF:
		p.w.Fatalf("%s expected the end of the stream (io.EOF), but %s\n%s", p.name, ended(err), why)
	}
}

// expectGone checks that the server ends the connection within d, one way or the
// other. What comes before that does not matter.
func (p *peer) expectGone(d time.Duration, why string) {
	p.w.Helper()
	p.SetReadDeadline(time.Now().Add(d))
	if _, err := io.Copy(io.Discard, p.Conn); errors.Is(err, os.ErrDeadlineExceeded) {
		p.w.Fatalf("%s is still connected after %v\n%s", p.name, d, why)
	}
}

// expectSilence checks that nothing comes, and that the connection stays.
func (p *peer) expectSilence(d time.Duration, why string) {
	p.w.Helper()
	p.SetReadDeadline(time.Now().Add(d))
	var b [64]byte
	switch n, err := p.Read(b[:]); {
	case n > 0:
		p.w.Fatalf("%s got %s, although nothing was to come\n%s", p.name, excerpt(b[:n], 0), why)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		p.w.Fatalf("%s expected nothing to happen, but %s\n%s", p.name, ended(err), why)
	}
}

// closeWrite ends what the peer sends. It still reads.
func (p *peer) closeWrite() {
	require.NoError(p.w, p.Conn.(interface{ CloseWrite() error }).CloseWrite())
}

// ended says in words how a stream ended.
func ended(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "nothing came for a long time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed the connection"
	case errors.Is(err, syscall.ECONNRESET):
		return "the server reset the connection: it closed it without having read everything"
	}
	return fmt.Sprintf("the connection broke: %v", err)
}

// firstDifference returns where a and b, of the same length, differ, or -1.
func firstDifference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// excerpt shows a few bytes from a place on.
func excerpt(b []byte, at int) string {
	const most = 40
	b = b[min(at, len(b)):]
	if len(b) > most {
		return fmt.Sprintf("%q...", b[:most])
	}
	return fmt.Sprintf("%q", b)
}

// randomBytes returns n bytes, the same for the same world and name.
func randomBytes(w *simtest.World, name string, n int) []byte {
	dice := w.Dice(simtest.Key(name))
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, dice.Uint64())
	}
	return b[:n]
}

// lines returns a text of n numbered lines.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}
