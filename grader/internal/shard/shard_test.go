package shard

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	s, err := Parse("2/3")
	require.NoError(t, err)
	require.Equal(t, Shard{2, 3}, s)
	for _, bad := range []string{"", "0/2", "3/2", "1", "a/b", "1/2x", "-1/2", "1/0"} {
		_, err := Parse(bad)
		require.Error(t, err, bad)
	}
}

// Everything is in exactly one of the shards, by number and by name.
func TestHas(t *testing.T) {
	for i := range 100 {
		count, named := 0, 0
		for index := range 4 {
			s := Shard{index + 1, 4}
			if s.Has(i) {
				count++
			}
			if s.HasName(fmt.Sprint("bug", i)) {
				named++
			}
		}
		require.Equal(t, 1, count)
		require.Equal(t, 1, named)
		require.True(t, Shard{}.Has(i))
	}
}
