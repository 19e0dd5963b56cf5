package dfs

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
)

// A namespace is what the master must not forget: the tree of names, and which
// chunks each file has. It is changed by records only, so that replaying the
// operation log gives the same namespace again. Where chunks are is no part of it:
// the chunkservers tell (§2.6.2).
type namespace struct {
	Root      *inode
	Chunks    map[ChunkID]*chunk
	NextFile  FileID  // the next new file's
	NextChunk ChunkID // the next new chunk's

	files map[FileID]*inode // an index of the files in the tree
}

// An inode is a file or a directory.
type inode struct {
	Dir     bool
	Entries map[string]*inode // of a directory, by name
	ModTime time.Time

	ID     FileID // of a file, as all that follows
	Chunks []ChunkID
	Open   bool   // it is being written
	Writer string // who created it
}

// A chunk is what the master knows for sure about a chunk.
type chunk struct {
	ID       ChunkID
	File     FileID
	Version  Version // a replica with a lower version is stale
	Promised Version // the highest version that any replica may have been told of
	Length   int64   // or OpenLength
}

func newNamespace() *namespace {
	return &namespace{
		Root:     &inode{Dir: true, Entries: map[string]*inode{}},
		Chunks:   map[ChunkID]*chunk{},
		NextFile: 1, NextChunk: 1,
		files: map[FileID]*inode{},
	}
}

// reindex makes the index anew, after the exported fields were read from a
// checkpoint.
func (ns *namespace) reindex() {
	ns.files = map[FileID]*inode{}
	ns.Root.walk(func(f *inode) { ns.files[f.ID] = f })
}

// walk calls visit for every file at or below the inode.
func (n *inode) walk(visit func(file *inode)) {
	if !n.Dir {
		visit(n)
	}
	for _, entry := range n.Entries {
		entry.walk(visit)
	}
}

// splitPath returns the elements of a path, none for the root. A path begins with
// a slash; several slashes count as one, and one at the end does not count. What is
// no path is fs.ErrInvalid: elements "." and "..", names and paths that are too
// long, a zero byte, what is not UTF-8.
func splitPath(path string) ([]string, error) {
	// TODO(3A): refuse what is no path, and split the rest.
	return nil, todo("3A", "splitPath: refuse what is no path, and split the rest into names")
}

// cleanPath returns the one way to write a path.
func cleanPath(path string) (string, error) {
	names, err := splitPath(path)
	return "/" + strings.Join(names, "/"), err
}

// lookup returns what a path names. Errors: fs.ErrNotExist, ErrNotDir when an
// element before the last is a file, fs.ErrInvalid.
func (ns *namespace) lookup(path string) (*inode, error) {
	// TODO(3A): walk down the tree.
	return nil, todo("3A", "lookup: walk down the tree of names")
}

// place returns the directory that a new path goes into, and its name there.
// Errors are those of lookup, and fs.ErrExist.
func (ns *namespace) place(path string) (dir *inode, name string, err error) {
	// TODO(3A): find the parent, and see that the name is free. The root always
	// exists.
	return nil, "", todo("3A", "place: find the directory for a new name")
}

// list returns the names in a directory, sorted.
func (n *inode) list() []string { return slices.Sorted(maps.Keys(n.Entries)) }

// size returns the bytes in a file. A last chunk of unknown length counts for
// nothing.
func (ns *namespace) size(f *inode) (size int64) {
	for _, id := range f.Chunks {
		size += max(0, ns.Chunks[id].Length)
	}
	return size
}

// apply makes the change that a record says.
func (ns *namespace) apply(r record) error {
	change, err := ns.prepare(r)
	if err != nil {
		return err
	}
	change()
	return nil
}

// prepare sees whether the change that a record says can be made. If so it
// returns the function that makes it, which cannot fail; the master calls that
// after it has logged the record. Otherwise it returns the reason, an error that
// the client understands.
func (ns *namespace) prepare(r record) (change func(), err error) {
	switch r.Op {
	case opMkdir:
		return ns.mkdir(r)
	case opCreate:
		return ns.create(r)
	case opAddChunk:
		return ns.addChunk(r)
	case opComplete:
		return ns.complete(r)
	case opRename:
		return ns.rename(r)
	case opRemove:
		return ns.remove(r)
	case opPromise, opVersion:
		return ns.newVersion(r)
	}
	return nil, fs.ErrInvalid
}

func (ns *namespace) mkdir(r record) (change func(), err error) {
	// TODO(3A): one new directory or, with Parents, as many as are missing.
	return nil, todo("3A", "mkdir: make a directory")
}

func newDir(now time.Time) *inode {
	return &inode{Dir: true, Entries: map[string]*inode{}, ModTime: now}
}

// add puts an inode into a directory.
func (n *inode) add(name string, entry *inode, now time.Time) {
	n.Entries[name] = entry
	n.ModTime = now
}

func (ns *namespace) create(r record) (change func(), err error) {
	// TODO(3A): a new file, being written. Its ID is never used again.
	return nil, todo("3A", "create: make an empty file")
}

func (ns *namespace) addChunk(r record) (change func(), err error) {
	// TODO(3A): another last chunk, of unknown length, at version r.Version. The
	// length of the one before is known now. A file that was removed is
	// fs.ErrNotExist.
	return nil, todo("3A", "addChunk: give a file another chunk")
}

// endLastChunk notes how long the last chunk of a file is.
func (ns *namespace) endLastChunk(f *inode, length int64) {
	if n := len(f.Chunks); n > 0 {
		ns.Chunks[f.Chunks[n-1]].Length = length
	}
}

func (ns *namespace) complete(r record) (change func(), err error) {
	f := ns.files[r.File]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return func() {
		ns.endLastChunk(f, r.Length)
		f.Open = false
		f.ModTime = r.Time
	}, nil
}

func (ns *namespace) rename(r record) (change func(), err error) {
	// TODO(3A): give a file or a directory another name, perhaps in another
	// directory. The new name must be free. The root cannot be renamed, and no
	// directory goes into itself: fs.ErrInvalid.
	return nil, todo("3A", "rename: give a file or directory another name")
}

func (ns *namespace) remove(r record) (change func(), err error) {
	// TODO(3A): remove a file or a directory, with all that is in it. What chunks
	// they had are no longer the namespace's. The root stays: fs.ErrInvalid.
	return nil, todo("3A", "remove: remove a file or directory")
}

func (ns *namespace) newVersion(r record) (change func(), err error) {
	c := ns.Chunks[r.Chunk]
	if c == nil {
		return nil, fs.ErrNotExist
	}
	return func() {
		c.Promised = max(c.Promised, r.Version)
		if r.Op == opVersion {
			c.Version = r.Version
			c.Length = OpenLength
			ns.files[c.File].ModTime = r.Time
		}
	}, nil
}
