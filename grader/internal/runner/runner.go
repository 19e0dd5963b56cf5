// Package runner builds a lab's tests and runs each in a process of its own.
//
// A process has a group, a scratch folder and a bare environment of its own,
// and limits on time, memory, output, files and children. On Linux, where the
// system permits, it has no network but a loopback interface of its own. What
// became of the test is read from the verdict channel of package simtest: what
// the process prints, and how it exits, can take a pass away but never give
// one.
//
// On Linux memory is read from /proc twenty times a second; elsewhere ps is
// asked once a second, so a fast hog may overshoot. Windows is not supported.
package runner

import (
	"time"

	"distsys/grader/internal/result"
)

// Options says how a test is run.
type Options struct {
	Seeds   []uint64 // a world of the test for each
	Limits  Limits
	LogDir  string // where the kit writes the logs of failed worlds; made when needed
	TempDir string // where the scratch folder of the test is made; "" is the system's
	Procs   int    // GOMAXPROCS of the process; 0 leaves it to Go
}

// A Result is what became of one test.
type Result struct {
	Status      result.Status
	Message     string
	SeedsRun    int      // seeds that were begun
	SeedsFailed []uint64 // seeds that were begun and did not pass
	Elapsed     time.Duration
	CPU         time.Duration // of the process and those of its children that it waited for
	Memory      int64         // peak resident bytes of the process
	Log         string        // the file with the whole output, when it is worth reading
	Output      string        // what it printed, the middle cut out when there was too much
}
