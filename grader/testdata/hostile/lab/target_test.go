package target_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"distsys/course/LAB"
	"distsys/grader/simnet"
	"distsys/grader/simtest"
)

// Oracle doubles.
type Oracle struct{}

// Double is called by the code under test.
func (Oracle) Double(args *target.Args, reply *target.Reply) error {
	reply.N = 2 * args.N
	return nil
}

func TestAnswer9A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		net := simnet.New(w, simnet.Reliable)
		net.Node("oracle").Serve("Oracle", Oracle{})
		client := net.Node("student").Client("oracle")
		for range 3 {
			n := w.Rand().IntN(1_000_000)
			got, err := target.Answer(client, n)
			require.NoError(w, err)
			require.Equal(w, 2*n+1, got, "one more than the oracle's answer to %d", n)
		}
	})
}
