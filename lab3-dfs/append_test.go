package dfs_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"testing"
	"time"

	dfs "distsys/lab3-dfs"

	"distsys/grader/simdisk"
	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// The tests append records that tell their own length and checksum, as GFS's
// applications have them do (§2.7.2): so a reader finds them between padding and
// repetitions.

// An ack is an append that was acknowledged.
type ack struct {
	offset int64
	record []byte
}

const recordHeader = 12

// record makes a record of n bytes that no other equals.
func record(id uint64, n int) []byte {
	r := make([]byte, recordHeader, max(n, recordHeader+8))
	r = append(r, content(id+1_000_000, cap(r)-recordHeader)...)
	binary.LittleEndian.PutUint32(r, 0xfeedbeef)
	binary.LittleEndian.PutUint32(r[4:], uint32(len(r)))
	binary.LittleEndian.PutUint32(r[8:], crc32.ChecksumIEEE(r[recordHeader:]))
	return r
}

// checkLog reads the file, and proves that each record that was acknowledged is
// where the offset says, whole and within one chunk.
func (u *user) checkLog(path string, acks []ack) []byte {
	c := u.c
	data, err := u.get(path)
	if err != nil {
		c.w.Fatalf("%s reads %s: %v", u.name, path, err)
	}
	taken := map[int64][]byte{}
	for _, a := range acks {
		end := a.offset + int64(len(a.record))
		if end > int64(len(data)) {
			c.w.Fatalf("a record of %d bytes was acknowledged at offset %d, and the file has only %d bytes", len(a.record), a.offset, len(data))
		}
		if !bytes.Equal(data[a.offset:end], a.record) {
			c.w.Fatalf("a record of %d bytes was acknowledged at offset %d; what is there is something else (§3.3: it is there, whole, at the offset that is returned)", len(a.record), a.offset)
		}
		if a.offset/chunkSize != (end-1)/chunkSize {
			c.w.Fatalf("the record at offset %d, %d bytes, crosses the end of a chunk", a.offset, len(a.record))
		}
		if taken[a.offset] != nil {
			c.w.Fatalf("two appends were told the same offset %d", a.offset)
		}
		taken[a.offset] = a.record
	}
	return data
}

// sameEverywhere waits until all replicas that the master names are equal, byte for
// byte, for each chunk of a file.
func (u *user) sameEverywhere(path string, replicas int, within time.Duration) {
	c := u.c
	for deadline := c.w.Now() + within; ; c.w.Sleep(time.Second) {
		problem := ""
		for i, chunk := range u.chunks(path) {
			if len(chunk.Servers) != replicas {
				problem = fmt.Sprintf("chunk %d is on %v: there should be %d replicas", chunk.ID, chunk.Servers, replicas)
				break
			}
			var first []byte
			for n, addr := range chunk.Servers {
				got, err := c.replica(c.at(addr), chunk)
				switch {
				case err != nil:
					problem = fmt.Sprintf("chunk %d on %s: %v", chunk.ID, addr, err)
				case n == 0:
					first = got
				case !bytes.Equal(first, got):
					problem = fmt.Sprintf("chunk %d (number %d of %s) has %d bytes on %s and %d on %s, or not the same ones", chunk.ID, i, path, len(first), chunk.Servers[0], len(got), addr)
				}
			}
		}
		if problem == "" {
			return
		}
		if c.w.Now() > deadline {
			c.w.Fatalf("%v after the last append: %s. Replicas agree byte for byte", within, problem)
		}
	}
}

// empty makes an empty file.
func (u *user) empty(path string) { u.mustPut(path, nil) }

// append appends, and must succeed.
func (u *user) mustAppend(path string, r []byte) ack {
	offset, err := u.Append(u.soon(), path, r)
	if err != nil {
		u.c.w.Fatalf("%s appends %d bytes to %s: %v", u.name, len(r), path, err)
	}
	return ack{offset, r}
}

