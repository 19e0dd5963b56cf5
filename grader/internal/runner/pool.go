package runner

import (
	"context"
	"sync"

	"distsys/grader/internal/result"
)

// A Job is one test to run.
type Job struct {
	Binary  *Binary
	Test    string
	Options Options
}

// A Watcher is told what [Pool.Run] does. Its methods may be called at the same
// time. I is the index of the job.
type Watcher interface {
	Started(i int)
	Ended(i int, r Result)
}

// A Pool bounds how much is done at once. It may be shared: who asks first is
// served first.
type Pool struct{ slots chan struct{} }

// NewPool returns a pool in which n things are done at once.
func NewPool(n int) Pool { return Pool{make(chan struct{}, n)} }

// Do runs f in its turn.
func (p Pool) Do(f func()) {
	p.slots <- struct{}{}
	defer func() { <-p.slots }()
	f()
}

// Run runs jobs and returns their results in the order of the jobs. When ctx
// ends, what runs is killed; that and the rest are not run. The error is not
// nil only when a process could not be started.
func (p Pool) Run(ctx context.Context, jobs []Job, watch Watcher) ([]Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		results = make([]Result, len(jobs))
		group   sync.WaitGroup
		failed  sync.Once
		failure error
	)
	for i := range jobs {
		p.slots <- struct{}{}
		group.Go(func() {
			defer func() { <-p.slots }()
			results[i] = Result{Status: result.NotRun, Message: "interrupted", SeedsFailed: []uint64{}}
			if ctx.Err() != nil {
				return
			}
			watch.Started(i)
			r, err := jobs[i].Binary.Run(ctx, jobs[i].Test, jobs[i].Options)
			if err != nil {
				failed.Do(func() { failure = err })
				cancel()
				return
			}
			results[i] = r
			watch.Ended(i, r)
		})
	}
	group.Wait()
	return results, failure
}
