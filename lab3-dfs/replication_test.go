package dfs_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	dfs "distsys/lab3-dfs"

	"distsys/grader/simdisk"
	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// repairBound is how soon a store must have all its replicas again: until the
// master takes the server for dead, and then a few heartbeats.
const repairBound = 30 * time.Second

// Proves that a chunk is acknowledged once it is on the disks of all servers of its
// chain, synced: every machine loses its power in the moment in which the writer
// hears that the last chunk is sealed. For: an answer before the replicas have the
// data, before they have synced it, or its name.
func TestAcknowledgedIsSafe3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		c.slowBetweenServers(50 * time.Millisecond)
		u := c.user()
		data := content(w.Seed(), 2*chunkSize+5000)
		sealed := make(chan dfs.SealArgs, 1)
		c.onCall(func(call call) {
			if args, ok := call.args.(*dfs.SealArgs); ok && call.err == nil && call.from == u.name && args.Length == 5000 {
				sealed <- *args
			}
		})
		w.Go(func() { _ = u.put("/f", data) })
		last := <-sealed
		chunks := u.chunks("/f")
		for _, s := range c.servers {
			l := s.take()
			s.node.Crash()
			s.drive.CrashWith(simdisk.Nothing)
			w.Go(l.stop)
		}
		require.Equal(w, last.ID, chunks[2].ID)
		for i, s := range c.servers {
			s.node.Restart()
			c.startServer(i)
			for n, chunk := range chunks {
				got, err := c.replica(s, chunk)
				if err != nil {
					w.Fatalf("the writer was told that chunk %d is sealed, and then %s lost its power: it does not have the chunk any more: %v. A chunk is acknowledged once it is synced on every server of the chain (§3.2)", chunk.ID, s.name, err)
				}
				c.same("/f on "+s.name, data[n*chunkSize:min(len(data), (n+1)*chunkSize)], got)
			}
		}
	})
}

// Proves that data flows along a chain: the client sends each byte once, and so
// does each server but the last (GFS §3.2). For: a client that sends to all three.
func TestPipeline3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		before := c.net.Stats()
		data := content(w.Seed(), 8*chunkSize)
		u.mustPut("/f", data)
		moved := c.net.Stats().Since(before)
		sent := int(moved.From(u.name).Total().Bytes)
		require.Less(w, sent, len(data)*12/10, "the client sent %d bytes to write %d: it should send them once, to the first server of the chain", sent, len(data))
		for _, s := range c.servers {
			received, sent := int(moved.To(s.name).Total().Bytes), int(moved.From(s.name).Total().Bytes)
			require.Less(w, received, len(data)*12/10, "%s received %d bytes of %d", s.name, received, len(data))
			require.Less(w, sent, len(data)*12/10, "%s sent %d bytes of %d: it should send them to the next server of the chain only", s.name, sent, len(data))
		}
		u.whole("/f", data, 3, 0)
	})
}

// Proves that one replica is enough to read: any two of three servers crash. For:
// a reader that gives up with the first server, or knows only one.
func TestReadFromAnyReplica3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		data := content(w.Seed(), 3*chunkSize+1)
		u.mustPut("/f", data)
		for i := range c.servers {
			for j, s := range c.servers {
				if j != i {
					c.crash(s)
				}
			}
			u.mustHave("/f", data)
			for j, s := range c.servers {
				if j != i {
					c.restart(s)
				}
			}
			w.Sleep(2 * c.cfg.Heartbeat)
		}
	})
}

// Proves that a writer goes on when a server of its chain crashes, that what it
// writes is right, and that the missing replicas are made afterwards. For: a piece
// that is lost when the chain changes, a chain that is never mended.
func TestServerDiesWhileWriting3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5, 3)
		u := c.user()
		data := content(w.Seed(), 10*chunkSize+321)
		f, err := u.Create(u.soon(), "/f")
		require.NoError(w, err)
		crashed := make(chan string, 1)
		if w.Seed()%2 == 0 { // in the middle of a chunk
			c.crashOfChain(u, w.Rand().IntN(6), w.Rand().IntN(3), crashed)
		} else { // any time soon, perhaps before the first piece
			victim := c.servers[w.Rand().IntN(5)]
			w.Go(func() {
				w.Sleep(once(w, 1, 60*time.Millisecond))
				c.crash(victim)
				crashed <- victim.name
			})
		}
		for off := 0; off < len(data); {
			n, err := f.Write(data[off:min(len(data), off+50_000)])
			if err != nil {
				w.Fatalf("/f was being written, near byte %d of %d; %s. The other servers of the chain are enough: %v", off, len(data), victimOf(crashed), err)
			}
			off += n
		}
		err = f.Close()
		w.Sleep(60 * time.Millisecond) // Who writes very fast is done before the crash.
		who := victimOf(crashed)
		require.NoError(w, err, "/f was being written; %s", who)
		require.NotEqual(w, noVictim, who, "while /f was written: the servers of a chain did not all get its first piece")
		u.mustHave("/f", data)
		u.whole("/f", data, 3, repairBound)
	})
}

