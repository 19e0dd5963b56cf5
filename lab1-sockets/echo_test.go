package sockets_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
	sockets "distsys/lab1-sockets"

	"github.com/stretchr/testify/require"
)

// Proves that what a client sends comes back, byte for byte and as it comes: the
// server waits neither for a line nor for the end, and mixes up nobody. For: a
// server that answers once, reads lines, or has one buffer for all.
func TestEchoesBytes1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at, _ := startEcho(w, simnet.Reliable)
		a, b := at.dial(), at.dial()
		for _, text := range []string{"Hello, server!", "x", "two\nlines\r\n", "\x00\xff", " "} {
			a.sendText(text)
			b.sendText("b has said " + text)
			a.expectText(text, "an echo server sends back what comes, as soon as it comes")
			b.expectText("b has said "+text, "an echo server sends each client its own bytes")
		}
		block := randomBytes(w, "block", 40_000)
		b.send(block)
		b.expect(block, "an echo server sends back every byte")
		a.expectSilence(aWhile, "a has sent nothing since its last answer")
	})
}

// Proves that it does not matter in which pieces a stream comes and goes: here in
// single bytes. For: one Read taken for one message.
func TestByteAtATime1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		single := func(conn net.Conn) net.Conn { return oneByteConn{conn} }
		at := start(w, &sockets.EchoServer{}, simnet.Reliable, single)
		slow, quick := at.dial(), at.dial()
		for i, b := range []byte("a byte at a time") {
			slow.send([]byte{b})
			if i%2 == 0 {
				w.Sleep(300 * time.Millisecond)
			}
			slow.expect([]byte{b}, "a single byte must come back too, at once")
		}
		message := []byte(lines(30))
		quick.send(message)
		quick.expect(message, "the server could read only one byte at a time, as it may happen on TCP; a message is not what one Read returns")
	})
}

// oneByteConn reads one byte at a time, however much there is.
type oneByteConn struct{ net.Conn }

func (c oneByteConn) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(1, len(p))]) }

// Proves that a client which closes its sending side still gets everything, and
// then the end of the stream. For: half-close treated as close, bytes dropped that
// come together with io.EOF, a connection that is never closed.
func TestHalfClose1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		// Read may return the last bytes together with io.EOF (see io.Reader).
		lastWords := func(conn net.Conn) net.Conn { return lastWordsConn{conn, iotest.DataErrReader(conn)} }
		for _, wrap := range []func(net.Conn) net.Conn{nil, lastWords} {
			how := ""
			at := (*site)(nil)
			if wrap == nil {
				at = start(w, &sockets.EchoServer{}, simnet.Reliable)
			} else {
				how = " (here Read returned the last bytes together with io.EOF, as an io.Reader may)"
				at = start(w, &sockets.EchoServer{}, simnet.Reliable, wrap)
			}
			message := randomBytes(w, "message", 300_000)
			p := at.dial()
			w.Go(func() {
				p.send(message)
				p.closeWrite()
			})
			p.expect(message, "the client has closed its sending side; what it sent before must come back all the same"+how)
			p.expectEnd("after the last byte the server must close the connection: the client has no more to say")

			mute := at.dial()
			mute.closeWrite()
			mute.expectEnd("the client closed its sending side without a word; the server must close the connection")
		}
	})
}

// lastWordsConn reads through another reader.
type lastWordsConn struct {
	net.Conn
	r io.Reader
}

func (c lastWordsConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// Proves that a thousand clients are served at the same time. For: clients served
// one after another, a fixed number of workers.
func TestThousandClients1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at, _ := startEcho(w, simnet.Reliable)
		const n = 1000
		clients := make([]*peer, n)
		for i := range clients {
			clients[i] = at.dialFrom("clients")
		}
		for _, p := range clients {
			p.sendText(p.LocalAddr().String())
		}
		for i := range clients {
			p := clients[n-1-i] // the last to come is the first to be answered
			p.expectText(p.LocalAddr().String(), "a thousand clients are connected, and each has sent its own address")
		}
	})
}

