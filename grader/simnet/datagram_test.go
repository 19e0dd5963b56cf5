package simnet_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// sockets is a network with a datagram socket on node "a" and one on "b".
type sockets struct {
	*simnet.Network
	w    *simtest.World
	a, b net.PacketConn
}

func newSockets(w *simtest.World, settings simnet.Link) *sockets {
	n := simnet.New(w, settings)
	x := &sockets{Network: n, w: w}
	x.a, x.b = x.open("a"), x.open("b")
	return x
}

func (x *sockets) open(node string) net.PacketConn {
	c, err := x.Node(node).ListenPacket("udp", ":9000")
	require.NoError(x.w, err)
	return c
}

// send sends a datagram from a to b.
func (x *sockets) send(data []byte) {
	n, err := x.a.WriteTo(data, x.b.LocalAddr())
	require.NoError(x.w, err)
	require.Equal(x.w, len(data), n)
}

// number is a datagram that holds i.
func number(i int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(i)) }

// drain returns everything that arrives at b until it is silent for a minute.
func (x *sockets) drain() (all [][]byte) {
	b := make([]byte, 2000)
	for {
		require.NoError(x.w, x.b.SetReadDeadline(time.Now().Add(time.Minute)))
		n, from, err := x.b.ReadFrom(b)
		if err != nil {
			require.True(x.w, isTimeout(err), "%v", err)
			return all
		}
		require.Equal(x.w, "a:9000", from.String())
		all = append(all, bytes.Clone(b[:n]))
	}
}

func (x *sockets) numbers() (all []int) {
	for _, d := range x.drain() {
		all = append(all, int(binary.BigEndian.Uint32(d)))
	}
	return all
}

// On a perfect link all datagrams arrive, in order, also those sent at the same
// instant, and none overflows a reader that reads.
func TestDatagramsInOrder(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newSockets(w, steady(10*ms))
		for i := range 100 {
			x.send(number(i))
		}
		require.Zero(w, w.Now())
		got := x.numbers()
		require.Len(w, got, 100)
		for i := range got {
			require.Equal(w, i, got[i])
		}
		go func() {
			for i := range 10_000 {
				_, _ = x.a.WriteTo(number(i), x.b.LocalAddr())
			}
		}()
		require.Len(w, x.numbers(), 10_000)
	})
}

// WriteTo copies, a short buffer cuts a datagram, an empty one arrives, and an
// answer goes to the address that came with the datagram.
func TestDatagramContent(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newSockets(w, steady(10*ms))
		data := []byte("hello")
		x.send(data)
		copy(data, "other")
		x.send(nil)
		b := make([]byte, 4)
		n, from, err := x.b.ReadFrom(b)
		require.NoError(w, err)
		require.Equal(w, "hell", string(b[:n]))
		require.Equal(w, "udp", from.Network())
		n, _, err = x.b.ReadFrom(b)
		require.NoError(w, err)
		require.Zero(w, n)
		_, err = x.b.WriteTo([]byte("back"), from)
		require.NoError(w, err)
		n, from, err = x.a.ReadFrom(b)
		require.NoError(w, err)
		require.Equal(w, "back", string(b[:n]))
		require.Equal(w, x.b.LocalAddr(), from)
	})
}

// Loss, duplication, reordering and corruption come with the probability that
// the link says, and corruption flips one bit of one copy.
func TestDatagramFaults(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const sent = 1000
		send := func(change func(*simnet.Link)) ([]int, *sockets) {
			link := steady(10 * ms)
			change(&link)
			x := newSockets(w, link)
			for i := range sent {
				x.send(number(i))
				w.Sleep(ms)
			}
			return x.numbers(), x
		}
		got, x := send(func(l *simnet.Link) { l.Loss = 0.3 })
		require.InDelta(w, 0.7*sent, len(got), 80)
		require.Equal(w, uint64(sent-len(got)), x.Stats().Total().Dropped)

		got, x = send(func(l *simnet.Link) { l.Duplicate = 0.3 })
		require.InDelta(w, 1.3*sent, len(got), 80)
		require.Equal(w, uint64(len(got)-sent), x.Stats().Total().Duplicated)

		got, _ = send(func(l *simnet.Link) {
			l.Reorder, l.ReorderDelay = 0.3, simnet.Range{Min: 100 * ms, Max: 200 * ms}
		})
		require.Len(w, got, sent)
		late := 0
		for i := 1; i < len(got); i++ {
			if got[i] < got[i-1] {
				late++
			}
		}
		require.NotZero(w, late)

		got, _ = send(func(l *simnet.Link) { l.Corrupt = 0.3 })
		require.Len(w, got, sent)
		damaged := 0
		for i := range got {
			if flipped := bits.OnesCount(uint(got[i] ^ i)); flipped > 0 {
				require.Equal(w, 1, flipped)
				damaged++
			}
		}
		require.InDelta(w, 0.3*sent, damaged, 80)
	})
}