// Proves that records are appended whole, at the offset that is returned, and never
// across the end of a chunk: what does not fit goes to the next one, and zeros fill
// the rest (GFS §3.3). For: off-by-one at chunk ends, records that are split.
func TestAppend3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		u.empty("/log")
		var acks []ack
		end := int64(0)
		sizes := []int{100, 1, dfs.BlockSize, dfs.BlockSize, dfs.BlockSize - 121, 20, dfs.BlockSize, dfs.BlockSize, dfs.BlockSize, dfs.BlockSize, 50}
		for range 20 {
			sizes = append(sizes, 1+w.Rand().IntN(dfs.BlockSize))
		}
		for i, n := range sizes {
			a := u.mustAppend("/log", record(uint64(i), n))
			fits := end%chunkSize+int64(len(a.record)) <= chunkSize
			want := end
			if !fits {
				want = (end/chunkSize + 1) * chunkSize
			}
			require.Equal(w, want, a.offset, "record %d has %d bytes, and the file had %d: chunks have %d", i, len(a.record), end, chunkSize)
			end = a.offset + int64(len(a.record))
			acks = append(acks, a)
			info, err := u.Stat(u.soon(), "/log")
			require.NoError(w, err)
			require.Equal(w, end, info.Size, "size after record %d", i)
		}
		data := u.checkLog("/log", acks)
		at := 0
		for _, a := range acks {
			require.Equal(w, make([]byte, int(a.offset)-at), data[at:a.offset], "between records there are zeros")
			at = int(a.offset) + len(a.record)
		}
		u.sameEverywhere("/log", 3, repairBound)
	})
}

// Proves that an append is acknowledged once it is on the disks of all replicas,
// synced: every machine loses its power in the moment in which the client hears of
// it. For: an answer before the others have it, or before it is synced.
func TestAppendIsSafe3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		u.empty("/log")
		acks := []ack{u.mustAppend("/log", record(1, 1000))}
		c.slowBetweenServers(50 * time.Millisecond)
		for i := range uint64(3) {
			acks = append(acks, u.mustAppend("/log", record(2+i, 50_000)))
			for _, s := range c.servers {
				l := s.take()
				s.node.Crash()
				s.drive.CrashWith(simdisk.Nothing)
				w.Go(l.stop)
			}
			for n, s := range c.servers {
				s.node.Restart()
				c.startServer(n)
			}
			w.Sleep(2 * c.cfg.Heartbeat)
			for _, chunk := range u.chunks("/log") {
				for _, s := range c.servers {
					data, err := c.replica(s, chunk)
					require.NoError(w, err, "all machines lost their power after an append was acknowledged: chunk %d on %s", chunk.ID, s.name)
					last := acks[len(acks)-1]
					if at := last.offset % chunkSize; last.offset/chunkSize == int64(len(u.chunks("/log"))-1) {
						require.True(w, int(at)+len(last.record) <= len(data) && bytes.Equal(data[at:int(at)+len(last.record)], last.record),
							"an append was acknowledged, and then all machines lost their power: %s has %d bytes of chunk %d, without the record of %d bytes at %d. A replica answers once it has synced", s.name, len(data), chunk.ID, len(last.record), at)
					}
				}
			}
		}
		u.checkLog("/log", acks)
	})
}

// Proves what Append refuses, and that it continues a file that was written before.
func TestAppendErrors3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		require.NoError(w, u.Mkdir(u.soon(), "/dir"))
		for _, e := range []struct {
			path   string
			length int
			want   error
		}{
			{"/none", 10, fs.ErrNotExist}, {"/dir", 10, dfs.ErrIsDir}, {"/none/x", 10, fs.ErrNotExist}, {"/none", c.cfg.MaxRecord() + 1, dfs.ErrTooLong},
		} {
			_, err := u.Append(u.soon(), e.path, make([]byte, e.length))
			require.ErrorIs(w, err, e.want, "append %d bytes to %s", e.length, e.path)
		}
		for i, size := range []int{10, chunkSize, chunkSize + dfs.BlockSize + 1} {
			path, data := fmt.Sprintf("/f%d", i), content(uint64(i), size)
			u.mustPut(path, data)
			r := record(uint64(i), c.cfg.MaxRecord())
			a := u.mustAppend(path, r)
			got := u.checkLog(path, []ack{a})
			c.same(path, data, got[:size])
			require.EqualValues(w, size, a.offset)
			u.sameEverywhere(path, 3, repairBound)
		}
		require.NoError(w, u.Remove(u.soon(), "/f0"))
		_, err := u.Append(u.soon(), "/f0", make([]byte, 10))
		require.ErrorIs(w, err, fs.ErrNotExist, "append to a file that was removed")
	})
}

