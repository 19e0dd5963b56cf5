package sockets_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	sockets "distsys/lab1-sockets"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// Proves that bytes written on one end are read on the other, in both directions at
// the same time, with Writes of any size.
func TestTransfer1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steadyLink(20*millisecond))
		client, server := p.connect()
		require.Equal(w, p.server.LocalAddr().String(), client.RemoteAddr().String(), "the client's RemoteAddr")
		require.Equal(w, p.client.LocalAddr().String(), server.RemoteAddr().String(), "the server's RemoteAddr")
		require.Equal(w, p.server.LocalAddr().String(), server.LocalAddr().String(), "the server's LocalAddr")
		p.all(time.Minute, "a transfer of 200 kB each way",
			func() { p.send(client, 1, 200_000) },
			func() { p.expect(server, 1, 200_000) },
			func() {
				at := 0
				for _, n := range []int{1, 2, 3, 1175, 1176, 1177, 10_000, 0, 1, 150_000} {
					p.write(server, 2, at, at+n)
					at += n
				}
				p.end(server)
			},
			func() { p.expect(client, 2, 1+2+3+1175+1176+1177+10_000+1+150_000) },
		)
	})
}

// hostileLink loses datagrams, doubles them, damages them, and lets them overtake
// each other.
func hostileLink(loss float64) simnet.Link {
	return simnet.Link{
		Latency: simnet.Range{Min: 5 * millisecond, Max: 15 * millisecond}, MTU: sockets.MaxDatagram, Bandwidth: 1_000_000,
		Loss: loss, Duplicate: 0.1, Corrupt: 0.05,
		Reorder: 0.2, ReorderDelay: simnet.Range{Min: 5 * millisecond, Max: 100 * millisecond},
	}
}

// Proves that streams arrive unchanged over a network that loses up to 30 % of the
// datagrams, damages some, doubles some, and delivers many in the wrong order; with
// handshake and end.
func TestHostileNetwork1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, loss := range []float64{0.3 * w.Rand().Float64(), 0.3} {
			p := newPair(w, hostileLink(loss))
			client, server := p.connect()
			p.all(50*time.Minute, fmt.Sprintf("a transfer of 60 kB each way, with %.0f %% of the datagrams lost,", 100*loss),
				func() { p.send(client, 1, 60_000) },
				func() { p.expect(server, 1, 60_000) },
				func() { p.send(server, 2, 60_000) },
				func() { p.expect(client, 2, 60_000) },
			)
		}
	})
}

// Proves that a stream passes the end of the sequence numbers, in both directions.
func TestSequenceWraps1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, hostileLink(0.02))
		first := -uint32(w.Rand().IntN(100_000))
		p.transport.InitialSequence = func() uint32 { return first }
		client, server := p.connect()
		p.all(10*time.Minute, fmt.Sprintf("a transfer of 150 kB each way, with numbers from %d on,", first),
			func() { p.send(client, 1, 150_000) },
			func() { p.expect(server, 1, 150_000) },
			func() { p.send(server, 2, 150_000) },
			func() { p.expect(client, 2, 150_000) },
		)
	})
}

// Proves that many connections share a PacketConn, dialled in both directions, and
// do not mix their streams.
func TestManyConnections1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const n, size = 25, 5000
		p := newPair(w, hostileLink(0.02))
		p.transport.ReceiveBuffer, p.transport.SendBuffer = 16<<10, 16<<10
		serve := func(l net.Listener) {
			for range n {
				conn, err := l.Accept()
				require.NoError(w, err, "Accept")
				w.Go(func() {
					all, err := io.ReadAll(conn)
					require.NoError(w, err, "Read to the end, on the accepting side")
					_, err = conn.Write(all)
					require.NoError(w, err, "Write, on the accepting side")
					require.NoError(w, conn.Close())
				})
			}
		}
		var work []func()
		for direction, ends := range [][2]net.PacketConn{{p.client, p.server}, {p.server, p.client}} {
			l, err := p.transport.Listen(ends[1])
			require.NoError(w, err)
			w.Cleanup(func() { l.Close() })
			work = append(work, func() { serve(l) })
			for i := range n {
				work = append(work, func() {
					conn, err := p.transport.Dial(context.Background(), ends[0], ends[1].LocalAddr())
					require.NoError(w, err, "Dial")
					s := stream(100*direction + i)
					p.send(conn, s, size)
					p.expect(conn, s, size)
					require.NoError(w, conn.Close())
				})
			}
		}
		p.all(10*time.Minute, fmt.Sprintf("%d connections each way, with 5 kB there and back on each,", n), work...)
	})
}

