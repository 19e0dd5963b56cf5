package simdisk

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
)

// TestDisk checks that what fresh returns, an empty disk each time, does what
// [Disk] says. A simulated disk and a folder of a real one pass it. It cannot
// check what survives a crash.
func TestDisk(t require.TestingT, fresh func() Disk) {
	for _, check := range []func(require.TestingT, Disk){
		checkNames, checkMissing, checkBadNames, checkReplace, checkBytes, checkEnds, checkHoles, checkCreateEmpties, checkRemovedStaysOpen, checkClosed,
	} {
		check(t, fresh())
	}
}

func create(t require.TestingT, d Disk, name, text string) File {
	f, err := d.Create(name)
	require.NoError(t, err, "Create(%q)", name)
	n, err := f.WriteAt([]byte(text), 0)
	require.NoError(t, err, "WriteAt of %q", name)
	require.Equal(t, len(text), n, "WriteAt of %q", name)
	require.NoError(t, f.Sync(), "Sync of %q", name)
	return f
}

func content(t require.TestingT, f File) string {
	size, err := f.Size()
	require.NoError(t, err, "Size")
	data := make([]byte, size)
	n, err := f.ReadAt(data, 0)
	if !errors.Is(err, io.EOF) {
		require.NoError(t, err, "ReadAt")
	}
	require.EqualValues(t, size, n, "ReadAt of the whole file")
	return string(data)
}

// checkNames: List is sorted and knows prefixes.
func checkNames(t require.TestingT, d Disk) {
	names, err := d.List("")
	require.NoError(t, err)
	require.Empty(t, names, "List of an empty disk")
	odd := []string{"b", "a", "ab", "A name with spaces", "ünï", "-x", "%2f", ".hidden", strings.Repeat("n", MaxName)}
	for _, name := range odd {
		require.NoError(t, create(t, d, name, name).Close())
	}
	require.NoError(t, d.SyncDir())
	names, err = d.List("")
	require.NoError(t, err)
	slices.Sort(odd)
	require.Equal(t, odd, names, "List(\"\")")
	names, err = d.List("a")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "ab"}, names, "List(\"a\")")
}

// checkMissing: what is not there is fs.ErrNotExist.
func checkMissing(t require.TestingT, d Disk) {
	_, err := d.Open("gone")
	require.ErrorIs(t, err, fs.ErrNotExist, "Open of a missing file")
	require.ErrorIs(t, d.Remove("gone"), fs.ErrNotExist, "Remove of a missing file")
	require.ErrorIs(t, d.Rename("gone", "other"), fs.ErrNotExist, "Rename of a missing file")
}

// checkBadNames: a name is no path.
func checkBadNames(t require.TestingT, d Disk) {
	for _, name := range []string{"", ".", "..", "a/b", "../a", "/a", "a\x00b", strings.Repeat("n", MaxName+1)} {
		_, err := d.Create(name)
		require.Error(t, err, "Create(%q)", name)
	}
	create(t, d, "a", "a").Close()
	require.Error(t, d.Rename("a", "../a"))
	names, err := d.List("")
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, names)
}

// checkReplace: Rename replaces, and to the same name it does nothing.
func checkReplace(t require.TestingT, d Disk) {
	create(t, d, "old", "1").Close()
	create(t, d, "new", "22").Close()
	require.NoError(t, d.Rename("old", "new"))
	require.NoError(t, d.Rename("new", "new"))
	names, err := d.List("")
	require.NoError(t, err)
	require.Equal(t, []string{"new"}, names)
	f, err := d.Open("new")
	require.NoError(t, err)
	require.Equal(t, "1", content(t, f), "content after Rename over another file")
	f.Close()
}

// checkBytes: what is written is read, by this handle and by others.
func checkBytes(t require.TestingT, d Disk) {
	f := create(t, d, "f", "0123456789")
	defer f.Close()
	_, err := f.WriteAt([]byte("abc"), 4)
	require.NoError(t, err)
	g, err := d.Open("f")
	require.NoError(t, err)
	defer g.Close()
	require.Equal(t, "0123abc789", content(t, g))
	_, err = g.WriteAt([]byte("Z"), 0)
	require.NoError(t, err)
	require.Equal(t, "Z123abc789", content(t, f))
	require.NoError(t, g.Truncate(3))
	require.Equal(t, "Z12", content(t, f))
}

// checkEnds: a read that comes to the end says io.EOF.
func checkEnds(t require.TestingT, d Disk) {
	f := create(t, d, "f", "0123")
	defer f.Close()
	p := make([]byte, 3)
	n, err := f.ReadAt(p, 2)
	require.Equal(t, 2, n)
	require.Equal(t, io.EOF, err, "a read that comes to the end")
	n, err = f.ReadAt(p, 4)
	require.Zero(t, n)
	require.Equal(t, io.EOF, err, "a read at the end")
	n, err = f.ReadAt(p, 400)
	require.Zero(t, n)
	require.Equal(t, io.EOF, err, "a read behind the end")
	n, err = f.ReadAt(p, 0)
	require.Equal(t, 3, n)
	require.NoError(t, err)
	_, err = f.ReadAt(p, -1)
	require.Error(t, err, "a read at a negative offset")
	_, err = f.WriteAt(p, -1)
	require.Error(t, err, "a write at a negative offset")
	require.Error(t, f.Truncate(-1), "Truncate to a negative size")
}

// checkHoles: what was never written reads as zeros.
func checkHoles(t require.TestingT, d Disk) {
	f := create(t, d, "f", "01")
	defer f.Close()
	_, err := f.WriteAt([]byte("x"), 5)
	require.NoError(t, err)
	require.Equal(t, "01\x00\x00\x00x", content(t, f))
	require.NoError(t, f.Truncate(1))
	require.NoError(t, f.Truncate(3))
	require.Equal(t, "0\x00\x00", content(t, f))
}

// checkCreateEmpties: Create of a file that is there empties it.
func checkCreateEmpties(t require.TestingT, d Disk) {
	f := create(t, d, "f", "long text")
	defer f.Close()
	g, err := d.Create("f")
	require.NoError(t, err)
	defer g.Close()
	require.Empty(t, content(t, f))
}

// checkRemovedStaysOpen: who has a file open can use it after Remove.
func checkRemovedStaysOpen(t require.TestingT, d Disk) {
	f := create(t, d, "f", "text")
	defer f.Close()
	require.NoError(t, d.Remove("f"))
	require.Equal(t, "text", content(t, f))
	create(t, d, "f", "other").Close()
	require.Equal(t, "text", content(t, f))
}

// checkClosed: a closed file answers nothing.
func checkClosed(t require.TestingT, d Disk) {
	f := create(t, d, "f", "text")
	require.NoError(t, f.Close())
	_, err := f.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, fs.ErrClosed, "ReadAt of a closed file")
	_, err = f.WriteAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, fs.ErrClosed, "WriteAt of a closed file")
	require.ErrorIs(t, f.Sync(), fs.ErrClosed, "Sync of a closed file")
	require.ErrorIs(t, f.Close(), fs.ErrClosed, "Close of a closed file")
}