const noVictim = "no server has crashed"

// victimOf says who has crashed, if anybody has.
func victimOf(crashed <-chan string) string {
	select {
	case name := <-crashed:
		return name + " crashed"
	default:
		return noVictim
	}
}

// crashOfChain crashes a server when the first piece of a chunk that the user
// writes, the one after so many, has arrived on all servers of its chain: that one
// of them.
func (c *cluster) crashOfChain(u *user, after, which int, crashed chan<- string) {
	var chunks atomic.Int64
	c.onCall(func(done call) {
		args, ok := done.args.(*dfs.WriteArgs)
		if !ok || done.from != u.name || done.err != nil || args.Offset != 0 || chunks.Add(1) != int64(after+1) {
			return
		}
		chain := append([]string{done.to + serverPort}, args.Next...)
		victim := chain[which%len(chain)] // The student's master may give fewer than three.
		c.w.Go(func() {
			c.crash(c.servers[slices.IndexFunc(c.servers, func(m *machine) bool { return m.addr() == victim })])
			crashed <- victim
		})
	})
}

// Proves that a writer does not lose a byte when the answers of a chain get lost,
// or a server is cut off from the server in front of it. For: blaming the wrong
// server, a reply before the rest of the chain has answered.
func TestBrokenChain3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 4, 3)
		u := c.user()
		data := content(w.Seed(), 6*chunkSize)
		f, err := u.Create(u.soon(), "/f")
		require.NoError(w, err)
		_, err = f.Write(data[:2*chunkSize])
		require.NoError(w, err)
		// Two servers cannot reach each other; the client and the master reach both.
		a, b := c.servers[0].name, c.servers[1+w.Rand().IntN(3)].name
		c.net.Cut(a, b)
		c.net.Cut(b, a)
		_, err = f.Write(data[2*chunkSize:])
		require.NoError(w, err, "%s and %s are cut off from each other, and from nobody else", a, b)
		require.NoError(w, f.Close(), "%s and %s are cut off from each other, and from nobody else", a, b)
		u.mustHave("/f", data)
		c.net.Heal()
		u.whole("/f", data, 3, repairBound)
	})
}

// Proves that the chunks of a dead server are copied in bounded time and with
// bounded traffic: each lost replica about once (GFS §4.3). For: no repair, copies
// that are ordered again and again, whole stores that are copied.
func TestRepair3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 6, 3)
		u := c.user()
		data := content(w.Seed(), 24*chunkSize)
		u.mustPut("/f", data)
		victim := c.servers[w.Rand().IntN(6)]
		lost := 0
		for _, chunk := range u.chunks("/f") {
			if slices.Contains(chunk.Servers, victim.addr()) {
				lost += chunkSize
			}
		}
		since := w.Now()
		c.crash(victim)
		w.Sleep(c.cfg.DeadAfter / 2)
		moved := 0
		for _, call := range c.callsOf("ChunkServer.Read", since) {
			moved += call.args.(*dfs.ReadArgs).Length
		}
		require.Zero(w, moved, "%s has been silent for %v, and %d bytes were copied already: it may be only slow (DeadAfter is %v)", victim.name, w.Now()-since, moved, c.cfg.DeadAfter)

		w.Sleep(repairBound - c.cfg.DeadAfter/2)
		for _, call := range c.callsOf("ChunkServer.Read", since) {
			if call.err == nil {
				moved += call.args.(*dfs.ReadArgs).Length
			}
		}
		require.LessOrEqual(w, moved, lost*3/2, "%d bytes were lost with %s, and %d copied within %v", lost, victim.name, moved, repairBound)
		u.whole("/f", data, 3, 0)
		u.mustHave("/f", data)
	})
}

