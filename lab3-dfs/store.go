package dfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log"
	"strings"

	"github.com/sasha-s/go-deadlock"
)

// A store keeps replicas of chunks on a disk. Each replica is two files:
//
//	000000000000002a.data      the bytes
//	000000000000002a.3.sums    its version (3), length and checksums
//
// A sums file is a list of entries, each of which says: the chunk is this long
// now, and that is the checksum of its last block. So an append never overwrites
// what it may still need: it adds bytes to the data, syncs them, and only then adds
// an entry. Bytes behind the length of the last entry do not count. A data file
// without a sums file is a chunk that was being written when the server crashed.
type store struct {
	disk Disk

	mu       deadlock.Mutex // guards the maps, and the fields of the replicas
	replicas map[ChunkID]*replica
	drafts   map[ChunkID]*draft
}

// A replica is a complete copy of a chunk, which may grow by appends.
type replica struct {
	id   ChunkID
	data File
	turn chan struct{} // has room for one: who is in changes the replica or its files

	// The store's mutex guards what follows.
	gone    bool // deleted or replaced
	version Version
	length  int64
	sums    []uint32 // of each block
	entries int64    // in the sums file
	sumFile File
	damaged bool
	primary *primary // nil: not the primary

	promised Version // appends of lower versions are refused; a crash forgets it
}

// castagnoli is CRC32C's polynomial; processors compute it fast.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

const sumEntry = 16 // bytes of an entry: length, checksum of the last block, checksum of these

func encodeSum(length int64, sum uint32) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(length))
	b = binary.LittleEndian.AppendUint32(b, sum)
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

func decodeSum(b []byte) (length int64, sum uint32, ok bool) {
	length = int64(binary.LittleEndian.Uint64(b))
	ok = checksum(b[:12]) == binary.LittleEndian.Uint32(b[12:]) && length >= 0
	return length, binary.LittleEndian.Uint32(b[8:]), ok
}

func dataName(id ChunkID) string  { return fmt.Sprintf("%016x.data", uint64(id)) }
func draftName(id ChunkID) string { return fmt.Sprintf("%016x.draft", uint64(id)) }

func sumsName(id ChunkID, v Version) string {
	return fmt.Sprintf("%016x.%d.sums", uint64(id), uint64(v))
}

// openStore finds the replicas on a disk, and removes what is left of chunks that
// were being written.
func openStore(disk Disk) (*store, error) {
	s := &store{disk: disk, replicas: map[ChunkID]*replica{}, drafts: map[ChunkID]*draft{}}
	names, err := disk.List("")
	if err != nil {
		return nil, fmt.Errorf("list the chunks: %w", err)
	}
	for _, name := range names {
		var id ChunkID
		var v Version
		if n, _ := fmt.Sscanf(name, "%x.%d.sums", &id, &v); n == 2 && name == sumsName(id, v) {
			if err := s.load(id, v); err != nil {
				return nil, fmt.Errorf("chunk %d: %w", id, err)
			}
		}
	}
	for _, name := range names {
		if s.isLeftover(name) {
			if err := disk.Remove(name); err != nil {
				return nil, fmt.Errorf("remove what is left of a chunk: %w", err)
			}
		}
	}
	return s, disk.SyncDir()
}

// isLeftover reports whether a file belongs to a chunk that is no replica.
func (s *store) isLeftover(name string) bool {
	var id ChunkID
	if strings.HasSuffix(name, ".draft") || strings.HasSuffix(name, ".sums.new") {
		return true
	}
	if n, _ := fmt.Sscanf(name, "%x.data", &id); n == 1 && name == dataName(id) && s.replicas[id] == nil {
		log.Printf("dfs: chunk %d has no checksum file: removed; it will be copied from another server", id)
		return true
	}
	return false
}