// Proves that 8 MiB come back while the client sends and receives at the same
// time. For: a server that reads everything before it answers, short Writes
// ignored.
func TestLargeEcho1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at, _ := startEcho(w, simnet.Reliable)
		p := at.dial()
		message := randomBytes(w, "large", 8<<20)
		w.Go(func() {
			for rest := message; len(rest) > 0; {
				n := min(len(rest), 100_000)
				p.send(rest[:n])
				rest = rest[n:]
			}
		})
		p.expect(message, "8 MiB must come back while they are still being sent")
	})
}

// Proves that a client which sends and never reads is stopped by its own silence:
// the server stops reading from it, serves the others, and loses nothing. For: an
// unbounded buffer, one slow client that stalls all.
func TestBackpressure1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at, _ := startEcho(w, simnet.Reliable)
		greedy, modest := at.dial(), at.dial()
		message := randomBytes(w, "greedy", 8<<20)
		taken := greedy.offer(message, 20*time.Second)
		if most := 2*window + slack; taken > most {
			w.Fatalf("%s never reads, but the server took %d bytes from it. The network holds %d bytes, so the server keeps the rest in memory\n"+
				"rule: do not read more from a client before it has taken the answer to the last", greedy.name, taken, 2*window)
		}
		modest.sendText("and me?")
		modest.expectText("and me?", "another client does not read; this one must not suffer for it")
		greedy.expect(message[:taken], "the client reads now, after a while; not a byte may be lost")
	})
}

// temporary is an error of Accept that passes: too many open files, say.
type temporary struct{}

func (temporary) Error() string   { return "accept: too many open files" }
func (temporary) Temporary() bool { return true }
func (temporary) Timeout() bool   { return false }

// Proves that errors of Accept which pass do not stop the server, nor make it
// spin, and that Serve returns any other error. For: a server that gives up, a
// loop without a pause.
func TestAcceptErrors1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := newScripted(w)
		s := &sockets.EchoServer{}
		served := make(chan error, 1)
		w.Go(func() { served <- s.Serve(l) })
		for range 30 {
			l.fail(temporary{})
		}
		conn := l.dial()
		conn.SetDeadline(time.Now().Add(40 * time.Second))
		_, err := io.WriteString(conn, "still there?")
		require.NoError(w, err, "after 30 errors of Accept that pass, a client is not served within 40 s")
		if w.Now() < 100*time.Millisecond {
			w.Fatalf("Accept failed 30 times, and Serve called it again each time without a pause\n" +
				"rule: an error that passes takes a while to pass; wait at least 5 ms (it took all a processor has)")
		}

		broken := errors.New("the listener is broken")
		l.fail(broken)
		select {
		case err := <-served:
			require.ErrorIs(w, err, broken, "the error of Serve")
		case <-time.After(patience):
			w.Fatalf("Accept failed for good with %q, but Serve did not return that error", broken)
		}
		require.True(w, l.isClosed(), "Serve returned, but did not close the listener")
	})
}

// Proves that Shutdown accepts nobody any more, waits for the clients that are
// connected, however long they take, and leaves no goroutine. For: Shutdown that
// cuts off, or that does not wait, or a Serve that does not return.
func TestShutdown1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at, s := startEcho(w, simnet.Reliable)
		a, b := at.dial(), at.dial()
		a.sendText("before")
		a.expectText("before", "an echo server sends back what comes")
		down := shutDown(w, s, time.Minute)
		w.Sleep(100 * time.Millisecond)
		require.ErrorIs(w, at.mustReturn("Shutdown was called"), sockets.ErrServerClosed, "the error of Serve after Shutdown")
		at.refuses()

		w.Sleep(15 * time.Second)
		a.sendText("after")
		a.expectText("after", "Shutdown was called, but this client was connected: it must be served until it is done")
		b.sendText("my first word")
		b.closeWrite()
		b.expectText("my first word", "Shutdown was called, but this client was connected: it must be served until it is done")
		b.expectEnd("the client is done")
		down.mustWait("a client is still connected")
		a.closeWrite()
		a.expectEnd("the client is done")
		require.NoError(w, down.mustReturn("the last client has gone"), "all clients have left by themselves; Shutdown must return nil")
		at.mustBeGone()
	})
}

