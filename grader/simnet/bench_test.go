package simnet_test

import (
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
