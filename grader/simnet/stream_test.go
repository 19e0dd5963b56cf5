package simnet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/rpc"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// halfCloser is what a stream can do besides what every net.Conn can.
type halfCloser interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
	SetLinger(int) error
}

// wire is a network with one stream from node "c" to node "s".
type wire struct {
	*simnet.Network
	w        *simtest.World
	c, s     *simnet.Node
	listener net.Listener
	client   halfCloser
	server   halfCloser
}

func newWire(w *simtest.World, settings simnet.Link) *wire {
	n := simnet.New(w, settings)
	x := &wire{Network: n, w: w, c: n.Node("c"), s: n.Node("s")}
	x.listen()
	x.client, x.server = x.dial()
	return x
}

func (x *wire) listen() {
	var err error
	x.listener, err = x.s.Listen("tcp", ":6379")
	require.NoError(x.w, err)
}

// dial makes one more stream.
func (x *wire) dial() (client, server halfCloser) {
	c, err := x.c.DialContext(context.Background(), "tcp", "s:6379")
	require.NoError(x.w, err)
	s, err := x.listener.Accept()
	require.NoError(x.w, err)
	return c.(halfCloser), s.(halfCloser)
}

func (x *wire) write(c net.Conn, text string) {
	n, err := c.Write([]byte(text))
	require.NoError(x.w, err)
	require.Equal(x.w, len(text), n)
}

// expect reads exactly text.
func (x *wire) expect(c net.Conn, text string) {
	b := make([]byte, len(text))
	_, err := io.ReadFull(c, b)
	require.NoError(x.w, err)
	require.Equal(x.w, text, string(b))
}

// readError reads to the end, and returns the error.
func readError(c net.Conn) error {
	_, err := io.Copy(io.Discard, c)
	return err
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout() && errors.Is(err, os.ErrDeadlineExceeded)
}

// rough is a link with every fault at once.
var rough = simnet.Link{
	Latency: simnet.Range{Min: ms, Max: 30 * ms}, Loss: 0.2, Duplicate: 0.2, Corrupt: 0.1,
	Reorder: 0.2, ReorderDelay: simnet.Range{Min: 10 * ms, Max: second},
}

// A stream takes a round trip to open, and a byte takes one latency. Its ends
// know their addresses.
func TestStreamTakesLatency(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, steady(10*ms))
		require.InDelta(w, 20*ms, w.Now(), 100)
		x.write(x.client, "hello")
		require.InDelta(w, 20*ms, w.Now(), 100) // Write does not wait.
		x.expect(x.server, "hello")
		require.InDelta(w, 30*ms, w.Now(), 100)
		require.Equal(w, "s:6379", x.client.RemoteAddr().String())
		require.Equal(w, "s:6379", x.server.LocalAddr().String())
		require.Equal(w, x.client.LocalAddr(), x.server.RemoteAddr())
		require.Equal(w, "tcp", x.client.LocalAddr().Network())
	})
}

// Whatever a link does, all bytes arrive, in order, in both directions at
// once.
func TestStreamIsReliable(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, rough)
		var pumps sync.WaitGroup
		pump := func(from, to net.Conn) {
			data := make([]byte, 300_000)
			for i := range data {
				data[i] = byte(rand.Uint32())
			}
			pumps.Add(2)
			w.Go(func() {
				defer pumps.Done()
				for rest := data; len(rest) > 0; {
					k := min(len(rest), 1+rand.IntN(9000))
					_, err := from.Write(rest[:k])
					require.NoError(w, err)
					rest = rest[k:]
				}
				require.NoError(w, from.(halfCloser).CloseWrite())
			})
			w.Go(func() {
				defer pumps.Done()
				got, err := io.ReadAll(to)
				require.NoError(w, err)
				require.True(w, bytes.Equal(data, got))
			})
		}
		pump(x.client, x.server)
		pump(x.server, x.client)
		pumps.Wait()
	})
}

// The bandwidth of a link bounds the speed of a stream.
func TestStreamBandwidth(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := steady(10 * ms)
		link.Bandwidth = 1 << 20
		x := newWire(w, link)
		began := w.Now()
		x.write(x.client, strings.Repeat("x", 4<<20))
		x.expect(x.server, strings.Repeat("x", 4<<20))
		require.InDelta(w, 4*second+10*ms, w.Now()-began, float64(ms))
	})
}

