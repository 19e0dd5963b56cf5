package grading

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/internal/rubric"
)

// The limits of the rubric are for its own number of seeds, and for a build
// with or without the race detector as it says.
func TestLimitsScale(t *testing.T) {
	l := &lab{rubric: &rubric.Rubric{
		Lab: "lab9-demo", Seeds: 5,
		Limits: rubric.Limits{Time: rubric.Duration(time.Minute), Memory: 1 << 30, Output: 1 << 20},
	}}
	for _, test := range []struct {
		options Options
		race    bool // in the rubric
		seeds   int
		time    time.Duration
		memory  int64
	}{
		{Options{}, false, 5, time.Minute, 1 << 30},
		{Options{Seeds: 1}, false, 1, time.Minute, 1 << 30},
		{Options{Seeds: 1000}, false, 1000, 200 * time.Minute, 1 << 30},
		{Options{Race: true}, false, 5, 5 * time.Minute, 5 << 30},
		{Options{Race: true}, true, 5, time.Minute, 1 << 30},
	} {
		l.rubric.Race = test.race
		g := &grader{options: test.options}
		o := g.testOptions(l, 1)
		require.Equal(t, test.seeds, o.Seeds)
		require.Equal(t, test.time, o.Limits.Time)
		require.Equal(t, test.memory, o.Limits.Memory)
	}
}