// appenders lets n clients append k records each at the same time, and returns what
// was acknowledged.
func (c *cluster) appenders(path string, n, k, size int, pause time.Duration) []ack {
	acks := make(chan []ack)
	for i := range n {
		u := c.user()
		c.w.Go(func() {
			var mine []ack
			for j := range k {
				id := uint64(i*1000 + j)
				dice := c.w.Dice(simtest.Key("append"), id)
				c.w.Sleep(dice.Duration(0, pause))
				mine = append(mine, u.mustAppend(path, record(id, recordHeader+8+pick(&dice, size))))
			}
			acks <- mine
		})
	}
	var all []ack
	for range n {
		all = append(all, <-acks...)
	}
	return all
}

// Proves that many clients can append to one file at the same time: every record is
// there at its own offset, and all replicas have the same bytes. For: two records
// at one offset, secondaries that order for themselves.
func TestManyAppenders3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 4, 3)
		u := c.user()
		u.empty("/log")
		acks := c.appenders("/log", 8, 12, 20_000, 20*time.Millisecond)
		u.checkLog("/log", acks)
		u.sameEverywhere("/log", 3, repairBound)
		first := u.chunks("/log")[0]
		require.LessOrEqual(w, first.Version, dfs.Version(2), "nothing failed, and chunk %d has had %d leases", first.ID, first.Version)
	})
}

// Proves that appends go on when the primary crashes, and that none that was
// acknowledged is lost, although the old primary comes back with what it had.
func TestPrimaryCrashes3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) { disturbed(t, w, (*cluster).crash, (*cluster).restart) })
}

// Proves that appends go on when the primary is cut off from everybody, and that
// none that was acknowledged is lost when it is back.
func TestPrimaryCutOff3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		disturbed(t, w, func(c *cluster, m *machine) { c.net.Isolate(m.name) }, func(c *cluster, m *machine) { c.net.Rejoin(m.name) })
	})
}

// Proves that appends go on when the primary hangs for longer than its lease, and
// that it does no harm when it then goes on as if nothing had happened.
func TestPrimaryPaused3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		disturbed(t, w, func(_ *cluster, m *machine) { m.node.Pause() }, func(_ *cluster, m *machine) { m.node.Resume() })
	})
}

// disturbed does something to the primary while clients append, and undoes it.
func disturbed(_ *testing.T, w *simtest.World, harm, heal func(c *cluster, m *machine)) {
	c := startCluster(w, 4, 3)
	u := c.user()
	u.empty("/log")
	before := []ack{u.mustAppend("/log", record(1_000_000, 500))}
	w.Go(func() {
		w.Sleep(once(w, 2, 500*time.Millisecond))
		for range 2 {
			p := c.primaryOf("/log")
			harm(c, p)
			w.Sleep(2 * c.cfg.Lease)
			heal(c, p)
			w.Sleep(c.cfg.Lease)
		}
	})
	acks := c.appenders("/log", 4, 14, 10_000, 6*time.Second)
	u.checkLog("/log", append(before, acks...))
	w.Sleep(6 * c.cfg.Lease)
	u.sameEverywhere("/log", 3, 2*repairBound)
	u.checkLog("/log", append(before, acks...))
}

