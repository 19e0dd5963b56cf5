package dfs

import (
	"errors"
	"io"
	"io/fs"
)

// ErrDamaged is returned by NewMaster when what the disk holds cannot be what the
// master wrote: it starts on no guess. A record that was being written when the
// machine crashed is no damage.
var ErrDamaged = errors.New("the master's disk is damaged")

// The files on the master's disk.
const (
	logFile       = "oplog"          // the records since the checkpoint
	checkFile     = "checkpoint"     // the namespace at some record
	newCheckFile  = "checkpoint.new" // a checkpoint being written
	formattedFile = "master"         // says that this disk is a master's
)

// An opLog keeps the records of the namespace's changes on a disk (§2.6.3), and
// now and then a checkpoint, so that replaying takes a bounded time. Records count
// from 1 and never begin again: a checkpoint tells the last one that it contains.
type opLog struct {
	disk  Disk
	every int // records after which the log wants a checkpoint

}

// openLog reads the checkpoint and the records behind it, and returns the
// namespace that they give, which is a new one on an empty disk. The error is
// ErrDamaged when something is missing or does not match its checksum - but the
// last record may be torn: it was never acknowledged, and is cut off.
func openLog(disk Disk, every int) (*opLog, *namespace, error) {
	formatted, err := isFormatted(disk)
	if err != nil {
		return nil, nil, err
	}
	l, ns := &opLog{disk: disk, every: every}, newNamespace()
	// TODO(3C): load the checkpoint, replay the log behind it, and leave the log
	// ready for more. Whatever was replayed must be safe from now on.
	if formatted {
		return nil, nil, todo("3C", "openLog: load the checkpoint and replay the log (§2.6.3)")
	}
	if !formatted {
		err = format(disk)
	}
	return l, ns, err
}

// isFormatted reports whether a master has used the disk before. What it wrote then
// must still be there.
func isFormatted(disk Disk) (bool, error) {
	f, err := disk.Open(formattedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// format makes the disk a master's. All else that belongs there is on it already.
func format(disk Disk) error {
	f, err := disk.Create(formattedFile)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), disk.SyncDir())
}

// append adds a record. It is safe from a crash when append returns. After an
// error nobody knows whether it is: the log takes no more. One append at a time.
func (l *opLog) append(r record) error {
	// TODO(3C): write the record behind the others, and sync it.
	return nil
}

// close lets go of the files.
func (l *opLog) close() error {
	return nil
}

// readAll returns the whole content of a file.
func readAll(f File) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	n, err := f.ReadAt(data, 0)
	if err == io.EOF && int64(n) == size {
		err = nil
	}
	return data, err
}
