package simdisk

import "fmt"

// A Kind says what an operation does.
type Kind string

// The kinds of operations. Those from Create on change something: they count as
// crash points.
const (
	Read     Kind = "read"
	Open     Kind = "open"
	Create   Kind = "create"
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Sync     Kind = "sync"
	Remove   Kind = "remove"
	Rename   Kind = "rename"
	SyncDir  Kind = "syncdir"
)

func (k Kind) changes() bool { return k != Read && k != Open }

// An Op is an operation on a drive.
type Op struct {
	N      int // counts the changes of a drive, from 1; 0 for one that changes nothing
	Kind   Kind
	Name   string // of the file; "" for SyncDir
	To     string // the new name, for Rename
	Offset int64  // for Read and Write
	Size   int64  // bytes for Read and Write, the new length for Truncate

	file *inode // when the operation is on an open file
}

// String gives the operation in a few words.
func (op Op) String() string {
	switch op.Kind {
	case Read, Write:
		return fmt.Sprintf("%s %s [%d,%d)", op.Kind, op.Name, op.Offset, op.Offset+op.Size)
	case Truncate:
		return fmt.Sprintf("truncate %s to %d", op.Name, op.Size)
	case Rename:
		return fmt.Sprintf("rename %s to %s", op.Name, op.To)
	case SyncDir:
		return "syncdir"
	}
	return fmt.Sprintf("%s %s", op.Kind, op.Name)
}

// Before makes the drive call f before each change takes effect, in the goroutine
// that makes it. That is where a test takes a [Drive.Snapshot], crashes the
// machine, or lets something else happen first. The code under test may hold its
// mutexes, so f must not wait. Nil ends it.
func (d *Drive) Before(f func(Op)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = f
}

// FailWhen makes operations fail for which f returns an error. What fails has no
// effect; see the package's text for a sync. It may be called by several
// goroutines at once. Nil ends it.
func (d *Drive) FailWhen(f func(Op) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = f
}

// FailNext makes the next n operations of a kind fail with err, on any file.
func (d *Drive) FailNext(n int, kind Kind, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range n {
		d.failures[kind] = append(d.failures[kind], err)
	}
}

// Stats counts what a drive did.
type Stats struct {
	Reads, Writes, Truncates, Syncs     int
	Creates, Removes, Renames, SyncDirs int
	Failed                              int // of all these
	BytesRead, BytesWritten             int64
}

// Ops returns the number of changes.
func (s Stats) Ops() int {
	return s.Writes + s.Truncates + s.Syncs + s.Creates + s.Removes + s.Renames + s.SyncDirs
}

// Since returns what was counted since earlier.
func (s Stats) Since(earlier Stats) Stats {
	s.Reads -= earlier.Reads
	s.Writes -= earlier.Writes
	s.Truncates -= earlier.Truncates
	s.Syncs -= earlier.Syncs
	s.Creates -= earlier.Creates
	s.Removes -= earlier.Removes
	s.Renames -= earlier.Renames
	s.SyncDirs -= earlier.SyncDirs
	s.Failed -= earlier.Failed
	s.BytesRead -= earlier.BytesRead
	s.BytesWritten -= earlier.BytesWritten
	return s
}

// Stats returns the counters as they are now.
func (d *Drive) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

// count counts an operation. It is called with mu held.
func (s *Stats) count(op Op) {
	switch op.Kind {
	case Read:
		s.Reads++
		s.BytesRead += op.Size
	case Create:
		s.Creates++
	case Write:
		s.Writes++
		s.BytesWritten += op.Size
	case Truncate:
		s.Truncates++
	case Sync:
		s.Syncs++
	case Remove:
		s.Removes++
	case Rename:
		s.Renames++
	case SyncDir:
		s.SyncDirs++
	}
}
