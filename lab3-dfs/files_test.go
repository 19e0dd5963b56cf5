package dfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	dfs "distsys/lab3-dfs"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// Proves that files of every awkward size come back as they were written: empty,
// one byte, one less and one more than a block, a chunk, several chunks. For:
// off-by-one at chunk ends, a last piece that is never sent.
func TestFileSizes3A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		u := startCluster(w, 3, 1).user()
		for i, size := range []int{
			0, 1, dfs.BlockSize - 1, dfs.BlockSize, dfs.BlockSize + 1,
			chunkSize - 1, chunkSize, chunkSize + 1, 2*chunkSize - 1, 2 * chunkSize, 2*chunkSize + 1, 5*chunkSize + 12345,
		} {
			path, data := fmt.Sprintf("/file-of-%d", size), content(uint64(i), size)
			u.mustPut(path, data)
			info, err := u.Stat(u.soon(), path)
			require.NoError(w, err)
			require.EqualValues(w, size, info.Size, "size of %s", path)
			require.Len(w, u.chunks(path), (size+chunkSize-1)/chunkSize, "chunks of %s: each has %d bytes, only the last may have less", path, chunkSize)
			u.mustHave(path, data)
		}
	})
}

// Proves that it does not matter in what portions a file is written. For: a Write
// that is taken for a piece, a buffer that is sent while it is filled again.
func TestWriteInPortions3A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		u := startCluster(w, 3, 1).user()
		data := content(w.Seed(), 3*chunkSize+777)
		f, err := u.Create(u.soon(), "/portions")
		require.NoError(w, err)
		buffer := make([]byte, 200_000)
		for rest := data; len(rest) > 0; {
			n := copy(buffer, rest[:min(len(rest), 1+w.Rand().IntN(len(buffer)))])
			wrote, err := f.Write(buffer[:n])
			require.NoError(w, err)
			require.Equal(w, n, wrote, "Write took fewer bytes than it was given, without an error")
			clear(buffer) // The caller may use its buffer again.
			rest = rest[n:]
		}
		require.NoError(w, f.Close())
		require.ErrorIs(w, f.Close(), fs.ErrClosed)
		u.mustHave("/portions", data)
	})
}

// Proves that a reader does all that readers do: Read, Seek and ReadAt in every
// combination that testing/iotest knows, and across the ends of chunks.
func TestReader3A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		u := startCluster(w, 3, 1).user()
		short := content(1, 50)
		u.mustPut("/short", short)
		f, err := u.Open(u.soon(), "/short")
		require.NoError(w, err)
		require.NoError(w, iotest.TestReader(f, short))
		require.NoError(w, f.Close())

		data := content(w.Seed(), 3*chunkSize+99)
		u.mustPut("/f", data)
		f, err = u.Open(u.soon(), "/f")
		require.NoError(w, err)
		require.EqualValues(w, len(data), f.Size())
		for range 40 {
			off, n := w.Rand().IntN(len(data)+1), 1+w.Rand().IntN(2*chunkSize)
			if w.Rand().IntN(2) == 0 {
				off = max(0, min(len(data), chunkSize*w.Rand().IntN(5)+w.Rand().IntN(3)-1))
			}
			at, err := f.Seek(int64(off), io.SeekStart)
			require.NoError(w, err)
			require.EqualValues(w, off, at)
			got, err := io.ReadAll(io.LimitReader(f, int64(n)))
			require.NoError(w, err)
			require.True(w, bytes.Equal(data[off:min(len(data), off+n)], got), "%d bytes from %d on, after Seek, are not those that were written", n, off)
		}
		_, err = f.Seek(-1, io.SeekStart)
		require.Error(w, err, "Seek to before the beginning of the file")
		n, err := f.ReadAt(make([]byte, 10), int64(len(data))-4)
		require.Equal(w, 4, n)
		require.Equal(w, io.EOF, err, "ReadAt that comes to the end of the file (see io.ReaderAt)")
		require.NoError(w, f.Close())
	})
}

