package rpclab_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

const ruleFence = "once a Read or a Write with a lock's token has been executed, no Read or Write with a lower token of the same lock is: it is ErrFenced, and nothing changes (FencedStore)"

// A vault is a fenced store under test.
type vault struct {
	w *simtest.World
	s *rpclab.FencedStore
}

func (v vault) reads(lock string, token uint64, key, want string) {
	v.w.Helper()
	var reply rpclab.FencedReply
	err := v.s.Read(&rpclab.FencedArgs{Lock: lock, Token: token, Key: key}, &reply)
	require.NoError(v.w, err, "Read(%s) with token %d of lock %s\nrule: %s", key, token, lock, ruleFence)
	require.Equal(v.w, want, reply.Value, "the value of %s", key)
}

func (v vault) writes(lock string, token uint64, key, value string) {
	v.w.Helper()
	err := v.s.Write(&rpclab.FencedArgs{Lock: lock, Token: token, Key: key, Value: value}, &rpclab.FencedReply{})
	require.NoError(v.w, err, "Write(%s, %q) with token %d of lock %s\nrule: %s", key, value, token, lock, ruleFence)
}

// refuses checks that neither a read nor a write is executed.
func (v vault) refuses(lock string, token uint64, key, when string) {
	v.w.Helper()
	var reply rpclab.FencedReply
	if err := v.s.Read(&rpclab.FencedArgs{Lock: lock, Token: token, Key: key}, &reply); !errors.Is(err, rpclab.ErrFenced) {
		fail(v.w, ruleFence, "%s, Read(%s) with token %d of lock %s returned %q, error %v", when, key, token, lock, reply.Value, err)
	}
	if err := v.s.Write(&rpclab.FencedArgs{Lock: lock, Token: token, Key: key, Value: "late"}, &reply); !errors.Is(err, rpclab.ErrFenced) {
		fail(v.w, ruleFence, "%s, Write(%s) with token %d of lock %s returned error %v", when, key, token, lock, err)
	}
}

// Proves that the store refuses a token that is older than one it has seen, for all
// keys of the lock, and after a Read too; and that other locks do not matter. For: no
// check; tokens compared key by key; a check that only Write makes, or that only
// Write remembers.
func TestFenceRefusesOldTokens2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		v := vault{w, rpclab.NewFencedStore()}
		v.reads("x", 3, "k", "")
		v.writes("x", 3, "k", "three")
		v.writes("x", 3, "k", "three again")
		v.writes("x", 5, "k", "five")
		v.refuses("x", 3, "k", "after a Write with token 5")
		v.refuses("x", 4, "k", "after a Write with token 5")
		v.refuses("x", 3, "never written", "after a Write of another key with token 5")
		v.reads("x", 5, "k", "five")

		v.reads("x", 8, "k", "five")
		v.refuses("x", 5, "k", "after a Read with token 8")
		v.refuses("x", 7, "other", "after a Read of another key with token 8")
		v.reads("x", 8, "k", "five")
		v.reads("x", 8, "other", "")

		v.writes("y", 2, "l", "two")
		v.reads("y", 2, "l", "two")
		v.refuses("y", 1, "l", "after a Write with token 2")
		v.refuses("z", 0, "m", "without a lease")
		v.writes("z", 1, "m", "one")
		v.reads("z", 1, "m", "one")
		v.reads("x", 9, "k", "five")
	})
}

// Proves that a request that was refused has not made its token count.
func TestRefusedTokenDoesNotCount2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		v := vault{w, rpclab.NewFencedStore()}
		v.writes("x", 5, "k", "five")
		v.refuses("x", 4, "k", "after a Write with token 5")
		v.refuses("x", 3, "k", "after a Write with token 5, and a refusal of 4")
		v.reads("x", 5, "k", "five")
	})
}
