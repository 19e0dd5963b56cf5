// Package simdisk is an unreliable disk, in virtual time. It does to files what
// POSIX allows a machine to do that loses its power.
//
//	drive := simdisk.New(w, "master", simdisk.Settings{})
//	disk := drive.Mount(node.Incarnation())
//	...
//	node.Crash()
//	drive.Crash() // what was not synced is gone, or half there
//	node.Restart()
//	disk = drive.Mount(node.Incarnation())
//
// What is safe from a crash:
//   - Bytes of a file, and its length, once Sync of the file has returned nil.
//   - That a name exists, is gone, or stands for another file, once SyncDir has
//     returned nil. A synced file whose name is not durable is lost.
//
// Of all else any part may survive: nothing, everything, names without bytes,
// bytes without names, a length without bytes (zeros), a write torn at any sector
// boundary, or some sectors of it and not others, in any order. A sector is
// written whole or not at all, and a rename happens whole or not at all.
// [Snapshot.Survivals] lists what can be, and a test can have each of them.
//
// A sync that fails has not saved anything, and what it should have saved is
// forgotten: it can still be read, and the next Sync returns nil without writing
// it, but a crash brings the old bytes back. That is what Linux does (Rebello et
// al., Can Applications Recover from fsync Failures?, USENIX ATC 2020): after a
// failed sync only writing again helps, or starting again from what the disk has.
//
// The disk can also be slow, full, fail, and let bits rot. What it does at random
// is decided by the world's seed, the drive's name and the ordinal of the
// operation among its like on that file, so it does not depend on the order in
// which goroutines happen to run. No network is needed.
package simdisk

import (
	"io"
	"slices"
	"sync"
	"time"

	"distsys/grader/simtest"
)

// A File is an open file. All methods may be called at the same time.
type File = interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
	Close() error
}

// A Disk keeps files by flat names: there are no folders. [Drive.Mount] returns
// one; a folder of a real disk can be another, with [TestDisk] to show that it is.
type Disk = interface {
	// Open opens a file to read and write. Without such a file the error is
	// fs.ErrNotExist.
	Open(name string) (File, error)

	// Create makes an empty file, or empties the one that is there.
	Create(name string) (File, error)

	// Remove removes a name. Whoever has the file open can go on using it.
	Remove(name string) error

	// Rename gives a file another name, in the place of the file that had it.
	Rename(oldName, newName string) error

	// List returns the names that begin with prefix, sorted.
	List(prefix string) ([]string, error)

	// SyncDir makes the names durable as they are now.
	SyncDir() error
}

// A Range is a uniform distribution of durations in [Min, Max), to the
// nanosecond. It is the constant Min when Max is not larger.
type Range struct{ Min, Max time.Duration }

// Settings are those of a drive. The zero value is a disk that works, in no time,
// and is never full. Probabilities are between 0 and 1.
type Settings struct {
	// Sector specifies how many bytes are written whole or not at all. The
	// default is 512.
	Sector int

	// Capacity specifies how many bytes fit. 0 means no limit.
	Capacity int64

	// Read, Write and Sync specify how long such an operation takes. What
	// changes names takes as long as a write, SyncDir as long as a sync.
	Read, Write, Sync Range

	// ReadError, WriteError and SyncError specify the probability that such
	// an operation fails with EIO.
	ReadError, WriteError, SyncError float64

	// Quiet specifies that only faults and crashes appear in the event log.
	// Otherwise everything but reads does.
	Quiet bool
}

// A Drive is a disk of one machine. It outlives the machine's crashes. Its methods
// may be called from any goroutine of the world.
type Drive struct {
	world *simtest.World
	name  string
	key   uint64

	mu       sync.Mutex // never held while waiting or calling back
	settings Settings
	files    tree
	mounted  *mount
	ops      int               // changes begun so far
	ordinals map[string]uint64 // of operations on one file, by kind and name
	crashes  uint64
	stats    Stats
	before   func(Op)
	fail     func(Op) error
	failures map[Kind][]error // of the next operations of a kind
}

// New returns an empty drive of that name.
func New(w *simtest.World, name string, settings Settings) *Drive {
	d := &Drive{world: w, name: name, key: simtest.Key(name), ordinals: map[string]uint64{}, failures: map[Kind][]error{}}
	d.files = tree{names: map[string]*inode{}, durable: map[string]*inode{}}
	d.Set(settings)
	return d
}

// Set changes the settings. The size of a sector should stay.
func (d *Drive) Set(settings Settings) {
	if settings.Sector == 0 {
		settings.Sector = 512
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settings = settings
}

// Settings returns the present settings.
func (d *Drive) Settings() Settings {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.settings
}

// Fill makes the drive full: nothing more fits until Set gives it room.
func (d *Drive) Fill() {
	d.mu.Lock()
	d.settings.Capacity = max(1, d.files.used)
	d.mu.Unlock()
	d.record("disk full", "")
}

// A Life tells whether the machine that mounted a drive still is in that life.
// A simnet.Incarnation is one.
type Life interface{ Alive() bool }

// Mount returns the disk for one life of its machine, or for a process that
// lives until the next Mount when life is nil. Whoever mounted the drive before is
// a zombie from now on: what it still does fails with [ErrCrashed] and changes
// nothing. Mount alone loses nothing, like the start of a new process.
func (d *Drive) Mount(life Life) Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mounted = &mount{drive: d, life: life}
	return d.mounted
}

// Names returns the names of all files, sorted.
func (d *Drive) Names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files.list("")
}

// Content returns the bytes of a file as they can be read now, or nil when there
// is no such file.
func (d *Drive) Content(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files.names[name]; f != nil {
		return slices.Clone(f.data)
	}
	return nil
}

// Used returns how many bytes the files have together.
func (d *Drive) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files.used
}

// record adds an event about the drive to the log.
func (d *Drive) record(kind, detail string) {
	d.world.Record(simtest.Event{Kind: kind, Node: d.name, Detail: detail})
}
