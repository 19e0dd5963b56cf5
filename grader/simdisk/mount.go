package simdisk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"distsys/grader/simtest"
)

// ErrCrashed is returned to the code of an earlier life of the machine.
var ErrCrashed = errors.New("simdisk: the machine has crashed since; this is a zombie")

// MaxName is the length in bytes that a file name may have.
const MaxName = 255

// A mount is the Disk of one life.
type mount struct {
	drive *Drive
	life  Life
	dead  atomic.Bool // the drive crashed
}

// alive is called with Drive.mu held.
func (m *mount) alive() bool {
	return m.drive.mounted == m && !m.dead.Load() && (m.life == nil || m.life.Alive())
}

// do is the way of every operation: it takes its time, it may fail, and then it
// has its effect, with the drive's mutex held.
func (m *mount) do(op Op, effect func(t *tree) error) error {
	d := m.drive
	for d.world.Halted() {
		select {}
	}
	d.mu.Lock()
	if !m.alive() {
		d.mu.Unlock()
		return pathError(op, ErrCrashed)
	}
	if op.file != nil {
		op.Name = op.file.name
	}
	if op.Kind.changes() {
		d.ops++
		op.N = d.ops
	}
	delay, err := d.chance(op)
	before, fail := d.before, d.fail
	d.mu.Unlock()

	if delay > 0 {
		time.Sleep(delay)
	}
	if before != nil && op.Kind.changes() {
		before(op)
	}
	if fail != nil && err == nil {
		err = fail(op)
	}
	return m.finish(op, err, effect)
}

// finish lets the operation have its effect, unless it fails.
func (m *mount) finish(op Op, err error, effect func(t *tree) error) error {
	d := m.drive
	d.mu.Lock()
	defer d.mu.Unlock()
	if !m.alive() {
		return pathError(op, ErrCrashed)
	}
	d.stats.count(op)
	if err == nil {
		err = effect(&d.files)
	} else if op.Kind == Sync || op.Kind == SyncDir {
		d.files.forget(op)
	}
	failed := err != nil && !errors.Is(err, fs.ErrNotExist)
	if failed {
		d.stats.Failed++
	}
	if failed || op.Kind.changes() && !d.settings.Quiet {
		text := op.String()
		if err != nil {
			text += fmt.Sprintf(": %v", err)
		}
		d.record("disk", text)
	}
	if err != nil {
		return pathError(op, err)
	}
	return nil
}

// chance decides how long an operation takes and whether it fails. It is called
// with mu held.
func (d *Drive) chance(op Op) (delay time.Duration, err error) {
	took, failure := d.settings.Write, d.settings.WriteError
	switch op.Kind {
	case Read, Open:
		took, failure = d.settings.Read, d.settings.ReadError
	case Sync, SyncDir:
		took, failure = d.settings.Sync, d.settings.SyncError
	}
	if op.Kind == Open {
		failure = 0
	}
	if next := d.failures[op.Kind]; len(next) > 0 {
		d.failures[op.Kind] = next[1:]
		return 0, next[0]
	}
	if took == (Range{}) && failure == 0 {
		return 0, nil
	}
	like := string(op.Kind) + " " + op.Name
	d.ordinals[like]++
	dice := d.world.Dice(d.key, simtest.Key(like), d.ordinals[like])
	delay = dice.Duration(took.Min, took.Max)
	if dice.Chance(failure) {
		err = syscall.EIO
	}
	return delay, err
}

// forget is what a failed sync does: what it should have saved stays readable and
// counts as saved.
func (t *tree) forget(op Op) {
	if op.Kind == SyncDir {
		t.pending = nil
	} else {
		op.file.pending = nil
	}
}

func pathError(op Op, err error) error {
	return &fs.PathError{Op: string(op.Kind), Path: op.Name, Err: err}
}

// CheckName returns an error for what cannot be the name of a file.
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..", strings.ContainsAny(name, "/\x00"):
		return fs.ErrInvalid
	case len(name) > MaxName:
		return syscall.ENAMETOOLONG
	}
	return nil
}