// An MTU does not concern a stream.
func TestStreamMTU(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := steady(10 * ms)
		link.MTU = 100
		x := newWire(w, link)
		x.write(x.client, strings.Repeat("x", 100_000))
		x.expect(x.server, strings.Repeat("x", 100_000))
	})
}

// A partition stalls a stream, and nothing is lost. It goes on within about a
// second of the healing.
func TestStreamStallsUnderPartition(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, simnet.Reliable)
		x.write(x.client, "before")
		x.Isolate("s")
		for i := range 100 {
			x.write(x.client, fmt.Sprint(i%10))
			w.Sleep(time.Duration(i) * 10 * ms)
		}
		require.NoError(w, x.server.SetReadDeadline(time.Now().Add(time.Minute)))
		b := make([]byte, 1000)
		n, err := x.server.Read(b)
		require.True(w, isTimeout(err), "%v: %q", err, b[:n])
		x.Heal()
		began := w.Now()
		require.NoError(w, x.server.SetReadDeadline(time.Time{}))
		x.expect(x.server, "before"+strings.Repeat("0123456789", 10))
		require.Less(w, w.Now()-began, 1100*ms)
		require.EqualValues(w, 106, x.Stats().From("c").Total().Bytes) // Retransmissions do not count.
	})
}

// A paused node gets everything when it resumes.
func TestStreamOfPausedNode(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, simnet.Reliable)
		x.s.Pause()
		x.write(x.client, "ping")
		x.write(x.server, "pong")
		w.Sleep(time.Minute)
		x.s.Resume()
		x.expect(x.server, "ping")
		x.expect(x.client, "pong")
		require.Less(w, w.Now(), time.Minute+second)
	})
}

// When a node crashes, its peers see a reset, after a latency; its own code
// gets errors, and what it writes goes nowhere, also after the restart.
func TestCrashResetsStreams(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, steady(10*ms))
		x.write(x.server, "in flight")
		x.s.Crash()
		began := w.Now()
		_, err := x.server.Write([]byte("zombie"))
		require.ErrorIs(w, err, syscall.ECONNRESET)
		require.ErrorIs(w, readError(x.server), syscall.ECONNRESET)
		_, err = x.listener.Accept()
		require.Error(w, err)
		got, err := io.ReadAll(x.client)
		require.ErrorIs(w, err, syscall.ECONNRESET)
		require.Empty(w, got)
		require.InDelta(w, began+10*ms, w.Now(), 100)
		_, err = x.client.Write([]byte("x"))
		require.ErrorIs(w, err, syscall.ECONNRESET)

		x.s.Restart()
		_, err = x.server.Write([]byte("zombie"))
		require.Error(w, err)
		x.listen()
		x.client, x.server = x.dial()
		x.write(x.client, "again")
		x.expect(x.server, "again")
	})
}

// The news of a crash cannot pass a partition.
func TestCrashBehindPartition(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, simnet.Reliable)
		x.Isolate("s")
		x.s.Crash()
		require.NoError(w, x.client.SetReadDeadline(time.Now().Add(10*time.Second)))
		require.True(w, isTimeout(readError(x.client)))
		x.Heal()
		require.NoError(w, x.client.SetReadDeadline(time.Time{}))
		require.ErrorIs(w, readError(x.client), syscall.ECONNRESET)
	})
}

// A zombie dials nobody, and listens to nobody.
func TestZombieIncarnation(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, simnet.Reliable)
		old := x.c.Incarnation()
		x.c.Restart()
		_, err := old.DialContext(context.Background(), "tcp", "s:6379")
		require.ErrorIs(w, err, syscall.ECONNRESET)
		_, err = old.Listen("tcp", ":1")
		require.Error(w, err)
		_, err = old.ListenPacket("udp", ":1")
		require.Error(w, err)
		x.client, x.server = x.dial()
	})
}

