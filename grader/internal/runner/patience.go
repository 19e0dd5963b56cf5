package runner

import (
	"runtime"
	"time"
)

// mostPatience is by how much a time limit is stretched at most.
const mostPatience = 4

// patient reports whether a process that has reached its time limit may go on:
// the machine has more to do than it can, and the process has not had half the
// processor time that the limit stands for. A correct solution must not fail
// because others keep the machine busy.
func patient(limit, elapsed, cpu time.Duration, load float64) bool {
	return elapsed < mostPatience*limit && cpu < limit/2 && load > 1.5*float64(runtime.NumCPU())
}
