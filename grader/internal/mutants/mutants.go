// Package mutants tests the tests of a lab: it plants known bugs in the
// reference solution, one at a time, and says which tests catch which bug.
//
// A test catches a bug when it does anything but pass. The reference itself is
// tried as well: where a test fails without any bug, what it catches means
// nothing.
package mutants

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"distsys/grader/internal/result"
	"distsys/grader/internal/rubric"
	"distsys/grader/internal/runner"
	"distsys/grader/internal/shard"
	"distsys/grader/internal/suite"
	"distsys/grader/internal/workspace"
)

// Options says which bugs are planted, and which tests are to catch them.
type Options struct {
	Labs     []string       // folders
	Bugs     *regexp.Regexp // only the bugs whose name matches; nil is all
	Shard    shard.Shard    // of the bugs
	Named    bool           // only the tests that a bug's patch names
	Once     bool           // those, and of the tests that no patch names those that have caught no bug yet
	Seeds    int            // 0 is as the rubric says
	Jobs     int            // tests and builds at once; 0 is GOMAXPROCS
	Progress Progress       // not nil
}

// Progress is told how far the trial has come. Its methods may be called at
// the same time.
type Progress interface {
	Planting(bugs int)
	Started(lab, bug string)
	Tried(lab, bug string, caught bool)
}

// testTime bounds one test. A bug may well make it run for ever, and the
// rubric's limit has room for slow machines.
const testTime = 30 * time.Second

// Try plants the bugs. An error says why it could not; a bug that nothing
// catches is no error, and neither is a patch that is wrong: both are in the
// report. When ctx ends, what is not done yet is marked as not run.
func Try(ctx context.Context, w *workspace.Workspace, o Options) (*Report, error) {
	temp, err := os.MkdirTemp("", "distsys-mutants-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	if o.Jobs == 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	t := &trial{workspace: w, options: o, temp: temp, pool: runner.NewPool(o.Jobs)}
	t.suites = suite.Options{Seeds: o.Seeds, Jobs: o.Jobs, MaxTime: testTime, TempDir: temp}
	if err := t.load(); err != nil {
		return nil, err
	}
	if err := t.needRace(ctx); err != nil {
		return nil, err
	}
	if err := t.run(ctx); err != nil {
		return nil, err
	}
	return t.report(), nil
}

type trial struct {
	workspace *workspace.Workspace
	options   Options
	suites    suite.Options
	temp      string
	pool      runner.Pool
	labs      []*lab
}

// needRace fails where a test that is to be run needs a race detector that is
// not there.
func (t *trial) needRace(ctx context.Context) error {
	for _, l := range t.labs {
		if t.suites.CountRaced(l.rubric, l.needed()) > 0 {
			return runner.RaceDetector(ctx)
		}
	}
	return nil
}

// run tries everything, with one more at a time than the pool does at once:
// while the tests of one bug run, the next is built.
func (t *trial) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan func() error)
	var group sync.WaitGroup
	for range t.options.Jobs + 1 {
		group.Go(func() {
			for work := range queue {
				if err := work(); err != nil && ctx.Err() == nil {
					cancel(failure{err})
				}
			}
		})
	}
	for _, work := range t.work(ctx) {
		queue <- work
	}
	close(queue)
	group.Wait()
	if f := (failure{}); errors.As(context.Cause(ctx), &f) {
		return f.error
	}
	return nil
}

// A failure is why a trial ended, other than that it was told to.
type failure struct{ error }

// work returns what is to be done: first all references, then the bugs.
func (t *trial) work(ctx context.Context) []func() error {
	var work []func() error
	bugs := 0
	for _, l := range t.labs {
		if len(l.needed()) > 0 {
			work = append(work, func() error { return t.tryReference(ctx, l) })
		}
	}
	for _, l := range t.labs {
		for _, p := range l.plants {
			if p.outcome.Status != NotRun {
				continue
			}
			bugs++
			work = append(work, func() error { return t.tryPlant(ctx, l, p) })
		}
	}
	t.options.Progress.Planting(bugs)
	return work
}