// A node without a listener refuses, after a round trip. Others are not found.
func TestDialErrors(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, steady(10*ms))
		c, s := n.Node("c"), n.Node("s")
		ctx := context.Background()
		_, err := c.DialContext(ctx, "tcp", "s:80")
		require.ErrorIs(w, err, syscall.ECONNREFUSED)
		require.EqualError(w, err, "dial tcp s:80: connect: connection refused")
		require.InDelta(w, 20*ms, w.Now(), 100)
		var dns *net.DNSError
		_, err = c.DialContext(ctx, "tcp", "nobody:80")
		require.ErrorAs(w, err, &dns)
		_, err = c.DialContext(ctx, "tcp", "s")
		require.Error(w, err)
		_, err = c.DialContext(ctx, "unix", "s:80")
		require.Error(w, err)

		l, err := s.Listen("tcp", ":80")
		require.NoError(w, err)
		_, err = s.Listen("tcp", "s:80")
		require.ErrorIs(w, err, syscall.EADDRINUSE)
		_, err = s.Listen("tcp", "c:80")
		require.ErrorIs(w, err, syscall.EADDRNOTAVAIL)
		require.NoError(w, l.Close())
		require.ErrorIs(w, l.Close(), net.ErrClosed)
		_, err = l.Accept()
		require.ErrorIs(w, err, net.ErrClosed)
		l, err = s.Listen("tcp", ":0")
		require.NoError(w, err)
		_, err = c.DialContext(ctx, "tcp", l.Addr().String())
		require.NoError(w, err)
	})
}

// Dialling what cannot be reached ends with the context, or after half a
// minute, or with success once it can be reached.
func TestDialUnreachable(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, simnet.Reliable)
		x.Isolate("s")
		began := w.Now()
		ctx, cancel := context.WithTimeout(context.Background(), second)
		defer cancel()
		_, err := x.c.DialContext(ctx, "tcp", "s:6379")
		require.ErrorIs(w, err, context.DeadlineExceeded)
		var ne net.Error
		require.ErrorAs(w, err, &ne)
		require.True(w, ne.Timeout())
		require.Equal(w, began+second, w.Now())
		ctx, cancel = context.WithCancel(context.Background())
		cancel()
		_, err = x.c.DialContext(ctx, "tcp", "s:6379")
		require.ErrorIs(w, err, context.Canceled)

		began = w.Now()
		_, err = x.c.DialContext(context.Background(), "tcp", "s:6379")
		require.ErrorIs(w, err, syscall.ETIMEDOUT)
		require.InDelta(w, began+31*second, w.Now(), 100)

		w.Go(func() { w.Sleep(5 * second); x.Heal() })
		x.client, x.server = x.dial()
		x.write(x.client, "now")
		x.expect(x.server, "now")
	})
}

// CloseWrite ends one direction only.
func TestHalfClose(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, rough)
		x.write(x.client, "request")
		require.NoError(w, x.client.CloseWrite())
		_, err := x.client.Write([]byte("more"))
		require.ErrorIs(w, err, syscall.EPIPE)
		got, err := io.ReadAll(x.server)
		require.NoError(w, err)
		require.Equal(w, "request", string(got))
		x.write(x.server, "reply")
		require.NoError(w, x.server.Close())
		got, err = io.ReadAll(x.client)
		require.NoError(w, err)
		require.Equal(w, "reply", string(got))
		require.NoError(w, x.client.Close())
		require.ErrorIs(w, x.client.Close(), net.ErrClosed)
	})
}

// CloseRead makes Read end, and the peer can still write.
func TestCloseRead(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, simnet.Reliable)
		w.Go(func() { w.Sleep(second); _ = x.server.CloseRead() })
		require.NoError(w, readError(x.server))
		require.Equal(w, second, w.Now().Truncate(second))
		x.write(x.client, "ignored")
		w.Sleep(second)
		x.write(x.client, "ignored")
		x.write(x.server, "answer")
		x.expect(x.client, "answer")
	})
}

// Close ends a Read that waits, what was written before still arrives, and
// whoever writes to the closed end sees a reset.
func TestClose(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, rough)
		x.write(x.client, "last words")
		w.Go(func() { w.Sleep(second); _ = x.client.Close() })
		require.ErrorIs(w, readError(x.client), net.ErrClosed)
		_, err := x.client.Write([]byte("x"))
		require.ErrorIs(w, err, net.ErrClosed)
		require.ErrorIs(w, x.client.SetDeadline(time.Now()), net.ErrClosed)
		got, err := io.ReadAll(x.server)
		require.NoError(w, err)
		require.Equal(w, "last words", string(got))
		x.write(x.server, "too late")
		w.Sleep(20 * second)
		_, err = x.server.Write([]byte("x"))
		require.ErrorIs(w, err, syscall.ECONNRESET)
	})
}

