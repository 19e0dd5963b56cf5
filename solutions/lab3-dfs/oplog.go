package dfs

import (
	"errors"
	"fmt"
	"hash/crc32"
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

	// BEGIN SOLUTION 3C
	file    File
	end     int64  // where the next record goes
	last    uint64 // the number of the last record
	waiting int    // records since the last checkpoint
	// END SOLUTION
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
	// BEGIN SOLUTION
	if !formatted {
		err = l.begin(ns)
	} else if err = l.loadCheckpoint(ns); err == nil {
		err = l.openFile()
	}
	if err == nil {
		err = l.replay(ns)
	}
	if err != nil {
		return nil, nil, errors.Join(err, l.close())
	}
	// END SOLUTION
	// STUB: if formatted {
	// STUB: 	return nil, nil, todo("3C", "openLog: load the checkpoint and replay the log (§2.6.3)")
	// STUB: }
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

// BEGIN SOLUTION 3C

// begin puts an empty log and a checkpoint of an empty namespace on a new disk. If
// the machine crashes meanwhile the disk is still a new one.
func (l *opLog) begin(ns *namespace) (err error) {
	if l.file, err = l.disk.Create(logFile); err != nil {
		return err
	}
	if err := l.writeCheckpoint(ns.encode()); err != nil {
		return err
	}
	return l.installCheckpoint() // and the log's name
}

// openFile opens the log.
func (l *opLog) openFile() (err error) {
	l.file, err = l.disk.Open(logFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the file %s is missing", ErrDamaged, logFile)
	}
	return err
}

// replay applies the records behind the checkpoint, and cuts off a torn one.
func (l *opLog) replay(ns *namespace) error {
	data, err := readAll(l.file)
	if err != nil {
		return fmt.Errorf("read %s: %w", logFile, err)
	}
	for {
		number, payload, size, ok := unframe(data[l.end:])
		if !ok {
			break
		}
		if err := l.redo(ns, number, payload); err != nil {
			return fmt.Errorf("%s: byte %d: %w", logFile, l.end, err)
		}
		l.end += size
	}
	if at, number, ok := l.findFrame(data); ok {
		// What stands in front of a synced record was synced, too.
		return fmt.Errorf("%w: %s: byte %d: no record %d, although record %d follows at byte %d",
			ErrDamaged, logFile, l.end, l.last+1, number, at)
	}
	return l.secure(data[:l.end])
}

// redo applies a record that was read, unless the checkpoint contains it: then the
// machine crashed before the log was emptied.
func (l *opLog) redo(ns *namespace, number uint64, payload []byte) error {
	if number <= l.last && l.waiting == 0 {
		return nil
	}
	if number != l.last+1 {
		return fmt.Errorf("%w: record %d where %d should be", ErrDamaged, number, l.last+1)
	}
	r, err := decodeRecord(payload)
	if err == nil {
		err = ns.apply(r)
	}
	if err != nil {
		return fmt.Errorf("%w: record %d: %w", ErrDamaged, number, err)
	}
	l.last = number
	l.waiting++
	return nil
}

// findFrame looks for a later record behind the end of those that were replayed.
func (l *opLog) findFrame(data []byte) (at int64, number uint64, ok bool) {
	for at := l.end + 1; at < int64(len(data)); at++ {
		if number, _, _, ok := unframe(data[at:]); ok && number > l.last {
			return at, number, true
		}
	}
	return 0, 0, false
}

// secure makes sure that what was replayed is on the disk, and nothing behind it.
// If a sync failed before the last restart, reading shows bytes that are not on
// the disk, and syncing again does not bring them there: only writing them does.
func (l *opLog) secure(data []byte) error {
	if _, err := l.file.WriteAt(data, 0); err != nil {
		return err
	}
	if err := l.file.Truncate(l.end); err != nil {
		return err
	}
	return l.file.Sync()
}

// A frame is a record, or a checkpoint, as it is stored: the length of the payload
// (4 bytes), the checksum of all that follows it and of the length (4 bytes), the
// number of the record (8 bytes), the payload. All numbers are big-endian.
const frameHeader = 4 + 4 + 8

func frame(number uint64, payload []byte) []byte {
	b := make([]byte, frameHeader, frameHeader+len(payload))
	byteOrder.PutUint32(b, uint32(len(payload)))
	byteOrder.PutUint64(b[8:], number)
	b = append(b, payload...)
	byteOrder.PutUint32(b[4:], frameSum(b))
	return b
}

// frameSum is the CRC32C of everything in a frame but the checksum.
func frameSum(b []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(b[:4], table), table, b[8:])
}

// unframe reads the frame at the beginning of data. It reports false when there is
// no whole, undamaged one.
func unframe(data []byte) (number uint64, payload []byte, size int64, ok bool) {
	if len(data) < frameHeader {
		return 0, nil, 0, false
	}
	length := int64(byteOrder.Uint32(data))
	if length > int64(len(data)-frameHeader) {
		return 0, nil, 0, false
	}
	data = data[:frameHeader+length]
	if byteOrder.Uint32(data[4:]) != frameSum(data) {
		return 0, nil, 0, false
	}
	return byteOrder.Uint64(data[8:]), data[frameHeader:], int64(len(data)), true
}

// END SOLUTION

// append adds a record. It is safe from a crash when append returns. After an
// error nobody knows whether it is: the log takes no more. One append at a time.
func (l *opLog) append(r record) error {
	// TODO(3C): write the record behind the others, and sync it.
	// BEGIN SOLUTION
	data := frame(l.last+1, r.encode())
	if _, err := l.file.WriteAt(data, l.end); err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.end += int64(len(data))
	l.last++
	l.waiting++
	return nil
	// END SOLUTION
	// STUB: return nil
}

// close lets go of the files.
func (l *opLog) close() error {
	// BEGIN SOLUTION 3C
	if l.file != nil {
		return l.file.Close()
	}
	// END SOLUTION
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