// Proves that reading a range fetches only that range, from the chunks that it
// lies in. For: readers that fetch whole chunks, or whole files.
func TestRangedReads3A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 1)
		u := c.user()
		data := content(w.Seed(), 6*chunkSize)
		u.mustPut("/f", data)
		chunks := u.chunks("/f")
		f, err := u.Open(u.soon(), "/f")
		require.NoError(w, err)
		defer f.Close()
		for _, r := range []struct{ off, n int }{
			{0, 1}, {chunkSize - 1, 1}, {chunkSize, 1}, {chunkSize - 1, 2}, {2*chunkSize - 100, 200}, {3*chunkSize + 5, chunkSize}, {6*chunkSize - 1, 1},
		} {
			w.Sleep(time.Millisecond)
			since, before := w.Now(), c.net.Stats()
			got := make([]byte, r.n)
			n, err := f.ReadAt(got, int64(r.off))
			require.NoError(w, err)
			require.Equal(w, r.n, n)
			c.same(fmt.Sprintf("/f at %d", r.off), data[r.off:r.off+r.n], got)

			wanted := map[dfs.ChunkID]bool{}
			for i := r.off / chunkSize; i <= (r.off+r.n-1)/chunkSize; i++ {
				wanted[chunks[i].ID] = true
			}
			for _, call := range c.callsOf("ChunkServer.Read", since) {
				args := call.args.(*dfs.ReadArgs)
				require.True(w, wanted[args.ID], "reading [%d, %d) touched chunk %d: it lies in other chunks", r.off, r.off+r.n, args.ID)
			}
			moved := int(c.net.Stats().Since(before).To(u.name).Total().Bytes)
			require.LessOrEqual(w, moved, r.n+2*dfs.BlockSize, "reading %d bytes moved %d", r.n, moved)
		}
	})
}

// Proves that file data goes between clients and chunkservers only: the master
// neither gets nor sends more than a few words a chunk (GFS §2.3).
func TestMasterSeesNoData3A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 4, 1)
		u := c.user()
		before := c.net.Stats()
		data := content(w.Seed(), 16*chunkSize)
		u.mustPut("/big", data)
		u.mustHave("/big", data)
		moved := c.net.Stats().Since(before)
		through := moved.To("master").Total().Bytes + moved.From("master").Total().Bytes
		require.Less(w, through, uint64(len(data)/20), "%d bytes were written and read, and %d went to or from the master", len(data), through)
	})
}

// Proves that a file may be larger than memory: a writer does not take data much
// faster than the network moves it, and a reader does not fetch much more than it
// is asked for. For: files held in memory, reads without bound.
func TestStreaming3A(t *testing.T) {
	const room = 4 << 20 // what a client may hold
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 1)
		u := c.user()
		slow := simnet.Reliable
		slow.Bandwidth = 8 << 20
		for _, s := range c.servers {
			c.net.SetLink(u.name, s.name, slow)
			c.net.SetLink(s.name, u.name, slow)
		}
		data := content(w.Seed(), 12<<20)
		before := c.net.Stats()
		arrived := func() int {
			var n uint64
			for k, count := range c.net.Stats().Since(before) {
				if k.From == u.name {
					n += count.Bytes
				}
			}
			return int(n)
		}
		f, err := u.Create(u.soon(), "/big")
		require.NoError(w, err)
		for off := 0; off < len(data); off += 1 << 18 {
			_, err := f.Write(data[off:min(len(data), off+1<<18)])
			require.NoError(w, err)
			held := off + 1<<18 - arrived()
			require.Less(w, held, room, "the writer took %d bytes that it has not sent: a large file would not fit in memory", held)
		}
		busy := w.Now()
		require.NoError(w, f.Close())
		require.Greater(w, busy, time.Second/2, "the writer took 12 MiB in %v, over a link of 8 MiB a second: it holds them in memory", busy)

		r, err := u.Open(u.soon(), "/big")
		require.NoError(w, err)
		defer r.Close()
		before = c.net.Stats()
		_, err = io.ReadFull(r, make([]byte, 1000))
		require.NoError(w, err)
		w.Sleep(10 * time.Second)
		fetched := int(c.net.Stats().Since(before).To(u.name).Total().Bytes)
		require.Less(w, fetched, room, "1,000 bytes were read, and %d fetched", fetched)
		rest, err := io.ReadAll(r)
		require.NoError(w, err)
		c.same("/big", data[1000:], rest)
	})
}