// Close with bytes unread, and Close after SetLinger(0), reset the stream.
func TestCloseResets(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, simnet.Reliable)
		x.write(x.client, "unread")
		w.Sleep(second)
		require.NoError(w, x.server.Close())
		require.ErrorIs(w, readError(x.client), syscall.ECONNRESET)

		x.client, x.server = x.dial()
		require.NoError(w, x.client.SetLinger(0))
		require.NoError(w, x.client.Close())
		require.ErrorIs(w, readError(x.server), syscall.ECONNRESET)
	})
}

// Deadlines in the past, now and in the future, of Read and of Write; moving
// one while somebody waits.
func TestStreamDeadlines(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, steady(ms))
		b := make([]byte, 10)
		x.write(x.server, "data")
		w.Sleep(second)
		for _, past := range []time.Time{time.Unix(1, 0), time.Now()} {
			require.NoError(w, x.client.SetDeadline(past))
			_, err := x.client.Read(b)
			require.True(w, isTimeout(err), "%v", err)
			_, err = x.client.Write(b)
			require.True(w, isTimeout(err), "%v", err)
		}
		require.NoError(w, x.client.SetWriteDeadline(time.Time{}))
		x.write(x.client, "write only")
		require.NoError(w, x.client.SetDeadline(time.Time{}))
		x.expect(x.client, "data")

		began := w.Now()
		require.NoError(w, x.client.SetReadDeadline(time.Now().Add(second)))
		_, err := x.client.Read(b)
		require.True(w, isTimeout(err), "%v", err)
		require.Equal(w, began+second, w.Now())
		require.NoError(w, x.client.SetReadDeadline(time.Now().Add(time.Hour)))
		w.Go(func() {
			w.Sleep(second)
			_ = x.client.SetReadDeadline(time.Unix(1, 0))
		})
		_, err = x.client.Read(b)
		require.True(w, isTimeout(err), "%v", err)
		require.Equal(w, began+2*second, w.Now())
	})
}

// With a bounded buffer Write waits until the other side reads, or until the
// deadline, which leaves part of it written.
func TestBackPressure(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, steady(ms))
		n.SetStreamBuffer(1000)
		x := &wire{Network: n, w: w, c: n.Node("c"), s: n.Node("s")}
		x.listen()
		x.client, x.server = x.dial()
		data := bytes.Repeat([]byte("0123456789"), 250)
		began := w.Now()
		require.NoError(w, x.client.SetWriteDeadline(time.Now().Add(second)))
		k, err := x.client.Write(data)
		require.True(w, isTimeout(err), "%v", err)
		require.Equal(w, 1000, k)
		require.Equal(w, began+second, w.Now())

		require.NoError(w, x.client.SetWriteDeadline(time.Time{}))
		var written time.Duration
		w.Go(func() {
			_, err := x.client.Write(data[k:])
			require.NoError(w, err)
			written = w.Now()
			require.NoError(w, x.client.Close())
		})
		w.Sleep(time.Minute)
		require.Zero(w, written)
		got, err := io.ReadAll(x.server)
		require.NoError(w, err)
		require.True(w, bytes.Equal(data, got))
		require.NotZero(w, written)
	})
}

// A Write that waits ends when its stream closes at either side.
func TestBlockedWriteEnds(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		n.SetStreamBuffer(10)
		x := &wire{Network: n, w: w, c: n.Node("c"), s: n.Node("s")}
		x.listen()
		for _, end := range []func() error{
			func() error { return x.client.Close() },
			func() error { return x.server.Close() },
			func() error { x.s.Crash(); return nil },
		} {
			x.client, x.server = x.dial()
			w.Go(func() { w.Sleep(second); require.NoError(w, end()) })
			_, err := x.client.Write(make([]byte, 100))
			require.Error(w, err)
		}
	})
}

