package simdisk

import (
	"maps"
	"slices"
	"strings"
)

// A tree is the files of a drive: as they can be read, as they would be after a
// crash that loses everything unsynced, and the changes between the two.
type tree struct {
	names   map[string]*inode // as they can be seen
	durable map[string]*inode
	pending []nameChange // since the last SyncDir, in order
	changes int          // counts the changes of names and bytes
	used    int64        // bytes of the files that can be seen
}

// An inode is a file, whatever its name. Slices that a snapshot has seen are never
// changed in place.
type inode struct {
	name    string // its present one, or its last
	linked  bool   // it has a name
	data    []byte // as it can be read
	durable []byte
	pending []change       // since the last Sync, in order
	shared  bool           // a snapshot has durable, and so it must not change in place
	aliased bool           // data is shared too: it is the same slice as durable
	bad     map[int64]bool // sectors that cannot be read
}

// A change of a file's bytes: a write, or a truncation when truncates is set.
type change struct {
	n         int // its place among all changes of the drive
	offset    int64
	data      []byte
	size      int64 // for a truncation
	truncates bool
}

// A nameChange is one of create, remove, rename.
type nameChange struct {
	n        int
	kind     Kind
	name, to string
	file     *inode
}

func (t *tree) next() int { t.changes++; return t.changes }

func (t *tree) list(prefix string) []string {
	names := []string{}
	for name := range t.names {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// change notes and makes a change of names.
func (t *tree) change(kind Kind, name, to string, file *inode) {
	c := nameChange{n: t.next(), kind: kind, name: name, to: to, file: file}
	t.pending = append(t.pending, c)
	switch kind {
	case Create:
		file.linked = true
	case Remove:
		t.unlink(file)
	case Rename:
		if old := t.names[to]; old != nil {
			t.unlink(old)
		}
		file.name = to
	}
	c.apply(t.names)
}

func (t *tree) unlink(f *inode) {
	f.linked = false
	t.used -= int64(len(f.data))
}

// apply makes the change. It changes nothing when what it needs did not survive:
// the name of the file that is removed or renamed.
func (c *nameChange) apply(names map[string]*inode) {
	switch {
	case c.kind == Create:
		names[c.name] = c.file
	case names[c.name] != c.file:
	case c.kind == Remove:
		delete(names, c.name)
	case c.kind == Rename:
		delete(names, c.name)
		names[c.to] = c.file
	}
}

// sync makes the names durable.
func (t *tree) sync() {
	durable := maps.Clone(t.durable)
	for _, c := range t.pending {
		c.apply(durable)
	}
	t.durable, t.pending = durable, nil
}

// write notes and makes a write.
func (f *inode) write(t *tree, p []byte, offset int64, sector int) {
	if len(p) == 0 {
		return
	}
	c := change{n: t.next(), offset: offset, data: slices.Clone(p)}
	f.change(t, c)
	for s := offset / int64(sector); s*int64(sector) < offset+int64(len(p)); s++ {
		delete(f.bad, s)
	}
}

func (f *inode) truncate(t *tree, size int64) {
	f.change(t, change{n: t.next(), size: size, truncates: true})
}

func (f *inode) change(t *tree, c change) {
	f.pending = append(f.pending, c)
	f.own()
	old := len(f.data)
	f.data = c.apply(f.data)
	if f.linked {
		t.used += int64(len(f.data) - old)
	}
}

// own makes data a slice that may be changed in place.
func (f *inode) own() {
	if f.aliased {
		f.data, f.aliased = slices.Clone(f.data), false
	}
}

// sync makes the bytes durable.
func (f *inode) sync() {
	if len(f.pending) == 0 {
		return
	}
	durable := f.durable
	if f.shared {
		durable, f.shared = slices.Clone(durable), false
	}
	for _, c := range f.pending {
		durable = c.apply(durable)
	}
	f.durable, f.pending = durable, nil
}

// apply makes the change in data, in place when there is room.
func (c *change) apply(data []byte) []byte {
	if c.truncates {
		return resize(data, c.size)
	}
	data = resize(data, max(int64(len(data)), c.offset+int64(len(c.data))))
	copy(data[c.offset:], c.data)
	return data
}

// resize cuts data or appends zeros.
func resize(data []byte, size int64) []byte {
	old := int64(len(data))
	if size <= old {
		return data[:size]
	}
	data = slices.Grow(data, int(size-old))[:size]
	clear(data[old:])
	return data
}

// pieces cuts a write at the sector boundaries.
func (c *change) pieces(sector int) []change {
	if c.truncates {
		return []change{*c}
	}
	var all []change
	for offset, data := c.offset, c.data; len(data) > 0; {
		n := min(len(data), sector-int(offset%int64(sector)))
		all = append(all, change{n: c.n, offset: offset, data: data[:n]})
		offset, data = offset+int64(n), data[n:]
	}
	return all
}
