package runner

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pollInterval is how often the memory of a process is looked at.
const pollInterval = 50 * time.Millisecond

// groupEvery says at which of these looks the whole group is counted, not
// only its first process: that means reading all of /proc.
const groupEvery = 10

// ownGroup puts a process into a group of its own, which dies with us.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// A meter measures a process group.
type meter struct {
	pid       int // of the first process, and so of the group
	looks     int
	processes int // at the last look at the group
}

// look returns the resident memory in bytes and the number of processes.
func (m *meter) look() (resident int64, processes int) {
	m.looks++
	if m.looks%groupEvery != 0 {
		return residentPages(strconv.Itoa(m.pid)) * int64(os.Getpagesize()), m.processes
	}
	var pages int64
	m.processes = 0
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		if processGroup(path) == m.pid {
			m.processes++
			pages += residentPages(filepath.Base(filepath.Dir(path)))
		}
	}
	return pages * int64(os.Getpagesize()), m.processes
}

// residentPages reads the second field of /proc/PID/statm.
func residentPages(pid string) int64 {
	data, _ := os.ReadFile("/proc/" + pid + "/statm")
	fields := bytes.Fields(data)
	if len(fields) < 2 {
		return 0
	}
	n, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return n
}

// tick is the unit of processor time in /proc.
const tick = time.Second / 100

// cpuTime reads the fourteenth and the fifteenth field of /proc/PID/stat.
func cpuTime(pid int) time.Duration {
	fields := statFields("/proc/" + strconv.Itoa(pid) + "/stat")
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(string(fields[11]))
	system, _ := strconv.Atoi(string(fields[12]))
	return time.Duration(user+system) * tick
}

// loadAverage returns how many threads wanted a processor in the last minute.
func loadAverage() float64 {
	data, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(data), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}

// processGroup reads the fifth field of a /proc/PID/stat.
func processGroup(path string) int {
	fields := statFields(path)
	if len(fields) < 3 {
		return 0
	}
	n, _ := strconv.Atoi(string(fields[2]))
	return n
}

// statFields returns the fields of a /proc/PID/stat from the third on. The
// second is a name in parentheses, with any character in it.
func statFields(path string) [][]byte {
	data, _ := os.ReadFile(path)
	return bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
}

// peakMemory returns the largest resident size, in bytes.
func peakMemory(u *syscall.Rusage) int64 { return u.Maxrss << 10 }