// lease asks the master who the primary is.
func (c *cluster) lease(path string) *dfs.LeaseReply {
	for range 100 {
		reply := new(dfs.LeaseReply)
		err := c.ask(masterAddr, "Master.Lease", &dfs.LeaseArgs{Path: path}, reply)
		if err == nil {
			return reply
		}
		c.w.Sleep(300 * time.Millisecond)
	}
	c.w.Fatalf("the master names no primary for %s", path)
	return nil
}

func (c *cluster) primaryOf(path string) *machine { return c.at(c.lease(path).Primary) }

// appendTo sends an append to one chunkserver.
func (c *cluster) appendTo(m *machine, chunk dfs.ChunkInfo, r []byte) (int64, error) {
	reply := new(dfs.AppendReply)
	err := c.ask(m.addr(), "ChunkServer.Append", &dfs.AppendArgs{ID: chunk.ID, Version: chunk.Version, Record: r}, reply)
	return reply.Offset, err
}

// isRemote reports whether an error from the network is that one.
func isRemote(err, want error) bool {
	return err != nil && bytes.HasSuffix([]byte(err.Error()), []byte(want.Error()))
}

// Proves that a primary that the master cannot reach stops when its lease ends, and
// goes on until then; and that another one is made then (GFS §3.1). For: a lease that
// its primary outlives, a lease that is counted from the wrong end.
func TestLeaseEnds3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 4, 3)
		u := c.user()
		u.empty("/log")
		u.mustAppend("/log", record(1, 100))
		old := c.lease("/log")
		primary := c.at(old.Primary)
		// The master's answers take two seconds, so the lease is no longer young when
		// its primary learns that it was renewed.
		c.net.SetLink("master", primary.name, simnet.Link{Latency: simnet.Range{Min: 2 * time.Second, Max: 2100 * time.Millisecond}})
		for i := range uint64(10) {
			w.Sleep(time.Second)
			u.mustAppend("/log", record(1000+i, 100))
		}
		began := w.Now()
		c.net.Cut(primary.name, "master")
		c.net.Cut("master", primary.name)

		renewed := time.Duration(0)
		for _, call := range c.callsOf("Master.Heartbeat", 0) {
			if call.from == primary.name && call.err == nil {
				renewed = max(renewed, w.Now()-time.Since(call.args.(*dfs.HeartbeatArgs).Sent))
			}
		}
		// Nobody asks the master for a new lease, so only the clock can stop the primary.
		var acks []ack
		lastOld := time.Duration(0)
		for i := uint64(0); w.Now() < began+2*c.cfg.Lease; i++ {
			r, sent := record(100+i, 64), w.Now()
			if offset, err := c.appendTo(primary, old.Chunk, r); err == nil {
				acks = append(acks, ack{offset, r})
				lastOld = sent
			}
			w.Sleep(250 * time.Millisecond)
		}
		limit := renewed + c.cfg.Lease + 100*time.Millisecond
		require.Less(w, lastOld, limit, "%s was cut off from the master at %v, it had asked for its last renewal at %v, and it still acknowledged an append that was sent at %v: its lease of %v had ended", primary.name, began, renewed, lastOld, c.cfg.Lease)
		require.Greater(w, lastOld, began+time.Second, "%s was cut off from the master at %v, and acknowledged no append after %v: its lease of %v still ran", primary.name, began, lastOld, c.cfg.Lease)
		next := c.lease("/log")
		require.NotEqual(w, primary.addr(), next.Primary)
		_, err := c.appendTo(primary, old.Chunk, record(99, 50))
		require.Error(w, err, "%s takes an append although its lease has ended and there is another primary", primary.name)

		acks = append(acks, u.mustAppend("/log", record(98, 100)))
		u.checkLog("/log", acks)
		c.net.Heal()
		w.Sleep(3 * c.cfg.Lease)
		u.sameEverywhere("/log", 3, 2*repairBound)
		u.checkLog("/log", acks)
	})
}

