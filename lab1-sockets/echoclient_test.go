package sockets_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
	sockets "distsys/lab1-sockets"

	"github.com/stretchr/testify/require"
)

// A desk is a network in which the test plays the server.
type desk struct {
	w     *simtest.World
	net   *simnet.Network
	conns chan net.Conn // what was served, when it is over
}

// openDesk serves each connection with serve, and leaves it open.
func openDesk(w *simtest.World, serve func(conn net.Conn)) *desk {
	n := simnet.New(w, simnet.Reliable)
	n.SetStreamBuffer(window)
	l, err := n.Node(server).Listen("tcp", ":"+port)
	require.NoError(w, err)
	d := &desk{w: w, net: n, conns: make(chan net.Conn, 100)}
	w.Cleanup(func() { l.Close() })
	w.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.Cleanup(func() { conn.Close() })
			w.Go(func() {
				serve(conn)
				d.conns <- conn
			})
		}
	})
	return d
}

// echo calls Echo, which has to return within the given time.
func (d *desk) echo(ctx context.Context, msg []byte, within time.Duration) ([]byte, error) {
	type result struct {
		answer []byte
		err    error
	}
	returned := make(chan result, 1)
	d.w.Go(func() {
		answer, err := sockets.Echo(ctx, d.net.Node("client"), server+":"+port, msg)
		returned <- result{answer, err}
	})
	select {
	case r := <-returned:
		return r.answer, r.err
	case <-time.After(within):
		d.w.Fatalf("Echo with a message of %d bytes has not returned within %v\n"+
			"rule: it returns when the answer is there, or when the context ends, whatever the server does: so it sends and receives at the same time "+
			"(a server that cannot get rid of its answer stops reading), and the end of the context wakes both", len(msg), within)
	}
	return nil, nil
}

// mustBeGone checks that Echo has left nothing behind.
func (d *desk) mustBeGone() {
	time.Sleep(later)
	if left := d.w.Goroutines(); len(left) > 0 {
		d.w.Fatalf("Echo has returned, but %d goroutines of it are left. The first:\n%s", len(left), left[0])
	}
}

// mustBeClosed checks that Echo has closed the connection that was served.
func (d *desk) mustBeClosed() {
	select {
	case conn := <-d.conns:
		conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
			d.w.Fatalf("Echo has returned, but the connection is still open")
		}
	case <-time.After(patience):
		d.w.Fatalf("Echo has returned, but the connection is still open")
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// Proves that Echo returns the whole answer, in whatever pieces it comes, also when
// the message is far longer than the buffers on the way, and closes the connection.
// For: one Read taken for the answer, a client that writes everything before it
// reads.
func TestEchoClient1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		servers := map[string]func(net.Conn){
			"sends back pieces as they come": func(conn net.Conn) {
				io.Copy(conn, conn)
				endWrite(conn)
			},
			"sends back a byte at a time": func(conn net.Conn) {
				for b := make([]byte, 1); ; {
					if _, err := io.ReadFull(conn, b); err != nil {
						endWrite(conn)
						return
					}
					time.Sleep(time.Millisecond)
					conn.Write(b)
				}
			},
		}
		for _, size := range []int{0, 1, 14, 1000, 8 << 20} {
			for what, serve := range servers {
				if size > 10_000 && what != "sends back pieces as they come" {
					continue
				}
				d := openDesk(w, serve)
				message := randomBytes(w, what, size)
				answer, err := d.echo(context.Background(), message, 10*time.Minute)
				require.NoError(w, err, "the server %s; the message has %d bytes", what, size)
				require.Len(w, answer, size, "the server %s; the answer must have as many bytes as the message", what)
				require.Equal(w, -1, firstDifference(answer, message), "the server %s; the answer differs from the message, from this byte on", what)
				d.mustBeClosed()
				d.mustBeGone()
			}
		}
	})
}

// endWrite closes the sending side: a client may have closed its own, and read until
// the end.
func endWrite(conn net.Conn) { conn.(interface{ CloseWrite() error }).CloseWrite() }

// Proves that the end of the context ends Echo at once, wherever it waits: to
// connect, to send or to receive; and that nothing is left behind. For: a client
// that waits for ever, a context that only Dial obeys.
func TestEchoClientContext1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		deaf := func(net.Conn) {}
		mute := func(conn net.Conn) { io.Copy(io.Discard, conn) }
		long := make([]byte, 1<<20)
		for _, c := range []struct {
			what  string
			serve func(net.Conn)
			msg   []byte
			cut   bool
		}{
			{"the server reads and never answers", mute, []byte("anyone?"), false},
			{"the server never reads", deaf, long, false},
			{"the server cannot be reached", deaf, []byte("anyone?"), true},
		} {
			d := openDesk(w, c.serve)
			if c.cut {
				d.net.Node("client")
				d.net.Partition([]string{"client"}, []string{server})
			}
			began := w.Now()
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			_, err := d.echo(ctx, c.msg, patience)
			require.ErrorIs(w, err, context.DeadlineExceeded, "%s; the context had 2 s", c.what)
			require.Less(w, w.Now()-began, 2100*time.Millisecond, "%s; the context had 2 s, but Echo took longer", c.what)
			require.GreaterOrEqual(w, w.Now()-began, 2*time.Second, "%s; Echo gave up before the context did", c.what)
			cancel()
			d.mustBeGone()

			began = w.Now()
			ctx, cancel = context.WithCancel(context.Background())
			time.AfterFunc(time.Second, cancel)
			_, err = d.echo(ctx, c.msg, patience)
			require.ErrorIs(w, err, context.Canceled, "%s; the context was cancelled after 1 s", c.what)
			require.Less(w, w.Now()-began, 1100*time.Millisecond, "%s; the context was cancelled after 1 s, but Echo took longer", c.what)

			_, err = d.echo(ctx, c.msg, patience)
			require.ErrorIs(w, err, context.Canceled, "the context was cancelled before Echo was called")
			d.mustBeGone()
			if !c.cut {
				d.mustBeClosed()
			}
		}
	})
}

// Proves that an answer which is cut off is an error and never taken for the whole:
// io.ErrUnexpectedEOF when the server closes the connection, and some error when it
// resets it or does not listen. For: io.EOF taken for success.
func TestEchoClientShortAnswer1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, n := range []int{0, 1, 13} {
			d := openDesk(w, func(conn net.Conn) {
				b := make([]byte, 14)
				io.ReadFull(conn, b)
				conn.Write(b[:n])
				conn.Close()
			})
			_, err := d.echo(context.Background(), []byte("Hello, server!"), patience)
			require.ErrorIs(w, err, io.ErrUnexpectedEOF, "the server sent back %d of 14 bytes and closed the connection", n)
			d.mustBeGone()
		}
		d := openDesk(w, func(conn net.Conn) {
			time.Sleep(100 * time.Millisecond)
			simnet.Reset(conn)
		})
		_, err := d.echo(context.Background(), []byte("Hello, server!"), patience)
		require.Error(w, err, "the server reset the connection without an answer")
		d.mustBeGone()

		empty := &desk{w: w, net: simnet.New(w, simnet.Reliable)}
		empty.net.Node(server)
		_, err = empty.echo(context.Background(), []byte("Hello, server!"), patience)
		require.Error(w, err, "no server listens")
		empty.mustBeGone()
	})
}
