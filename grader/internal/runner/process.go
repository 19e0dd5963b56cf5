package runner

import (
	"context"
	"os/exec"
	"syscall"
	"time"
)

const (
	quitGrace = 2 * time.Second        // from asking for a dump of the goroutines to the kill
	drainTime = 500 * time.Millisecond // for what is left in a pipe after the process has ended
)

// An ending says how a process ended.
type ending struct {
	cause   cause
	exit    int            // exit status, or -1 after a signal
	signal  syscall.Signal // that ended it, or 0
	elapsed time.Duration
	cpu     time.Duration
	memory  int64
}

// A cause says who ended a process.
type cause int

const (
	itself cause = iota // or the kernel
	interrupted
	overTime
	overMemory
	overOutput
)

// supervise starts cmd in a group of its own and waits for its end. Whatever
// is left of the group is killed then. A memory limit of 0 is none.
func supervise(ctx context.Context, cmd *exec.Cmd, limits Limits, flood <-chan struct{}) (ending, error) {
	cmd.SysProcAttr = ownGroup()
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return ending{}, err
	}
	group := -cmd.Process.Pid
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		cmd.Wait() // ProcessState says it all.
	}()
	why := watch(ctx, cmd.Process.Pid, limits, flood, waited)
	syscall.Kill(group, syscall.SIGKILL)
	<-waited
	return endingOf(cmd, why, time.Since(began)), nil
}

// watch returns when the process has ended or must be killed.
func watch(ctx context.Context, pid int, limits Limits, flood, waited <-chan struct{}) cause {
	timer := time.NewTimer(limits.Time)
	defer timer.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	meter := memoryMeter{pid: pid}
	for {
		select {
		case <-waited:
			return itself
		case <-ctx.Done():
			return interrupted
		case <-flood:
			return overOutput
		case <-timer.C:
			dump(pid, waited)
			return overTime
		case <-tick.C:
			if limits.Memory > 0 && meter.resident() > limits.Memory {
				return overMemory
			}
		}
	}
}

// dump makes a Go program print its goroutines and exit.
func dump(pid int, waited <-chan struct{}) {
	syscall.Kill(pid, syscall.SIGQUIT)
	select {
	case <-waited:
	case <-time.After(quitGrace):
	}
}

func endingOf(cmd *exec.Cmd, why cause, elapsed time.Duration) ending {
	state := cmd.ProcessState
	e := ending{cause: why, exit: state.ExitCode(), elapsed: elapsed, cpu: state.UserTime() + state.SystemTime()}
	if s, ok := state.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		e.signal = s.Signal()
	}
	if u, ok := state.SysUsage().(*syscall.Rusage); ok {
		e.memory = peakMemory(u)
	}
	return e
}
