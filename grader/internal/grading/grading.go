// Package grading turns labs into grades: it takes the sources, builds each
// lab once, runs its tests, and gives points by the rubric.
package grading

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"distsys/grader/internal/result"
	"distsys/grader/internal/rubric"
	"distsys/grader/internal/runner"
	"distsys/grader/internal/submission"
	"distsys/grader/internal/workspace"
)

// Options says what is graded, and how.
type Options struct {
	Labs       []string       // folders
	Reference  bool           // grade the reference solutions
	Submission string         // grade the student files in this folder; "" grades those of the tree
	Seeds      int            // 0 is as the rubric says
	Seed       uint64         // when not 0, this seed only
	Run        *regexp.Regexp // only the tests that match; nil is all
	Race       bool           // build with the race detector even where the rubric does not ask for it
	Jobs       int            // tests at once; 0 is GOMAXPROCS
	LogDir     string         // where logs of failed tests go, in a folder for each lab
	Progress   Progress       // not nil
}

// Progress is told how far grading has come. Its methods may be called at the
// same time.
type Progress interface {
	Building(lab string)
	Running(tests int)
	Started(lab, test string)
	Ended(lab, test string, status result.Status)
}

// Grade grades labs. An error says why it could not; a bad solution is no
// error. When ctx ends, what is not done yet is marked as not run.
func Grade(ctx context.Context, w *workspace.Workspace, o Options) (*result.Report, error) {
	temp, err := os.MkdirTemp("", "distsys-grade-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	g := &grader{workspace: w, options: o, temp: temp}
	if err := g.load(); err != nil {
		return nil, err
	}
	for _, l := range g.labs {
		if err := g.prepare(l); err != nil {
			return nil, err
		}
	}
	for _, l := range g.labs {
		if err := g.build(ctx, l); err != nil && ctx.Err() == nil {
			return nil, err
		}
	}
	if err := g.run(ctx); err != nil {
		return nil, err
	}
	return g.report(), nil
}

type grader struct {
	workspace *workspace.Workspace
	options   Options
	temp      string
	labs      []*lab
}

// A lab is on its way to a grade.
type lab struct {
	rubric  *rubric.Rubric
	overlay workspace.Overlay
	notes   []string
	refusal string // why it cannot be built; "" when it can
	binary  *runner.Binary
	results map[string]runner.Result // by test
}

func (g *grader) asked(test string) bool {
	return g.options.Run == nil || g.options.Run.MatchString(test)
}

// load reads the rubrics. All mistakes in all of them are reported at once.
func (g *grader) load() error {
	var errs []error
	matched := 0
	for _, name := range g.options.Labs {
		r, err := rubric.Load(g.workspace.Dir(name))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l := &lab{rubric: r, results: map[string]runner.Result{}}
		matched += len(g.tests(l))
		g.labs = append(g.labs, l)
	}
	if len(errs) == 0 && matched == 0 {
		return fmt.Errorf("no test matches --run %v", g.options.Run)
	}
	return errors.Join(errs...)
}

// tests returns the names of the lab's tests that are to be run.
func (g *grader) tests(l *lab) []string {
	var names []string
	for _, p := range l.rubric.Parts {
		for _, t := range p.Tests {
			if g.asked(t.Name) {
				names = append(names, t.Name)
			}
		}
	}
	return names
}

// prepare finds the sources of a lab and checks the student's part of them.
func (g *grader) prepare(l *lab) error {
	name := l.rubric.Lab
	var problems []submission.Problem
	var err error
	switch {
	case g.options.Reference:
		problems = submission.Own(l.rubric, g.workspace.ReferenceDir(name))
		l.overlay, err = g.workspace.LayReference(name)
	case g.options.Submission != "":
		var s *submission.Submission
		s, err = submission.Take(l.rubric, g.options.Submission, g.workspace.Dir(name), filepath.Join(g.temp, "submission", name))
		if err == nil {
			problems, l.notes = s.Problems, s.Ignored
			l.overlay = g.workspace.Lay(name, s.Files)
		}
	default:
		problems = submission.Own(l.rubric, g.workspace.Dir(name))
	}
	l.refusal = joined(problems)
	return err
}

func joined(problems []submission.Problem) string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

func (g *grader) build(ctx context.Context, l *lab) error {
	if l.refusal != "" || len(g.tests(l)) == 0 {
		return nil
	}
	g.options.Progress.Building(l.rubric.Lab)
	b, err := runner.Build(ctx, runner.Spec{
		Root: g.workspace.Root, Lab: l.rubric.Lab, Overlay: l.overlay,
		Race: l.rubric.Race || g.options.Race, OutDir: g.temp,
	})
	if bad := (*runner.BuildError)(nil); errors.As(err, &bad) {
		l.refusal = bad.Error()
		return nil
	}
	l.binary = b
	return err
}

// run runs the tests of all labs in one pool.
func (g *grader) run(ctx context.Context) error {
	pool := &pool{progress: g.options.Progress}
	n := g.options.Jobs
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	var jobs []runner.Job
	for _, l := range g.labs {
		if l.binary == nil {
			continue
		}
		for _, test := range g.tests(l) {
			jobs = append(jobs, runner.Job{Binary: l.binary, Test: test, Options: g.testOptions(l, n)})
			pool.labs = append(pool.labs, l)
		}
	}
	pool.jobs = jobs
	g.options.Progress.Running(len(jobs))
	results, err := runner.RunAll(ctx, n, jobs, pool)
	for i, r := range results {
		pool.labs[i].results[jobs[i].Test] = r
	}
	return err
}

// raceFactor is how much more a test may take with a race detector that its
// limits were not made for.
const raceFactor = 5

func (g *grader) testOptions(l *lab, jobs int) runner.Options {
	limits := l.rubric.Limits
	o := runner.Options{
		Seeds: int(l.rubric.Seeds),
		Seed:  g.options.Seed,
		Limits: runner.Limits{
			Time:   time.Duration(limits.Time),
			Memory: int64(limits.Memory),
			Output: int64(limits.Output),
		},
		LogDir:  filepath.Join(g.options.LogDir, l.rubric.Lab),
		TempDir: g.temp,
		// Together the processes get twice the processors there are.
		Procs: max(2, 2*runtime.NumCPU()/jobs),
	}
	if n := g.options.Seeds; n > 0 {
		// The limit is for the rubric's number of seeds.
		o.Limits.Time = o.Limits.Time * time.Duration(max(n, o.Seeds)) / time.Duration(o.Seeds)
		o.Seeds = n
	}
	if g.options.Race && !l.rubric.Race {
		o.Limits.Time *= raceFactor
		o.Limits.Memory *= raceFactor
	}
	return o
}

// A pool passes on what becomes of jobs.
type pool struct {
	progress Progress
	jobs     []runner.Job
	labs     []*lab
}

func (p *pool) Started(i int) {
	p.progress.Started(p.labs[i].rubric.Lab, p.jobs[i].Test)
}

func (p *pool) Ended(i int, r runner.Result) {
	p.progress.Ended(p.labs[i].rubric.Lab, p.jobs[i].Test, r.Status)
}
