package dfs_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	dfs "distsys/lab3-dfs"

	"distsys/grader/simdisk"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// The files on a master's disk, as the handout names them.
const (
	logFile   = "oplog"
	checkFile = "checkpoint"
)

// A lone is a master without a network: the test calls its methods, and speaks for
// the chunkservers. Its disk outlives it.
type lone struct {
	*dfs.Master
	w     *simtest.World
	drive *simdisk.Drive
	cfg   dfs.Config
	rnd   func(n int) int
	files []dfs.FileInfo // being written
	size  map[dfs.FileID]int64
	names int
}

// loneConfig makes checkpoints frequent. Nobody can be reached.
func loneConfig(checkpoint int) dfs.Config {
	return dfs.Config{
		ChunkSize: dfs.BlockSize, Heartbeat: time.Hour, Checkpoint: checkpoint,
		Dial: func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED },
	}
}

// startLone starts a master on a new disk.
func startLone(w *simtest.World, checkpoint int, settings simdisk.Settings) *lone {
	l := &lone{
		w: w, drive: simdisk.New(w, "master", settings), cfg: loneConfig(checkpoint),
		rnd: w.Rand().IntN, size: map[dfs.FileID]int64{},
	}
	require.NoError(w, l.start())
	w.Cleanup(func() { l.Stop() })
	return l
}

// start starts a master on the disk as it is.
func (l *lone) start() error {
	m, err := dfs.NewMaster(l.drive.Mount(nil), l.cfg)
	if err != nil {
		return err
	}
	l.Master = m
	if len(l.files) > 0 {
		l.heartbeats()
	}
	return nil
}

// remembers checks that a restart works at all. What a test says of a master that
// forgets everything would lead nowhere.
func (l *lone) remembers() {
	require.NoError(l.w, l.Mkdir(&dfs.MkdirArgs{Path: "/first"}, new(dfs.Nothing)))
	before := l.state()
	l.Stop()
	require.NoError(l.w, l.start(), "start again")
	require.Equal(l.w, before, l.state(), "what the master knows after it was stopped and started again")
}

// crash makes the machine crash and come back.
func (l *lone) crash(v simdisk.Survival) {
	l.drive.CrashWith(v)
	l.Stop()
	require.NoError(l.w, l.start(), "the master does not start again after a crash in which %v", v)
}

// heartbeats lets four chunkservers report.
func (l *lone) heartbeats() {
	for _, id := range []string{"a", "b", "c", "d"} {
		args := &dfs.HeartbeatArgs{Server: id, Addr: id + ":1", Sent: time.Now()}
		require.NoError(l.w, l.Heartbeat(args, new(dfs.HeartbeatReply)))
	}
}

// mutate makes one change of the namespace, that is acknowledged unless the disk
// fails: a directory, a new file, a chunk of it, its end, a renaming, a removal.
func (l *lone) mutate() error {
	l.names++
	name := fmt.Sprintf("/d%d", l.names)
	switch n := l.rnd(10); {
	case n < 2 || l.names == 1:
		return l.Mkdir(&dfs.MkdirArgs{Path: name + strings.Repeat("/sub", l.rnd(3)), Parents: true}, new(dfs.Nothing))
	case n < 5 || len(l.files) == 0:
		var f dfs.FileInfo
		err := l.Create(&dfs.CreateArgs{Path: name, Writer: name}, &f)
		if err == nil {
			l.files = append(l.files, f)
		}
		return err
	case n < 7:
		f := l.files[l.rnd(len(l.files))]
		l.heartbeats()
		err := l.AddChunk(&dfs.AddChunkArgs{File: f.ID, Index: int(l.size[f.ID] / dfs.BlockSize)}, new(dfs.ChunkInfo))
		if err == nil {
			l.size[f.ID] += dfs.BlockSize
		}
		return err
	case n < 8:
		f := &l.files[l.rnd(len(l.files))]
		to := path.Join("/", fmt.Sprintf("renamed %d", l.names))
		err := l.Rename(&dfs.RenameArgs{Old: f.Path, New: to}, new(dfs.Nothing))
		if err == nil {
			f.Path = to
		}
		return err
	}
	i := l.rnd(len(l.files))
	f := l.files[i]
	l.files = slices.Delete(l.files, i, i+1)
	return l.Remove(&dfs.RemoveArgs{Path: f.Path}, new(dfs.Nothing))
}