// Reading, writing and closing from many goroutines at once: Writes do not mix,
// and everyone ends.
func TestStreamRaces(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, rough)
		n.SetStreamBuffer(100)
		x := &wire{Network: n, w: w, c: n.Node("c"), s: n.Node("s")}
		x.listen()
		x.client, x.server = x.dial()
		var all sync.WaitGroup
		for i := range 8 {
			all.Add(2)
			w.Go(func() {
				defer all.Done()
				line := strings.Repeat(fmt.Sprint(i), 257)
				for range 5 {
					if _, err := x.client.Write([]byte(line)); err != nil {
						return
					}
				}
			})
			w.Go(func() {
				defer all.Done()
				b := make([]byte, 100)
				for range 10 {
					_ = x.client.SetReadDeadline(time.Now().Add(time.Duration(rand.IntN(int(ms)))))
					_, _ = x.client.Read(b)
				}
			})
		}
		got := make([]byte, 8*5*257)
		_, err := io.ReadFull(x.server, got)
		require.NoError(w, err)
		for i := 0; i < len(got); i += 257 {
			require.Equal(w, bytes.Repeat(got[i:i+1], 257), got[i:i+257])
		}
		all.Wait()
		for range 4 {
			all.Add(2)
			w.Go(func() { defer all.Done(); _ = readError(x.client) })
			w.Go(func() { defer all.Done(); _, _ = x.client.Write(make([]byte, 1000)) })
		}
		w.Sleep(second)
		require.NoError(w, x.client.Close())
		all.Wait()
	})
}

// At the end of the world everything that waits ends with an error: the world
// leaves no goroutine.
func TestWorldEndsStreams(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		x := newWire(w, simnet.Reliable)
		x.s.Pause()
		end := func(f func() error) {
			go func() {
				if err := f(); !errors.Is(err, net.ErrClosed) || !errors.Is(err, simnet.ErrEnded) {
					w.Errorf("ended with %v", err)
				}
			}()
		}
		socket, err := x.c.ListenPacket("udp", ":0")
		require.NoError(w, err)
		end(func() error { return readError(x.client) })
		end(func() error { return readError(x.server) })
		end(func() error { _, err := x.listener.Accept(); return err })
		end(func() error { _, err := x.c.DialContext(context.Background(), "tcp", "s:6379"); return err })
		end(func() error { _, _, err := socket.ReadFrom(nil); return err })
	})
	require.False(t, r.Failed(), "%v", r)
	require.Empty(t, r.Notes)
}

// net/rpc and net/http run over streams that lose, double and reorder.
func TestStandardLibraryOverStreams(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, rough)
		client, server := n.Node("c"), n.Node("s")
		l, err := server.Listen("tcp", ":1")
		require.NoError(w, err)
		r := rpc.NewServer()
		require.NoError(w, r.RegisterName("S", &Service{}))
		go r.Accept(quiet{l})
		conn, err := client.DialContext(context.Background(), "tcp", "s:1")
		require.NoError(w, err)
		c := rpc.NewClient(conn)
		var calls sync.WaitGroup
		for i := range 20 {
			calls.Add(1)
			w.Go(func() {
				defer calls.Done()
				var reply Number
				require.NoError(w, c.Call("S.Echo", &Number{i}, &reply))
				require.Equal(w, i, reply.N)
			})
		}
		calls.Wait()
		require.NoError(w, c.Close())

		h, err := server.Listen("tcp", ":80")
		require.NoError(w, err)
		web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_, _ = w.Write(body)
		})}
		go func() { _ = web.Serve(h) }()
		browser := &http.Client{Transport: &http.Transport{DialContext: client.DialContext}}
		for range 3 {
			resp, err := browser.Post("http://s/", "text/plain", strings.NewReader(strings.Repeat("x", 100_000)))
			require.NoError(w, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(w, err)
			require.Equal(w, 100_000, len(body))
			require.NoError(w, resp.Body.Close())
		}
		browser.CloseIdleConnections()
		require.NoError(w, web.Shutdown(context.Background()))
	})
}

// quiet keeps rpc.Server.Accept from logging the end.
type quiet struct{ net.Listener }

func (q quiet) Accept() (net.Conn, error) {
	c, err := q.Listener.Accept()
	if err != nil {
		runtime.Goexit()
	}
	return c, nil
}

