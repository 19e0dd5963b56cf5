// Package shard divides work among several runs.
package shard

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// A Shard is one of several parts: the Index-th, counted from 1. The zero value
// is everything.
type Shard struct {
	Index int `json:"index"`
	Of    int `json:"of"`
}

// Parse parses "i/n".
func Parse(text string) (Shard, error) {
	var s Shard
	if n, err := fmt.Sscanf(text, "%d/%d", &s.Index, &s.Of); n != 2 || err != nil || s.String() != strings.TrimSpace(text) || s.Index < 1 || s.Index > s.Of {
		return Shard{}, fmt.Errorf("%q is not a shard: write i/n, from 1/n to n/n", text)
	}
	return s, nil
}

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Of) }

// Has reports whether item i of a list, counted from 0, is in the shard.
func (s Shard) Has(i int) bool { return s.Of == 0 || i%s.Of == s.Index-1 }

// HasName reports whether a thing of that name is in the shard. It stays in the
// same one when other things come and go.
func (s Shard) HasName(name string) bool {
	h := fnv.New32a()
	h.Write([]byte(name))
	return s.Has(int(h.Sum32() >> 1))
}