// Proves that several Writes at the same time do not mix.
func TestConcurrentWrites1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const writers, times, size = 5, 10, 3000
		p := newPair(w, steadyLink(20*millisecond))
		p.transport.SendBuffer = 8000
		client, server := p.connect()
		var work []func()
		var writing sync.WaitGroup
		writing.Add(writers)
		for i := range writers {
			work = append(work, func() {
				defer writing.Done()
				for range times {
					n, err := client.Write(bytes.Repeat([]byte{byte('a' + i)}, size))
					require.NoError(w, err)
					require.Equal(w, size, n, "Write returned a short count without an error")
				}
			})
		}
		work = append(work,
			func() { writing.Wait(); p.end(client) },
			func() {
				got, err := io.ReadAll(server)
				require.NoError(w, err)
				require.Len(w, got, writers*times*size, "the stream")
				for at := 0; at < len(got); at += size {
					require.Equal(w, size, bytes.Count(got[at:at+size], got[at:at+1]), "what one Write wrote is mixed with what another did\nrule: a Write is one piece of the stream (net.Conn: methods may be called at the same time)")
				}
			})
		p.all(time.Minute, "50 Writes of 3000 bytes", work...)
	})
}

// Proves that a sender does not run away from a slow reader: what is written and not
// read fits into the two buffers, and nothing more is in memory.
func TestMemoryIsBounded1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const size, buffers = 300_000, 20_000
		p := newPair(w, steadyLink(20*millisecond))
		p.transport.ReceiveBuffer, p.transport.SendBuffer = buffers, buffers
		client, server := p.connect()
		var written, read counter
		p.all(5*time.Minute, "a transfer of 300 kB to a reader of 20 kB a second",
			func() {
				for at := 0; at < size; at += 1000 {
					p.write(client, 1, at, at+1000)
					ahead := written.Add(1000) - read.Load()
					require.LessOrEqual(w, ahead, int64(2*buffers+1000), "bytes that Write has taken and nobody has read yet. SendBuffer and ReceiveBuffer have 20000 each")
				}
				p.end(client)
			},
			func() {
				for at := 0; at < size; at += 1000 {
					w.Sleep(50 * millisecond)
					p.read(server, 1, at, at+1000)
					read.Add(1000)
				}
			},
		)
		require.LessOrEqual(w, p.sent("client"), size*13/10, "bytes sent for 300000 that were delivered, without loss, to a slow reader")
	})
}

// Proves that a sender sends little more than what is delivered, and nothing when
// there is nothing to do. For: retransmissions of all that is under way, timers that
// do not back off, acknowledgements of acknowledgements.
func TestNoStorm1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const size = 500_000
		for _, c := range []struct {
			loss, factor float64
		}{{0, 1.1}, {0.01, 1.5}, {0.1, 2.5}} {
			link := steadyLink(50 * millisecond)
			link.Loss = c.loss
			p := newPair(w, link)
			client, server := p.connect()
			p.all(20*time.Minute, "a transfer of 500 kB",
				func() { p.write(client, 1, 0, size) },
				func() { p.read(server, 1, 0, size) },
			)
			w.Sleep(5 * time.Minute) // The last acknowledgements may be lost.
			require.LessOrEqual(w, float64(p.sent("client"))/size, c.factor, "bytes sent for each byte delivered, with %v of the datagrams lost", c.loss)
			require.LessOrEqual(w, float64(p.sent("server"))/size, 0.25, "bytes of acknowledgements for each byte delivered, with %v of the datagrams lost", c.loss)
			before := p.net.Stats().Total().Sent
			w.Sleep(10 * time.Minute)
			require.LessOrEqual(w, p.net.Stats().Total().Sent-before, uint64(20), "datagrams sent in ten minutes in which nobody writes")
		}
	})
}