// Proves that Shutdown closes what is left when its context ends, whatever those
// clients do, and returns the context's error; and that it may be called twice,
// without any client, and before Serve. For: Shutdown that waits for ever.
func TestShutdownDeadline1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at, s := startEcho(w, simnet.Reliable)
		idle, deaf := at.dial(), at.dial()
		deaf.offer(randomBytes(w, "deaf", 1<<20), time.Second)
		began := w.Now()
		down := shutDown(w, s, 3*time.Second)
		err := down.mustReturn("its context has ended after 3 s")
		require.ErrorIs(w, err, context.DeadlineExceeded, "two clients were still connected when the context ended; Shutdown must return the context's error")
		require.GreaterOrEqual(w, w.Now()-began, 3*time.Second, "Shutdown returned before its context ended, although clients were connected")
		require.ErrorIs(w, at.mustReturn("Shutdown was called"), sockets.ErrServerClosed, "the error of Serve after Shutdown")
		at.mustBeGone()
		idle.expectGone(patience, "the context of Shutdown has ended: the connections that are left must be closed")
		deaf.expectGone(patience, "the context of Shutdown has ended: the connections that are left must be closed")
		require.NoError(w, shutDown(w, s, time.Minute).mustReturn("it was called a second time"), "a second Shutdown finds nothing to do")

		at, s = startEcho(w, simnet.Reliable)
		require.NoError(w, shutDown(w, s, time.Minute).mustReturn("no client is connected"), "Shutdown without any client")
		at.mustReturn("Shutdown was called")

		late := &sockets.EchoServer{}
		require.NoError(w, shutDown(w, late, time.Minute).mustReturn("the server was never started"), "Shutdown before Serve")
		at = start(w, late, simnet.Reliable)
		require.ErrorIs(w, at.mustReturn("Shutdown was called before Serve"), sockets.ErrServerClosed, "the error of Serve when Shutdown was called before")
		at.refuses()
	})
}

// Proves that clients which vanish, reset the connection or close it half-way harm
// nobody else, and that the server forgets them. For: goroutines that are never
// done, a server that dies of a client's error.
func TestRudeClients1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at, s := startEcho(w, simnet.Reliable)
		polite := at.dial()
		polite.sendText("one")
		polite.expectText("one", "an echo server sends back what comes")
		w.Sleep(time.Second)
		before := len(w.Goroutines())
		for i := range 12 {
			p := at.dial()
			p.offer(randomBytes(w, "rude", 200_000), time.Second)
			switch i % 4 {
			case 0:
				simnet.Reset(p.Conn)
			case 1:
				p.Close() // with answers unread: that resets it too
			case 2:
				at.net.Node(p.name).Crash()
			case 3:
				p.closeWrite()
				p.Close()
			}
		}
		w.Sleep(patience)
		polite.sendText("two")
		polite.expectText("two", "other clients have broken their connections; this one must not suffer for it")
		if left := w.Goroutines(); len(left) > before {
			w.Fatalf("12 clients have broken their connections, but %d goroutines that served them still wait. One of them:\n%s", len(left)-before, left[len(left)-1])
		}
		polite.Close()
		require.NoError(w, shutDown(w, s, time.Minute).mustReturn("no client is left"), "every client has left; Shutdown has nothing to cut")
	})
}

// A shutdown is a call of Shutdown.
type shutdown struct {
	w        *simtest.World
	returned chan error
	within   time.Duration
}

// shutDown calls Shutdown with a context of the given length.
func shutDown(w *simtest.World, s service, within time.Duration) *shutdown {
	d := &shutdown{w: w, returned: make(chan error, 1), within: within}
	w.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		d.returned <- s.Shutdown(ctx)
	})
	return d
}

// mustReturn waits for Shutdown to return.
func (d *shutdown) mustReturn(since string) error {
	select {
	case err := <-d.returned:
		return err
	case <-time.After(patience):
		d.w.Fatalf("%s, but Shutdown does not return", since)
	}
	return nil
}

// mustWait checks that Shutdown has not returned yet.
func (d *shutdown) mustWait(because string) {
	select {
	case err := <-d.returned:
		d.w.Fatalf("Shutdown has returned (%v), although %s", err, because)
	default:
	}
}
