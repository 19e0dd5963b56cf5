package simdisk

import (
	"fmt"
	"hash/maphash"
	"maps"
	"slices"

	"distsys/grader/simtest"
)

// A Snapshot is what a drive holds at one moment: what is durable, and the changes
// that are not. It is what a power failure at that moment meets.
type Snapshot struct {
	world    *simtest.World
	name     string
	settings Settings
	names    map[string]*inode
	pending  []nameChange
	files    []*inode // each as it is now, with its own durable bytes and changes
}

// Snapshot returns what the drive holds now. It copies little, so that one can be
// taken before every operation.
func (d *Drive) Snapshot() *Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &Snapshot{world: d.world, name: d.name, settings: d.settings}
	frozen := map[*inode]*inode{}
	freeze := func(f *inode) *inode {
		if frozen[f] == nil {
			f.shared = true
			frozen[f] = &inode{name: f.name, durable: f.durable, pending: slices.Clip(f.pending), bad: maps.Clone(f.bad)}
		}
		return frozen[f]
	}
	s.names = map[string]*inode{}
	for _, name := range slices.Sorted(maps.Keys(d.files.durable)) {
		s.names[name] = freeze(d.files.durable[name])
	}
	s.pending = make([]nameChange, len(d.files.pending))
	for i, c := range d.files.pending {
		c.file = freeze(c.file)
		s.pending[i] = c
	}
	for _, f := range frozen {
		s.files = append(s.files, f)
	}
	slices.SortFunc(s.files, func(a, b *inode) int { return a.order() - b.order() })
	return s
}

// order sorts files by their first change, which no two share.
func (f *inode) order() int {
	if len(f.pending) > 0 {
		return f.pending[0].n
	}
	return 0
}

// Unsynced lists the changes that a crash may undo, in their order.
func (s *Snapshot) Unsynced() []string {
	texts := map[int]string{}
	for _, c := range s.pending {
		texts[c.n] = Op{Kind: c.kind, Name: c.name, To: c.to}.String()
	}
	for _, f := range s.files {
		for _, c := range f.pending {
			op := Op{Kind: Write, Name: f.name, Offset: c.offset, Size: int64(len(c.data))}
			if c.truncates {
				op = Op{Kind: Truncate, Name: f.name, Size: c.size}
			}
			texts[c.n] = op.String()
		}
	}
	var all []string
	for _, n := range slices.Sorted(maps.Keys(texts)) {
		all = append(all, texts[n])
	}
	return all
}

// A Survival is one of the things that may survive of what was not synced.
type Survival struct {
	kind survivalKind
	n    uint64 // sectors of a torn write, set of a subset, toss of a mixture
}

type survivalKind int

const (
	nothing survivalKind = iota
	everything
	onlyNames
	onlyBytes
	onlyLengths
	torn
	subset
	mixture
)

// The Survivals that make sense on any drive.
var (
	Nothing     = Survival{kind: nothing}
	Everything  = Survival{kind: everything}
	OnlyNames   = Survival{kind: onlyNames}   // names as they were, no bytes
	OnlyBytes   = Survival{kind: onlyBytes}   // bytes of files whose names were durable
	OnlyLengths = Survival{kind: onlyLengths} // names, and lengths: zeros instead of bytes
)

// Torn survives when all changes did, but of the last write only so many sectors.
func Torn(sectors int) Survival { return Survival{torn, uint64(sectors)} }

// Mixture survives when a coin is tossed for each change of a name and for each
// sector written. Each n is another series of tosses.
func Mixture(n int) Survival { return Survival{mixture, uint64(n)} }

// String says what survives.
func (v Survival) String() string {
	switch v.kind {
	case nothing:
		return "nothing that was not synced survives"
	case everything:
		return "everything survives"
	case onlyNames:
		return "names survive, bytes that were not synced do not"
	case onlyBytes:
		return "bytes survive, names that were not synced do not"
	case onlyLengths:
		return "names and lengths survive, bytes that were not synced are zeros"
	case torn:
		return fmt.Sprintf("the last write is torn after %d sectors", v.n)
	case subset:
		return fmt.Sprintf("some sectors and names survive, others do not (set %b)", v.n)
	}
	return fmt.Sprintf("some sectors and names survive, others do not (toss %d)", v.n)
}

const maxExhaustive = 6 // changes of which every subset is tried

// Survivals returns what can be found after a crash at the moment of the
// snapshot, each different state of the disk once: nothing, everything, names
// only, bytes only, lengths only, and the last write torn at every sector
// boundary. To these come all subsets of sectors and names when there are no more
// than six, and otherwise so many mixtures.
func (s *Snapshot) Survivals(mixtures int) []Survival {
	all := []Survival{Nothing, Everything, OnlyNames, OnlyBytes, OnlyLengths}
	if last := s.lastWrite(); last != nil {
		for n := range last.pieces(s.settings.Sector) {
			all = append(all, Torn(n))
		}
	}
	if n := s.pieces(); n <= maxExhaustive {
		for set := range uint64(1) << n {
			all = append(all, Survival{subset, set})
		}
	} else {
		for n := range mixtures {
			all = append(all, Mixture(n))
		}
	}
	seen := map[uint64]bool{}
	return slices.DeleteFunc(all, func(v Survival) bool {
		sum := s.after(v).sum()
		again := seen[sum]
		seen[sum] = true
		return again
	})
}