// Proves that each lease has a version of its own, higher than all before, that the
// replicas know it, and that a replica which missed one is stale: nobody reads it,
// and it is cleaned up (GFS §4.5). For: a version that is not raised, a stale replica
// that counts.
func TestVersions3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 4, 3)
		u := c.user()
		u.empty("/log")
		acks := []ack{u.mustAppend("/log", record(1, 100))}
		first := c.lease("/log")
		away := c.at(first.Chunk.Servers[w.Rand().IntN(3)])
		c.crash(away)
		for i := range 3 {
			acks = append(acks, u.mustAppend("/log", record(uint64(2+i), 1000)))
		}
		second := c.lease("/log")
		require.Equal(w, first.Chunk.ID, second.Chunk.ID)
		require.Greater(w, second.Chunk.Version, first.Chunk.Version, "a replica was lost, the replicas that are left need a new version (§4.5)")
		c.restart(away)
		w.Sleep(2 * c.cfg.Heartbeat)
		lease := c.lease("/log")
		require.NotContains(w, lease.Chunk.Servers, away.addr(), "%s was away while records were appended: its replica is stale", away.name)
		_, err := c.replica(away, lease.Chunk)
		require.Error(w, err, "%s was away while records were appended, and gives its replica to a reader who asks for version %d", away.name, lease.Chunk.Version)
		for range 8 {
			u.checkLog("/log", acks)
		}
		w.Sleep(3 * c.cfg.Lease)
		u.sameEverywhere("/log", 3, 2*repairBound)
		for _, name := range away.drive.Names() {
			require.NotEqual(w, fmt.Sprintf("%016x.%d.sums", uint64(first.Chunk.ID), uint64(first.Chunk.Version)), name, "%s still has its stale replica", away.name)
		}
		u.checkLog("/log", acks)
	})
}

// Proves that an append which fails on one replica is not acknowledged, that the
// primary then orders nothing more at that version, and that the replicas are
// brought together again even if nobody appends any more. For: an answer before all
// replicas have it, a primary that goes on, replicas that differ for ever.
func TestFailedAppend3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		u.empty("/log")
		acks := []ack{u.mustAppend("/log", record(1, 100))}
		lease := c.lease("/log")
		primary := c.at(lease.Primary)
		var secondary *machine
		for _, s := range c.servers {
			if s != primary {
				secondary = s
			}
		}
		c.crash(secondary)
		_, err := c.appendTo(primary, lease.Chunk, record(2, 5000))
		require.Error(w, err, "%s is down, and %s acknowledged an append all the same: every replica must have it (§3.1)", secondary.name, primary.name)
		c.restart(secondary)
		_, err = c.appendTo(primary, lease.Chunk, record(3, 100))
		require.Error(w, err, "an append failed half-way, so the replicas differ, and %s goes on at the same version as if they did not", primary.name)
		u.checkLog("/log", acks)
		w.Sleep(2*c.cfg.Lease + repairBound)
		u.sameEverywhere("/log", 3, repairBound)
		u.checkLog("/log", acks)
		acks = append(acks, u.mustAppend("/log", record(4, 100)))
		u.checkLog("/log", acks)
	})
}

