// Package suite builds the tests of a lab and says how each is to be run: with
// the race detector or without, and within which limits.
package suite

import (
	"context"
	"path/filepath"
	"runtime"
	"time"

	"distsys/grader/internal/rubric"
	"distsys/grader/internal/runner"
	"distsys/grader/internal/workspace"
)

// Options says how tests are built and run.
type Options struct {
	Race    bool          // run all tests with the race detector, also where the rubric does not ask for it
	NoRace  bool          // run no test with it
	Seeds   int           // 0 is as the rubric says
	Seed    uint64        // when not 0, this seed only
	Secret  string        // when not "", the seeds derive from it instead of being 1, 2, 3
	Jobs    int           // tests that run at once
	MaxTime time.Duration // when not 0, the rubric's time limit is taken as at most this
	LogDir  string        // where logs of failed tests go, in a folder for each lab; "" keeps none
	TempDir string        // where tests get their scratch folders
}

// Raced reports whether a test of the lab runs with the race detector.
func (o *Options) Raced(r *rubric.Rubric, t rubric.Test) bool {
	return !o.NoRace && (o.Race || bool(r.Race || t.Race))
}

// CountRaced returns how many of the tests run with the race detector.
func (o *Options) CountRaced(r *rubric.Rubric, tests []rubric.Test) int {
	n := 0
	for _, t := range tests {
		if o.Raced(r, t) {
			n++
		}
	}
	return n
}

// A Suite is the compiled tests of a lab: with the race detector, without it,
// or both.
type Suite struct {
	rubric      *rubric.Rubric
	options     Options
	plain, race *runner.Binary
}

// Build compiles what the given tests of the lab need, to dir. The error is a
// [*runner.BuildError] when the source is to blame.
func Build(ctx context.Context, w *workspace.Workspace, r *rubric.Rubric, overlay workspace.Overlay, tests []rubric.Test, o Options, dir string) (*Suite, error) {
	s := &Suite{rubric: r, options: o}
	spec := runner.Spec{Root: w.Root, Lab: r.Lab, Overlay: overlay, OutDir: dir}
	raced := o.CountRaced(r, tests)
	var err error
	if raced < len(tests) {
		if s.plain, err = runner.Build(ctx, spec); err != nil {
			return nil, err
		}
	}
	if raced > 0 {
		spec.Race = true
		if s.race, err = runner.Build(ctx, spec); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Jobs returns what runs the tests, which are among those that Build was given.
func (s *Suite) Jobs(tests []rubric.Test) []runner.Job {
	jobs := make([]runner.Job, len(tests))
	for i, t := range tests {
		raced := s.options.Raced(s.rubric, t)
		jobs[i] = runner.Job{Binary: s.plain, Test: t.Name, Options: s.options.limits(s.rubric, raced)}
		if raced {
			jobs[i].Binary = s.race
		}
	}
	return jobs
}

// raceFactor is how much more a test may take with a race detector that its
// limits were not made for.
const raceFactor = 5

func (o *Options) limits(r *rubric.Rubric, raced bool) runner.Options {
	out := runner.Options{
		Limits: runner.Limits{
			Time:   time.Duration(r.Limits.Time),
			Memory: int64(r.Limits.Memory),
			Output: int64(r.Limits.Output),
		},
		TempDir: o.TempDir,
		// Together the processes get twice the processors there are.
		Procs: max(2, 2*runtime.NumCPU()/o.Jobs),
	}
	if o.LogDir != "" {
		out.LogDir = filepath.Join(o.LogDir, r.Lab)
	}
	if o.MaxTime > 0 {
		out.Limits.Time = min(out.Limits.Time, o.MaxTime)
	}
	n := int(r.Seeds)
	if o.Seeds > 0 {
		n = o.Seeds
		// The limit is for the rubric's number of seeds.
		out.Limits.Time = out.Limits.Time * time.Duration(max(n, int(r.Seeds))) / time.Duration(r.Seeds)
	}
	out.Seeds = o.seeds(r.Lab, n)
	if raced && !bool(r.Race) {
		out.Limits.Time *= raceFactor
		out.Limits.Memory *= raceFactor
	}
	return out
}