// Proves that many clients can write different files at the same time, into one
// directory, while others list it. For: shared state of writers, chunks that are
// given to two files.
func TestConcurrentWriters3A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 4, 1)
		const n = 12
		reader := c.user()
		require.NoError(w, reader.MkdirAll(reader.soon(), "/in/here"))
		done := make(chan bool, n)
		for i := range n {
			u := c.user()
			w.Go(func() {
				defer func() { done <- true }()
				u.mustPut(fmt.Sprintf("/in/here/%02d", i), content(uint64(i), chunkSize/2+i*40_000))
			})
		}
		for range n {
			<-done
			_, err := reader.List(reader.soon(), "/in/here")
			require.NoError(w, err)
		}
		files, err := reader.List(reader.soon(), "/in/here")
		require.NoError(w, err)
		require.Len(w, files, n)
		seen := map[dfs.ChunkID]string{}
		for i, file := range files {
			require.Equal(w, fmt.Sprintf("/in/here/%02d", i), file.Path)
			reader.mustHave(file.Path, content(uint64(i), chunkSize/2+i*40_000))
			for _, chunk := range reader.chunks(file.Path) {
				require.Empty(w, seen[chunk.ID], "chunk %d belongs to two files, %s and %s", chunk.ID, seen[chunk.ID], file.Path)
				seen[chunk.ID] = file.Path
			}
		}
	})
}

// Proves that of several clients that create the same file one succeeds, and the
// others are told that it exists. For: a check and a creation that are not one.
func TestOneCreates3A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 1)
		for round := range 5 {
			path := fmt.Sprintf("/mine-%d", round)
			errs := make(chan error, 8)
			for i := range 8 {
				u := c.user()
				w.Go(func() { errs <- u.put(path, content(uint64(i), 1000)) })
			}
			won := 0
			for range 8 {
				if err := <-errs; err == nil {
					won++
				} else {
					require.ErrorIs(w, err, fs.ErrExist)
				}
			}
			require.Equal(w, 1, won, "clients that created %s", path)
		}
	})
}

// Proves that chunks are spread over the servers, and that an empty server which
// joins gets its share (GFS §4.2). For: the first server gets everything.
func TestPlacement3A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 4, 1)
		u := c.user()
		count := func(paths ...string) map[string]int {
			n := map[string]int{}
			for _, path := range paths {
				for _, chunk := range u.chunks(path) {
					require.Len(w, chunk.Servers, 1)
					n[c.at(chunk.Servers[0]).name]++
				}
			}
			return n
		}
		u.mustPut("/a", content(1, 16*chunkSize))
		for _, s := range c.servers {
			n := count("/a")[s.name]
			require.True(w, n >= 3 && n <= 5, "of 16 chunks %s has %d: four servers should have about four each. All: %v", s.name, n, count("/a"))
		}

		c.servers = append(c.servers, c.machine("cs5"))
		c.startServer(4)
		w.Sleep(2 * c.cfg.Heartbeat)
		u.mustPut("/b", content(2, 3*chunkSize))
		require.GreaterOrEqual(w, count("/b")["cs5"], 2, "three chunks were written after cs5 joined, which was empty. They are on %v", count("/b"))
	})
}

// Proves that a file that is being read or written can be renamed: it stays the
// same file.
func TestRenameInUse3A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 1)
		u := c.user()
		data := content(w.Seed(), 3*chunkSize)
		f, err := u.Create(u.soon(), "/draft")
		require.NoError(w, err)
		_, err = f.Write(data[:chunkSize+10])
		require.NoError(w, err)
		require.NoError(w, u.Rename(u.soon(), "/draft", "/final"))
		_, err = f.Write(data[chunkSize+10:])
		require.NoError(w, err)
		require.NoError(w, f.Close())

		r, err := u.Open(u.soon(), "/final")
		require.NoError(w, err)
		defer r.Close()
		require.NoError(w, u.Rename(u.soon(), "/final", "/elsewhere"))
		u.mustPut("/final", []byte("another file"))
		got, err := io.ReadAll(r)
		require.NoError(w, err)
		c.same("/elsewhere", data, got)
	})
}

// Proves that a file that is removed while it is written or read gives an error,
// and not another file's bytes.
func TestRemovedInUse3A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 1)
		u := c.user()
		f, err := u.Create(u.soon(), "/f")
		require.NoError(w, err)
		require.NoError(w, u.Remove(u.soon(), "/f"))
		u.mustPut("/f", []byte("another file"))
		_, err = f.Write(content(1, 3*chunkSize))
		err = errors.Join(err, f.Close())
		require.ErrorIs(w, err, fs.ErrNotExist, "the file was removed while it was being written")
		u.mustHave("/f", []byte("another file"))
	})
}

