package simdisk

import (
	"fmt"
	"slices"

	"distsys/grader/simtest"
)

// FlipBit flips one bit of a file, where it is stored and where it is cached. It
// fails the world when the file has no such bit.
func (d *Drive) FlipBit(name string, bit int64) {
	d.mu.Lock()
	f := d.files.names[name]
	ok := f != nil && bit >= 0 && bit/8 < int64(len(f.data))
	if ok {
		f.flip(bit)
	}
	d.mu.Unlock()
	if !ok {
		d.world.Fatalf("simdisk: %s has no bit %d of a file %q", d.name, bit, name)
	}
	d.record("rot", fmt.Sprintf("bit %d of byte %d of %s", bit%8, bit/8, name))
}

func (f *inode) flip(bit int64) {
	f.own()
	f.data[bit/8] ^= 1 << (bit % 8)
	if bit/8 < int64(len(f.durable)) {
		if f.shared {
			f.durable, f.shared = slices.Clone(f.durable), false
		}
		f.durable[bit/8] ^= 1 << (bit % 8)
	}
}

// A Flip is a bit of a file.
type Flip struct {
	Name string
	Bit  int64
}

// Rot flips n bits that the dice choose, of all files for which match is true; a
// nil match takes all. It returns which.
func (d *Drive) Rot(n int, match func(name string) bool) []Flip {
	var flips []Flip
	for range n {
		flip, ok := d.pick(match)
		if !ok {
			break
		}
		d.FlipBit(flip.Name, flip.Bit)
		flips = append(flips, flip)
	}
	return flips
}

// pick chooses a bit: each has the same chance.
func (d *Drive) pick(match func(name string) bool) (Flip, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := slices.DeleteFunc(d.files.list(""), func(name string) bool { return match != nil && !match(name) })
	total := uint64(0)
	for _, name := range names {
		total += 8 * uint64(len(d.files.names[name].data))
	}
	if total == 0 {
		return Flip{}, false
	}
	d.ordinals["rot"]++
	dice := d.world.Dice(d.key, simtest.Key("rot"), d.ordinals["rot"])
	bit := int64(dice.Uint64() % total)
	for _, name := range names {
		size := 8 * int64(len(d.files.names[name].data))
		if bit < size {
			return Flip{name, bit}, true
		}
		bit -= size
	}
	panic("simdisk: no bit chosen")
}

// SpoilSector makes the sector that holds a byte of a file unreadable, until it is
// written again: a read answers with EIO.
func (d *Drive) SpoilSector(name string, offset int64) {
	d.mu.Lock()
	f := d.files.names[name]
	if f != nil {
		f.bad[offset/int64(d.settings.Sector)] = true
	}
	d.mu.Unlock()
	if f == nil {
		d.world.Fatalf("simdisk: %s has no file %q", d.name, name)
	}
	d.record("rot", fmt.Sprintf("the sector of byte %d of %s cannot be read", offset, name))
}

// Put replaces the bytes of a file, durably, as if somebody had done so while the
// machine was down. With nil bytes it removes the file.
func (d *Drive) Put(name string, data []byte) {
	d.mu.Lock()
	if old := d.files.names[name]; old != nil {
		d.files.unlink(old)
	}
	delete(d.files.names, name)
	delete(d.files.durable, name)
	if data != nil {
		f := &inode{name: name, linked: true, data: slices.Clone(data), durable: slices.Clone(data), bad: map[int64]bool{}}
		d.files.names[name], d.files.durable[name] = f, f
		d.files.used += int64(len(data))
	}
	quiet := d.settings.Quiet
	d.mu.Unlock()
	if quiet {
		return
	}
	d.record("disk", fmt.Sprintf("the test sets %s to %d bytes", name, len(data)))
}
