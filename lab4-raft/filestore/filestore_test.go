package filestore_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"distsys/lab4-raft/filestore"

	"github.com/stretchr/testify/require"
)

// Proves that a store returns what was saved last, whatever changed: after each save,
// when it is opened anew, and although the file begins anew from time to time.
func TestStoreReturnsWhatWasSaved(t *testing.T) {
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	store, err := filestore.Open(dir)
	require.NoError(t, err)
	state, snapshot := store.Load()
	require.Empty(t, state)
	require.Empty(t, snapshot)
	for i := range 300 {
		state = change(random, state)
		if i%40 == 0 {
			snapshot = change(random, snapshot)
		}
		store.Save(state, snapshot)
		if i%7 == 0 {
			require.NoError(t, store.Close())
			store, err = filestore.Open(dir)
			require.NoError(t, err)
		}
		s, p := store.Load()
		require.True(t, bytes.Equal(state, s) && bytes.Equal(snapshot, p), "after save %d", i)
	}
	info, err := os.Stat(filepath.Join(dir, "raft.log"))
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(3<<20), "size of the file")
}

// change returns a changed copy: longer, shorter, or with other bytes.
func change(random *rand.Rand, data []byte) []byte {
	data = bytes.Clone(data)
	if n := len(data); n > 0 && random.IntN(3) == 0 {
		data = data[:random.IntN(n)]
	}
	for range random.IntN(5) {
		if n := len(data); n > 0 {
			data[random.IntN(n)]++
		}
	}
	added := make([]byte, random.IntN(20_000))
	for i := range added {
		added[i] = byte(random.Uint32())
	}
	return append(data, added...)
}

// Proves that a file that was cut anywhere, or whose end is garbage, opens with what was
// saved before the save that was torn: the state and the snapshot together.
func TestTornTail(t *testing.T) {
	saved := [][2]string{{"", ""}, {"state 1", "snapshot 1"}, {"state 2, longer", "snapshot 1"}, {"state 3", "snapshot 3"}}
	dir := t.TempDir()
	path := filepath.Join(dir, "raft.log")
	store, err := filestore.Open(dir)
	require.NoError(t, err)
	ends := []int{0}
	for _, s := range saved[1:] {
		store.Save([]byte(s[0]), []byte(s[1]))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		ends = append(ends, len(data))
	}
	require.NoError(t, store.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for cut := 0; cut <= len(whole); cut++ {
		n := 0 // saves that are whole
		for n+1 < len(ends) && ends[n+1] <= cut {
			n++
		}
		for _, tail := range [][]byte{nil, bytes.Repeat([]byte{0xff}, 30), []byte("garbage")} {
			require.NoError(t, os.WriteFile(path, append(whole[:cut:cut], tail...), 0o644))
			store, err := filestore.Open(dir)
			require.NoError(t, err, "cut at %d", cut)
			state, snapshot := store.Load()
			require.Equal(t, saved[n], [2]string{string(state), string(snapshot)}, "cut at %d of %d, then %q", cut, len(whole), tail)
			store.Save([]byte("next"), nil) // and it goes on from there
			require.NoError(t, store.Close())
			store, err = filestore.Open(dir)
			require.NoError(t, err)
			state, _ = store.Load()
			require.Equal(t, "next", string(state))
			require.NoError(t, store.Close())
		}
	}
}

// Proves that a file with a flipped bit that is not in its last record does not open: a
// server must not go on without what it promised.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "raft.log")
	store, err := filestore.Open(dir)
	require.NoError(t, err)
	store.Save([]byte("vote for 1"), nil)
	info, err := os.Stat(path)
	require.NoError(t, err)
	store.Save([]byte("vote for 2"), []byte("snapshot"))
	require.NoError(t, store.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for at := range int(info.Size()) {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x10
		require.NoError(t, os.WriteFile(path, damaged, 0o644))
		_, err := filestore.Open(dir)
		require.ErrorIs(t, err, filestore.ErrDamaged, "byte %d", at)
	}
}
