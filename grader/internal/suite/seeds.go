package suite

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// seeds returns n seeds for the tests of a lab.
func (o *Options) seeds(lab string, n int) []uint64 {
	if o.Seed != 0 {
		return []uint64{o.Seed}
	}
	seeds := make([]uint64, n)
	for i := range seeds {
		seeds[i] = uint64(i + 1)
		if o.Secret != "" {
			seeds[i] = hidden(o.Secret, lab, i+1)
		}
	}
	return seeds
}

// hidden derives the seed number i of a lab from a secret: the same each time,
// and not to be foretold without it. It is short enough to be typed, and never
// 0.
func hidden(secret, lab string, i int) uint64 {
	h := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(h, "%s %d", lab, i)
	return uint64(binary.BigEndian.Uint32(h.Sum(nil))) | 1
}
