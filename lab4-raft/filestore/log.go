// Package filestore keeps the state of a Raft server in a file, so that it survives
// a crash of the process or of the machine.
package filestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// A Log is a file of records. It is appended to, or replaced as a whole.
//
// A record is a header of 12 bytes - the length of the data, the checksum of the data,
// the checksum of these two - and the data. A crash can leave the last record torn; it
// was never reported as written, and is cut off. A bad record with a good one behind it
// is damage: then the log does not open.
type Log struct {
	path string
	file *os.File
	size int64
}

const headerSize = 12

var (
	order = binary.LittleEndian
	table = crc32.MakeTable(crc32.Castagnoli)
)

// ErrDamaged is wrapped by the errors about a log that was changed by something else
// than a crash. A server that went on without a part of its log could vote twice.
var ErrDamaged = errors.New("the file is damaged")

// OpenLog opens a log, or makes an empty one, and returns its records.
func OpenLog(path string) (l *Log, records [][]byte, err error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	good := 0
	for {
		record, ok := next(data[good:])
		if !ok {
			break
		}
		records = append(records, record)
		good += headerSize + len(record)
	}
	if at := findRecord(data[min(good+1, len(data)):]); at >= 0 {
		return nil, nil, fmt.Errorf("%s: byte %d: bad record, with a good one %d bytes behind it: %w", path, good, at+1, ErrDamaged)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, err
	}
	l = &Log{path: path, file: file, size: int64(good)}
	if err := errors.Join(file.Truncate(l.size), file.Sync(), syncDir(path)); err != nil {
		file.Close()
		return nil, nil, err
	}
	return l, records, nil
}

// next returns the record that data begins with.
func next(data []byte) (record []byte, ok bool) {
	if len(data) < headerSize || crc32.Checksum(data[:8], table) != order.Uint32(data[8:]) {
		return nil, false
	}
	length := int64(order.Uint32(data))
	rest := data[headerSize:]
	if int64(len(rest)) < length || crc32.Checksum(rest[:length], table) != order.Uint32(data[4:]) {
		return nil, false
	}
	return rest[:length], true
}

// findRecord returns where in data there is a record, or -1.
func findRecord(data []byte) int {
	for at := range data {
		if _, ok := next(data[at:]); ok {
			return at
		}
	}
	return -1
}

func frame(data []byte) []byte {
	record := make([]byte, headerSize, headerSize+len(data))
	order.PutUint32(record, uint32(len(data)))
	order.PutUint32(record[4:], crc32.Checksum(data, table))
	order.PutUint32(record[8:], crc32.Checksum(record[:8], table))
	return append(record, data...)
}

// Append adds a record. It is durable when Append returns. After an error the log
// must not be used any more.
func (l *Log) Append(data []byte) error {
	record := frame(data)
	if _, err := l.file.WriteAt(record, l.size); err != nil {
		return err
	}
	l.size += int64(len(record))
	return l.file.Sync()
}

// Replace puts one record in the place of all. After a crash the log has either.
func (l *Log) Replace(data []byte) error {
	temporary := l.path + ".new"
	file, err := os.Create(temporary)
	if err != nil {
		return err
	}
	record := frame(data)
	_, err = file.Write(record)
	if err := errors.Join(err, file.Sync(), os.Rename(temporary, l.path), syncDir(l.path)); err != nil {
		file.Close()
		return err
	}
	l.file.Close()
	l.file, l.size = file, int64(len(record))
	return nil
}

// Size returns the size of the file in bytes.
func (l *Log) Size() int64 { return l.size }

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }

// syncDir makes the name of a file durable.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