// Proves that a server that comes back before it counts as dead costs nothing.
// For: repair that starts at the first missed heartbeat.
func TestShortAbsence3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 4, 3)
		u := c.user()
		data := content(w.Seed(), 6*chunkSize)
		u.mustPut("/f", data)
		since := w.Now()
		c.net.Isolate("cs1")
		w.Sleep(c.cfg.DeadAfter / 3)
		c.net.Heal()
		c.restart(c.servers[1])
		w.Sleep(repairBound)
		reads := c.callsOf("ChunkServer.Read", since)
		require.Empty(w, reads, "cs1 was cut off for less than DeadAfter and cs2 restarted at once, and chunks were copied")
		u.whole("/f", data, 3, 0)
	})
}

// Proves that two of three replicas can be lost for good at once - their machines
// and their disks - and nothing is lost.
func TestTwoOfThreeLost3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		data := content(w.Seed(), 4*chunkSize+44)
		u.mustPut("/f", data)
		for _, i := range w.Rand().Perm(3)[:2] {
			s := c.servers[i]
			c.crash(s)
			s.drive = simdisk.New(w, s.name+"-new", s.drive.Settings())
			c.restart(s)
		}
		u.mustHave("/f", data)
		u.whole("/f", data, 3, repairBound)
	})
}

// flip flips a bit of a block of a replica, on the disk of its server.
func (c *cluster) flip(m *machine, id dfs.ChunkID, byteOffset int64) {
	m.drive.FlipBit(dataFile(id), byteOffset*8+int64(id)%8)
}

func dataFile(id dfs.ChunkID) string { return fmt.Sprintf("%016x.data", uint64(id)) }

// Proves that a flipped bit is never returned to a reader, and that the replica is
// repaired from a good one (GFS §5.2). For: checksums that are looked at only when
// data is written, damage that nobody is told of.
func TestFlippedBit3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		data := content(w.Seed(), 3*chunkSize)
		u.mustPut("/f", data)
		chunks := u.chunks("/f")
		for n, chunk := range chunks {
			for _, i := range w.Rand().Perm(3)[:1+n%2] {
				c.flip(c.servers[i], chunk.ID, w.Rand().Int64N(chunkSize))
			}
		}
		for range 12 { // a reader may begin with any replica
			u.mustHave("/f", data)
		}
		for n, chunk := range chunks {
			for _, s := range c.servers {
				got, err := c.replica(s, chunk)
				if err == nil {
					c.same("/f on "+s.name, data[n*chunkSize:(n+1)*chunkSize], got)
				}
			}
		}
		u.whole("/f", data, 3, repairBound)
		for n, chunk := range chunks {
			for _, s := range c.servers {
				require.True(w, bytes.Equal(data[n*chunkSize:(n+1)*chunkSize], s.drive.Content(dataFile(chunk.ID))), "chunk %d on the disk of %s is not what was written", chunk.ID, s.name)
			}
		}
	})
}

// Proves that each block has a checksum of its own: damage to one block leaves the
// others readable, also when it is in every replica, and reading the damaged one
// is an error and neither wrong bytes nor an endless wait.
func TestBlockDamagedEverywhere3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		data := content(w.Seed(), chunkSize)
		u.mustPut("/f", data)
		id := u.chunks("/f")[0].ID
		block := 1 + w.Rand().Int64N(2)
		for _, s := range c.servers {
			c.flip(s, id, block*dfs.BlockSize+w.Rand().Int64N(dfs.BlockSize))
		}
		f, err := u.Open(u.within(30*time.Second), "/f")
		require.NoError(w, err)
		defer f.Close()
		buffer := make([]byte, dfs.BlockSize)
		for b := range int64(chunkSize / dfs.BlockSize) {
			_, err := f.ReadAt(buffer, b*dfs.BlockSize)
			if b == block {
				require.ErrorIs(w, err, dfs.ErrCorrupt, "block %d is damaged in every replica", b)
				continue
			}
			require.NoError(w, err, "block %d is all right, block %d is damaged", b, block)
			c.same("/f", data[b*dfs.BlockSize:][:dfs.BlockSize], buffer)
		}
		w.Sleep(repairBound)
		for _, s := range c.servers {
			require.NotNil(w, s.drive.Content(dataFile(id)), "%s deleted its replica of chunk %d. It is damaged, but there is no better one", s.name, id)
		}
	})
}