// Proves what a secondary takes from a primary: only what continues its replica, at
// exactly its version. For: gaps, overwriting, orders of an old primary.
func TestSecondaryRefuses3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		u.empty("/log")
		first := u.mustAppend("/log", record(1, 1000))
		lease := c.lease("/log")
		length := int64(len(first.record))
		for _, s := range c.servers {
			for _, bad := range []struct {
				why    string
				at     int64
				behind dfs.Version
			}{
				{"leaves a gap", length + 1, 0},
				{"overwrites", length - 1, 0},
				{"overwrites", 0, 0},
				{"is of an older version", length, 1},
			} {
				args := &dfs.ReplicateArgs{ID: lease.Chunk.ID, Version: lease.Chunk.Version - bad.behind, Offset: bad.at, Data: []byte("never")}
				err := c.ask(s.addr(), "ChunkServer.Replicate", args, new(dfs.Nothing))
				require.Error(w, err, "%s has %d bytes at version %d, and takes a record at %d, version %d: that %s", s.name, length, lease.Chunk.Version, bad.at, args.Version, bad.why)
			}
			if s.addr() != lease.Primary {
				_, err := c.appendTo(s, lease.Chunk, []byte("never"))
				require.True(w, isRemote(err, dfs.ErrNotPrimary), "%s is not the primary, and answers an append with: %v", s.name, err)
			}
		}
		// A promise fences old versions off, and never goes back.
		next := lease.Chunk.Version + 5
		for _, s := range c.servers {
			promise := func(v dfs.Version) error {
				return c.ask(s.addr(), "ChunkServer.Promise", &dfs.PromiseArgs{ID: lease.Chunk.ID, Version: v}, new(dfs.PromiseReply))
			}
			replicate := &dfs.ReplicateArgs{ID: lease.Chunk.ID, Version: lease.Chunk.Version, Offset: length, Data: []byte("never")}
			grant := &dfs.GrantArgs{ID: lease.Chunk.ID, Version: next, Length: length}
			require.Error(w, c.ask(s.addr(), "ChunkServer.Grant", grant, new(dfs.Nothing)), "%s takes version %d without having promised it", s.name, next)
			require.NoError(w, promise(next))
			require.True(w, isRemote(promise(next-1), dfs.ErrStale), "%s has promised version %d, and then also version %d", s.name, next, next-1)
			_, err := c.appendTo(s, lease.Chunk, []byte("never"))
			require.Error(w, err, "%s has promised version %d, and takes an append for version %d", s.name, next, lease.Chunk.Version)
			err = c.ask(s.addr(), "ChunkServer.Replicate", replicate, new(dfs.Nothing))
			require.Error(w, err, "%s has promised version %d, and takes a record of the primary of version %d", s.name, next, lease.Chunk.Version)
			_, err = c.replica(s, dfs.ChunkInfo{ID: lease.Chunk.ID, Version: next})
			require.Error(w, err, "%s has only promised version %d, and answers a reader as if it had that version", s.name, next)

			require.NoError(w, c.ask(s.addr(), "ChunkServer.Grant", grant, new(dfs.Nothing)))
			c.restart(s)
			_, err = c.appendTo(s, dfs.ChunkInfo{ID: lease.Chunk.ID, Version: next}, []byte("never"))
			require.Error(w, err, "%s restarted, and takes an append without a lease", s.name)
			err = c.ask(s.addr(), "ChunkServer.Replicate", replicate, new(dfs.Nothing))
			require.Error(w, err, "%s was granted version %d before it restarted, and takes a record of version %d: a version must survive a crash", s.name, next, lease.Chunk.Version)
			_, err = c.replica(s, dfs.ChunkInfo{ID: lease.Chunk.ID, Version: next})
			require.NoError(w, err, "%s was granted version %d before it restarted", s.name, next)

			grant.Version = next + 1
			require.NoError(w, promise(next+1))
			c.restart(s)
			require.Error(w, c.ask(s.addr(), "ChunkServer.Grant", grant, new(dfs.Nothing)),
				"%s promised version %d, restarted, and then took it: between, it may have taken appends of version %d", s.name, next+1, next)
		}
	})
}

// Proves that a master that starts again while leases run, which it does not know
// any more, takes heartbeats that ask it to renew them, and that appends go on. For:
// a lease that is looked up and is not there.
func TestMasterRestartsUnderLease3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		u.empty("/log")
		var acks []ack
		for i := uint64(0); i < 8; i++ {
			acks = append(acks, u.mustAppend("/log", record(i, 300)))
			c.restart(c.master)
			w.Sleep(once(w, i, 2*c.cfg.Heartbeat))
		}
		for i := uint64(8); i < 12; i++ {
			acks = append(acks, u.mustAppend("/log", record(i, 300)))
		}
		u.checkLog("/log", acks)
		w.Sleep(2 * c.cfg.Lease)
		u.sameEverywhere("/log", 3, repairBound)
	})
}