// state gives all that the master knows about names and chunks as one text.
func (l *lone) state() string {
	var b strings.Builder
	l.describe(&b, "/")
	return b.String()
}

func (l *lone) describe(b *strings.Builder, dir string) {
	var reply dfs.ListReply
	require.NoError(l.w, l.List(&dfs.PathArgs{Path: dir}, &reply), "List(%q)", dir)
	slices.SortFunc(reply.Files, func(a, b dfs.FileInfo) int { return cmp.Compare(a.Path, b.Path) })
	for _, f := range reply.Files {
		fmt.Fprintf(b, "%s dir=%v size=%d id=%d open=%v %d", f.Path, f.IsDir, f.Size, f.ID, f.Open, f.ModTime.UnixNano())
		if f.IsDir {
			b.WriteString("\n")
			l.describe(b, f.Path)
			continue
		}
		var chunks dfs.ChunksReply
		require.NoError(l.w, l.Chunks(&dfs.ChunksArgs{Path: f.Path, Count: 1000}, &chunks), "Chunks(%q)", f.Path)
		for _, c := range chunks.Chunks {
			fmt.Fprintf(b, " chunk=%d/%d", c.ID, c.Version)
		}
		b.WriteString("\n")
	}
}

// A history is what a master knew after each acknowledged change: states[n] after
// n of them.
type history struct {
	states []string
}

// work makes n changes.
func (l *lone) work(h *history, n int) {
	if len(h.states) == 0 {
		h.states = append(h.states, l.state())
	}
	for range n {
		l.w.Sleep(time.Millisecond) // each change has a time of its own
		require.NoError(l.w, l.mutate())
		h.states = append(h.states, l.state())
	}
}

// A crashPoint is a moment right before an operation on the disk.
type crashPoint struct {
	op     simdisk.Op
	before []simdisk.Op // that came before it
	disk   *simdisk.Snapshot
	acked  int // changes that were acknowledged
}

// recover starts a master on a disk and compares what it knows with the history:
// the changes that were acknowledged, and perhaps the one under way.
func (h *history) recover(l *lone, drive *simdisk.Drive, acked int, when func() string) *lone {
	l.w.Sleep(time.Millisecond) // thousands of recoveries would look like a busy loop
	settings := drive.Settings()
	settings.Quiet = true // the log is to show how it came to the crash
	drive.Set(settings)
	up := &lone{w: l.w, drive: drive, cfg: l.cfg, rnd: l.rnd}
	if err := up.start(); err != nil {
		l.w.Fatalf("%s\nthe master does not start: %v", when(), err)
	}
	got, last := up.state(), min(acked+1, len(h.states)-1)
	if got != h.states[acked] && got != h.states[last] {
		up.Stop()
		l.w.Fatalf("%s\n%d changes were acknowledged. What the master knows now differs from what it knew then:%s\n"+
			"(The change under way could also be there. Its part: %s)\n"+
			"rule: a change is on the disk before it is acknowledged, and it is there whole or not at all (§2.6.3)",
			when(), acked, difference(h.states[acked], got), difference(h.states[acked], h.states[last]))
	}
	return up
}

// difference shows the lines that two texts do not share.
func difference(before, after string) string {
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	var b strings.Builder
	for _, line := range old {
		if !slices.Contains(now, line) {
			b.WriteString("\n  - " + line)
		}
	}
	for _, line := range now {
		if !slices.Contains(old, line) {
			b.WriteString("\n  + " + line)
		}
	}
	if b.Len() == 0 {
		return "none"
	}
	return b.String()
}

// Proves that names, files and chunks are there again after the master stops and
// starts, and that no ID is used twice. For: an operation that is not logged, an ID
// that is counted from the files that are there.
func TestRestart3C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, checkpoint := range []int{1000, 7} {
			l := startLone(w, checkpoint, simdisk.Settings{})
			h := &history{}
			for range 6 {
				l.work(h, 10)
				before := l.state()
				l.Stop()
				require.NoError(w, l.start(), "start again")
				require.Equal(w, before, l.state(), "what the master knows after it was stopped and started again (a checkpoint each %d changes)", checkpoint)
			}
			seen := map[dfs.FileID]bool{}
			for i := range 10 {
				name := fmt.Sprintf("/new%d", i)
				var f dfs.FileInfo
				require.NoError(w, l.Create(&dfs.CreateArgs{Path: name, Writer: name}, &f))
				require.NoError(w, l.Remove(&dfs.RemoveArgs{Path: name}, new(dfs.Nothing)))
				require.False(w, seen[f.ID], "file ID %d was used again after a restart: old chunks would look like new ones", f.ID)
				seen[f.ID] = true
				l.Stop()
				require.NoError(w, l.start())
			}
		}
	})
}

