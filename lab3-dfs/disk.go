package dfs

import "io"

// A File is an open file of a [Disk]. What was written is safe from a crash once
// Sync has returned; until then all of it, some of it or none may survive.
// Writing behind the end makes the file longer, and the gap reads as zeros. All
// methods may be called at the same time.
type File = interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
	Close() error
}

// A Disk is where a master and a chunkserver keep their files: a folder in life,
// a simulated disk in tests. It has no folders: names are flat.
//
// Open returns an error that is [fs.ErrNotExist] when there is no such file. Create
// makes an empty file, also in the place of one that is there. Rename replaces
// what has the new name, all at once. Created, removed and renamed names are safe
// from a crash once SyncDir has returned. List returns the names with a prefix,
// sorted. A disk that is full answers with an error that is [ErrNoSpace].
type Disk = interface {
	Open(name string) (File, error)
	Create(name string) (File, error)
	Remove(name string) error
	Rename(oldName, newName string) error
	List(prefix string) ([]string, error)
	SyncDir() error
}
