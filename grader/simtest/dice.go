package simtest

import "time"

// Dice is a source of random choices. What it gives depends only on the
// world's seed and on the keys it was made with, so a choice does not change
// when goroutines happen to run in another order. The zero value is usable.
//
// It is SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
// Generators, OOPSLA 2014).
type Dice struct{ state uint64 }

// Dice returns the source for the choice that keys name: for a message, say,
// its link and its ordinal on that link. It may be called from any goroutine.
func (w *World) Dice(keys ...uint64) Dice {
	d := Dice{state: mix(w.seed)}
	for _, k := range keys {
		d.state = mix(d.state ^ k)
	}
	return d
}

// Uint64 returns a uniform 64-bit number.
func (d *Dice) Uint64() uint64 {
	d.state += 0x9e3779b97f4a7c15
	return mix(d.state)
}

// Float64 returns a uniform number in [0, 1).
func (d *Dice) Float64() float64 {
	return float64(d.Uint64()>>11) / (1 << 53)
}

// Chance reports true with probability p.
func (d *Dice) Chance(p float64) bool {
	return p > 0 && d.Float64() < p
}

// Duration returns a uniform duration in [min, max), to the nanosecond, or min
// when the range is empty.
func (d *Dice) Duration(min, max time.Duration) time.Duration {
	if max <= min {
		return min
	}
	return min + time.Duration(d.Float64()*float64(max-min))
}

// Key hashes a name to a key for [World.Dice] (64-bit FNV-1a).
func Key(name string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3
	}
	return h
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