// Proves that a damaged replica is never the source of a copy: the good one is
// found although the master does not know yet which it is. For: copies that are
// not checked, damage that is given a fresh checksum.
func TestDamagedSource3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 4, 3)
		u := c.user()
		data := content(w.Seed(), chunkSize)
		u.mustPut("/f", data)
		chunk := u.chunks("/f")[0]
		order := w.Rand().Perm(3)
		c.flip(c.at(chunk.Servers[order[0]]), chunk.ID, w.Rand().Int64N(chunkSize))
		c.crash(c.at(chunk.Servers[order[1]]))
		u.whole("/f", data, 3, 2*repairBound)
		u.mustHave("/f", data)
	})
}

// Proves that damage of the files of a replica is found when a server starts, or
// when they are read, and repaired: a data file that was cut short or is gone, a
// checksum file that is gone or damaged.
func TestDamagedFiles3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		data := content(w.Seed(), 4*chunkSize)
		u.mustPut("/f", data)
		s := c.servers[w.Rand().IntN(3)]
		disk := s.drive.Mount(s.node.Incarnation())
		l := s.take()
		s.node.Crash()
		w.Go(l.stop)
		s.node.Restart()
		disk = s.drive.Mount(s.node.Incarnation())
		for i, chunk := range u.chunks("/f") {
			sums := fmt.Sprintf("%016x.%d.sums", uint64(chunk.ID), uint64(chunk.Version))
			switch i {
			case 0:
				s.drive.Put(dataFile(chunk.ID), data[:dfs.BlockSize+17])
			case 1:
				require.NoError(w, disk.Remove(dataFile(chunk.ID)))
			case 2:
				require.NoError(w, disk.Remove(sums))
			case 3:
				s.drive.FlipBit(sums, 83)
			}
		}
		c.startServer(slices.Index(c.servers, s))
		u.mustHave("/f", data)
		u.whole("/f", data, 3, repairBound)
	})
}

// Proves that a file that is removed is deleted from the disks, also from that of a
// server that was away, and that nobody brings it back (GFS §4.4). For: a chunk that
// a heartbeat resurrects, disks that fill up.
func TestRemovedIsDeleted3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 4, 3)
		u := c.user()
		data := content(w.Seed(), 8*chunkSize)
		u.mustPut("/old", data)
		u.mustPut("/kept", data[:chunkSize])
		chunks := u.chunks("/old")
		away := c.at(chunks[0].Servers[0])
		c.crash(away)
		require.NoError(w, u.Remove(u.soon(), "/old"))
		w.Sleep(repairBound)
		c.restart(away)
		w.Sleep(repairBound)
		for _, s := range c.servers {
			for _, chunk := range chunks {
				require.Nil(w, s.drive.Content(dataFile(chunk.ID)), "%s still has chunk %d on its disk, %v after the file was removed: %v", s.name, chunk.ID, 2*repairBound, s.drive.Names())
			}
		}
		require.ErrorIs(w, errOf(u.Open(u.soon(), "/old")), fs.ErrNotExist)
		u.whole("/kept", data[:chunkSize], 3, 0)
	})
}

// Proves that a chunk whose lost server comes back has a replica too many, which is
// deleted, and never more than that. For: replicas that pile up, trimming that
// takes one too many.
func TestExcessReplicas3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5, 3)
		u := c.user()
		data := content(w.Seed(), 6*chunkSize)
		u.mustPut("/f", data)
		away := c.servers[w.Rand().IntN(5)]
		for range 2 {
			c.net.Isolate(away.name)
			w.Sleep(repairBound)
			for n, chunk := range u.chunks("/f") {
				holders := c.holders(chunk, data[n*chunkSize:(n+1)*chunkSize])
				require.GreaterOrEqual(w, len(holders), 3, "chunk %d, %v after %s was cut off", chunk.ID, repairBound, away.name)
			}
			c.net.Heal()
			u.mustHave("/f", data)
			u.whole("/f", data, 3, repairBound)
		}
	})
}

// A puppet is a chunkserver that the test plays to the master.
type puppet struct {
	c    *cluster
	name string
}

