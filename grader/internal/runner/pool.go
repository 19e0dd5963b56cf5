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

// A Watcher is told what [RunAll] does. Its methods may be called at the same
// time. I is the index of the job.
type Watcher interface {
	Started(i int)
	Ended(i int, r Result)
}

// RunAll runs jobs, at most n at once, and returns their results in the order
// of the jobs. When ctx ends, what runs is killed; that and the rest are not
// run. The error is not nil only when a process could not be started.
func RunAll(ctx context.Context, n int, jobs []Job, watch Watcher) ([]Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		results = make([]Result, len(jobs))
		slots   = make(chan struct{}, n)
		group   sync.WaitGroup
		failed  sync.Once
		failure error
	)
	for i := range jobs {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
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
