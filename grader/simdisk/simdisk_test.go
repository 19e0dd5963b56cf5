package simdisk_test

import (
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"distsys/grader/simdisk"
	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

func drive(w *simtest.World) *simdisk.Drive { return simdisk.New(w, "d", simdisk.Settings{Sector: 4}) }

// write writes text at an offset and expects no error.
func write(w *simtest.World, f simdisk.File, offset int64, text string) {
	_, err := f.WriteAt([]byte(text), offset)
	require.NoError(w, err)
}

// durable makes a file whose bytes and name are durable.
func durable(w *simtest.World, d simdisk.Disk, name, text string) simdisk.File {
	f, err := d.Create(name)
	require.NoError(w, err)
	write(w, f, 0, text)
	require.NoError(w, f.Sync())
	require.NoError(w, d.SyncDir())
	return f
}

// state gives all names and bytes as one text.
func state(d *simdisk.Drive) string {
	var all []string
	for _, name := range d.Names() {
		all = append(all, fmt.Sprintf("%s=%s", name, strings.ReplaceAll(string(d.Content(name)), "\x00", "0")))
	}
	return strings.Join(all, " ")
}

// states gives what can be found after a crash now.
func states(d *simdisk.Drive) map[string]bool {
	all := map[string]bool{}
	s := d.Snapshot()
	for _, v := range s.Survivals(10) {
		all[state(s.After(v))] = true
	}
	return all
}

// The simulated disk does what a disk does.
func TestConformance(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := 0
		simdisk.TestDisk(w, func() simdisk.Disk {
			n++
			return simdisk.New(w, fmt.Sprint("d", n), simdisk.Settings{}).Mount(nil)
		})
	})
}

// What was synced survives every crash; what was not may be lost or survive.
func TestUnsyncedBytes(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := drive(w)
		f := durable(w, d.Mount(nil), "f", "aaaa")
		write(w, f, 0, "bbbb")
		require.Equal(w, map[string]bool{"f=aaaa": true, "f=bbbb": true}, states(d))
		require.Equal(w, []string{"write f [0,4)"}, d.Snapshot().Unsynced())
		require.NoError(w, f.Sync())
		require.Equal(w, map[string]bool{"f=bbbb": true}, states(d))
	})
}

// Of a write longer than a sector, and of several writes, any sectors survive,
// each whole or not at all.
func TestTornWrites(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := drive(w)
		f := durable(w, d.Mount(nil), "f", "aaaaaaaaaaaa")
		write(w, f, 2, "bbbbbbbb")
		require.Equal(w, map[string]bool{
			"f=aaaaaaaaaaaa": true, "f=aabbaaaaaaaa": true, "f=aaaabbbbaaaa": true, "f=aaaaaaaabbaa": true,
			"f=aabbbbbbaaaa": true, "f=aabbaaaabbaa": true, "f=aaaabbbbbbaa": true, "f=aabbbbbbbbaa": true,
		}, states(d))
		require.Equal(w, "f=aabbaaaaaaaa", state(d.Snapshot().After(simdisk.Torn(1))))
	})
}

// A file that grows may be found long but with zeros in it.
func TestLengthWithoutBytes(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := drive(w)
		f := durable(w, d.Mount(nil), "f", "aaaa")
		write(w, f, 4, "bbbbcc")
		found := states(d)
		for _, want := range []string{"f=aaaa", "f=aaaabbbb", "f=aaaa0000cc", "f=aaaa000000", "f=aaaabbbbcc"} {
			require.True(w, found[want], "%s is not among %v", want, found)
		}
		require.Len(w, found, 5)
	})
}

// Names are durable only after SyncDir: a synced file may be lost with its name,
// and a replacement or a removal may be undone.
func TestUnsyncedNames(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := drive(w)
		disk := d.Mount(nil)
		durable(w, disk, "a", "1")
		f, err := disk.Create("b")
		require.NoError(w, err)
		write(w, f, 0, "2")
		require.NoError(w, f.Sync())
		require.Equal(w, map[string]bool{"a=1": true, "a=1 b=2": true}, states(d))
		require.NoError(w, disk.Rename("b", "a"))
		require.Equal(w, map[string]bool{"a=1": true, "a=1 b=2": true, "a=2": true}, states(d))
		require.NoError(w, disk.SyncDir())
		require.NoError(w, disk.Remove("a"))
		require.Equal(w, map[string]bool{"a=2": true, "": true}, states(d))
		require.NoError(w, disk.SyncDir())
		require.Equal(w, map[string]bool{"": true}, states(d))
	})
}