// beat sends a heartbeat, and returns what the master answers.
func (p puppet) beat(chunks ...dfs.ChunkReport) *dfs.HeartbeatReply {
	reply := new(dfs.HeartbeatReply)
	args := &dfs.HeartbeatArgs{Server: p.name, Addr: p.name + serverPort, Sent: time.Now(), Chunks: chunks}
	require.NoError(p.c.w, p.c.ask(masterAddr, "Master.Heartbeat", args, reply))
	return reply
}

// Proves what the master makes of replicas that it is told of: one of an old version
// is neither read from nor counted, and deleted once there are enough good ones; so
// is one that is too short; one of a chunk that no file has is deleted. For: stale
// replicas that are served, versions that nobody compares (GFS §4.5).
func TestStaleReplica3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		data := content(w.Seed(), chunkSize)
		u.mustPut("/f", data)
		w.Sleep(2 * c.cfg.Heartbeat)
		chunk := u.chunks("/f")[0]
		p := puppet{c, "puppet"}
		for _, bad := range []struct {
			why    string
			report dfs.ChunkReport
		}{
			{"has an old version", dfs.ChunkReport{ID: chunk.ID, Version: chunk.Version - 1, Length: chunkSize}},
			{"is too short", dfs.ChunkReport{ID: chunk.ID, Version: chunk.Version, Length: chunkSize - 1}},
			{"is damaged", dfs.ChunkReport{ID: chunk.ID, Version: chunk.Version, Length: chunkSize, Damaged: true}},
			{"belongs to no file", dfs.ChunkReport{ID: chunk.ID + 1000, Version: 1, Length: 10}},
		} {
			reply := p.beat(bad.report)
			require.Equal(w, []dfs.ChunkReport{bad.report}, reply.Delete, "the puppet reports a replica that %s, and there are three good ones elsewhere: the master should have it deleted", bad.why)
			require.NotContains(w, u.chunks("/f")[0].Servers, p.name+serverPort, "the puppet's replica %s: nobody should read from it", bad.why)
			w.Sleep(100 * time.Millisecond)
		}

		// Now a good one is missing, and a bad one does not stand in for it.
		victim := c.servers[0]
		c.crash(victim)
		stale := dfs.ChunkReport{ID: chunk.ID, Version: chunk.Version - 1, Length: chunkSize}
		ordered := false
		for range int(repairBound / time.Second) {
			for _, order := range p.beat(stale).Copy {
				require.Equal(w, chunk.ID, order.ID)
				require.NotContains(w, order.From, p.name+serverPort, "the puppet is told to copy from itself")
				require.NotContains(w, order.From, victim.addr(), "the puppet is told to copy from a dead server")
				ordered = true
			}
			w.Sleep(time.Second)
		}
		require.True(w, ordered, "%s is dead, two good replicas are left, and the puppet has a stale one: the master should tell it to copy a good one", victim.name)
	})
}

// Proves that the chunks with the fewest replicas are copied first (GFS §4.3). The
// test plays all chunkservers.
func TestRepairOrder3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 0, 3)
		rich, poor, empty := puppet{c, "rich"}, puppet{c, "poor"}, puppet{c, "empty"}
		rich.beat()
		file := new(dfs.FileInfo)
		require.NoError(w, c.ask(masterAddr, "Master.Create", &dfs.CreateArgs{Path: "/f", Writer: "test"}, file))
		var all, some []dfs.ChunkReport
		endangered := map[dfs.ChunkID]bool{}
		for i := range 12 {
			chunk := new(dfs.ChunkInfo)
			require.NoError(w, c.ask(masterAddr, "Master.AddChunk", &dfs.AddChunkArgs{File: file.ID, Index: i}, chunk))
			report := dfs.ChunkReport{ID: chunk.ID, Version: chunk.Version, Length: chunkSize}
			all = append(all, report)
			if i < 9 {
				some = append(some, report)
			} else {
				endangered[chunk.ID] = true
			}
		}
		args := &dfs.CompleteArgs{File: file.ID, Size: 12 * chunkSize, Servers: []string{"rich" + serverPort}}
		_ = c.ask(masterAddr, "Master.Complete", args, new(dfs.Nothing)) // It may want more replicas first.
		rich.beat(all...)
		poor.beat(some...)
		var orders []dfs.ChunkID
		for range 12 {
			rich.beat(all...)
			poor.beat(some...)
			for _, order := range empty.beat().Copy {
				orders = append(orders, order.ID)
			}
			w.Sleep(c.cfg.Heartbeat)
		}
		require.NotEmpty(w, orders, "12 chunks lack replicas, and the master tells an empty server to copy none")
		require.True(w, endangered[orders[0]], "chunks %v have one replica, all others two. The empty server is told to copy %v, in this order: those with the fewest come first", slices.Sorted(maps.Keys(endangered)), orders)
	})
}