// Proves that a connection outlives a partition that is shorter than the
// UserTimeout, goes on soon after it, and is quiet during it.
func TestPartition1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steadyLink(20*millisecond))
		client, server := p.connect()
		p.all(5*time.Minute, "a transfer of 300 kB with a partition of 60 s in the middle",
			func() { p.send(client, 1, 300_000) },
			func() { p.expect(server, 1, 300_000) },
			func() {
				w.Sleep(time.Duration(50+w.Rand().IntN(150)) * millisecond)
				p.net.Partition([]string{"client"}, []string{"server"})
				w.Sleep(time.Second)
				before := p.sent("client")
				w.Sleep(59 * time.Second)
				require.LessOrEqual(w, p.sent("client")-before, 600_000, "bytes sent during 59 s of a partition, after its first second\nrule: RTO doubles each time (RFC 6298, 5.5)")
				p.net.Heal()
			},
		)
		require.LessOrEqual(w, w.Now(), 150*time.Second, "a transfer that takes a fraction of a second, and a partition of 60 s\nrule: the timer expires at least once a minute (RFC 6298, 2.5)")
	})
}

// Proves that the death of the other side is noticed: by the UserTimeout when it
// stays away, by its RST when it is back without the connection.
func TestCrash1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, back := range []bool{false, true} {
			p := newPair(w, steadyLink(20*millisecond))
			p.transport.UserTimeout = time.Minute
			began := w.Now()
			client, server := p.connect()
			w.Go(func() { io.Copy(io.Discard, server) })
			var writeErr error
			var writing, read time.Duration
			p.all(10*time.Minute, "Read and Write on a connection whose other side has crashed",
				func() {
					buf := make([]byte, 1000)
					for writeErr == nil {
						_, writeErr = client.Write(buf)
					}
					writing = w.Now()
				},
				func() {
					_, err := client.Read(make([]byte, 1))
					want := map[bool]error{false: sockets.ErrPeerDead, true: sockets.ErrReset}[back]
					require.ErrorIs(w, err, want, "Read on a connection whose other side has crashed and is back: %v", back)
					read = w.Now()
				},
				func() {
					w.Sleep(time.Second)
					p.net.Node("server").Crash()
					if !back {
						return
					}
					w.Sleep(10 * time.Second)
					p.net.Node("server").Restart()
					p.server = p.socket("server")
					p.listen()
				},
			)
			require.Error(w, writeErr)
			if back {
				require.LessOrEqual(w, read-began, time.Minute, "when the client learnt that the server had restarted at 11 s")
			}
			require.Equal(w, read, writing, "when Write failed, and when Read did")
			p.client.Close()
		}
	})
}