// Changes of names survive in any order: without SyncDir between them a removal
// may be durable before the renaming that was to come first.
func TestNamesInAnyOrder(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := drive(w)
		disk := d.Mount(nil)
		durable(w, disk, "log", "1")
		durable(w, disk, "new", "2")
		require.NoError(w, disk.Rename("new", "checkpoint"))
		require.NoError(w, disk.Remove("log"))
		require.True(w, states(d)["new=2"], "%v", states(d))
	})
}

// A renamed file whose bytes were never synced may be found empty.
func TestRenameBeforeSync(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := drive(w)
		disk := d.Mount(nil)
		durable(w, disk, "a", "1")
		f, err := disk.Create("b")
		require.NoError(w, err)
		write(w, f, 0, "2")
		require.NoError(w, disk.Rename("b", "a"))
		require.Equal(w, "a=", state(d.Snapshot().After(simdisk.OnlyNames)))
		require.Equal(w, "a=0", state(d.Snapshot().After(simdisk.OnlyLengths)))
	})
}

// Emptying a file by Create is not safe either: the old bytes may come back, or be
// mixed with the new ones.
func TestCreateOver(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := drive(w)
		disk := d.Mount(nil)
		durable(w, disk, "f", "aaaaaa")
		f, err := disk.Create("f")
		require.NoError(w, err)
		write(w, f, 0, "bbbb")
		require.Equal(w, map[string]bool{"f=aaaaaa": true, "f=": true, "f=0000": true, "f=bbbb": true, "f=bbbbaa": true}, states(d))
	})
}

// A failed sync saves nothing, and neither does the next one, which says nil: only
// writing again helps.
func TestFailedSync(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := drive(w)
		f := durable(w, d.Mount(nil), "f", "aaaa")
		write(w, f, 0, "bbbb")
		d.FailNext(1, simdisk.Sync, syscall.EIO)
		require.ErrorIs(w, f.Sync(), syscall.EIO)
		require.NoError(w, f.Sync())
		require.Equal(w, "f=bbbb", state(d))
		require.Equal(w, map[string]bool{"f=aaaa": true}, states(d))
		write(w, f, 0, "bbbb")
		require.NoError(w, f.Sync())
		require.Equal(w, map[string]bool{"f=bbbb": true}, states(d))
		require.Equal(w, 1, d.Stats().Failed)
	})
}

// A full disk takes as much of a write as fits, in sectors, and says so; what was
// there stays, and room that is made can be used.
func TestFullDisk(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := simdisk.New(w, "d", simdisk.Settings{Sector: 4, Capacity: 16})
		disk := d.Mount(nil)
		f := durable(w, disk, "f", "aaaaaa")
		durable(w, disk, "g", "bbbb")
		n, err := f.WriteAt([]byte("cccccccccc"), 6)
		require.ErrorIs(w, err, syscall.ENOSPC)
		require.Equal(w, 6, n)
		require.Equal(w, "f=aaaaaacccccc g=bbbb", state(d))
		_, err = f.WriteAt([]byte("dd"), 0)
		require.NoError(w, err, "there is room for what was there before")
		require.ErrorIs(w, f.Truncate(13), syscall.ENOSPC)
		require.NoError(w, disk.Remove("g"))
		require.EqualValues(w, 12, d.Used())
		write(w, f, 12, "eeee")
		d.Set(simdisk.Settings{})
		write(w, f, 16, "ffff")
		d.Fill()
		_, err = f.WriteAt([]byte("g"), 20)
		require.ErrorIs(w, err, syscall.ENOSPC)
	})
}

