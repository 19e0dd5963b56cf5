package simnet_test

import (
	"io"
	"testing"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

type entry struct {
	Term    int
	Command []byte
}

type AppendArgs struct {
	Term, LeaderID, PrevLogIndex, PrevLogTerm int
	Entries                                   []entry
	LeaderCommit                              int
}

type AppendReply struct {
	Term    int
	Success bool
}

type follower struct{}

func (follower) AppendEntries(args *AppendArgs, reply *AppendReply) error {
	*reply = AppendReply{Term: args.Term, Success: true}
	return nil
}

// A round trip of a small AppendEntries: encode, send, serve, reply, decode,
// and four events in the log.
func BenchmarkRoundTrip(b *testing.B) {
	b.ReportAllocs()
	simtest.Bench(b, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		n.Node("2").Serve("Raft", follower{})
		client := n.Node("1").Client("2")
		args := &AppendArgs{Term: 3, LeaderID: 1, PrevLogIndex: 41, PrevLogTerm: 3, LeaderCommit: 40,
			Entries: []entry{{3, []byte("set x = 1")}}}
		for range b.N {
			var reply AppendReply
			require.NoError(w, client.Call("Raft.AppendEntries", args, &reply))
		}
		total := n.Stats().Total()
		b.ReportMetric(float64(total.Bytes)/float64(b.N), "wire-B/op")
	})
}

// A round trip of 100 bytes on a stream: two segments, four events.
func BenchmarkStreamRoundTrip(b *testing.B) {
	b.ReportAllocs()
	simtest.Bench(b, func(w *simtest.World) {
		x := newWire(w, simnet.Reliable)
		go func() { _, _ = io.Copy(x.server, struct{ io.Reader }{x.server}) }()
		data := make([]byte, 100)
		for range b.N {
			_, err := x.client.Write(data)
			require.NoError(w, err)
			_, err = io.ReadFull(x.client, data)
			require.NoError(w, err)
		}
	})
}

// Streams move 1 MiB in Writes of 32 KiB.
func BenchmarkStreamThroughput(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(1 << 20)
	simtest.Bench(b, func(w *simtest.World) {
		x := newWire(w, simnet.Reliable)
		data := make([]byte, 32<<10)
		for range b.N {
			go func() {
				for range 32 {
					_, _ = x.client.Write(data)
				}
			}()
			_, err := io.CopyN(io.Discard, x.server, 1<<20)
			require.NoError(w, err)
		}
	})
}

// One datagram of 1,200 bytes, of 64 on their way: WriteTo, two events,
// ReadFrom.
func BenchmarkDatagram(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(1200)
	simtest.Bench(b, func(w *simtest.World) {
		x := newSockets(w, simnet.Reliable)
		data := make([]byte, 1200)
		for sent := 0; sent < b.N; sent += 64 {
			for range 64 {
				x.send(data)
			}
			for range 64 {
				_, _, err := x.b.ReadFrom(data)
				require.NoError(w, err)
			}
		}
	})
}