// Proves that a change is on the disk, synced, when it is acknowledged: if the
// machine loses power right then and nothing unsynced survives, the change is there.
// For: an answer before the sync, no sync at all, a log whose name is not durable.
func TestSyncedBeforeReply3C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := startLone(w, 8, simdisk.Settings{})
		h := &history{}
		for range 30 {
			l.work(h, 1)
			acked := len(h.states) - 1
			h.recover(l, l.drive.Snapshot().After(simdisk.Nothing), acked, func() string {
				return fmt.Sprintf("power failure right after change %d was acknowledged; nothing that was not synced survives", acked)
			}).Stop()
		}
	})
}

// Proves that the machine may crash at any operation on the disk: whatever survives
// of what was not synced, everything acknowledged is there, and nothing is half
// there. For: an old checkpoint that is gone before the new one is safe, a log that
// is emptied too early or not synced, a record that is replayed twice, a torn
// record that stops the master.
func TestCrashAtEveryOperation3C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := &lone{w: w, drive: simdisk.New(w, "master", simdisk.Settings{Sector: 64}), cfg: loneConfig(16), rnd: w.Rand().IntN, size: map[dfs.FileID]int64{}}
		h := &history{}
		points := l.record(h, 110)
		runs := 0
		for _, p := range points {
			for _, v := range p.disk.Survivals(4) {
				runs++
				h.recover(l, p.disk.After(v), p.acked, func() string { return p.when(v) }).Stop()
			}
		}
		require.GreaterOrEqual(w, len(points), 200, "operations on the disk: each change needs a write and a sync at least")
		w.Logf("%d crashes at %d operations", runs, len(points))
	})
}

func (p *crashPoint) when(v simdisk.Survival) string {
	return fmt.Sprintf("crash before operation %d on the disk (%v): %v.\noperations before that: %v\nnot synced at that time: %v",
		p.op.N, p.op, v, p.before[max(0, len(p.before)-8):], p.disk.Unsynced())
}

// record runs a new master through n changes and returns every crash point.
func (l *lone) record(h *history, n int) (points []crashPoint) {
	acked := 0
	watch(l.drive, &points, &acked)
	require.NoError(l.w, l.start())
	defer func() { l.Stop() }()
	for range n {
		l.work(h, 1)
		acked++
	}
	l.drive.Before(nil)
	return append(points, crashPoint{op: simdisk.Op{Kind: "end of the run"}, disk: l.drive.Snapshot(), acked: acked})
}

// watch notes every crash point of a disk.
func watch(drive *simdisk.Drive, points *[]crashPoint, acked *int) {
	var ops []simdisk.Op
	drive.Before(func(op simdisk.Op) {
		*points = append(*points, crashPoint{op, ops, drive.Snapshot(), *acked})
		ops = append(ops, op)
	})
}

// Proves that the master may crash again while it recovers, at any operation on the
// disk, and that it works on after that. For: a recovery that destroys before it
// has saved, a torn record that is not cut off before new ones are written.
func TestCrashDuringRecovery3C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := &lone{w: w, drive: simdisk.New(w, "master", simdisk.Settings{Sector: 64}), cfg: loneConfig(8), rnd: w.Rand().IntN, size: map[dfs.FileID]int64{}}
		h := &history{}
		points := l.record(h, 40)
		for range 40 {
			p := points[w.Rand().IntN(len(points))]
			all := p.disk.Survivals(4)
			v := all[w.Rand().IntN(len(all))]
			h.crashAgain(l, &p, v)
		}
	})
}