// Operations fail as often as the settings say, and as a test wants.
func TestErrors(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := drive(w)
		f := durable(w, d.Mount(nil), "f", "aaaa")
		d.Set(simdisk.Settings{ReadError: 0.5})
		failed := 0
		for range 400 {
			if _, err := f.ReadAt(make([]byte, 1), 0); err != nil {
				require.ErrorIs(w, err, syscall.EIO)
				failed++
			}
		}
		require.InDelta(w, 200, failed, 60)
		d.Set(simdisk.Settings{})
		d.FailWhen(func(op simdisk.Op) error {
			if op.Kind == simdisk.Write && op.Offset == 2 {
				return syscall.EROFS
			}
			return nil
		})
		write(w, f, 0, "b")
		_, err := f.WriteAt([]byte("b"), 2)
		require.ErrorIs(w, err, syscall.EROFS)
		require.Equal(w, "f=baaa", state(d))
	})
}

// Operations take the time that the settings say, those of one kind at once.
func TestSlow(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const ms = time.Millisecond
		d := drive(w)
		f := durable(w, d.Mount(nil), "f", "aaaa")
		d.Set(simdisk.Settings{Read: simdisk.Range{Min: ms}, Write: simdisk.Range{Min: 2 * ms}, Sync: simdisk.Range{Min: 10 * ms, Max: 20 * ms}})
		began := w.Now()
		var readers sync.WaitGroup
		for range 5 {
			readers.Go(func() { f.ReadAt(make([]byte, 1), 0) })
		}
		readers.Wait()
		require.Equal(w, ms, w.Now()-began)
		write(w, f, 0, "b")
		require.Equal(w, 3*ms, w.Now()-began)
		require.NoError(w, f.Sync())
		took := w.Now() - began - 3*ms
		require.True(w, took >= 10*ms && took < 20*ms, "%v", took)
	})
}

// Bits rot where they are stored; spoilt sectors cannot be read until they are
// written again.
func TestRot(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := drive(w)
		f := durable(w, d.Mount(nil), "f", "aaaaaaaa")
		d.FlipBit("f", 8*3+1)
		require.Equal(w, map[string]bool{"f=aaacaaaa": true}, states(d))
		d.SpoilSector("f", 5)
		_, err := f.ReadAt(make([]byte, 4), 0)
		require.NoError(w, err)
		_, err = f.ReadAt(make([]byte, 4), 2)
		require.ErrorIs(w, err, syscall.EIO)
		write(w, f, 4, "bbbb")
		_, err = f.ReadAt(make([]byte, 4), 2)
		require.NoError(w, err)
		durable(w, d.Mount(nil), "g", "aaaaaaaa")
		before := d.Content("g")
		flips := d.Rot(1, func(name string) bool { return name == "g" })
		require.Equal(w, "g", flips[0].Name)
		require.NotEqual(w, before, d.Content("g"))
	})
}

// A crash at any operation can be had: the machine is gone before the operation
// has an effect, and the zombie changes nothing any more.
func TestCrashAtOperation(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		work := func(d simdisk.Disk) error {
			f, err := d.Create("f")
			if err != nil {
				return err
			}
			for i := range int64(3) {
				if _, err := f.WriteAt([]byte("aaaa"), 4*i); err != nil {
					return err
				}
				if err := f.Sync(); err != nil {
					return err
				}
			}
			return d.SyncDir()
		}
		whole := drive(w)
		require.NoError(w, work(whole.Mount(nil)))
		require.Equal(w, 8, whole.Stats().Ops())
		for k := 1; k <= 8; k++ {
			d := drive(w)
			d.Before(func(op simdisk.Op) {
				if op.N == k {
					d.CrashWith(simdisk.Everything)
				}
			})
			require.ErrorIs(w, work(d.Mount(nil)), simdisk.ErrCrashed)
			require.Equal(w, k-1, d.Stats().Ops())
		}
	})
}

// A snapshot stays as it is while the drive goes on, and what comes up from it is
// a drive of its own.
func TestSnapshotIsFrozen(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := drive(w)
		disk := d.Mount(nil)
		f := durable(w, disk, "f", "aaaa")
		write(w, f, 0, "b")
		s := d.Snapshot()
		write(w, f, 4, "cccc")
		require.NoError(w, f.Sync())
		require.NoError(w, disk.Rename("f", "g"))
		d.FlipBit("g", 0)
		require.Equal(w, "f=aaaa", state(s.After(simdisk.Nothing)))
		require.Equal(w, "f=baaa", state(s.After(simdisk.Everything)))
		up := s.After(simdisk.Nothing)
		g, err := up.Mount(nil).Open("f")
		require.NoError(w, err)
		write(w, g, 0, "ZZZZ")
		up.FlipBit("f", 0)
		require.NoError(w, g.Sync())
		require.Equal(w, "f=aaaa", state(s.After(simdisk.Nothing)))
		require.Equal(w, "g=caaacccc", state(d))
	})
}