// Proves that no lease is given twice with one version, although the master crashes
// while it gives it: a replica that was told of it and then was away must not pass
// for one that has what was appended under the next. For: a version that is logged
// only after the replicas were told, or only before.
func TestMasterCrashesGranting3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		u.empty("/log")
		acks := []ack{u.mustAppend("/log", record(1, 100))}
		w.Sleep(2 * c.cfg.Lease)
		// The master crashes as soon as one replica has got the new version.
		told := make(chan string, 9)
		c.onCall(func(call call) {
			if call.method == "ChunkServer.Grant" && call.err == nil && call.from == "master" {
				select {
				case told <- call.to:
				default:
				}
			}
		})
		w.Go(func() { _ = c.ask(masterAddr, "Master.Lease", &dfs.LeaseArgs{Path: "/log"}, new(dfs.LeaseReply)) })
		away := <-told
		c.crash(c.master)
		c.onCall(nil)
		var m *machine
		for _, s := range c.servers {
			if s.name == away {
				m = s
			}
		}
		c.crash(m)
		c.restart(c.master)
		w.Sleep(2 * c.cfg.Heartbeat)
		for i := range 3 {
			acks = append(acks, u.mustAppend("/log", record(uint64(10+i), 500)))
		}
		c.restart(m)
		w.Sleep(2 * c.cfg.Heartbeat)
		for range 6 {
			u.checkLog("/log", acks)
		}
		w.Sleep(3 * c.cfg.Lease)
		u.sameEverywhere("/log", 3, 2*repairBound)
		u.checkLog("/log", acks)
	})
}

// Proves that appends survive everything at the same time: crashes, cuts and hangs
// of any machine, the master too. For all that the other tests do not think of.
func TestAppendsUnderFire3D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5, 3)
		c.net.SetLinks(simnet.Link{Latency: simnet.Range{Min: time.Millisecond, Max: 20 * time.Millisecond}, Loss: 0.005})
		u := c.user()
		u.empty("/log")
		done := make(chan []ack)
		end := w.Now() + 2*time.Minute
		for i := range 6 {
			u := c.user()
			w.Go(func() {
				var mine []ack
				for j := uint64(0); w.Now() < end; j++ {
					dice := w.Dice(simtest.Key("fire"), uint64(i), j)
					w.Sleep(dice.Duration(0, 4*time.Second))
					r := record(uint64(i)*100_000+j, 20+pick(&dice, 20_000))
					if offset, err := u.Append(u.within(30*time.Second), "/log", r); err == nil {
						mine = append(mine, ack{offset, r})
					} else if !errors.Is(err, dfs.ErrNoServers) && !isTimeout(err) {
						w.Fatalf("%s appends: %v. While machines fail, an append goes on until its context ends", u.name, err)
					}
				}
				done <- mine
			})
		}
		machines := append([]*machine{c.master}, c.servers...)
		for w.Now() < end {
			m := machines[w.Rand().IntN(len(machines))]
			long := time.Duration(1+w.Rand().IntN(20)) * time.Second
			switch w.Rand().IntN(3) {
			case 0:
				c.crash(m)
				w.Sleep(long)
				c.restart(m)
			case 1:
				m.node.Pause()
				w.Sleep(long)
				m.node.Resume()
			case 2:
				c.net.Isolate(m.name)
				w.Sleep(long)
				c.net.Rejoin(m.name)
			}
			w.Sleep(time.Duration(w.Rand().IntN(10)) * time.Second)
		}
		var acks []ack
		for range 6 {
			acks = append(acks, <-done...)
		}
		require.NotEmpty(w, acks)
		slices.SortFunc(acks, func(a, b ack) int { return int(a.offset - b.offset) })
		w.Sleep(4 * c.cfg.Lease)
		u.checkLog("/log", acks)
		u.sameEverywhere("/log", 3, 2*repairBound)
		u.checkLog("/log", acks)
	})
}

// isTimeout reports whether the error is that of a context that has run out, however
// it is wrapped: a [fs.PathError] around joined errors says that it is no timeout.
func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