// crashAgain crashes at every operation of a recovery, and then works on.
func (h *history) crashAgain(l *lone, p *crashPoint, v simdisk.Survival) {
	drive := p.disk.After(v)
	var again []crashPoint
	watch(drive, &again, &p.acked)
	up := h.recover(l, drive, p.acked, func() string { return p.when(v) })
	drive.Before(nil)
	for _, q := range again {
		for _, u := range q.disk.Survivals(2) {
			h.recover(l, q.disk.After(u), p.acked, func() string { return p.when(v) + "\nthen, while the master recovered, a " + q.when(u) }).Stop()
		}
	}
	up.size = map[dfs.FileID]int64{}
	up.names = 1000 // new names
	next := &history{}
	up.work(next, 10)
	acked := len(next.states) - 1
	up.Stop()
	next.recover(up, drive.Snapshot().After(simdisk.Nothing), acked, func() string {
		return p.when(v) + fmt.Sprintf("\nthen the master recovered, made %d more changes, and crashed again", acked)
	}).Stop()
}

// Proves that a record that was being written is cut off, wherever it was torn, and
// that zeros or garbage behind the last record do no harm. For: a master that does
// not start after a crash; zeros that pass for a record; a new record that is
// written behind the garbage.
func TestTornTail3C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := startLone(w, 1000, simdisk.Settings{})
		l.remembers()
		h := &history{}
		l.work(h, 12)
		before := int64(len(l.drive.Content(logFile)))
		l.work(h, 1)
		l.Stop()
		acked := len(h.states) - 2 // the last one is torn
		whole := l.drive.Content(logFile)
		require.Greater(w, len(whole), int(before), "bytes in the file %q after another change", logFile)
		try := func(tail []byte, what string) {
			drive := l.drive.Snapshot().After(simdisk.Everything)
			drive.Set(simdisk.Settings{Quiet: true})
			drive.Put(logFile, append(slices.Clone(whole[:before]), tail...))
			when := func() string { return "the file " + logFile + " ends in " + what }
			up := h.recover(l, drive, acked, when)
			require.Equal(w, h.states[acked], up.state(), "%s: the record is not whole, so the change is not there", when())
			require.NoError(w, up.Mkdir(&dfs.MkdirArgs{Path: "/after"}, new(dfs.Nothing)))
			want := up.state()
			up.Stop()
			if err := up.start(); err != nil {
				w.Fatalf("%s; the master started, made a change and was started again: %v", when(), err)
			}
			require.Equal(w, want, up.state(), "%s; what the master knows after one more change and a restart", when())
			up.Stop()
		}
		last := whole[before:]
		for n := range len(last) {
			try(last[:n], fmt.Sprintf("a record of which %d of %d bytes are there", n, len(last)))
		}
		for _, n := range []int{1, 4, 8, 12, 16, 20, 24, 32, 100, 512, 5000} {
			try(make([]byte, n), fmt.Sprintf("%d zeros", n))
			garbage := make([]byte, n)
			for i := range garbage {
				garbage[i] = byte(l.rnd(256))
			}
			try(garbage, fmt.Sprintf("garbage of %d bytes", n))
		}
		try(append(slices.Clone(last[:len(last)/2]), make([]byte, len(last)-len(last)/2)...), "a record whose second half is zeros")
		try(append(make([]byte, len(last)/2), last[len(last)/2:]...), "a record whose first half is zeros")
	})
}

// Proves that damage in front of the last record is no torn write: the master says
// so and does not start, whichever byte it is, and changes nothing on the disk. For:
// a record without checksum, a checksum that does not cover everything, a log that
// is cut off at the first bad record.
func TestDamagedLog3C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := startLone(w, 1000, simdisk.Settings{})
		l.remembers()
		h := &history{}
		l.work(h, 8)
		before := int64(len(l.drive.Content(logFile)))
		l.work(h, 1)
		l.Stop()
		for at := range before {
			bit := 8*at + int64(l.rnd(8))
			l.refused(fmt.Sprintf("bit %d of byte %d of %s is flipped, %d bytes before the last record", bit%8, at, logFile, before-at), func(d *simdisk.Drive) { d.FlipBit(logFile, bit) })
		}
		whole := l.drive.Content(logFile)
		for range 20 {
			at := l.rnd(int(before))
			l.refused(fmt.Sprintf("bytes [%d,%d) of %s are zeros", at, at+16, logFile), func(d *simdisk.Drive) {
				damaged := slices.Clone(whole)
				clear(damaged[at:min(at+16, int(before))])
				if slices.Equal(damaged, whole) {
					d.FlipBit(logFile, int64(8*at))
					return
				}
				d.Put(logFile, damaged)
			})
		}
		l.refused("the file "+logFile+" is missing", func(d *simdisk.Drive) { d.Put(logFile, nil) })
	})
}

