package dfs

import "time"

// An op says what a record changes.
type op uint8

const (
	opMkdir    op = iota + 1 // directory Path, and missing parents if Parents
	opCreate                 // empty file Path, with ID File, being written by Writer
	opAddChunk               // Chunk is the new last chunk of File; the one before it has length Length
	opComplete               // File is complete; its last chunk has length Length
	opRename                 // Path is called To from now on
	opRemove                 // Path is gone, with all that is in it
	opPromise                // Version was promised to replicas of Chunk: it must not be used for another lease
	opVersion                // Version is the version of Chunk, which is open for appends
)

// A record is one change of the [namespace]. The master writes it to its
// operation log before anybody learns of the change (§2.6.3). Replaying all
// records in order gives the same namespace again, so a record says everything
// that the change depends on: the time, the new IDs.
type record struct {
	Op      op
	Time    time.Time
	Path    string
	To      string
	Parents bool
	File    FileID
	Writer  string
	Chunk   ChunkID
	Length  int64
	Version Version
}
