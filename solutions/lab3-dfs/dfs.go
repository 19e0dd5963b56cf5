// Package dfs is a distributed file store: files cut into chunks, each chunk kept
// by several chunkservers, and one master that knows which chunks a file has. It
// follows Ghemawat, Gobioff and Leung, "The Google File System" (SOSP 2003; the
// comments name its sections), and HDFS where that is simpler.
//
//	            names, chunks, places
//	[Client] ─────────────────────────▶ [Master]
//	   │                                   ▲
//	   │ file data                         │ heartbeats: "I live, and have these chunks"
//	   ▼                                   │
//	[ChunkServer] ──▶ [ChunkServer] ──▶ [ChunkServer]
//	            the same data, passed on
//
// The rules for all of them: mu guards the state, and nobody waits while holding
// it - not for a call, not for a disk, not for time to pass.
package dfs

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"syscall"
	"time"
)

// A Dialer connects to the address of a master or chunkserver, as
// [net.Dialer.DialContext] does.
type Dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// A Config holds what master, chunkservers and clients of one store must agree
// on. A field that is zero has its default.
type Config struct {
	ChunkSize   int64         // bytes in a chunk, a multiple of [BlockSize]; default 64 MiB (§2.5)
	PieceSize   int64         // bytes of a chunk in one message, a multiple of [BlockSize]; default 1 MiB
	Replication int           // chunkservers that keep a chunk; default 3
	Heartbeat   time.Duration // how often a chunkserver reports to the master; default 1 s
	DeadAfter   time.Duration // a chunkserver that has been silent for so long is dead; default 10 heartbeats
	Lease       time.Duration // how long a primary may order appends before it has to ask again; default 60 s (§3.1)
	CallTimeout time.Duration // how long a call of another machine may take; default 10 s
	Checkpoint  int           // records after which the master begins a new log; default 10,000
	Dial        Dialer        // reaches the others; default TCP

	// Trace, unless nil, is told of every call when it ends. It must not wait.
	Trace func(addr, method string, args any, err error)
}

// WithDefaults returns the configuration with every zero field filled in.
func (c Config) WithDefaults() Config {
	fill(&c.ChunkSize, 64<<20)
	fill(&c.PieceSize, 1<<20)
	fill(&c.Replication, 3)
	fill(&c.Heartbeat, time.Second)
	fill(&c.DeadAfter, 10*c.Heartbeat)
	fill(&c.Lease, time.Minute)
	fill(&c.CallTimeout, 10*time.Second)
	fill(&c.Checkpoint, 10_000)
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	return c
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// BlockSize is how many bytes of a chunk share a checksum (§5.2).
const BlockSize = 64 << 10

// Limits on names, in bytes.
const (
	MaxNameLen = 255  // of one element of a path
	MaxPathLen = 4096 // of a whole path
)

// Errors. They survive the way over the network: errors.Is(err, dfs.ErrNoSpace)
// is true at the client, too. Errors about names are those of io/fs: ErrNotExist,
// ErrExist, ErrInvalid.
var (
	// ErrNotDir is returned when an element of a path is a file, or a file is
	// listed as a directory.
	ErrNotDir = errors.New("not a directory")

	// ErrIsDir is returned when a directory is opened, written or appended to.
	ErrIsDir = errors.New("is a directory")

	// ErrNotEmpty is returned when a directory is removed that is not empty.
	ErrNotEmpty = errors.New("directory not empty")

	// ErrNoSpace is returned when a disk, or every disk, is full.
	ErrNoSpace error = syscall.ENOSPC

	// ErrNoServers is returned when no chunkserver is there to do the work.
	ErrNoServers = errors.New("no chunkserver available")

	// ErrStale is returned by a chunkserver that has an older version of the
	// chunk than it is asked for, or a newer one than the append is meant for.
	ErrStale = errors.New("wrong version of the chunk")

	// ErrNoChunk is returned by a chunkserver that does not have the chunk.
	ErrNoChunk = errors.New("no such chunk here")

	// ErrCorrupt is returned when stored bytes do not match their checksum.
	ErrCorrupt = errors.New("checksum mismatch")

	// ErrNotPrimary is returned by a chunkserver that does not hold the lease of
	// the chunk, or no longer.
	ErrNotPrimary = errors.New("not the primary of the chunk")

	// ErrChunkFull is returned by a primary when the record does not fit in the
	// chunk any more. The chunk has been padded to its end.
	ErrChunkFull = errors.New("chunk is full")

	// ErrTooLong is returned when a record is longer than [Config.MaxRecord].
	ErrTooLong = errors.New("record too long")

	// ErrBusy is returned when something cannot be done just now: the chunk is
	// being repaired, or a lease has to run out first. Trying again helps.
	ErrBusy = errors.New("busy, try again")

	// ErrDuplicateServer is returned to a chunkserver that reports under the
	// identity of another one that lives.
	ErrDuplicateServer = errors.New("another chunkserver has this identity")

	// ErrStopped is returned by a server that was stopped.
	ErrStopped = errors.New("server stopped")
)

// MaxRecord returns how long a record may be that [Client.Append] takes: a quarter
// of a chunk (§3.3), so that padding wastes little.
func (c Config) MaxRecord() int { return int(c.WithDefaults().ChunkSize / 4) }

// A FileInfo describes a file or a directory.
type FileInfo struct {
	Path        string    // absolute and clean
	IsDir       bool      // it is a directory
	Size        int64     // bytes; 0 for a directory
	ModTime     time.Time // when it was last changed
	ChunkSize   int64     // bytes in each chunk but the last; 0 for a directory
	Replication int       // copies of each chunk that there should be; 0 for a directory
	ID          FileID    // names the file also when it is renamed
	Open        bool      // somebody is writing it
}

// A FileID names a file for ever: it is never used again.
type FileID uint64

// A ChunkID names a chunk for ever: it is never used again.
type ChunkID uint64

// A Version counts the leases of a chunk (§4.5). A replica whose version is lower
// than the chunk's has missed appends: it is stale.
type Version uint64

// pathError says which operation failed on what.
func pathError(op, path string, err error) error {
	return &fs.PathError{Op: op, Path: path, Err: err}
}