func (m *mount) Open(name string) (File, error) {
	var f *inode
	err := m.do(Op{Kind: Open, Name: name}, func(t *tree) error {
		if f = t.names[name]; f == nil {
			return fs.ErrNotExist
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &file{mount: m, inode: f}, nil
}

func (m *mount) Create(name string) (File, error) {
	var f *inode
	err := m.do(Op{Kind: Create, Name: name}, func(t *tree) error {
		if err := CheckName(name); err != nil {
			return err
		}
		if f = t.names[name]; f != nil {
			if len(f.data) > 0 {
				f.truncate(t, 0)
			}
			return nil
		}
		f = &inode{name: name, bad: map[int64]bool{}}
		t.change(Create, name, "", f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &file{mount: m, inode: f}, nil
}

func (m *mount) Remove(name string) error {
	return m.do(Op{Kind: Remove, Name: name}, func(t *tree) error {
		f := t.names[name]
		if f == nil {
			return fs.ErrNotExist
		}
		t.change(Remove, name, "", f)
		return nil
	})
}

func (m *mount) Rename(oldName, newName string) error {
	return m.do(Op{Kind: Rename, Name: oldName, To: newName}, func(t *tree) error {
		f := t.names[oldName]
		if f == nil {
			return fs.ErrNotExist
		}
		if err := CheckName(newName); err != nil || oldName == newName {
			return err
		}
		t.change(Rename, oldName, newName, f)
		return nil
	})
}

func (m *mount) List(prefix string) (names []string, err error) {
	err = m.do(Op{Kind: Open, Name: prefix}, func(t *tree) error {
		names = t.list(prefix)
		return nil
	})
	return names, err
}

func (m *mount) SyncDir() error {
	return m.do(Op{Kind: SyncDir}, func(t *tree) error {
		t.sync()
		return nil
	})
}

// A file is an inode opened by one life.
type file struct {
	mount  *mount
	inode  *inode
	closed atomic.Bool
}

func (f *file) do(op Op, effect func(t *tree) error) error {
	op.file = f.inode
	if f.closed.Load() {
		return pathError(op, fs.ErrClosed)
	}
	return f.mount.do(op, effect)
}

func (f *file) ReadAt(p []byte, offset int64) (n int, err error) {
	end := false
	err = f.do(Op{Kind: Read, Offset: offset, Size: int64(len(p))}, func(*tree) error {
		if offset < 0 {
			return fs.ErrInvalid
		}
		data := f.inode.data
		n = copy(p, data[min(offset, int64(len(data))):])
		end = n < len(p)
		if f.unreadable(offset, n) {
			n = 0
			return syscall.EIO
		}
		return nil
	})
	if err == nil && end {
		err = io.EOF
	}
	return n, err
}

// unreadable reports whether a bad sector is in the way.
func (f *file) unreadable(offset int64, n int) bool {
	sector := int64(f.mount.drive.settings.Sector)
	for s := range f.inode.bad {
		if s*sector < offset+int64(n) && offset < (s+1)*sector {
			return true
		}
	}
	return false
}

// WriteAt writes as much as fits, like a real disk, when not all of it does.
func (f *file) WriteAt(p []byte, offset int64) (n int, err error) {
	err = f.do(Op{Kind: Write, Offset: offset, Size: int64(len(p))}, func(t *tree) error {
		if offset < 0 {
			return fs.ErrInvalid
		}
		n = f.room(len(p), offset)
		f.inode.write(t, p[:n], offset, f.mount.drive.settings.Sector)
		if n < len(p) {
			return syscall.ENOSPC
		}
		return nil
	})
	return n, err
}

// room returns how many of n bytes fit: all, or a number of sectors. Drive.mu is
// held.
func (f *file) room(n int, offset int64) int {
	d := f.mount.drive
	if d.settings.Capacity == 0 {
		return n
	}
	size := int64(len(f.inode.data))
	last := max(size, size+d.settings.Capacity-d.files.used) // where the file can end
	if offset+int64(n) <= last {
		return n
	}
	last = max(size, last-last%int64(d.settings.Sector))
	return int(max(0, last-offset))
}

func (f *file) Truncate(size int64) error {
	return f.do(Op{Kind: Truncate, Size: size}, func(t *tree) error {
		d := f.mount.drive
		grow := size - int64(len(f.inode.data))
		switch {
		case size < 0:
			return fs.ErrInvalid
		case grow > 0 && d.settings.Capacity > 0 && d.files.used+grow > d.settings.Capacity:
			return syscall.ENOSPC
		}
		f.inode.truncate(t, size)
		return nil
	})
}

func (f *file) Sync() error {
	return f.do(Op{Kind: Sync}, func(*tree) error {
		f.inode.sync()
		return nil
	})
}

func (f *file) Size() (size int64, err error) {
	err = f.do(Op{Kind: Open}, func(*tree) error {
		size = int64(len(f.inode.data))
		return nil
	})
	return size, err
}

// Close syncs nothing. Closing twice is an error.
func (f *file) Close() error {
	if f.closed.Swap(true) {
		return &fs.PathError{Op: "close", Err: fs.ErrClosed}
	}
	return nil
}
