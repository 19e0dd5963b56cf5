package class

import (
	"fmt"
	"strings"
)

// A Shard is a part of the class: every n-th student, beginning with the
// Index-th, both counted from 1. The zero value is the whole class.
type Shard struct {
	Index int `json:"index"`
	Of    int `json:"of"`
}

// ParseShard parses "i/n".
func ParseShard(text string) (Shard, error) {
	var s Shard
	if n, err := fmt.Sscanf(text, "%d/%d", &s.Index, &s.Of); n != 2 || err != nil || s.String() != strings.TrimSpace(text) || s.Index < 1 || s.Index > s.Of {
		return Shard{}, fmt.Errorf("%q is not a shard: write i/n, from 1/n to n/n", text)
	}
	return s, nil
}

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Of) }

// of returns the students of the shard.
func (s Shard) of(students []Student) []Student {
	if s.Of == 0 {
		return students
	}
	var mine []Student
	for i := s.Index - 1; i < len(students); i += s.Of {
		mine = append(mine, students[i])
	}
	return mine
}