// Proves that a damaged checkpoint is refused, whichever byte it is, and a missing
// one, too. For: a checkpoint without checksum; a master that starts empty when it
// cannot read its checkpoint.
func TestDamagedCheckpoint3C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, changes := range []int{15, 20} {
			l := startLone(w, 8, simdisk.Settings{})
			l.remembers()
			l.work(&history{}, changes)
			l.Stop()
			size := len(l.drive.Content(checkFile))
			require.Positive(w, size, "bytes in the file %q after 1+%d changes, with a checkpoint due after each 8", checkFile, changes)
			for at := range size {
				bit := int64(8*at + l.rnd(8))
				l.refused(fmt.Sprintf("bit %d of byte %d of %s is flipped", bit%8, at, checkFile), func(d *simdisk.Drive) { d.FlipBit(checkFile, bit) })
			}
			for _, n := range []int{0, 1, size / 2, size - 1} {
				l.refused(fmt.Sprintf("%s is cut to %d of %d bytes", checkFile, n, size), func(d *simdisk.Drive) { d.Put(checkFile, d.Content(checkFile)[:n]) })
			}
			l.refused("the file "+checkFile+" is missing", func(d *simdisk.Drive) { d.Put(checkFile, nil) })
		}
	})
}

// refused damages a copy of the disk and expects that no master starts on it.
func (l *lone) refused(what string, damage func(d *simdisk.Drive)) {
	l.w.Sleep(time.Millisecond)
	drive := l.drive.Snapshot().After(simdisk.Everything)
	damage(drive)
	logBytes, checkBytes := drive.Content(logFile), drive.Content(checkFile)
	m, err := dfs.NewMaster(drive.Mount(nil), l.cfg)
	if err == nil {
		m.Stop()
		l.w.Fatalf("%s: the master starts all the same\nrule: what is damaged was acknowledged once. Only a record at the very end can be a torn write", what)
	}
	if !errors.Is(err, dfs.ErrDamaged) {
		l.w.Fatalf("%s: NewMaster says %q, which is not ErrDamaged", what, err)
	}
	if !slices.Equal(logBytes, drive.Content(logFile)) || !slices.Equal(checkBytes, drive.Content(checkFile)) {
		l.w.Fatalf("%s: the master refuses to start, but it has changed the disk\nrule: people want to repair what is damaged", what)
	}
}

// Proves that checkpoints bound the log and the time that a restart takes, however
// long the master has lived. For: a checkpoint that is never taken, or once; a log
// that is never emptied.
func TestCheckpointsBoundRecovery3C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const every = 50
		l := startLone(w, every, simdisk.Settings{Quiet: true})
		longest := 0
		for i := range 1500 {
			name := fmt.Sprintf("/%d", i)
			require.NoError(w, l.Mkdir(&dfs.MkdirArgs{Path: name}, new(dfs.Nothing)))
			if i >= 10 {
				require.NoError(w, l.Remove(&dfs.RemoveArgs{Path: fmt.Sprintf("/%d", i-10)}, new(dfs.Nothing)))
			}
			longest = max(longest, len(l.drive.Content(logFile)))
		}
		want := l.state()
		l.Stop()
		before := l.drive.Stats()
		require.NoError(w, l.start())
		read := l.drive.Stats().Since(before).BytesRead
		require.Equal(w, want, l.state())
		const record = 1000 // bytes; a generous bound for one with a short name
		require.LessOrEqual(w, longest, (every+2)*record, "bytes in %s at its longest, with a checkpoint due after each %d records", logFile, every)
		require.LessOrEqual(w, read, int64((every+2)*record+20*record), "bytes that the master read when it started, after 2,990 changes with ten directories left")
		require.LessOrEqual(w, l.drive.Used(), int64((every+2)*record+40*record), "bytes on the disk: %v", l.drive.Names())
	})
}

