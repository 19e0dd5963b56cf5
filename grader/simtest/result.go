package simtest

import (
	"fmt"
	"time"
)

// Status says how a world ended.
type Status string

// The ways in which a world can end.
const (
	Pass  Status = "pass"
	Fail  Status = "fail"  // a check of the test or of the kit failed
	Stuck Status = "stuck" // virtual time could not move, or would not end
	Panic Status = "panic" // code under test panicked where the kit could recover
)

// A Failure is one thing that went wrong in a world.
type Failure struct {
	At      time.Duration // virtual time since the world began
	Message string
}

// A Result is what became of one world.
type Result struct {
	Test     string
	Seed     uint64
	Status   Status
	Failures []Failure
	Notes    []string      // what is odd but no failure, such as goroutines blocked for ever
	Virtual  time.Duration // virtual time that passed
	Real     time.Duration // real time that passed
	Events   []Event       // the event log; Run keeps that of failed worlds only
	Log      string        // the file that holds the event log, when the world failed

	text  string // the message for people, when the world failed
	spins bool   // a goroutine of the world still burns CPU time
}

// Failed reports whether the world did not pass.
func (r *Result) Failed() bool { return r == nil || r.Status != Pass }

// String gives the status and the first failure.
func (r *Result) String() string {
	if r == nil {
		return "did not end"
	}
	if len(r.Failures) == 0 {
		return string(r.Status)
	}
	f := r.Failures[0]
	return fmt.Sprintf("%s at %v: %s", r.Status, f.At, f.Message)
}
