package rpclab_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// A store is a student's store, called directly.
type store struct {
	w *simtest.World
	s *rpclab.Store
}

func (s store) put(key, value string, version uint64) (uint64, error) {
	reply := rpclab.PutReply{}
	err := s.s.Put(&rpclab.PutArgs{Key: key, Value: value, Version: version}, &reply)
	return reply.Version, err
}

func (s store) delete(key string, version uint64) error {
	return s.s.Delete(&rpclab.DeleteArgs{Key: key, Version: version}, &rpclab.DeleteReply{})
}

// holds checks what a key holds; version 0 stands for nothing.
func (s store) holds(key, value string, version uint64) {
	var reply rpclab.GetReply
	err := s.s.Get(&rpclab.GetArgs{Key: key}, &reply)
	if version == 0 {
		require.Equal(s.w, rpclab.ErrNoKey, err, "Get(%q), which does not exist", key)
		return
	}
	require.NoError(s.w, err, "Get(%q)", key)
	require.Equal(s.w, rpclab.GetReply{Value: value, Version: version}, reply, "Get(%q)", key)
}

// Proves that Put and Delete change a key only if the caller knows its version,
// return the right error otherwise, and then change nothing.
func TestStoreComparesVersions2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := store{w, rpclab.NewStore()}
		s.holds("k", "", 0)
		require.Equal(w, rpclab.ErrNoKey, s.delete("k", 0), "Delete of a key that does not exist, version 0")
		require.Equal(w, rpclab.ErrNoKey, s.delete("k", 1), "Delete of a key that does not exist, version 1")
		_, err := s.put("k", "x", 1)
		require.Equal(w, rpclab.ErrNoKey, err, "Put with version 1 of a key that does not exist")
		s.holds("k", "", 0)

		one, err := s.put("k", "one", 0)
		require.NoError(w, err, "Put with version 0 of a key that does not exist")
		require.NotZero(w, one, "the version of a value")
		s.holds("k", "one", one)
		for _, version := range []uint64{0, one + 1, one - 1, 1 << 63} {
			if version == one {
				continue
			}
			_, err := s.put("k", "x", version)
			require.Equal(w, rpclab.ErrVersion, err, "Put with version %d of a key that has version %d", version, one)
			require.Equal(w, rpclab.ErrVersion, s.delete("k", version), "Delete with version %d of a key that has version %d", version, one)
			s.holds("k", "one", one)
		}
		two, err := s.put("k", "", one)
		require.NoError(w, err, "Put with version %d of a key that has version %d", one, one)
		s.holds("k", "", two)
		require.NoError(w, s.delete("k", two), "Delete with version %d of a key that has version %d", two, two)
		s.holds("k", "", 0)
	})
}

// Proves that no version of a key comes twice, also when the key is deleted and
// made anew. For: a writer that knows an old version and takes a new value for it.
func TestStoreVersionsGrow2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := store{w, rpclab.NewStore()}
		now, last := map[string]uint64{}, map[string]uint64{}
		for range 300 {
			key := fmt.Sprint("k", w.Rand().IntN(5))
			if now[key] > 0 && w.Rand().IntN(3) == 0 {
				require.NoError(w, s.delete(key, now[key]), "Delete(%q) with its version", key)
				now[key] = 0
				continue
			}
			version, err := s.put(key, "x", now[key])
			require.NoError(w, err, "Put(%q) with version %d, which it has", key, now[key])
			if version <= last[key] {
				fail(w, "each Put of a key gives it a higher version than it ever had, also when the key was deleted in between (Store)",
					"Put(%q) gave it version %d, and it once had version %d", key, version, last[key])
			}
			now[key], last[key] = version, version
		}
	})
}

// Proves that many goroutines may use the store at a time, and that of those who
// know the same version one succeeds.
func TestStoreIsAtomic2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := store{w, rpclab.NewStore()}
		version := uint64(0)
		for round := range 20 {
			won, known := make(chan uint64, 50), version
			for i := range cap(won) {
				w.Go(func() {
					v, err := s.put("k", fmt.Sprint(round, i), known)
					if err != nil {
						require.Equal(w, rpclab.ErrVersion, err)
						v = 0
					}
					won <- v
				})
			}
			winners := 0
			for range cap(won) {
				if v := <-won; v > 0 {
					winners++
					version = v
				}
			}
			if winners != 1 {
				fail(w, "each call takes effect at once and as a whole (Store)", "50 goroutines put the key with the same version. Expected that one succeeds, %d did", winners)
			}
		}
	})
}
