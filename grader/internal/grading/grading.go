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
	"slices"
	"strings"
	"sync"

	"distsys/grader/internal/result"
	"distsys/grader/internal/rubric"
	"distsys/grader/internal/runner"
	"distsys/grader/internal/submission"
	"distsys/grader/internal/suite"
	"distsys/grader/internal/workspace"
)

// Options says what is graded, and how.
type Options struct {
	Labs       []string       // folders
	Reference  bool           // grade the reference solutions
	Submission string         // grade the student files in this folder; "" grades those of the tree
	Seeds      int            // 0 is as the rubric says
	Seed       uint64         // when not 0, this seed only
	Secret     string         // when not "", the seeds derive from it
	Run        *regexp.Regexp // only the tests that match; nil is all
	Race       bool           // build with the race detector even where the rubric does not ask for it
	Jobs       int            // tests at once; 0 is GOMAXPROCS
	LogDir     string         // where logs of failed tests go, in a folder for each lab
	Progress   Progress       // not nil
}

// official reports whether the tests are the course's, and not a student's
// copy to which the student may have added some.
func (o *Options) official() bool { return o.Reference || o.Submission != "" }

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
	if o.Jobs == 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	g := &grader{workspace: w, options: o, temp: temp}
	if err := g.load(); err != nil {
		return nil, err
	}
	for _, l := range g.labs {
		if err := g.prepare(l); err != nil {
			return nil, err
		}
	}
	if err := g.buildAll(ctx); err != nil {
		return nil, err
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
	suite   *suite.Suite
	results map[string]runner.Result // by test
}

// asked reports whether a test of the lab is to be run. Hidden tests are left
// out where they are not.
func (g *grader) asked(r *rubric.Rubric, t rubric.Test) bool {
	return (g.options.Run == nil || g.options.Run.MatchString(t.Name)) && (!bool(t.Hidden) || r.HiddenHere)
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
		for _, e := range r.Unlisted {
			if g.options.official() {
				errs = append(errs, e)
			} else {
				l.notes = append(l.notes, e.Error())
			}
		}
		matched += len(g.tests(l))
		g.labs = append(g.labs, l)
	}
	if len(errs) == 0 && matched == 0 {
		return fmt.Errorf("no test matches --run %v", g.options.Run)
	}
	return errors.Join(errs...)
}

// tests returns the lab's tests that are to be run.
func (g *grader) tests(l *lab) []rubric.Test {
	return slices.DeleteFunc(l.rubric.Tests(), func(t rubric.Test) bool { return !g.asked(l.rubric, t) })
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
			problems = s.Problems
			l.notes = append(l.notes, s.Ignored...)
			l.overlay = g.workspace.Lay(name, s.Files)
		}
	default:
		problems = submission.Own(l.rubric, g.workspace.Dir(name))
		l.overlay = g.workspace.Lay(name, nil)
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

// buildAll builds the labs, several at once.
func (g *grader) buildAll(ctx context.Context) error {
	errs := make([]error, len(g.labs))
	pool := runner.NewPool(g.options.Jobs)
	var group sync.WaitGroup
	for i, l := range g.labs {
		group.Go(func() {
			pool.Do(func() { errs[i] = g.build(ctx, l) })
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return nil // What was not built is reported as not run.
	}
	return errors.Join(errs...)
}

func (g *grader) build(ctx context.Context, l *lab) error {
	tests := g.tests(l)
	if l.refusal != "" || len(tests) == 0 {
		return nil
	}
	o := suite.Options{
		Race: g.options.Race, Seeds: g.options.Seeds, Seed: g.options.Seed, Secret: g.options.Secret,
		Jobs: g.options.Jobs, LogDir: g.options.LogDir, TempDir: g.temp,
	}
	g.options.Progress.Building(l.rubric.Lab)
	if raced := o.CountRaced(l.rubric, tests); raced > 0 {
		if err := runner.RaceDetector(ctx); err != nil {
			if !errors.Is(err, runner.ErrNoRaceDetector) || g.options.official() || g.options.Race {
				return err
			}
			o.NoRace = true
			l.notes = append(l.notes, withoutRace(raced))
		}
	}
	s, err := suite.Build(ctx, g.workspace, l.rubric, l.overlay, tests, o, g.temp)
	if err != nil && g.blames(ctx, l, tests, o, err) {
		l.refusal = err.Error()
		return nil
	}
	l.suite = s
	return err
}

// blames reports whether a build failed for what was submitted. When a compiler
// dies of a lack of memory, say, that shows in whether the clean tree can be
// built.
func (g *grader) blames(ctx context.Context, l *lab, tests []rubric.Test, o suite.Options, err error) bool {
	if errors.As(err, new(*runner.BuildError)) {
		return true
	}
	if g.options.Submission == "" || ctx.Err() != nil {
		return false
	}
	_, err = suite.Build(ctx, g.workspace, l.rubric, g.workspace.Lay(l.rubric.Lab, nil), tests, o, g.temp)
	return err == nil
}

func withoutRace(tests int) string {
	if tests == 1 {
		return "no C compiler: 1 test ran without the race detector"
	}
	return fmt.Sprintf("no C compiler: %d tests ran without the race detector", tests)
}

// run runs the tests of all labs in one pool.
func (g *grader) run(ctx context.Context) error {
	watch := &watcher{progress: g.options.Progress}
	for _, l := range g.labs {
		if l.suite == nil {
			continue
		}
		for _, job := range l.suite.Jobs(g.tests(l)) {
			watch.jobs = append(watch.jobs, job)
			watch.labs = append(watch.labs, l)
		}
	}
	g.options.Progress.Running(len(watch.jobs))
	results, err := runner.NewPool(g.options.Jobs).Run(ctx, watch.jobs, watch)
	for i, r := range results {
		watch.labs[i].results[watch.jobs[i].Test] = r
	}
	return err
}

// A watcher passes on what becomes of jobs.
type watcher struct {
	progress Progress
	jobs     []runner.Job
	labs     []*lab
}

func (w *watcher) Started(i int) {
	w.progress.Started(w.labs[i].rubric.Lab, w.jobs[i].Test)
}

func (w *watcher) Ended(i int, r runner.Result) {
	w.progress.Ended(w.labs[i].rubric.Lab, w.jobs[i].Test, r.Status)
}
