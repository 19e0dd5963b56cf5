package dfs

import "time"

// The messages. Master and ChunkServer serve them over net/rpc under the names
// "Master" and "ChunkServer"; the tests speak this protocol, too. Times are
// durations: nobody relies on another machine's clock.

// A ChunkInfo tells where a chunk is.
type ChunkInfo struct {
	ID      ChunkID
	Version Version  // a replica with a lower version is stale
	Length  int64    // bytes; OpenLength: only the replicas know
	Servers []string // addresses of the chunkservers that have it
}

// OpenLength is the length of a chunk that is being written or appended to: the
// master does not know it.
const OpenLength = -1

// MkdirArgs asks for a directory (Master.Mkdir).
type MkdirArgs struct {
	Path    string
	Parents bool // make missing parents, too, and be content when it is there already
}

// CreateArgs asks for a new, empty file (Master.Create). It is not there for
// appenders before it is complete.
type CreateArgs struct {
	Path   string
	Writer string // names the caller; a file that this writer created already is no error
}

// AddChunkArgs asks for the next chunk of a file that is being written
// (Master.AddChunk). All chunks before it are full. Asking again for the last
// chunk gets the same chunk, perhaps on other servers.
type AddChunkArgs struct {
	File    FileID
	Index   int      // the chunk's place in the file, from 0
	Servers []string // have the chunk before it
	Avoid   []string // servers that the writer cannot reach
}

// CompleteArgs ends the writing of a file (Master.Complete).
type CompleteArgs struct {
	File    FileID
	Size    int64    // bytes in the file
	Servers []string // have the last chunk
}

// ChunksArgs asks for a file and some of its chunks (Master.Chunks): of the file
// with that path or, if Path is empty, that ID.
type ChunksArgs struct {
	Path  string
	File  FileID
	First int // index of the first chunk wanted
	Count int // how many, at most
}

// ChunksReply is the answer to Chunks. File.Size does not count a last chunk
// whose length is OpenLength.
type ChunksReply struct {
	File   FileInfo
	Total  int         // chunks in the file
	Chunks []ChunkInfo // those asked for, in order
}

// PathArgs names a file or directory (Master.Stat, Master.List).
type PathArgs struct{ Path string }

// ListReply is the answer to List: the entries of a directory by name, or the
// file itself.
type ListReply struct{ Files []FileInfo }

// RenameArgs asks for another name (Master.Rename). New must not exist.
type RenameArgs struct{ Old, New string }

// RemoveArgs asks to remove a file or directory (Master.Remove).
type RemoveArgs struct {
	Path      string
	Recursive bool // with everything in it, and be content when it is not there
}

// LeaseArgs asks who orders the appends to the last chunk of a file
// (Master.Lease).
type LeaseArgs struct {
	Path   string
	Full   ChunkID // this chunk is full: if it is the last one, add another; 0: none
	Failed ChunkID // an append to this chunk failed ...
	At     Version // ... at this version: if it still has that, it needs a new one
}

// LeaseReply is the answer to Lease.
type LeaseReply struct {
	Chunk   ChunkInfo
	Index   int    // the chunk's place in the file
	Primary string // address of the chunkserver that has the lease
}

// Nothing is an empty answer.
type Nothing struct{}

// HeartbeatArgs says that a chunkserver lives, and what it has (Master.Heartbeat).
type HeartbeatArgs struct {
	Server string        // its identity; it keeps it for ever
	Addr   string        // where it is reached now
	Sent   time.Time     // by its own clock: an older heartbeat that comes late is ignored
	Chunks []ChunkReport // all replicas that it has
	Leases []ChunkID     // chunks whose lease it would like to keep
	Full   bool          // its disk is full
}

// A ChunkReport tells of one replica.
type ChunkReport struct {
	ID      ChunkID
	Version Version
	Length  int64
	Damaged bool // some of it does not match its checksums
}

// HeartbeatReply tells a chunkserver what to do.
type HeartbeatReply struct {
	Delete  []ChunkReport // replicas to delete, unless they have a higher version by now
	Copy    []CopyOrder   // replicas to get
	Renewed []ChunkID     // of Leases: the lease runs anew, from the moment the heartbeat was sent
}

// A CopyOrder asks a chunkserver to get a replica from one of the others, and to
// replace what it has of that chunk.
type CopyOrder struct {
	ID      ChunkID
	Version Version
	From    []string // addresses
}

// WriteArgs stores a piece of a new chunk, on a server and on all that follow it
// in the chain (ChunkServer.Write). Pieces may come in any order, and again. They
// begin at a multiple of BlockSize; all but the last of the chunk end there, too.
type WriteArgs struct {
	ID      ChunkID
	Version Version
	Offset  int64
	Data    []byte
	Next    []string // addresses of the servers that follow
}

// SealArgs ends the writing of a chunk (ChunkServer.Seal). The servers have synced
// it when they answer, and from then on report it.
type SealArgs struct {
	ID      ChunkID
	Version Version
	Length  int64
	Next    []string
}

// ChainReply is the answer to Write and Seal. Of a chain of servers one may fail:
// Failed is the first that did, and Reason why. The servers before it have done
// the work, those behind it may have.
type ChainReply struct {
	Failed string // address; empty: all have done it
	Reason string
}

// ReadArgs asks for bytes of a chunk (ChunkServer.Read).
type ReadArgs struct {
	ID      ChunkID
	Version Version // the replica must have this version or a higher one
	Offset  int64
	Length  int // 0 to learn only how long the replica is
}

// ReadReply is the answer to Read. Data is shorter than asked for at the end of
// the chunk.
type ReadReply struct {
	Data   []byte
	Length int64 // of the whole replica
}

// PromiseArgs is the first part of giving a lease (ChunkServer.Promise): the master
// asks every replica that it can reach to promise that from now on it refuses
// appends meant for an earlier version. The replica keeps its own version, and
// forgets the promise in a crash.
type PromiseArgs struct {
	ID      ChunkID
	Version Version
	Create  bool // the chunk is new: begin with an empty replica, of version 0, if there is none
}

// PromiseReply is the answer to Promise.
type PromiseReply struct{ Length int64 } // of the replica; it stays so

// GrantArgs is the second part of giving a lease (ChunkServer.Grant), to those
// that have promised: first all of them take the version, and are cut to the same
// length. Then one is told that it is the primary.
type GrantArgs struct {
	ID          ChunkID
	Version     Version
	Length      int64         // cut the replica to this length
	Primary     bool          // order appends for as long as Lease
	Lease       time.Duration // from now on
	Secondaries []string      // addresses of the other replicas
}

// AppendArgs asks the primary to append a record (ChunkServer.Append).
type AppendArgs struct {
	ID      ChunkID
	Version Version
	Record  []byte
}

// AppendReply is the answer to Append.
type AppendReply struct{ Offset int64 } // of the record in the chunk

// ReplicateArgs tells a secondary what the primary has appended, and where
// (ChunkServer.Replicate).
type ReplicateArgs struct {
	ID      ChunkID
	Version Version
	Offset  int64 // where the replica must end now
	Data    []byte
}