// load reads what the sums file of a replica says.
func (s *store) load(id ChunkID, v Version) error {
	if old := s.replicas[id]; old != nil && old.version > v {
		return s.disk.Remove(sumsName(id, v))
	} else if old != nil {
		old.close()
		if err := s.disk.Remove(sumsName(id, old.version)); err != nil {
			return err
		}
	}
	sums, err := s.disk.Open(sumsName(id, v))
	if err != nil {
		return err
	}
	r := &replica{id: id, version: v, sumFile: sums, turn: make(chan struct{}, 1)}
	r.data, err = s.disk.Open(dataName(id))
	if errors.Is(err, fs.ErrNotExist) {
		log.Printf("dfs: chunk %d has no data file: it is damaged", id)
		r.damaged = true
		r.data, err = s.disk.Create(dataName(id))
	}
	if err == nil {
		err = r.readSums()
	}
	if err != nil {
		r.close()
		return err
	}
	s.replicas[id] = r
	return nil
}

// readSums replays the entries of the sums file. A crash can have torn the last
// one, which then was not acknowledged.
func (r *replica) readSums() error {
	size, err := r.sumFile.Size()
	if err != nil {
		return err
	}
	all := make([]byte, size)
	if err := readFull(r.sumFile, all, 0); err != nil {
		return err
	}
	for ; len(all) >= sumEntry; all = all[sumEntry:] {
		length, sum, ok := decodeSum(all)
		if !ok {
			if anySum(all[sumEntry:]) {
				log.Printf("dfs: chunk %d: its checksum file is damaged at entry %d", r.id, r.entries)
				r.damaged = true
			}
			break
		}
		r.note(length, sum)
	}
	if have, err := r.data.Size(); err != nil {
		return err
	} else if have < r.length {
		log.Printf("dfs: chunk %d is cut short: it has %d of %d bytes", r.id, have, r.length)
		r.damaged = true
	}
	return nil
}

// anySum reports whether there is an entry that is whole.
func anySum(entries []byte) bool {
	for ; len(entries) >= sumEntry; entries = entries[sumEntry:] {
		if _, _, ok := decodeSum(entries); ok {
			return true
		}
	}
	return false
}

// note takes an entry into account: the replica has this length now, and its last
// block that checksum.
func (r *replica) note(length int64, sum uint32) {
	blocks := blocksIn(length)
	r.sums = append(r.sums[:min(int64(len(r.sums)), max(0, blocks-1))], sum)[:blocks]
	r.length = length
	r.entries++
}

// blocksIn returns how many blocks that many bytes take.
func blocksIn(length int64) int64 { return (length + BlockSize - 1) / BlockSize }

func (r *replica) close() {
	for _, f := range []File{r.data, r.sumFile} {
		if f != nil {
			f.Close()
		}
	}
}

// readFull reads exactly len(p) bytes.
func readFull(f io.ReaderAt, p []byte, off int64) error {
	n, err := f.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// get returns a replica that has at least that version.
func (s *store) get(id ChunkID, v Version) (*replica, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.replicas[id]
	switch {
	case r == nil:
		return nil, ErrNoChunk
	case r.version < v:
		return nil, ErrStale
	}
	return r, nil
}

// A view is what a replica says of itself at one moment.
type view struct {
	version  Version
	promised Version
	length   int64
	entries  int64
	sums     []uint32
	damaged  bool
	gone     bool
}

// view returns what the replica says now.
func (s *store) view(r *replica) view {
	s.mu.Lock()
	defer s.mu.Unlock()
	return view{r.version, r.promised, r.length, r.entries, append([]uint32(nil), r.sums...), r.damaged, r.gone}
}

// read returns n bytes of a replica, fewer at its end, and the replica's length.
// It never returns a byte that does not match its checksum: then the replica is
// damaged, and the error is ErrCorrupt.
func (s *store) read(r *replica, off int64, n int) ([]byte, int64, error) {
	for {
		v := s.view(r)
		n := min(int64(n), v.length-off)
		if n <= 0 || off < 0 {
			return nil, v.length, nil
		}
		data, err := readBlocks(r.data, v, off, n)
		if errors.Is(err, ErrCorrupt) {
			if !s.damage(r, v) {
				continue // it changed while it was read
			}
			log.Printf("dfs: chunk %d: %v", r.id, err)
		}
		return data, v.length, err
	}
}

// readBlocks reads n bytes, and looks at the checksums of their blocks.
func readBlocks(f File, v view, off, n int64) ([]byte, error) {
	first := off / BlockSize
	end := min(blocksIn(off+n)*BlockSize, v.length)
	data := make([]byte, end-first*BlockSize)
	if err := readFull(f, data, first*BlockSize); errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("cut short: %w", ErrCorrupt)
	} else if err != nil {
		return nil, err
	}
	// TODO(3B): compare each block with its checksum (§5.2).
	return data[off-first*BlockSize:][:n], nil
}

