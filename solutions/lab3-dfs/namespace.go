package dfs

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
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
	// BEGIN SOLUTION
	if !strings.HasPrefix(path, "/") || len(path) > MaxPathLen || !utf8.ValidString(path) || strings.Contains(path, "\x00") {
		return nil, fs.ErrInvalid
	}
	var names []string
	for name := range strings.SplitSeq(path, "/") {
		switch {
		case name == "":
		case name == ".", name == "..", len(name) > MaxNameLen:
			return nil, fs.ErrInvalid
		default:
			names = append(names, name)
		}
	}
	return names, nil
	// END SOLUTION
	// STUB: return nil, todo("3A", "splitPath: refuse what is no path, and split the rest into names")
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
	// BEGIN SOLUTION
	names, err := splitPath(path)
	if err != nil {
		return nil, err
	}
	n := ns.Root
	for _, name := range names {
		if !n.Dir {
			return nil, ErrNotDir
		}
		if n = n.Entries[name]; n == nil {
			return nil, fs.ErrNotExist
		}
	}
	return n, nil
	// END SOLUTION
	// STUB: return nil, todo("3A", "lookup: walk down the tree of names")
}

// place returns the directory that a new path goes into, and its name there.
// Errors are those of lookup, and fs.ErrExist.
func (ns *namespace) place(path string) (dir *inode, name string, err error) {
	// TODO(3A): find the parent, and see that the name is free. The root always
	// exists.
	// BEGIN SOLUTION
	names, err := splitPath(path)
	if err != nil {
		return nil, "", err
	}
	if len(names) == 0 {
		return nil, "", fs.ErrExist
	}
	last := len(names) - 1
	dir, err = ns.lookup("/" + strings.Join(names[:last], "/"))
	switch {
	case err != nil:
		return nil, "", err
	case !dir.Dir:
		return nil, "", ErrNotDir
	case dir.Entries[names[last]] != nil:
		return nil, "", fs.ErrExist
	}
	return dir, names[last], nil
	// END SOLUTION
	// STUB: return nil, "", todo("3A", "place: find the directory for a new name")
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
	// BEGIN SOLUTION
	if r.Parents {
		return ns.mkdirAll(r)
	}
	dir, name, err := ns.place(r.Path)
	if err != nil {
		return nil, err
	}
	return func() { dir.add(name, newDir(r.Time), r.Time) }, nil
	// END SOLUTION
	// STUB: return nil, todo("3A", "mkdir: make a directory")
}

// BEGIN SOLUTION 3A

// mkdirAll makes the directories of a path that are missing.
func (ns *namespace) mkdirAll(r record) (change func(), err error) {
	names, err := splitPath(r.Path)
	if err != nil {
		return nil, err
	}
	n := ns.Root
	for i, name := range names {
		if next := n.Entries[name]; next == nil {
			return func() { n.addAll(names[i:], r.Time) }, nil
		} else if n = next; !n.Dir {
			return nil, ErrNotDir
		}
	}
	return func() {}, nil
}

func (n *inode) addAll(names []string, now time.Time) {
	for _, name := range names {
		dir := newDir(now)
		n.add(name, dir, now)
		n = dir
	}
}

// END SOLUTION

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
	// BEGIN SOLUTION
	dir, name, err := ns.place(r.Path)
	if err != nil {
		return nil, err
	}
	return func() {
		f := &inode{ID: r.File, Open: true, Writer: r.Writer, ModTime: r.Time}
		dir.add(name, f, r.Time)
		ns.files[f.ID] = f
		ns.NextFile = max(ns.NextFile, r.File+1)
	}, nil
	// END SOLUTION
	// STUB: return nil, todo("3A", "create: make an empty file")
}

func (ns *namespace) addChunk(r record) (change func(), err error) {
	// TODO(3A): another last chunk, of unknown length, at version r.Version. The
	// length of the one before is known now. A file that was removed is
	// fs.ErrNotExist.
	// BEGIN SOLUTION
	f := ns.files[r.File]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return func() {
		ns.endLastChunk(f, r.Length)
		c := &chunk{ID: r.Chunk, File: r.File, Version: r.Version, Promised: r.Version, Length: OpenLength}
		f.Chunks = append(f.Chunks, c.ID)
		f.ModTime = r.Time
		ns.Chunks[c.ID] = c
		ns.NextChunk = max(ns.NextChunk, r.Chunk+1)
	}, nil
	// END SOLUTION
	// STUB: return nil, todo("3A", "addChunk: give a file another chunk")
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
	// BEGIN SOLUTION
	from, oldName, err := ns.parent(r.Path)
	if err != nil {
		return nil, err
	}
	path, _ := cleanPath(r.Path)
	if to, err := cleanPath(r.To); err == nil && strings.HasPrefix(to, path+"/") {
		return nil, fs.ErrInvalid
	}
	to, newName, err := ns.place(r.To)
	if err != nil {
		return nil, err
	}
	return func() {
		n := from.Entries[oldName]
		from.drop(oldName, r.Time)
		to.add(newName, n, r.Time)
	}, nil
	// END SOLUTION
	// STUB: return nil, todo("3A", "rename: give a file or directory another name")
}

// BEGIN SOLUTION 3A

// parent returns the directory that something is in, and its name there. The root
// is in none.
func (ns *namespace) parent(path string) (dir *inode, name string, err error) {
	if _, err := ns.lookup(path); err != nil {
		return nil, "", err
	}
	names, err := splitPath(path)
	if err != nil || len(names) == 0 {
		return nil, "", fs.ErrInvalid
	}
	last := len(names) - 1
	dir, err = ns.lookup("/" + strings.Join(names[:last], "/"))
	return dir, names[last], err
}

func (n *inode) drop(name string, now time.Time) {
	delete(n.Entries, name)
	n.ModTime = now
}

// END SOLUTION

func (ns *namespace) remove(r record) (change func(), err error) {
	// TODO(3A): remove a file or a directory, with all that is in it. What chunks
	// they had are no longer the namespace's. The root stays: fs.ErrInvalid.
	// BEGIN SOLUTION
	dir, name, err := ns.parent(r.Path)
	if err != nil {
		return nil, err
	}
	return func() {
		dir.Entries[name].walk(ns.forget)
		dir.drop(name, r.Time)
	}, nil
	// END SOLUTION
	// STUB: return nil, todo("3A", "remove: remove a file or directory")
}

// BEGIN SOLUTION 3A

// forget drops a file's chunks. The chunkservers learn of it when they report
// them (§4.4).
func (ns *namespace) forget(f *inode) {
	for _, id := range f.Chunks {
		delete(ns.Chunks, id)
	}
	delete(ns.files, f.ID)
}

// END SOLUTION

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