// Proves what the methods say when there is no such file, and that a path may only
// go where it should. For: errors that lose their kind on the network.
func TestErrors3A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		u := startCluster(w, 3, 1).user()
		ctx := u.soon()
		require.NoError(w, u.MkdirAll(ctx, "/dir/sub"))
		u.mustPut("/dir/file", []byte("x"))
		_, openErr := u.Open(ctx, "/none")
		_, openDir := u.Open(ctx, "/dir")
		_, below := u.Open(ctx, "/dir/file/below")
		_, statErr := u.Stat(ctx, "/dir/none")
		_, listErr := u.List(ctx, "/none")
		_, createErr := u.Create(ctx, "/none/file")
		_, again := u.Create(ctx, "/dir/file")
		_, belowFile := u.Create(ctx, "/dir/file/new")
		for _, e := range []struct {
			what string
			got  error
			want error
		}{
			{"Open of what is not there", openErr, fs.ErrNotExist},
			{"Open of a directory", openDir, dfs.ErrIsDir},
			{"Open of what would be below a file", below, dfs.ErrNotDir},
			{"Stat of what is not there", statErr, fs.ErrNotExist},
			{"List of what is not there", listErr, fs.ErrNotExist},
			{"Create in a directory that is not there", createErr, fs.ErrNotExist},
			{"Create of a file that is there", again, fs.ErrExist},
			{"Create below a file", belowFile, dfs.ErrNotDir},
			{"Create of the root", errOf(u.Create(ctx, "/")), fs.ErrExist},
			{"Mkdir of a directory that is there", u.Mkdir(ctx, "/dir"), fs.ErrExist},
			{"Mkdir of a file that is there", u.Mkdir(ctx, "/dir/file"), fs.ErrExist},
			{"Mkdir without a parent", u.Mkdir(ctx, "/none/dir"), fs.ErrNotExist},
			{"Mkdir of the root", u.Mkdir(ctx, "/"), fs.ErrExist},
			{"MkdirAll of a directory that is there", u.MkdirAll(ctx, "/dir/sub"), nil},
			{"MkdirAll of the root", u.MkdirAll(ctx, "/"), nil},
			{"MkdirAll through a file", u.MkdirAll(ctx, "/dir/file/sub"), dfs.ErrNotDir},
			{"Remove of what is not there", u.Remove(ctx, "/none"), fs.ErrNotExist},
			{"Remove of a directory that is not empty", u.Remove(ctx, "/dir"), dfs.ErrNotEmpty},
			{"Remove of the root", u.RemoveAll(ctx, "/"), fs.ErrInvalid},
			{"RemoveAll of what is not there", u.RemoveAll(ctx, "/none"), nil},
			{"Rename of what is not there", u.Rename(ctx, "/none", "/other"), fs.ErrNotExist},
			{"Rename to a name that is taken", u.Rename(ctx, "/dir/file", "/dir/sub"), fs.ErrExist},
			{"Rename into a directory that is not there", u.Rename(ctx, "/dir/file", "/none/file"), fs.ErrNotExist},
			{"Rename of a directory into itself", u.Rename(ctx, "/dir", "/dir/sub/dir"), fs.ErrInvalid},
			{"Rename of the root", u.Rename(ctx, "/", "/root"), fs.ErrInvalid},
		} {
			if e.want == nil {
				require.NoError(w, e.got, "%s", e.what)
				continue
			}
			require.ErrorIs(w, e.got, e.want, "%s", e.what)
			var p *fs.PathError
			require.ErrorAs(w, e.got, &p, "%s: the error should say the operation and the path", e.what)
		}
		u.mustHave("/dir/file", []byte("x"))
	})
}

func errOf[T any](_ T, err error) error { return err }