// Proves that where chunks are is no part of the log: after a restart the master
// knows the chunks, and hears from the chunkservers where they are. For: servers
// that are long gone named to clients; chunks lost because nobody was asked.
func TestLocationsFromHeartbeats3C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := startLone(w, 1000, simdisk.Settings{})
		l.heartbeats()
		var f dfs.FileInfo
		var c dfs.ChunkInfo
		require.NoError(w, l.Create(&dfs.CreateArgs{Path: "/f", Writer: "w"}, &f))
		require.NoError(w, l.AddChunk(&dfs.AddChunkArgs{File: f.ID}, &c))
		l.Stop()
		require.NoError(w, l.start())
		locations := func() []string {
			var reply dfs.ChunksReply
			require.NoError(w, l.Chunks(&dfs.ChunksArgs{Path: "/f", Count: 1}, &reply))
			require.Len(w, reply.Chunks, 1, "chunks of /f after a restart")
			require.Equal(w, c.ID, reply.Chunks[0].ID, "the chunk of /f after a restart")
			require.Equal(w, c.Version, reply.Chunks[0].Version, "the version of /f's chunk after a restart")
			return slices.Sorted(slices.Values(reply.Chunks[0].Servers))
		}
		require.Empty(w, locations(), "servers of a chunk right after a restart: nobody has reported yet (§2.6.2)")
		for _, s := range []string{"b", "e"} {
			w.Sleep(time.Millisecond)
			args := &dfs.HeartbeatArgs{Server: s, Addr: s + ":9", Sent: time.Now(), Chunks: []dfs.ChunkReport{{ID: c.ID, Version: c.Version, Length: 10}}}
			require.NoError(w, l.Heartbeat(args, new(dfs.HeartbeatReply)))
		}
		require.Equal(w, []string{"b:9", "e:9"}, locations(), "servers of the chunk after they reported it")
	})
}

// Proves that a file goes on being written while the master crashes and starts
// again, several times: it finds the file open, with the chunks that it gave it, and
// gives it the next when it has heard of chunkservers. For: a chunk that is given
// twice or left out when its answer was lost, a file that is closed by a restart, a
// master that says that there are no chunkservers before they can have reported.
func TestRestartWhileWriting3C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 4, 3)
		u := c.user()
		data := content(w.Seed(), 7*chunkSize+321)
		f, err := u.Create(u.soon(), "/f")
		require.NoError(w, err)
		done := make(chan struct{})
		w.Go(func() {
			defer close(done)
			for i := uint64(0); i < 3; i++ {
				dice := w.Dice(simtest.Key("crash"), i)
				w.Sleep(dice.Duration(0, 50*time.Millisecond))
				c.crash(c.master)
				w.Sleep(dice.Duration(0, 2*c.cfg.Heartbeat))
				c.restart(c.master)
				w.Sleep(2 * c.cfg.Heartbeat)
			}
		})
		for off := 0; off < len(data); off += 50_000 {
			if _, err := f.Write(data[off:min(len(data), off+50_000)]); err != nil {
				w.Fatalf("the master crashed and started again while /f was written, near byte %d of %d: %v. The chunkservers were there all the time", off, len(data), err)
			}
			w.Sleep(100 * time.Millisecond)
		}
		require.NoError(w, f.Close(), "the master crashed and started again while /f was written")
		<-done
		require.Len(w, u.chunks("/f"), 8, "chunks of a file that was written while the master crashed")
		u.mustHave("/f", data)
		u.whole("/f", data, 3, repairBound)
	})
}