// Proves that deadlines end Read and Write at the very instant, that a new one counts
// for those who wait, and that nothing is lost by it.
func TestDeadlines1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steadyLink(20*millisecond))
		p.transport.ReceiveBuffer, p.transport.SendBuffer = 10_000, 10_000
		client, server := p.connect()
		timedOut := func(began, want time.Duration, err error, what string) {
			w.Helper()
			require.True(w, isDeadline(err), "%s returned %v, and should return os.ErrDeadlineExceeded", what, err)
			require.ErrorIs(w, err, os.ErrDeadlineExceeded, what)
			require.InDelta(w, want.Seconds(), (w.Now() - began).Seconds(), 0.001, "seconds until %s returned", what)
		}
		one := make([]byte, 1)

		began := w.Now()
		require.NoError(w, client.SetReadDeadline(time.Now().Add(3*time.Second)))
		_, err := client.Read(one)
		timedOut(began, 3*time.Second, err, "Read with a deadline 3 s away")
		_, err = client.Read(one)
		timedOut(began, 3*time.Second, err, "Read behind its deadline")

		began = w.Now()
		require.NoError(w, client.SetReadDeadline(time.Now().Add(1500*millisecond)))
		w.Go(func() {
			w.Sleep(time.Second)
			client.SetReadDeadline(time.Now().Add(time.Hour))
			w.Sleep(time.Second)
			client.SetReadDeadline(time.Now().Add(time.Second))
		})
		_, err = client.Read(one)
		timedOut(began, 3*time.Second, err, "Read whose deadline was moved while it waited, from 1.5 s to an hour and then to 3 s,")

		began = w.Now()
		require.NoError(w, client.SetReadDeadline(time.Time{}))
		w.Go(func() {
			w.Sleep(time.Second)
			client.SetReadDeadline(time.Now().Add(-time.Hour))
		})
		p.all(time.Minute, "Read whose deadline was set to a time in the past while it waited", func() {
			_, err = client.Read(one)
		})
		timedOut(began, time.Second, err, "Read whose deadline was set to a time in the past, after 1 s,")

		// The write deadline is another one. Write tells how much it has taken.
		require.NoError(w, client.SetReadDeadline(time.Time{}))
		began = w.Now()
		require.NoError(w, client.SetWriteDeadline(time.Now().Add(5*time.Second)))
		data := make([]byte, 100_000)
		stream(1).fill(data, 0)
		n, err := client.Write(data)
		timedOut(began, 5*time.Second, err, "Write of more than the buffers take, with a deadline 5 s away,")
		require.Greater(w, n, 10_000, "bytes taken by Write")
		require.Less(w, n, 25_000, "bytes taken by Write, of which nobody has read any")
		require.NoError(w, client.SetDeadline(time.Now().Add(-time.Second)))
		k, err := client.Write(data)
		timedOut(began, 5*time.Second, err, "Write behind its deadline")
		require.Zero(w, k, "bytes taken by Write behind its deadline")
		require.NoError(w, client.SetDeadline(time.Time{}))
		p.all(time.Minute, "a transfer of 100 kB",
			func() {
				p.write(client, 1, n, len(data))
				p.end(client)
			},
			func() { p.expect(server, 1, len(data)) },
		)
	})
}

// Proves that Close wakes those who wait in Read and Write, and that it tells who
// comes later.
func TestCloseWakes1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steadyLink(20*millisecond))
		p.transport.ReceiveBuffer, p.transport.SendBuffer = 10_000, 10_000
		client, server := p.connect()
		p.all(10*time.Second, "Read and Write on a connection that was closed",
			func() {
				_, err := client.Read(make([]byte, 1))
				require.ErrorIs(w, err, net.ErrClosed, "Read, waiting while Close was called")
			},
			func() {
				n, err := client.Write(make([]byte, 100_000))
				require.ErrorIs(w, err, net.ErrClosed, "Write, waiting while Close was called")
				require.Less(w, n, 25_000, "bytes taken by Write")
			},
			func() {
				w.Sleep(time.Second)
				require.NoError(w, client.Close())
			},
		)
		require.ErrorIs(w, client.SetDeadline(time.Time{}), net.ErrClosed, "SetDeadline after Close")
		require.ErrorIs(w, client.Close(), net.ErrClosed, "the second Close")
		p.all(time.Minute, "Read to the end", func() {
			got, err := io.Copy(io.Discard, server)
			require.NoError(w, err)
			require.Greater(w, got, int64(10_000), "bytes that were written before Close and arrived")
		})
	})
}

