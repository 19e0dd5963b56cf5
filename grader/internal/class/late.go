package class

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// A LatePolicy says what the dates of git commits mean. The zero value does not
// look at them. A date is what the student's computer wrote into the commit:
// where it matters, compare it with the time of the push.
type LatePolicy struct {
	Due     time.Time // the last commit up to then counts; zero: dates do not matter
	Percent float64   // when not 0, the last commit of all counts, less this much for each day begun after Due
	Best    bool      // of the last commit before Due and the last one of all, the one that earns more counts
}

func (p LatePolicy) dated() bool { return !p.Due.IsZero() }

// days counts the days begun between Due and t.
func (p LatePolicy) days(t time.Time) int {
	if !t.After(p.Due) {
		return 0
	}
	return int(math.Ceil(float64(t.Sub(p.Due)) / float64(24*time.Hour)))
}

// penalty returns the percentage of the points that is lost.
func (p LatePolicy) penalty(t time.Time) float64 {
	return min(100, p.Percent*float64(p.days(t)))
}

// commits returns those that may count, the earlier one first.
func (p LatePolicy) commits(ctx context.Context, g *clone) ([]dated, error) {
	last, err := g.last(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	if !last.at.After(p.Due) || p.Percent > 0 && !p.Best {
		return []dated{last}, nil
	}
	inTime, err := g.last(ctx, p.Due)
	switch {
	case errors.Is(err, errNoCommit) && p.Percent > 0:
		return []dated{last}, nil
	case errors.Is(err, errNoCommit):
		return nil, fmt.Errorf("no commit before %s; the last one is of %s", p.Due.Format(time.RFC3339), last.at.UTC().Format(time.RFC3339))
	case err != nil || p.Percent == 0:
		return []dated{inTime}, err
	}
	return []dated{inTime, last}, nil
}