// A node that crashes can neither read nor write any more, also with an operation
// that takes its time when it happens; its next life has a mount of its own.
func TestZombies(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		net := simnet.New(w, simnet.Reliable)
		node := net.Node("1")
		d := drive(w)
		disk := d.Mount(node.Incarnation())
		f := durable(w, disk, "f", "aaaa")
		d.Set(simdisk.Settings{Write: simdisk.Range{Min: time.Second}})
		late := make(chan error)
		go func() {
			_, err := f.WriteAt([]byte("bbbb"), 0)
			late <- err
		}()
		w.Sleep(time.Millisecond)
		node.Crash()
		require.ErrorIs(w, <-late, simdisk.ErrCrashed)
		d.Crash()
		node.Restart()
		again := d.Mount(node.Incarnation())
		require.ErrorIs(w, f.Sync(), simdisk.ErrCrashed)
		_, err := disk.Create("g")
		require.ErrorIs(w, err, simdisk.ErrCrashed)
		require.Equal(w, "f=aaaa", state(d))
		_, err = again.Open("f")
		require.NoError(w, err)
	})
}

// A new process on a machine that did not crash finds all that the old one wrote.
func TestProcessRestart(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := drive(w)
		f := durable(w, d.Mount(nil), "f", "aaaa")
		write(w, f, 0, "bbbb")
		d.Mount(nil)
		require.ErrorIs(w, f.Sync(), simdisk.ErrCrashed)
		require.Equal(w, "f=bbbb", state(d))
	})
}

// What a crash leaves is decided by the seed, and differs between seeds and
// between crashes.
func TestCrashIsSeeded(t *testing.T) {
	run := func(seed uint64) (all string) {
		r := simtest.Try(t, seed, func(w *simtest.World) {
			d := drive(w)
			for range 10 {
				f := durable(w, d.Mount(nil), "f", "aaaaaaaaaaaaaaaa")
				write(w, f, 0, "bbbbbbbbbbbbbbbb")
				d.Crash()
				all += state(d) + "\n"
			}
		})
		require.Equal(t, simtest.Pass, r.Status, "%v", r)
		return all
	}
	require.Equal(t, run(1), run(1))
	require.NotEqual(t, run(1), run(2))
	require.Greater(t, strings.Count(run(1), "a"), 10)
	require.Greater(t, strings.Count(run(1), "b"), 10)
}

// Changes, faults and crashes are in the event log.
func TestLog(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		d := drive(w)
		f := durable(w, d.Mount(nil), "f", "aaaa")
		write(w, f, 4, "bb")
		d.CrashWith(simdisk.Nothing)
		_, err := d.Mount(nil).Open("gone")
		require.ErrorIs(w, err, fs.ErrNotExist)
		d.Set(simdisk.Settings{Quiet: true})
		durable(w, d.Mount(nil), "quiet", "")
	})
	require.Equal(t, simtest.Pass, r.Status, "%v", r)
	var lines []string
	for _, e := range r.Events {
		lines = append(lines, fmt.Sprintf("%s %s %s", e.Kind, e.Node, e.Detail))
	}
	require.Equal(t, []string{
		"disk d create f", "disk d write f [0,4)", "disk d sync f", "disk d syncdir", "disk d write f [4,6)",
		"crash d disk: nothing that was not synced survives; not synced: [write f [4,6)]",
	}, lines)
}

// Counters count.
func TestStats(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		d := drive(w)
		disk := d.Mount(nil)
		f := durable(w, disk, "f", "aaaa")
		before := d.Stats()
		require.Equal(w, simdisk.Stats{Creates: 1, Writes: 1, Syncs: 1, SyncDirs: 1, BytesWritten: 4}, before)
		f.ReadAt(make([]byte, 3), 0)
		require.NoError(w, f.Truncate(2))
		require.NoError(w, disk.Rename("f", "g"))
		require.NoError(w, disk.Remove("g"))
		require.Equal(w, simdisk.Stats{Reads: 1, BytesRead: 3, Truncates: 1, Renames: 1, Removes: 1}, d.Stats().Since(before))
	})
}