// Proves that a listener holds no more than Backlog connections: those in the middle
// of the handshake, which may never complete it, and those that nobody accepts. For:
// a table that a flood of SYN fills.
func TestBacklog1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steadyLink(20*millisecond))
		p.transport.Backlog = 8
		p.transport.UserTimeout = 20 * time.Second
		p.listen()
		answers := map[string]int{}
		var mu sync.Mutex
		p.net.Observe(func(m *simnet.Message) {
			mu.Lock()
			defer mu.Unlock()
			if m.From == "server" && m.To == "victim" {
				answers[fmt.Sprint(m.ToPort)]++
			}
		})
		p.net.Node("victim") // who never sent anything, and never answers
		for i := range 500 {
			syn := &sockets.Segment{Conn: uint32(i), Flags: sockets.SYN, Seq: uint32(i), Window: 1000}
			require.NoError(w, p.net.Node("attacker").Spoof(fmt.Sprintf("victim:%d", 10_000+i), "server:9000", encodeSegment(syn)))
			w.Sleep(millisecond)
		}
		w.Sleep(5 * time.Second)
		mu.Lock()
		require.LessOrEqual(w, len(answers), 8, "handshakes that the listener has begun, of 500 SYNs with forged addresses, with a Backlog of 8")
		require.NotEmpty(w, answers, "handshakes that the listener has begun, of 500 SYNs")
		mu.Unlock()
		var client net.Conn
		p.all(2*time.Minute, "Dial after a flood of SYN, which is over,", func() {
			p.transport = &sockets.Transport{UserTimeout: 5 * time.Minute, Backlog: 8}
			client = p.dial()
		})
		server := p.accept()
		p.all(time.Minute, "a transfer", func() { p.send(client, 1, 5000) }, func() { p.expect(server, 1, 5000) })

		var dialled counter
		for range 12 {
			w.Go(func() {
				conn, err := p.transport.Dial(context.Background(), p.client, p.server.LocalAddr())
				if err == nil {
					dialled.Add(1)
					w.Cleanup(func() { conn.Close() })
				}
			})
		}
		w.Sleep(3 * time.Second)
		require.LessOrEqual(w, dialled.Load(), int64(8), "connections that were dialled and not accepted, with a Backlog of 8")
		p.all(2*time.Minute, "Accept of 12 connections", func() {
			for range 12 {
				p.accept()
			}
		})
	})
}

// Proves that garbage disturbs neither a listener nor a connection: random bytes,
// cut and damaged datagrams, and whole segments with numbers far from those in use.
func TestGarbage1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steadyLink(20*millisecond))
		client, server := p.connect()
		var mu sync.Mutex
		var seen [][]byte
		p.net.Observe(func(m *simnet.Message) {
			mu.Lock()
			defer mu.Unlock()
			if body, ok := m.Body.([]byte); ok && m.From == "client" {
				seen = append(seen, slices.Clone(body))
			}
		})
		throw := func() {
			rand := w.Rand()
			for range 1000 {
				d := make([]byte, rand.IntN(300))
				for i := range d {
					d[i] = byte(rand.Uint32())
				}
				mu.Lock()
				if len(seen) > 0 && rand.IntN(3) > 0 {
					d = slices.Clone(seen[rand.IntN(len(seen))])
				}
				mu.Unlock()
				switch kind := rand.IntN(4); {
				case len(d) == 0:
				case kind == 0:
					d = d[:rand.IntN(len(d))]
				case kind == 1:
					d[rand.IntN(len(d))] ^= 1 << rand.IntN(8)
				case len(d) >= 24: // whole, with numbers half of their space away from those in use
					d[0], d[1], d[2], d[3] = 1, byte(rand.IntN(16)), 0, 0
					d[12] ^= 0x80
					d[16] ^= 0x80
					seal(d)
				}
				source := []string{"client:9000", "stranger:9000"}[rand.IntN(2)]
				p.net.Node("attacker").Spoof(source, "server:9000", d)
				w.Sleep(millisecond)
			}
		}
		p.all(time.Minute, "a transfer of 200 kB while garbage arrives",
			func() { p.write(client, 1, 0, 200_000) },
			func() { p.read(server, 1, 0, 200_000) },
			func() { p.write(server, 2, 0, 200_000) },
			func() { p.read(client, 2, 0, 200_000) },
			throw,
		)
	})
}