// Proves that directories list what is in them, by name, and that files and whole
// directories can be renamed and removed.
func TestDirectories3A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		u := startCluster(w, 3, 1).user()
		ctx := u.soon()
		require.NoError(w, u.Mkdir(ctx, "/b"))
		require.NoError(w, u.MkdirAll(ctx, "/a/x/y/z"))
		u.mustPut("/a/x/file", content(1, chunkSize+1))
		u.mustPut("/c", nil)
		list := func(path string) string {
			files, err := u.List(ctx, path)
			require.NoError(w, err)
			var names []string
			for _, f := range files {
				name := f.Path
				if f.IsDir {
					name += "/"
				} else {
					name += fmt.Sprintf("=%d", f.Size)
				}
				names = append(names, name)
			}
			return strings.Join(names, " ")
		}
		require.Equal(w, "/a/ /b/ /c=0", list("/"))
		require.Equal(w, fmt.Sprintf("/a/x/file=%d /a/x/y/", chunkSize+1), list("/a/x"))
		require.Equal(w, "/c=0", list("/c"), "a file lists itself")
		require.Equal(w, "", list("/b"))
		require.Equal(w, "/a/ /b/ /c=0", list("//"), "several slashes count as one")

		require.NoError(w, u.Rename(ctx, "/a/x", "/b/w"))
		require.Equal(w, "", list("/a"))
		require.Equal(w, fmt.Sprintf("/b/w/file=%d /b/w/y/", chunkSize+1), list("/b/w/"))
		u.mustHave("/b/w/file", content(1, chunkSize+1))
		require.NoError(w, u.Rename(ctx, "/b/w/y", "/b/wy"))
		require.NoError(w, u.Rename(ctx, "/b/w", "/b/wyz"), "a name that begins like another is no parent of it")

		require.NoError(w, u.Remove(ctx, "/a"))
		require.NoError(w, u.RemoveAll(ctx, "/b"))
		require.Equal(w, "/c=0", list("/"))
		_, err := u.Stat(ctx, "/b/wyz/file")
		require.ErrorIs(w, err, fs.ErrNotExist)
		require.NoError(w, u.Remove(ctx, "/c"))
		require.Equal(w, "", list("/"))

		u.mustPut("/c", []byte("new"))
		u.mustHave("/c", []byte("new"))
		info, err := u.Stat(ctx, "/c")
		require.NoError(w, err)
		require.WithinDuration(w, time.Now(), info.ModTime, time.Second)
	})
}

// Proves that every name that a Unix file can have works, and that paths which are
// none, are too long or try to climb out are refused, without harm. For: names
// that are taken for formats or patterns, ".." that is followed.
func TestOddNames3A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		u := startCluster(w, 3, 1).user()
		ctx := u.soon()
		odd := []string{
			" ", "a b", "%s%d", "*", "?", "[x]", "~", "...", "..x", ".x", "-rf", "\\", "\n", "\t", "'\"", "ü", "日本", "a%2Fb", "#", "c:", "\x01",
			strings.Repeat("n", dfs.MaxNameLen),
		}
		for i, name := range odd {
			u.mustPut("/"+name, content(uint64(i), 10))
		}
		files, err := u.List(ctx, "/")
		require.NoError(w, err)
		require.Len(w, files, len(odd))
		for i, name := range odd {
			u.mustHave("/"+name, content(uint64(i), 10))
		}

		deep := "/" + strings.Repeat("d/", dfs.MaxPathLen/2)
		for _, bad := range []string{
			"", "x", "../x", "/..", "/../x", "/a/../x", "/.", "/./x", "/x/..", "/x/.", "/\x00", "/a\xffb",
			"/" + strings.Repeat("n", dfs.MaxNameLen+1), deep,
		} {
			short := bad
			if len(short) > 30 {
				short = short[:30] + "..."
			}
			require.ErrorIs(w, errOf(u.Create(ctx, bad)), fs.ErrInvalid, "Create(%q)", short)
			require.ErrorIs(w, u.MkdirAll(ctx, bad), fs.ErrInvalid, "MkdirAll(%q)", short)
			require.ErrorIs(w, u.Mkdir(ctx, bad), fs.ErrInvalid, "Mkdir(%q)", short)
			require.ErrorIs(w, errOf(u.Open(ctx, bad)), fs.ErrInvalid, "Open(%q)", short)
			require.ErrorIs(w, errOf(u.Stat(ctx, bad)), fs.ErrInvalid, "Stat(%q)", short)
			require.ErrorIs(w, u.RemoveAll(ctx, bad), fs.ErrInvalid, "RemoveAll(%q)", short)
			require.ErrorIs(w, u.Rename(ctx, "/ü", bad), fs.ErrInvalid, "Rename to %q", short)
		}
		files, err = u.List(ctx, "/")
		require.NoError(w, err)
		require.Len(w, files, len(odd))
	})
}