// A damaged copy does not damage the other one, nor what the sender has.
func TestCorruptionDamagesACopy(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := steady(10 * ms)
		link.Duplicate, link.Corrupt = 1, 0.5
		x := newSockets(w, link)
		whole, data := 0, bytes.Repeat([]byte{7}, 100)
		for range 100 {
			x.send(data)
		}
		for _, d := range x.drain() {
			if bytes.Equal(d, data) {
				whole++
			}
		}
		require.InDelta(w, 100, whole, 40)
		require.Equal(w, bytes.Repeat([]byte{7}, 100), data)
	})
}

// What is larger than the MTU goes nowhere, and the sender does not learn it.
func TestDatagramMTU(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := steady(10 * ms)
		link.MTU = 1200
		x := newSockets(w, link)
		x.send(make([]byte, 1201))
		x.send(make([]byte, 1200))
		got := x.drain()
		require.Len(w, got, 1)
		require.Len(w, got[0], 1200)
		_, err := x.a.WriteTo(make([]byte, 70_000), x.b.LocalAddr())
		require.ErrorIs(w, err, syscall.EMSGSIZE)
	})
}

// Datagrams queue for the bandwidth of a link.
func TestDatagramBandwidth(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := steady(10 * ms)
		link.Bandwidth = 100_000
		x := newSockets(w, link)
		for range 100 {
			x.send(make([]byte, 1000))
		}
		require.Len(w, x.drain(), 100)
		require.InDelta(w, second+10*ms+time.Minute, w.Now(), float64(ms))
	})
}

// A socket that nobody reads drops what its buffer does not take.
func TestReceiveBuffer(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newSockets(w, steady(10*ms))
		for _, limit := range []int{208 << 10, 10_000} {
			if limit != 208<<10 {
				require.NoError(w, x.b.(interface{ SetReadBuffer(int) error }).SetReadBuffer(limit))
			}
			before := x.Stats()
			for range 1000 {
				x.send(make([]byte, 1000))
			}
			w.Sleep(second)
			got := len(x.drain())
			require.InDelta(w, limit/1000, got, float64(limit)/1000/10)
			require.EqualValues(w, 1000-got, x.Stats().Since(before).Total().Dropped)
		}
	})
}

// Datagrams to nobody go nowhere: an unknown node, a port without a socket, a
// crashed node, behind a partition.
func TestDatagramsToNobody(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newSockets(w, steady(10*ms))
		for _, to := range []simnet.Addr{{Net: "udp", Node: "nobody", Port: 1}, {Net: "udp", Node: "b", Port: 1}} {
			_, err := x.a.WriteTo([]byte("x"), to)
			require.NoError(w, err)
		}
		x.Isolate("b")
		x.send(number(1))
		w.Sleep(second)
		x.Heal()
		x.send(number(2))
		require.Equal(w, []int{2}, x.numbers())
		x.send(number(3))
		x.Node("b").Restart()
		old := x.b
		x.b = x.open("b")
		x.send(number(4))
		require.Equal(w, []int{4}, x.numbers())
		_, _, err := old.ReadFrom(nil)
		require.ErrorIs(w, err, syscall.ECONNRESET)
		_, err = old.WriteTo([]byte("zombie"), x.a.LocalAddr())
		require.Error(w, err)
	})
}

// Closing, deadlines and addresses of sockets.
func TestSocketErrors(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newSockets(w, steady(10*ms))
		require.NoError(w, x.a.SetDeadline(time.Unix(1, 0)))
		_, _, err := x.a.ReadFrom(nil)
		require.True(w, isTimeout(err), "%v", err)
		_, err = x.a.WriteTo(nil, x.b.LocalAddr())
		require.True(w, isTimeout(err), "%v", err)
		require.NoError(w, x.a.SetDeadline(time.Time{}))
		_, err = x.a.WriteTo(nil, nil)
		require.Error(w, err)
		_, err = x.a.WriteTo(nil, &net.UnixAddr{Name: "x"})
		require.Error(w, err)

		w.Go(func() {
			w.Sleep(second)
			_ = x.a.SetReadDeadline(time.Now().Add(second))
			w.Sleep(2 * second)
			_ = x.a.SetReadDeadline(time.Time{})
			_ = x.a.Close()
		})
		_, _, err = x.a.ReadFrom(nil)
		require.ErrorIs(w, err, os.ErrDeadlineExceeded)
		require.Equal(w, 2*second, w.Now())
		require.NoError(w, x.a.SetReadDeadline(time.Time{}))
		_, _, err = x.a.ReadFrom(nil)
		require.ErrorIs(w, err, net.ErrClosed)
		require.Equal(w, 3*second, w.Now())
		require.ErrorIs(w, x.a.Close(), net.ErrClosed)
		_, err = x.a.WriteTo(nil, x.b.LocalAddr())
		require.ErrorIs(w, err, net.ErrClosed)
		require.ErrorIs(w, x.a.SetDeadline(time.Now()), net.ErrClosed)

		_, err = x.Node("b").ListenPacket("udp", ":9000")
		require.ErrorIs(w, err, syscall.EADDRINUSE)
		_, err = x.Node("b").ListenPacket("tcp", ":9001")
		require.Error(w, err)
		free, err := x.Node("b").ListenPacket("udp", "b:0")
		require.NoError(w, err)
		require.NotEqual(w, x.b.LocalAddr(), free.LocalAddr())
	})
}