// Proves that a full disk is an error that the client sees, that nothing is lost
// by it, and that the store works again when there is room. For: a short write that
// is acknowledged, a server that stays full for ever.
func TestDiskFull3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		for _, s := range c.servers {
			settings := s.drive.Settings()
			settings.Capacity = 6*chunkSize + 100_000
			s.drive.Set(settings)
		}
		u := c.user()
		var kept []string
		var full error
		for i := 0; full == nil; i++ {
			require.Less(w, i, 7, "7 files of a chunk were acknowledged, and there is room for 6")
			path := fmt.Sprintf("/file-%d", i)
			if full = u.put(path, content(uint64(i), chunkSize)); full == nil {
				kept = append(kept, path)
			}
		}
		require.ErrorIs(w, full, dfs.ErrNoSpace, "the disks are full")
		require.GreaterOrEqual(w, len(kept), 5)
		for i, path := range kept {
			u.mustHave(path, content(uint64(i), chunkSize))
			u.whole(path, content(uint64(i), chunkSize), 3, 0)
		}
		require.NoError(w, u.Remove(u.soon(), kept[0]))
		require.NoError(w, u.RemoveAll(u.soon(), fmt.Sprintf("/file-%d", len(kept))))
		w.Sleep(repairBound)
		data := content(99, chunkSize)
		u.mustPut("/new", data)
		u.whole("/new", data, 3, repairBound)
	})
}

// Proves that one full disk among five stops nobody: the writer, the repair and
// the placement go around it.
func TestOneDiskFull3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 5, 3)
		c.servers[2].drive.Fill()
		u := c.user()
		data := content(w.Seed(), 12*chunkSize)
		u.mustPut("/f", data)
		u.mustHave("/f", data)
		u.whole("/f", data, 3, repairBound)
		c.crash(c.servers[0])
		u.whole("/f", data, 3, 2*repairBound)
	})
}

// Proves that of two servers with the same identity - somebody has copied a folder -
// the second is refused, and does the first no harm.
func TestSameIdentity3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := startCluster(w, 3, 3)
		u := c.user()
		data := content(w.Seed(), 2*chunkSize)
		u.mustPut("/f", data)
		twin := c.machine("twin")
		for _, name := range c.servers[0].drive.Names() {
			twin.drive.Put(name, c.servers[0].drive.Content(name))
		}
		c.servers = append(c.servers, twin)
		c.startServer(3)
		w.Sleep(repairBound)
		refused := 0
		for _, call := range c.callsOf("Master.Heartbeat", 0) {
			if call.from == "twin" {
				require.ErrorIs(w, call.err, dfs.ErrDuplicateServer)
				refused++
			}
		}
		require.NotZero(w, refused)
		for _, chunk := range u.chunks("/f") {
			require.Contains(w, chunk.Servers, c.servers[0].addr())
			require.NotContains(w, chunk.Servers, twin.addr())
		}
		u.mustHave("/f", data)
	})
}

// Proves that the store lives through days like any other: servers crash, hang and
// are cut off, bits rot, and clients write, read and remove. Every byte that is
// read is right, nothing that was acknowledged is lost, and in the end every chunk
// has three good replicas.
func TestHardDays3B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) { hardDays(w, 5, 5, 6*time.Minute, 5*time.Second) })
}

// BenchmarkHardDay is a whole day of it, with 50 clients. It is for the course's
// staff: go test ./lab3-dfs -run NONE -bench HardDay -benchtime 1x
func BenchmarkHardDay(b *testing.B) {
	simtest.Bench(b, func(w *simtest.World) {
		d := hardDays(w, 8, 50, 24*time.Hour, 5*time.Minute)
		b.Logf("in a day: %d disturbances; %d files written, %d reads right, %d operations failed; %d MiB copied between chunkservers; all %d files whole %v after the last disturbance",
			d.disturbances, d.puts, d.gets, d.errors, d.copied>>20, d.files, d.healed)
	})
}