// pieces counts the changes that survive or not on their own.
func (s *Snapshot) pieces() int {
	n := len(s.pending)
	for _, f := range s.files {
		for _, c := range f.pending {
			n += len(c.pieces(s.settings.Sector))
		}
	}
	return n
}

// lastWrite returns the last write that was not synced, or nil.
func (s *Snapshot) lastWrite() (last *change) {
	for _, f := range s.files {
		for i := range f.pending {
			if c := &f.pending[i]; !c.truncates && (last == nil || c.n > last.n) {
				last = c
			}
		}
	}
	return last
}

// After returns a drive as it comes up after a crash at the moment of the
// snapshot. It is a new one: the drive that the snapshot is of goes on.
func (s *Snapshot) After(v Survival) *Drive {
	d := New(s.world, s.name, s.settings)
	d.files = s.after(v)
	return d
}

// after returns the files that survive.
func (s *Snapshot) after(v Survival) tree {
	survives := s.judge(v)
	names := maps.Clone(s.names)
	for _, c := range s.pending {
		if survives(c.n, nil) {
			c.apply(names)
		}
	}
	// What a file has become does not depend on the order in which names are
	// looked at: judge asks in the order of the changes, all of them.
	became := map[*inode]*inode{}
	for _, f := range s.files {
		if len(f.pending) == 0 {
			became[f] = &inode{data: f.durable, durable: f.durable, shared: true, aliased: true, bad: maps.Clone(f.bad), linked: true}
			continue
		}
		data := slices.Clone(f.durable)
		for _, c := range f.pending {
			for _, piece := range c.pieces(s.settings.Sector) {
				switch {
				case survives(c.n, &piece):
					data = piece.apply(data)
				case v.kind == onlyLengths:
					data = resize(data, max(int64(len(data)), piece.offset+int64(len(piece.data))))
				}
			}
		}
		became[f] = &inode{data: data, durable: slices.Clone(data), bad: maps.Clone(f.bad), linked: true}
	}
	t := tree{names: map[string]*inode{}}
	for name, f := range names {
		if file := became[f]; file != nil {
			file.name = name
			t.names[name] = file
			t.used += int64(len(file.data))
		}
	}
	t.durable = maps.Clone(t.names)
	return t
}

// judge returns what tells whether a change survives: the n-th of the drive, a
// piece of a write or a truncation, or of a name when piece is nil. It is asked
// about all of them in the same order each time.
func (s *Snapshot) judge(v Survival) func(n int, piece *change) bool {
	last, sectors := s.lastWrite(), uint64(0)
	dice := s.world.Dice(simtest.Key(s.name), simtest.Key("mixture"), v.n)
	set := v.n
	return func(n int, piece *change) bool {
		switch v.kind {
		case everything:
			return true
		case onlyNames:
			return piece == nil
		case onlyBytes:
			return piece != nil
		case onlyLengths:
			return piece == nil || piece.truncates
		case torn:
			if piece == nil || last == nil || n != last.n {
				return true
			}
			sectors++
			return sectors <= v.n
		case subset:
			bit := set & 1
			set >>= 1
			return bit == 1
		case mixture:
			return dice.Chance(0.5)
		}
		return false
	}
}

// sum hashes names and bytes. Bytes that all survivals share have the same
// address, which stands for them.
func (t tree) sum() uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	for _, name := range slices.Sorted(maps.Keys(t.names)) {
		f := t.names[name]
		fmt.Fprintf(&h, "%q %d ", name, len(f.data))
		if f.aliased {
			fmt.Fprintf(&h, "%p", f.data)
		} else {
			h.Write(f.data)
		}
	}
	return h.Sum64()
}

var hashSeed = maphash.MakeSeed()

// Crash cuts the power of the drive: of what was not synced, something survives
// that the dice choose. Whoever has it mounted is a zombie from now on. Crash the
// node first, so that nobody hears of what the zombie believes.
func (d *Drive) Crash() {
	d.mu.Lock()
	d.crashes++
	dice := d.world.Dice(d.key, simtest.Key("crash"), d.crashes)
	d.mu.Unlock()
	d.CrashWith(d.Snapshot().survival(dice))
}

// survival chooses one.
func (s *Snapshot) survival(dice simtest.Dice) Survival {
	all := []Survival{Nothing, Everything, OnlyNames, OnlyBytes, OnlyLengths}
	for range 3 {
		all = append(all, Mixture(int(dice.Uint64()>>1)))
	}
	if last := s.lastWrite(); last != nil {
		sectors := uint64(len(last.pieces(s.settings.Sector)))
		for range 3 {
			all = append(all, Torn(int(dice.Uint64()%sectors)))
		}
	}
	return all[dice.Uint64()%uint64(len(all))]
}

// CrashWith is Crash with what survives given.
func (d *Drive) CrashWith(v Survival) {
	unsynced := d.Snapshot()
	d.mu.Lock()
	if d.mounted != nil {
		d.mounted.dead.Store(true)
	}
	changes := d.files.changes
	d.files = unsynced.after(v)
	d.files.changes = changes
	d.mu.Unlock()
	d.record("crash", fmt.Sprintf("disk: %v; not synced: %v", v, unsynced.Unsynced()))
}
