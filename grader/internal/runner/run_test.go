package runner_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/internal/result"
	"distsys/grader/internal/runner"
	"distsys/grader/simtest"
	"distsys/grader/simtest/verdict"
)

// The tests named TestChild... are what the runner runs here: this very binary
// takes the place of a lab's.

func child(t *testing.T) {
	if !verdict.Enabled() {
		t.Skip("is run by other tests")
	}
}

func TestChildPasses(t *testing.T) {
	child(t)
	simtest.Run(t, func(w *simtest.World) {})
}

func TestChildFails(t *testing.T) {
	child(t)
	simtest.Run(t, func(w *simtest.World) {
		if w.Seed()%2 == 0 {
			w.Fatalf("odd seeds are good")
		}
	})
}

func TestChildExitsAfterwards(t *testing.T) {
	child(t)
	t.Cleanup(func() { os.Exit(3) })
	simtest.Run(t, func(w *simtest.World) {})
}

func TestChildGivesNoVerdict(t *testing.T) { child(t) }

func TestChildHangs(t *testing.T) {
	child(t)
	simtest.Real(t, func(*testing.T) { select {} })
}

func TestChildShowsItself(t *testing.T) {
	child(t)
	simtest.Real(t, func(t *testing.T) {
		fmt.Println(strings.Join(os.Environ(), "\n"))
		fmt.Println(os.Args)
		t.Fail()
	})
}

func TestChildComesToATODO(t *testing.T) {
	child(t)
	simtest.Real(t, func(t *testing.T) {
		log.Print("TODO(1D): a window")
		log.Print("TODO(1D): a timer")
		t.Error("no answer")
	})
}

func options(t *testing.T) runner.Options {
	return runner.Options{
		Seeds:   []uint64{1, 2, 3, 4},
		Limits:  runner.Limits{Time: 30 * time.Second, Memory: 1 << 30, Output: 64 << 10},
		LogDir:  t.TempDir(),
		TempDir: t.TempDir(),
		Procs:   2,
	}
}

func this(t *testing.T) *runner.Binary {
	path, err := os.Executable()
	require.NoError(t, err)
	dir, err := os.Getwd()
	require.NoError(t, err)
	return &runner.Binary{Path: path, Dir: dir}
}

func run(t *testing.T, test string, o runner.Options) runner.Result {
	r, err := this(t).Run(t.Context(), test, o)
	require.NoError(t, err)
	left, err := os.ReadDir(o.TempDir)
	require.NoError(t, err)
	require.Empty(t, left, "the scratch folder must be gone")
	return r
}

func TestPass(t *testing.T) {
	r := run(t, "TestChildPasses", options(t))
	require.Equal(t, result.Pass, r.Status, r.Message)
	require.Equal(t, 4, r.SeedsRun)
	require.Empty(t, r.SeedsFailed)
	require.Positive(t, r.CPU)
	require.Positive(t, r.Memory)
}

func TestOneSeed(t *testing.T) {
	o := options(t)
	o.Seeds = []uint64{6}
	r := run(t, "TestChildFails", o)
	require.Equal(t, result.Fail, r.Status)
	require.Equal(t, 1, r.SeedsRun)
	require.Equal(t, []uint64{6}, r.SeedsFailed)
}

func TestFail(t *testing.T) {
	r := run(t, "TestChildFails", options(t))
	require.Equal(t, result.Fail, r.Status)
	require.Equal(t, []uint64{2, 4}, r.SeedsFailed)
	require.Contains(t, r.Message, "odd seeds are good")
	require.Contains(t, r.Message, "also failed: seed 4")
}

// A test in real time that comes to a TODO says so, and no more.
func TestTODOInRealTime(t *testing.T) {
	r := run(t, "TestChildComesToATODO", options(t))
	require.Equal(t, result.Fail, r.Status)
	require.Regexp(t, `^next: TODO\(1D\): a window\n    TestChildComesToATODO\S*  run_test.go:\d+$`, r.Message)
}

// A pass is taken back when the process then fails.
func TestExitAfterwards(t *testing.T) {
	r := run(t, "TestChildExitsAfterwards", options(t))
	require.Equal(t, result.Fail, r.Status)
	require.Equal(t, "the test passed, but then the process exited with status 3", r.Message)
}

// Without the kit's word, exit status 0 and "PASS" are worth nothing.
func TestNoVerdict(t *testing.T) {
	r := run(t, "TestChildGivesNoVerdict", options(t))
	require.Equal(t, result.Crash, r.Status)
	require.Contains(t, r.Message, "the process exited with status 0 before the test began")
	require.Contains(t, r.Message, "PASS")
}

func TestTimeout(t *testing.T) {
	o := options(t)
	o.Limits.Time = time.Second
	r := run(t, "TestChildHangs", o)
	require.Equal(t, result.Timeout, r.Status)
	require.Contains(t, r.Message, "time limit of 1s exceeded\nwhen it was stopped, the code was\nat runner/run_test.go:")
	require.FileExists(t, r.Log)
}

// A test sees nothing of our environment but a few harmless variables, and
// nothing of the verdict channel.
func TestEnvironment(t *testing.T) {
	t.Setenv("GITHUB_TOKEN", "treasure")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "treasure")
	r := run(t, "TestChildShowsItself", options(t))
	require.Equal(t, result.Fail, r.Status)
	require.Contains(t, r.Output, "HOME=")
	require.Contains(t, r.Output, "GOMAXPROCS=2")
	require.NotContains(t, r.Output, "treasure")
	require.NotContains(t, r.Output, "DISTSYS")
}

type watcher struct {
	mu            sync.Mutex
	running, most int
	ended         []int
}

func (w *watcher) Started(i int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running++
	w.most = max(w.most, w.running)
}

func (w *watcher) Ended(i int, r runner.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	w.ended = append(w.ended, i)
}

func TestPool(t *testing.T) {
	var jobs []runner.Job
	for _, test := range []string{"TestChildPasses", "TestChildFails", "TestChildPasses", "TestChildGivesNoVerdict"} {
		jobs = append(jobs, runner.Job{Binary: this(t), Test: test, Options: options(t)})
	}
	var w watcher
	results, err := runner.NewPool(2).Run(t.Context(), jobs, &w)
	require.NoError(t, err)
	var statuses []result.Status
	for _, r := range results {
		statuses = append(statuses, r.Status)
	}
	require.Equal(t, []result.Status{result.Pass, result.Fail, result.Pass, result.Crash}, statuses)
	require.ElementsMatch(t, []int{0, 1, 2, 3}, w.ended)
	require.Equal(t, 2, w.most)
}

func TestPoolInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var jobs []runner.Job
	for range 3 {
		jobs = append(jobs, runner.Job{Binary: this(t), Test: "TestChildHangs", Options: options(t)})
	}
	time.AfterFunc(300*time.Millisecond, cancel)
	results, err := runner.NewPool(1).Run(ctx, jobs, &watcher{})
	require.NoError(t, err)
	for _, r := range results {
		require.Equal(t, result.NotRun, r.Status)
	}
}

func TestPoolCannotStart(t *testing.T) {
	bad := &runner.Binary{Path: "/no/such/binary", Dir: "/"}
	_, err := runner.NewPool(1).Run(t.Context(), []runner.Job{{Binary: bad, Test: "TestX", Options: options(t)}}, &watcher{})
	require.ErrorContains(t, err, "/no/such/binary")
}