// damage notes that a replica is damaged, unless it has changed since it looked
// like v.
func (s *store) damage(r *replica, v view) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.version != v.version || r.entries != v.entries {
		return false
	}
	r.damaged = true
	return true
}

// add puts data at the end of a replica and syncs it. The caller has the
// replica's turn.
func (s *store) add(r *replica, data []byte) error {
	v := s.view(r)
	last := v.length % BlockSize // bytes in the last block
	block := make([]byte, last, last+int64(len(data)))
	if err := readFull(r.data, block, v.length-last); err != nil {
		return err
	}
	if last > 0 && checksum(block) != v.sums[len(v.sums)-1] {
		s.damage(r, v)
		return fmt.Errorf("the last block of chunk %d: %w", r.id, ErrCorrupt)
	}
	if _, err := r.data.WriteAt(data, v.length); err != nil {
		return err
	}
	if err := r.data.Sync(); err != nil {
		return err
	}
	block = append(block, data...)
	var entries []byte
	length := v.length - last
	type note struct {
		length int64
		sum    uint32
	}
	var notes []note
	for len(block) > 0 {
		n := min(len(block), BlockSize)
		length += int64(n)
		sum := checksum(block[:n])
		entries = append(entries, encodeSum(length, sum)...)
		notes = append(notes, note{length, sum})
		block = block[n:]
	}
	if err := s.addEntries(r, v.entries, entries); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range notes {
		r.note(n.length, n.sum)
	}
	return nil
}

// cut makes a replica end at length. The caller has its turn.
func (s *store) cut(r *replica, length int64) error {
	v := s.view(r)
	if length >= v.length {
		return nil
	}
	var sum uint32
	if last := length % BlockSize; last > 0 {
		v.length = min(v.length, (blocksIn(length))*BlockSize)
		block, err := readBlocks(r.data, v, length-last, min(BlockSize, v.length-(length-last)))
		if err != nil {
			return err
		}
		sum = checksum(block[:last])
	} else if length > 0 {
		sum = v.sums[length/BlockSize-1]
	}
	if err := s.addEntries(r, v.entries, encodeSum(length, sum)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.note(length, sum)
	return nil
}

// addEntries writes entries to the sums file, behind those there.
func (s *store) addEntries(r *replica, there int64, entries []byte) error {
	if _, err := r.sumFile.WriteAt(entries, there*sumEntry); err != nil {
		return err
	}
	return r.sumFile.Sync()
}

// setVersion gives a replica a higher version. The caller has its turn.
func (s *store) setVersion(r *replica, v Version) error {
	old := s.view(r).version
	if v <= old {
		return nil
	}
	if err := s.disk.Rename(sumsName(r.id, old), sumsName(r.id, v)); err != nil {
		return err
	}
	if err := s.disk.SyncDir(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.version = v
	return nil
}

// reports returns what the master is told of the replicas.
func (s *store) reports() []ChunkReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	reports := make([]ChunkReport, 0, len(s.replicas))
	for _, r := range s.replicas {
		reports = append(reports, ChunkReport{ID: r.id, Version: r.version, Length: r.length, Damaged: r.damaged})
	}
	return reports
}