// A test can break a stream: at once, after so many bytes, and before a
// particular message.
func TestResets(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, steady(10*ms))
		simnet.Reset(x.client)
		require.ErrorIs(w, readError(x.client), syscall.ECONNRESET)
		require.ErrorIs(w, readError(x.server), syscall.ECONNRESET)

		x.client, x.server = x.dial()
		other, _ := x.dial()
		x.write(x.client, "lost")
		require.Equal(w, 2, x.ResetConns("c", "s"))
		require.ErrorIs(w, readError(x.server), syscall.ECONNRESET)
		require.ErrorIs(w, readError(other), syscall.ECONNRESET)
		require.Equal(w, 0, x.ResetConns("s", "c"))

		for _, bytes := range []int{0, 1, 6, 7, 11} {
			x.client, x.server = x.dial()
			x.ResetAfter("c", "s", bytes)
			x.write(x.client, "request")
			x.write(x.client, "more")
			got, err := io.ReadAll(x.server)
			require.ErrorIs(w, err, syscall.ECONNRESET)
			require.Equal(w, "requestmore"[:bytes], string(got))
			require.ErrorIs(w, readError(x.client), syscall.ECONNRESET)
		}

		x.client, x.server = x.dial()
		stop := x.Intercept(func(m *simnet.Message) simnet.Verdict {
			if m.Method == "tcp:6379" && m.From == "s" && m.Word == "data" {
				return simnet.ResetConn
			}
			return simnet.Pass
		})
		x.write(x.client, "request")
		x.expect(x.server, "request")
		x.write(x.server, "reply")
		require.ErrorIs(w, readError(x.client), syscall.ECONNRESET)
		stop()
	})
}

// Intercepts hold, delay and lose segments: that is delay, too.
func TestInterceptStream(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newWire(w, steady(10*ms))
		gate := x.Gate()
		lost := 0
		x.Intercept(func(m *simnet.Message) simnet.Verdict {
			switch data, _ := m.Body.([]byte); string(data) {
			case "held":
				return gate.Hold()
			case "lost":
				lost++
				if lost < 3 {
					return simnet.Drop
				}
			case "forge":
				return simnet.Change([]byte("other"))
			}
			return simnet.Pass
		})
		x.write(x.client, "held")
		x.write(x.client, "lost")
		x.write(x.client, "forge")
		w.Sleep(10 * second)
		require.Equal(w, 1, gate.Len())
		gate.Release()
		x.expect(x.server, "heldlostother")
		require.Equal(w, 3, lost)
	})
}

// The same seed gives the same run.
func TestStreamsAreDeterministic(t *testing.T) {
	run := func() string {
		r := simtest.Try(t, 7, func(w *simtest.World) {
			x := newWire(w, rough)
			for i := range 50 {
				x.write(x.client, fmt.Sprintf("%02d", i))
				x.write(x.server, fmt.Sprintf("%02d", i))
			}
			b := make([]byte, 100)
			_, _ = io.ReadFull(x.client, b)
			_, _ = io.ReadFull(x.server, b)
		})
		var all strings.Builder
		for _, e := range r.Events {
			fmt.Fprintln(&all, e.At, e.String())
		}
		return all.String()
	}
	require.Equal(t, run(), run())
}

// A loop that writes without end is noticed before memory runs out. It pauses, so
// that the clock moves: else it may be called a busy loop before.
func TestStreamStorm(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		x := newWire(w, steady(ms))
		data := make([]byte, 1<<20)
		for {
			_, _ = x.client.Write(data)
			w.Sleep(time.Microsecond)
		}
	})
	require.Equal(t, simtest.Stuck, r.Status)
	require.Contains(t, r.Failures[0].Message, "that nobody has read")
}

