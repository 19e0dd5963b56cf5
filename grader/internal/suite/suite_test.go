package suite

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/internal/rubric"
)

var (
	calm = rubric.Test{Name: "TestCalm9A"}
	racy = rubric.Test{Name: "TestRacy9A", Race: true}
)

func demo(race bool) *rubric.Rubric {
	return &rubric.Rubric{
		Lab: "lab9-demo", Seeds: 5, Race: rubric.Flag(race),
		Limits: rubric.Limits{Time: rubric.Duration(time.Minute), Memory: 1 << 30, Output: 1 << 20},
	}
}

// The limits of the rubric are for its own number of seeds, and for a build
// with or without the race detector as it says for the whole lab.
func TestLimitsScale(t *testing.T) {
	for _, test := range []struct {
		options Options
		race    bool // in the rubric
		test    rubric.Test
		seeds   int
		time    time.Duration
		memory  int64
	}{
		{Options{}, false, calm, 5, time.Minute, 1 << 30},
		{Options{Seeds: 1}, false, calm, 1, time.Minute, 1 << 30},
		{Options{Seeds: 1000}, false, calm, 1000, 200 * time.Minute, 1 << 30},
		{Options{Race: true}, false, calm, 5, 5 * time.Minute, 5 << 30},
		{Options{Race: true}, true, calm, 5, time.Minute, 1 << 30},
		{Options{}, false, racy, 5, 5 * time.Minute, 5 << 30},
		{Options{NoRace: true}, false, racy, 5, time.Minute, 1 << 30},
		{Options{}, true, racy, 5, time.Minute, 1 << 30},
		{Options{MaxTime: 20 * time.Second, Seeds: 10}, false, racy, 10, 200 * time.Second, 5 << 30},
		{Options{MaxTime: time.Hour}, false, calm, 5, time.Minute, 1 << 30},
	} {
		test.options.Jobs = 1
		r := demo(test.race)
		o := test.options.limits(r, test.options.Raced(r, test.test))
		require.Len(t, o.Seeds, test.seeds)
		require.Equal(t, test.time, o.Limits.Time)
		require.Equal(t, test.memory, o.Limits.Memory)
	}
}

func TestRaced(t *testing.T) {
	both := []rubric.Test{calm, racy}
	for _, test := range []struct {
		options Options
		race    bool // in the rubric
		want    int
	}{
		{Options{}, false, 1},
		{Options{}, true, 2},
		{Options{Race: true}, false, 2},
		{Options{NoRace: true}, true, 0},
	} {
		require.Equal(t, test.want, test.options.CountRaced(demo(test.race), both), test)
	}
}

// The seeds count from 1, unless one is asked for, or a secret is given: then
// they are the same each time, and others for another lab or secret.
func TestSeeds(t *testing.T) {
	require.Equal(t, []uint64{1, 2, 3}, (&Options{}).seeds("lab9-demo", 3))
	require.Equal(t, []uint64{7}, (&Options{Seed: 7, Secret: "x"}).seeds("lab9-demo", 3))
	hidden := (&Options{Secret: "x"}).seeds("lab9-demo", 100)
	require.Equal(t, hidden, (&Options{Secret: "x"}).seeds("lab9-demo", 100))
	seen := map[uint64]bool{0: true}
	for _, seed := range hidden {
		require.False(t, seen[seed])
		seen[seed] = true
	}
	require.NotContains(t, (&Options{Secret: "x"}).seeds("lab8", 100), hidden[0])
	require.NotContains(t, (&Options{Secret: "y"}).seeds("lab9-demo", 100), hidden[0])
}
