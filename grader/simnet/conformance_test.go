package simnet_test

import (
	"context"
	"net"
	"testing"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"
)

// Streams satisfy golang.org/x/net/nettest. It calls t.Run and so cannot run in
// a bubble: here the network lives in real time, with links that are good and
// links that have every fault, and with a buffer that has a bound, which
// nettest's blocked Writes need. The same properties, in a bubble, are tested
// by TestStreamIsReliable, TestStreamRaces, TestStreamDeadlines, TestClose and
// TestBackPressure.
func TestConn(t *testing.T) {
	faulty := simnet.Link{
		Latency: simnet.Range{Max: ms}, Duplicate: 0.2,
		Reorder: 0.2, ReorderDelay: simnet.Range{Max: 2 * ms},
	}
	for name, link := range map[string]simnet.Link{"perfect": {}, "faulty": faulty} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				w, end := simtest.Outside(t, 1)
				n := simnet.New(w, link)
				n.SetStreamBuffer(64 << 10)
				l, err := n.Node("s").Listen("tcp", ":1")
				require.NoError(t, err)
				if c1, err = n.Node("c").DialContext(context.Background(), "tcp", "s:1"); err != nil {
					return nil, nil, nil, err
				}
				c2, err = l.Accept()
				return c1, c2, func() { _ = c1.Close(); _ = c2.Close(); end() }, err
			})
		})
	}
}