// Proves that the segments of an old connection, all of them sent again, neither
// make a new connection nor bring anything into one.
func TestReplay1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steadyLink(20*millisecond))
		p.transport.TimeWait = 5 * time.Second
		var mu sync.Mutex
		var seen [][]byte
		recording := true
		p.net.Observe(func(m *simnet.Message) {
			mu.Lock()
			defer mu.Unlock()
			if body, ok := m.Body.([]byte); ok && m.From == "client" && recording {
				seen = append(seen, slices.Clone(body))
			}
		})
		exchange := func(client, server net.Conn, n int) {
			p.all(time.Minute, "a transfer",
				func() { p.send(client, stream(n), 20_000) },
				func() { p.expect(server, stream(n), 20_000) },
				func() { p.send(server, stream(n+1), 20_000) },
				func() { p.expect(client, stream(n+1), 20_000) },
			)
			client.Close()
			server.Close()
		}
		client, server := p.connect()
		exchange(client, server, 1)
		w.Sleep(time.Minute)
		mu.Lock()
		recording = false
		mu.Unlock()

		client = p.dial()
		server = p.accept()
		intruders := make(chan net.Conn, 100)
		w.Go(func() {
			for {
				conn, err := p.listener.Accept()
				if err != nil {
					return
				}
				intruders <- conn
			}
		})
		require.NotEmpty(w, seen)
		w.Go(func() {
			for _, d := range seen {
				p.net.Node("attacker").Spoof("client:9000", "server:9000", d)
				w.Sleep(millisecond)
			}
		})
		exchange(client, server, 3)
		w.Sleep(time.Minute)
		require.Empty(w, intruders, "connections that Accept returned while the segments of an old connection were sent once more\nrule: the handshake exists to keep old duplicates from making connections (RFC 9293, 3.5, figure 8)")
	})
}

// Proves that what is over is over: no goroutine reads from the PacketConn any more,
// no timer sends.
func TestNothingIsLeft1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steadyLink(20*millisecond))
		p.transport.TimeWait = 5 * time.Second
		client, server := p.connect()
		p.all(time.Minute, "a transfer", func() { p.send(client, 1, 5000) }, func() { p.expect(server, 1, 5000) })
		require.NoError(w, client.Close())
		require.NoError(w, server.Close())
		require.NoError(w, p.listener.Close())
		_, err := p.listener.Accept()
		require.ErrorIs(w, err, net.ErrClosed, "Accept after Close")
		w.Sleep(time.Minute)
		before := p.net.Stats().Total().Sent
		w.Sleep(5 * time.Minute)
		require.Equal(w, before, p.net.Stats().Total().Sent, "datagrams sent, before and after five minutes in which no connection existed")
		p.all(10*time.Second, "ReadFrom of a PacketConn on which no connection and no listener is left", func() {
			_, err := p.client.WriteTo([]byte("for somebody else"), p.server.LocalAddr())
			require.NoError(w, err)
			require.NoError(w, p.server.SetReadDeadline(time.Now().Add(5*time.Second)))
			buf := make([]byte, 100)
			n, _, err := p.server.ReadFrom(buf)
			require.NoError(w, err, "ReadFrom of a PacketConn on which no connection and no listener is left\nrule: whoever is done with a PacketConn stops reading from it")
			require.Equal(w, "for somebody else", string(buf[:n]))
			require.NoError(w, p.server.SetReadDeadline(time.Time{}))
		})
		p.listen() // and it can be used again
		client = p.dial()
		server = p.accept()
		p.all(time.Minute, "a transfer", func() { p.send(client, 1, 5000) }, func() { p.expect(server, 1, 5000) })
	})
}

// Proves that closing a listener resets the connections that were not accepted, and
// leaves the others alone; and that closing the PacketConn ends everything at once.
func TestListenerAndPacketConnClose1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steadyLink(20*millisecond))
		client, server := p.connect()
		_, err := p.transport.Listen(p.server)
		require.ErrorIs(w, err, sockets.ErrListening, "the second Listen on a PacketConn")
		waiting := p.dial()
		w.Sleep(time.Second)
		require.NoError(w, p.listener.Close())
		p.all(time.Minute, "Read on a connection that was not accepted when the listener was closed", func() {
			_, err := waiting.Read(make([]byte, 1))
			require.ErrorIs(w, err, sockets.ErrReset, "Read on a connection that was not accepted when the listener was closed")
		})
		p.all(time.Minute, "a transfer", func() { p.write(client, 1, 0, 5000) }, func() { p.read(server, 1, 0, 5000) })
		p.all(10*time.Second, "Read and Write on a connection whose PacketConn was closed",
			func() {
				_, err := server.Read(make([]byte, 1))
				require.ErrorIs(w, err, net.ErrClosed, "Read")
				_, err = server.Write(make([]byte, 1))
				require.ErrorIs(w, err, net.ErrClosed, "Write")
			},
			func() {
				w.Sleep(time.Second)
				p.server.Close()
			},
		)
	})
}
