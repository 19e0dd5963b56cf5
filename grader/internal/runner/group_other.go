//go:build unix && !linux

package runner

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// pollInterval is how often the memory of a process group is looked at. It
// takes a run of ps.
const pollInterval = time.Second

// ownGroup puts a process into a group of its own.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// A meter measures a process group.
type meter struct{ pid int }

// look returns the resident memory in bytes and the number of processes.
func (m *meter) look() (resident int64, processes int) {
	text, err := exec.Command("ps", "-axo", "pgid=,rss=").Output()
	if err != nil {
		return 0, 0
	}
	var kib int64
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var group int
		var rss int64
		if n, _ := fmt.Sscan(lines.Text(), &group, &rss); n == 2 && group == m.pid {
			kib += rss
			processes++
		}
	}
	return kib << 10, processes
}

// peakMemory returns the largest resident size, in bytes.
func peakMemory(u *syscall.Rusage) int64 { return u.Maxrss }

// cpuTime and loadAverage are not known here, so no time limit is stretched.
func cpuTime(int) time.Duration { return 0 }

func loadAverage() float64 { return 0 }