// tryReference makes sure that the tests pass when there is no bug.
func (t *trial) tryReference(ctx context.Context, l *lab) error {
	results, err := t.try(ctx, l, l.reference, l.needed(), 0)
	if bad := (*runner.BuildError)(nil); errors.As(err, &bad) {
		return fmt.Errorf("the reference solution of %s does not compile:\n%w", l.rubric.Lab, bad)
	}
	if err != nil || ctx.Err() != nil {
		return err
	}
	var failed []string
	for _, test := range l.needed() {
		if s := results[test.Name]; s != result.Pass {
			failed = append(failed, fmt.Sprintf("%s (%s)", test.Name, s))
		}
	}
	if failed != nil {
		return fmt.Errorf("tests of %s that fail without any bug: %s\nrun: go run ./grader --solutions %[1]s", l.rubric.Lab, strings.Join(failed, ", "))
	}
	return nil
}

// tryPlant plants one bug.
func (t *trial) tryPlant(ctx context.Context, l *lab, p *plant) error {
	t.options.Progress.Started(l.rubric.Lab, p.outcome.Name)
	defer func() { t.options.Progress.Tried(l.rubric.Lab, p.outcome.Name, len(p.outcome.CaughtBy) > 0) }()
	began := time.Now()
	defer func() { p.outcome.Seconds = seconds(time.Since(began)) }()
	overlay, err := t.plant(l, p)
	if err != nil {
		return err
	}
	results, err := t.try(ctx, l, overlay, l.left(p, t.options.Once), p.named)
	if bad := (*runner.BuildError)(nil); errors.As(err, &bad) {
		p.outcome.Status = BuildError
		p.outcome.Message = p.path + ": the lab does not compile\n" + bad.Error()
		return nil
	}
	if err == nil && ctx.Err() == nil {
		p.outcome.settle(l.rubric.Tests(), results)
		l.found(p.outcome.CaughtBy)
	}
	return err
}

// plant writes the files that the bug changes.
func (t *trial) plant(l *lab, p *plant) (workspace.Overlay, error) {
	dir := filepath.Join(t.temp, "files", l.rubric.Lab, p.outcome.Name)
	files := map[string]string{}
	for name, text := range p.files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return workspace.Overlay{}, err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return workspace.Overlay{}, err
		}
		files[name] = path
	}
	return l.reference.Under(t.workspace.Lay(l.rubric.Lab, files)), nil
}

// try builds the lab's tests with an overlay and runs them. It returns what
// became of each. Those after the first so many are left out when the bug makes
// tests hang.
func (t *trial) try(ctx context.Context, l *lab, overlay workspace.Overlay, tests []rubric.Test, first int) (map[string]result.Status, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	dir, err := os.MkdirTemp(t.temp, l.rubric.Lab+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // The binaries are large.
	var s *suite.Suite
	t.pool.Do(func() { s, err = suite.Build(ctx, t.workspace, l.rubric, overlay, tests, t.suites, dir) })
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	jobs := s.Jobs(tests)
	results, err := t.pool.Run(ctx, jobs, &patience{first: first, waiting: first, stop: stop})
	if err != nil {
		return nil, err
	}
	statuses := map[string]result.Status{}
	for i, r := range results {
		statuses[jobs[i].Test] = r.Status
	}
	return statuses, nil
}

const (
	mostHangs = 3                // tests that a bug may make hang, before the others are left out
	hangTime  = 10 * time.Second // CPU time of a test that counts as a hang
)

// A patience ends with a bug that makes one test after the other hang: the
// others would tell nothing more, and take minutes.
type patience struct {
	first int // tests that are not left out
	stop  func()

	mu      sync.Mutex
	waiting int // for how many of the first
	hangs   int
}

func (p *patience) Started(int) {}

func (p *patience) Ended(i int, r runner.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i < p.first {
		p.waiting--
	}
	if r.Status == result.Timeout || r.Status != result.Pass && r.CPU > hangTime {
		p.hangs++
	}
	if p.hangs >= mostHangs && p.waiting == 0 {
		p.stop()
	}
}