// days are what happened.
type days struct {
	disturbances, puts, gets, errors, files int
	copied                                  int64
	healed                                  time.Duration
}

// hardDays runs so many servers and clients for so long. Clients do something every
// pace or so.
func hardDays(w *simtest.World, servers, clients int, span, pace time.Duration) (d days) {
	c := startCluster(w, servers, 3, func(c *cluster) { c.cfg.ChunkSize, c.brief = dfs.BlockSize, true })
	c.net.SetLinks(simnet.Link{Latency: simnet.Range{Min: time.Millisecond, Max: 20 * time.Millisecond}, Loss: 0.002})
	end := w.Now() + span
	results := make(chan *worker)
	for n := range clients {
		k := &worker{user: c.user(), files: map[string]uint64{}}
		w.Go(func() { k.work(n, end, pace); results <- k })
	}
	d.disturbances = c.havoc(end)
	c.net.Heal()
	for _, s := range c.servers {
		s.node.Resume()
		if s.running() == nil {
			c.restart(s)
		}
	}
	files := map[string]uint64{}
	for range clients {
		k := <-results
		maps.Copy(files, k.files)
		d.puts, d.gets, d.errors = d.puts+k.puts, d.gets+k.gets, d.errors+k.errors
	}
	u := c.user()
	began := w.Now()
	paths := slices.Sorted(maps.Keys(files))
	for _, path := range paths {
		u.mustHave(path, workContent(files[path]))
	}
	for _, path := range paths {
		u.whole(path, workContent(files[path]), 3, 3*repairBound)
	}
	d.files, d.copied, d.healed = len(files), c.moved, w.Now()-began
	return d
}

// workContent is a file of up to three chunks.
func workContent(seed uint64) []byte {
	return content(seed, int(seed*7919%(5*dfs.BlockSize/2)))
}

// A worker is a client that writes, reads and removes files.
type worker struct {
	*user
	files              map[string]uint64 // acknowledged and not removed
	puts, gets, errors int
}

func (k *worker) work(n int, end, pace time.Duration) {
	c := k.c
	for i := uint64(0); c.w.Now() < end; i++ {
		dice := c.w.Dice(simtest.Key("work"), uint64(n), i)
		c.w.Sleep(dice.Duration(pace/5, 2*pace))
		paths := slices.Sorted(maps.Keys(k.files))
		var err error
		switch choice := pick(&dice, 10); {
		case choice < 3 && len(paths) < 12 || len(paths) == 0:
			path, seed := fmt.Sprintf("/%d-%d", n, i), uint64(n)*1_000_003+i*31+1
			if err = k.put(path, workContent(seed)); err == nil {
				k.files[path] = seed
				k.puts++
			}
		case choice < 9 || len(paths) < 4:
			path := paths[pick(&dice, len(paths))]
			var got []byte
			if got, err = k.get(path); err == nil {
				c.same(path, workContent(k.files[path]), got)
				k.gets++
			}
		default:
			path := paths[pick(&dice, len(paths))]
			delete(k.files, path)
			err = k.RemoveAll(k.soon(), path)
		}
		if err != nil {
			k.errors++
		}
	}
}

// havoc disturbs one chunkserver after another until end, with time for repair
// between, so that no chunk loses its last good replica. It returns how often.
func (c *cluster) havoc(end time.Duration) (n int) {
	w := c.w
	for ; w.Now() < end; n++ {
		s := c.servers[w.Rand().IntN(len(c.servers))]
		long := time.Duration(1+w.Rand().IntN(60)) * time.Second
		switch w.Rand().IntN(4) {
		case 0:
			c.crash(s)
			w.Sleep(long)
			c.restart(s)
		case 1:
			s.node.Pause()
			w.Sleep(long)
			s.node.Resume()
		case 2:
			c.net.Isolate(s.name)
			w.Sleep(long)
			c.net.Rejoin(s.name)
		case 3:
			s.drive.Rot(1, func(name string) bool { return strings.HasSuffix(name, ".data") })
		}
		w.Sleep(repairBound)
	}
	return n
}