// A test sees, loses, delays and forges datagrams.
func TestInterceptDatagrams(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		x := newSockets(w, steady(10*ms))
		var seen, arrived []string
		x.Observe(func(m *simnet.Message) {
			seen = append(seen, fmt.Sprintf("%s %s:%d→%s:%d %s", m.Method, m.From, m.FromPort, m.To, m.ToPort, m.Body))
		})
		x.ObserveDelivery(func(m *simnet.Message) { arrived = append(arrived, string(m.Body.([]byte))) })
		x.Intercept(func(m *simnet.Message) simnet.Verdict {
			switch string(m.Body.([]byte)) {
			case "lost":
				return simnet.Drop
			case "late":
				return simnet.Deliver(second)
			case "forge":
				return simnet.Change([]byte("other"))
			}
			return simnet.Pass
		})
		for _, text := range []string{"lost", "late", "forge", "plain"} {
			x.send([]byte(text))
		}
		require.NoError(w, x.Node("evil").Spoof("a:9000", "b:9000", []byte("spoofed")))
		var got []string
		for _, d := range x.drain() { // It checks that all come from a.
			got = append(got, string(d))
		}
		require.Equal(w, []string{"other", "plain", "spoofed", "late"}, got)
		require.Equal(w, got, arrived)
		require.Equal(w, "udp:9000 a:9000→b:9000 lost", seen[0])
		require.Equal(w, "udp:9000 evil:9000→b:9000 spoofed", seen[4])
		require.EqualValues(w, 1, x.Stats().From("evil").Method("udp:9000").Total().Sent)
	})
}

// The event log keeps the last datagrams, in their places among the other
// events, and a lab can describe them.
func TestLogOfDatagrams(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		x := newSockets(w, steady(ms))
		w.Logf("begin")
		for range 300_000 {
			x.send(make([]byte, 10))
			w.Sleep(ms)
		}
		w.Sleep(second)
		x.Describe(func(method string, v any) string {
			if data := v.([]byte); len(data) == 4 {
				return fmt.Sprintf("number %d", binary.BigEndian.Uint32(data))
			}
			return ""
		})
		w.Logf("middle")
		x.send(number(5))
		w.Sleep(second)
		w.Logf("end")
	})
	require.False(t, r.Failed(), "%v", r.Failures)
	all := kinds(r.Events)
	require.Len(t, all, 8192+3)
	require.Equal(t, "note begin", all[0])
	require.Equal(t, []string{
		"note middle", "send datagram 9000→9000 number 5",
		"drop (the socket's receive buffer is full) datagram 9000→9000 number 5", "note end",
	}, all[len(all)-4:])
}

// The same seed gives the same datagrams.
func TestDatagramsAreDeterministic(t *testing.T) {
	run := func() (got []int) {
		r := simtest.Try(t, 3, func(w *simtest.World) {
			x := newSockets(w, rough)
			for i := range 500 {
				x.send(number(i))
			}
			got = x.numbers()
		})
		require.False(t, r.Failed())
		return got
	}
	require.Equal(t, run(), run())
}

// A link's queue takes so many bytes, and drops what exceeds it.
func TestLinkQueue(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := steady(10 * ms)
		link.Bandwidth, link.Queue = 100_000, 10_000
		x := newSockets(w, link)
		for range 100 {
			x.send(make([]byte, 1000))
		}
		require.Len(w, x.drain(), 10)
		for range 100 {
			x.send(make([]byte, 1000))
			w.Sleep(10 * ms)
		}
		require.Len(w, x.drain(), 100)
	})
}

// A loop that sends without end is a storm, before memory runs out. It pauses now
// and then, as the one of TestStreamStorm does.
func TestDatagramStorm(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		x := newSockets(w, steady(ms))
		for i := 0; ; i++ {
			_, _ = x.a.WriteTo(nil, x.b.LocalAddr())
			if i%10_000 == 0 {
				w.Sleep(time.Microsecond)
			}
		}
	})
	require.Equal(t, simtest.Stuck, r.Status)
	require.Contains(t, r.Failures[0].Message, "under way at once")
}