// Proves that a change that cannot be logged is answered with an error, that the
// master takes no more changes until it starts again, and that nothing
// acknowledged is lost, whether the disk was full or a sync failed. For: an error
// that is not looked at; a sync that is tried again and believed (what a failed
// sync should have saved is lost, and reading still shows it); a record behind half
// a record.
func TestDiskFails3C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for what, spoil := range map[string]func(d *simdisk.Drive){
			"the disk is full": func(d *simdisk.Drive) { d.Fill() },
			"the disk has room for half a record": func(d *simdisk.Drive) {
				s := d.Settings()
				s.Capacity = d.Used() + 40
				d.Set(s)
			},
			"a sync fails":  func(d *simdisk.Drive) { d.FailNext(1, simdisk.Sync, syscall.EIO) },
			"a write fails": func(d *simdisk.Drive) { d.FailNext(1, simdisk.Write, syscall.EIO) },
		} {
			l := startLone(w, 1000, simdisk.Settings{Sector: 16})
			l.remembers()
			l.work(&history{}, 5)
			acked := l.state()
			spoil(l.drive)
			require.Error(w, l.Mkdir(&dfs.MkdirArgs{Path: "/failed"}, new(dfs.Nothing)), "Mkdir while %s", what)
			require.Equal(w, acked, l.state(), "what the master knows after a change that failed because %s", what)
			l.drive.Set(simdisk.Settings{Sector: 16})
			again := l.Mkdir(&dfs.MkdirArgs{Path: "/again"}, new(dfs.Nothing)) == nil
			l.Stop()
			// A new process reads what the old one wrote, on the disk or not.
			require.NoError(w, l.start(), "a new process on the same disk, after %s", what)
			if again {
				require.Contains(w, l.state(), "/again dir", "a change that was acknowledged after %s", what)
			}
			require.Subset(w, strings.Split(l.state(), "\n"), strings.Split(acked, "\n"), "what was acknowledged before %s", what)
			require.NoError(w, l.Mkdir(&dfs.MkdirArgs{Path: "/later"}, new(dfs.Nothing)))
			before := l.state()
			l.crash(simdisk.Nothing)
			require.Equal(w, before, l.state(), "what the master knows after %s, a new process, and a power failure", what)
		}
	})
}

// Proves that a checkpoint that cannot be written harms nothing: the master goes on
// with a longer log, or says that it takes no more, and starts again. For: a log
// that is emptied although there is no new checkpoint.
func TestNoRoomForCheckpoint3C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := startLone(w, 20, simdisk.Settings{})
		l.work(&history{}, 30)
		before := l.state()
		l.drive.FailWhen(func(op simdisk.Op) error {
			if op.Kind == simdisk.Write && !strings.HasPrefix(op.Name, logFile) {
				return syscall.ENOSPC
			}
			return nil
		})
		acked := []string{}
		for i := range 60 {
			name := fmt.Sprintf("/full%d", i)
			if l.Mkdir(&dfs.MkdirArgs{Path: name}, new(dfs.Nothing)) == nil {
				acked = append(acked, name+" dir")
			}
		}
		l.drive.FailWhen(nil)
		l.crash(simdisk.Nothing)
		for _, line := range append(strings.Split(before, "\n"), acked...) {
			require.Contains(w, l.state(), line, "what was acknowledged before and while there was no room for a checkpoint")
		}
	})
}

// Proves that changes made at the same time are all there after a crash, each once,
// and that the master answers questions while its disk is slow. For: records
// written over each other; a mutex that is held while the disk works.
func TestConcurrentChanges3C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := startLone(w, 30, simdisk.Settings{Write: simdisk.Range{Min: time.Millisecond, Max: 2 * time.Millisecond}, Sync: simdisk.Range{Min: 5 * time.Millisecond, Max: 10 * time.Millisecond}})
		var clients sync.WaitGroup
		var mu sync.Mutex
		var acked []string
		crashed := false
		for c := range 10 {
			clients.Go(func() {
				for i := range 10 {
					name := fmt.Sprintf("/client%d-%d", c, i)
					err := l.Mkdir(&dfs.MkdirArgs{Path: name}, new(dfs.Nothing))
					mu.Lock()
					switch {
					case err == nil:
						acked = append(acked, name)
					case !crashed:
						w.Errorf("Mkdir(%q): %v", name, err)
					}
					mu.Unlock()
				}
			})
		}
		w.Sleep(3 * time.Millisecond)
		began := w.Now()
		require.NoError(w, l.Stat(&dfs.PathArgs{Path: "/"}, new(dfs.FileInfo)))
		require.Less(w, w.Now()-began, time.Millisecond, "how long Stat took while changes are being logged: a question does not wait for the disk")
		w.Sleep(300 * time.Millisecond)
		mu.Lock()
		crashed = true
		mu.Unlock()
		l.drive.CrashWith(simdisk.Nothing)
		l.Stop()
		clients.Wait()
		require.NoError(w, l.start())
		require.NotEmpty(w, acked)
		for _, name := range acked {
			require.NoError(w, l.Stat(&dfs.PathArgs{Path: name}, new(dfs.FileInfo)), "a directory that was acknowledged before the crash")
		}
	})
}