// A stream leaves its traces in the event log, and its bytes are counted.
func TestLogOfAStream(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		x := newWire(w, steady(ms))
		x.write(x.client, "ping")
		x.expect(x.server, "ping")
		x.write(x.server, "hello")
		x.expect(x.client, "hello")
		require.NoError(w, x.client.Close())
		require.NoError(w, readError(x.server))
		require.NoError(w, x.server.Close())
		w.Sleep(second)
		require.Zero(w, x.ResetConns("c", "s"))
		stats := x.Stats().Method("tcp:6379")
		require.EqualValues(w, 4, stats.From("c").Total().Bytes)
		require.EqualValues(w, 5, stats.From("s").Total().Bytes)
		require.EqualValues(w, 3, stats.From("s").Total().Delivered)
	})
	require.False(t, r.Failed(), "%v", r.Failures)
	require.Equal(t, []string{
		"send dial 49152→6379", "deliver dial 49152→6379", "send accept 6379→49152", "deliver accept 6379→49152",
		`send data 49152→6379 4 bytes: "ping"`, `deliver data 49152→6379 4 bytes: "ping"`,
		`send data 6379→49152 5 bytes: "hello"`, `deliver data 6379→49152 5 bytes: "hello"`,
		"send fin 49152→6379", "deliver fin 49152→6379", "send fin 6379→49152", "deliver fin 6379→49152",
	}, kinds(r.Events))
}

// A thousand streams to one service open at once.
func TestManyStreams(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		l, err := n.Node("s").Listen("tcp", ":1")
		require.NoError(w, err)
		w.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					_, _ = io.Copy(c, struct{ io.Reader }{c})
					_ = c.Close()
				}()
			}
		})
		var all sync.WaitGroup
		for i := range 1000 {
			all.Add(1)
			w.Go(func() {
				defer all.Done()
				c, err := n.Node("c").DialContext(context.Background(), "tcp", "s:1")
				require.NoError(w, err)
				_, err = fmt.Fprint(c, i)
				require.NoError(w, err)
				require.NoError(w, c.(halfCloser).CloseWrite())
				got, err := io.ReadAll(c)
				require.NoError(w, err)
				require.Equal(w, fmt.Sprint(i), string(got))
				require.NoError(w, c.Close())
			})
		}
		all.Wait()
		require.NoError(w, l.Close())
	})
}

// Whatever happens to the network, a reader gets a prefix of what was written,
// gets all of it when the stream ends in order, and nobody waits for ever.
func TestStreamsUnderChaos(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, rough)
		var all sync.WaitGroup
		whole, broken := 0, 0
		var mu sync.Mutex
		serve := func() {
			l, err := n.Node("s").Listen("tcp", ":1")
			require.NoError(w, err)
			w.Go(func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					all.Add(1)
					w.Go(func() {
						defer all.Done()
						defer c.Close()
						_, err := io.Copy(c, struct{ io.Reader }{c})
						if err == nil {
							_ = c.(halfCloser).CloseWrite()
						}
					})
				}
			})
		}
		client := func(i int) {
			c, err := n.Node("c").DialContext(context.Background(), "tcp", "s:1")
			if err != nil {
				return
			}
			defer c.Close()
			data := bytes.Repeat([]byte(fmt.Sprintf("%03d,", i)), 500)
			sent := make(chan bool, 1)
			w.Go(func() {
				for k := 0; k < len(data); k += 100 {
					if _, err := c.Write(data[k : k+100]); err != nil {
						sent <- false
						return
					}
					time.Sleep(50 * ms)
				}
				sent <- c.(halfCloser).CloseWrite() == nil
			})
			got, err := io.ReadAll(c)
			require.True(w, bytes.HasPrefix(data, got), "stream %d gave bytes that were not written", i)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && <-sent {
				require.Equal(w, len(data), len(got), "stream %d ended early", i)
				whole++
			} else {
				broken++
			}
		}
		n.Node("c")
		serve()
		for i := range 40 {
			all.Add(1)
			w.Go(func() { defer all.Done(); client(i) })
			switch w.Rand().IntN(12) {
			case 0:
				n.Isolate("s")
			case 1:
				n.Cut("c", "s")
			case 2, 3, 4:
				n.Heal()
			case 5:
				n.Node("c").Pause()
			case 6, 7:
				n.Node("c").Resume()
			case 8:
				n.ResetAfter("c", "s", w.Rand().IntN(2000))
			case 9:
				n.Node("s").Restart()
				serve()
			}
			w.Sleep(time.Duration(w.Rand().IntN(int(second))))
		}
		n.Node("c").Resume()
		n.Heal()
		began := w.Now()
		all.Wait()
		require.Less(w, w.Now()-began, 2*time.Minute)
		require.NotZero(w, whole+broken)
		w.Logf("%d streams ended in order, %d broke", whole, broken)
	})
}
