// Package simtest runs a test body in simulated worlds: once per seed, each in
// a testing/synctest bubble of its own, in virtual time.
//
//	func TestLeaderIsReplaced4A(t *testing.T) {
//		simtest.Run(t, func(w *simtest.World) {
//			...
//			w.Sleep(10 * time.Second) // takes microseconds
//			require.True(w, ...)
//		})
//	}
//
// Inside a world goroutines, mutexes, timers and time.Sleep are the ordinary
// ones. The clock starts at midnight UTC 2000-01-01 and moves when every
// goroutine of the world waits: for time, for a channel, on a sync.Cond. A
// goroutine that waits for a mutex stops the clock. So the one rule for code
// under test is: never hold a mutex while you wait. A watchdog tells a world
// that broke it from one that is only slow, and says who holds which lock.
//
// Flags of the test binary: -seeds N runs N worlds (default 5), -seed N only
// that one, -seedlist N,N,... those; -logdir DIR says where the event logs of
// failed worlds go.
package simtest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seedsFlag = flag.Int("seeds", 5, "run every simulated test under `N` seeds")
	seedFlag  = flag.Uint64("seed", 0, "run every simulated test under the seed `N` only")
	listFlag  seedList
	logFlag   = flag.String("logdir", filepath.Join(os.TempDir(), "distsys-logs"), "write the event logs of failed worlds to `DIR`")
)

// Run runs body once per seed, as parallel subtests named seed=N. The test
// fails when one of the worlds fails; the message is that of the lowest seed,
// the others are named.
func Run(t *testing.T, body func(w *World)) {
	t.Helper()
	seeds := seeds()
	results := make([]*Result, len(seeds))
	report := beginReport(t, seeds)
	t.Cleanup(func() { report.end(results) })
	for i, seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			report.start(seed)
			r := newWorld(report.test, seed).run(t, body)
			if t.Failed() && !r.Failed() { // The race detector has spoken.
				r.Status, r.Failures = Fail, []Failure{{Message: raceMessage}}
			}
			results[i] = r
			report.seed(r)
			if r.Failed() {
				t.Fail()
			}
		})
	}
}

const raceMessage = "data race: the race detector's report is above"

// Real runs a test that cannot run in a bubble: on real sockets, in real
// time. It gives the grader the same verdict as Run does, with seed 0. When the
// code under test comes to a TODO, that is what the test fails with; body has to
// end soon by itself, since nothing works behind a TODO.
func Real(t *testing.T, body func(t *testing.T)) {
	t.Helper()
	captureLogs()
	report := beginReport(t, []uint64{0})
	t.Cleanup(func() { report.end([]*Result{}) })
	report.start(0)
	began := time.Now()
	todo := &atomic.Pointer[string]{}
	realTODO.Store(todo)
	t.Cleanup(func() {
		realTODO.Store(nil)
		r := &Result{Seed: 0, Status: Pass, Real: time.Since(began)}
		if next := todo.Load(); next != nil {
			t.Errorf("%s", *next)
			r.Status, r.Failures = Fail, []Failure{{Message: *next}}
		} else if t.Failed() || t.Skipped() {
			r.Status, r.Failures = Fail, []Failure{{Message: "see the output of the test"}}
		}
		report.seed(r)
	})
	body(t)
}

// Try runs body in one world and returns what became of it, without failing t.
// It is for tests of the kit.
func Try(t *testing.T, seed uint64, body func(w *World)) *Result {
	t.Helper()
	w := newWorld(t.Name(), seed)
	w.keepLog = true
	return w.run(t, body)
}

// Outside returns a world without a bubble, in real time and without bounds,
// for what cannot run in a bubble, such as nettest.TestConn. It is for tests of
// the kit. End it with the function returned.
func Outside(t testing.TB, seed uint64) (w *World, end func()) {
	w = newWorld(t.Name(), seed)
	w.began, w.broken, w.unbounded = time.Now(), make(chan struct{}), true
	return w, func() { w.ending.Store(true) }
}

// Bench runs body in one world from a benchmark, without the bounds on virtual
// time, events and CPU time. The benchmark's own clock is real. Do not call b.StartTimer and its kin from body: they would read the
// virtual clock.
func Bench(b *testing.B, body func(w *World)) {
	b.Helper()
	var r *Result
	test := testing.InternalTest{Name: b.Name(), F: func(t *testing.T) {
		w := newWorld(b.Name(), 1)
		w.unbounded = true
		b.ResetTimer()
		r = w.run(t, body)
		b.StopTimer()
	}}
	all := func(pat, str string) (bool, error) { return true, nil }
	if !testing.RunTests(all, []testing.InternalTest{test}) || r.Failed() {
		b.Fatalf("the world failed: %v", r)
	}
}

func seeds() []uint64 {
	switch {
	case *seedFlag != 0:
		return []uint64{*seedFlag}
	case listFlag != nil:
		return listFlag
	}
	all := make([]uint64, *seedsFlag)
	for i := range all {
		all[i] = uint64(i + 1)
	}
	return all
}

func init() {
	flag.Var(&listFlag, "seedlist", "run every simulated test under these `SEEDS`, such as 7,23")
}

// A seedList is a flag of seeds, separated by commas.
type seedList []uint64

// String returns the seeds as they are written.
func (l *seedList) String() string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(*l), "[]"), " ", ",")
}

// Set reads the seeds, which count from 1.
func (l *seedList) Set(text string) error {
	*l = nil
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is no seed", field)
		}
		*l = append(*l, n)
	}
	return nil
}
