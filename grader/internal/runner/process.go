package runner

import (
	"context"
	"io/fs"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	quitGrace = 2 * time.Second        // from asking for a dump of the goroutines to the kill
	drainTime = 500 * time.Millisecond // for what is left in a pipe after the process has ended

	scratchEvery = 10 // at which of the looks the folder for temporary files is added up
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
	overScratch
	overProcesses
)

// bounds are what a process group is watched for. A bound of 0 is none.
type bounds struct {
	Limits
	scratch   string // a folder that may hold mostScratch bytes
	processes int    // in the group
}

// supervise starts cmd in a group of its own and waits for its end. Whatever
// is left of the group is killed then.
func supervise(ctx context.Context, cmd *exec.Cmd, within bounds, flood <-chan struct{}) (ending, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = ownGroup()
	}
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
	why := watch(ctx, cmd.Process.Pid, within, flood, waited)
	syscall.Kill(group, syscall.SIGKILL)
	<-waited
	return endingOf(cmd, why, time.Since(began)), nil
}

// watch returns when the process has ended or must be killed.
func watch(ctx context.Context, pid int, within bounds, flood, waited <-chan struct{}) cause {
	began := time.Now()
	timer := time.NewTimer(within.Time)
	defer timer.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	m := meter{pid: pid}
	for look := 1; ; look++ {
		select {
		case <-waited:
			return itself
		case <-ctx.Done():
			return interrupted
		case <-flood:
			return overOutput
		case <-timer.C:
			if patient(within.Time, time.Since(began), cpuTime(pid), loadAverage()) {
				timer.Reset(within.Time / 4)
				continue
			}
			dump(pid, waited)
			return overTime
		case <-tick.C:
			resident, processes := m.look()
			switch {
			case within.Memory > 0 && resident > within.Memory:
				return overMemory
			case within.processes > 0 && processes > within.processes:
				return overProcesses
			case within.scratch != "" && look%scratchEvery == 0 && folderSize(within.scratch) > mostScratch:
				return overScratch
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

// folderSize adds up the sizes of the files in a folder.
func folderSize(dir string) int64 {
	var sum int64
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
