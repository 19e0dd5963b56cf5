package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkGigabyte puts a file of 1 GiB into a store whose servers are processes of
// their own, with three copies on one disk, and reads it back. It compares that with
// cp of the same bytes, three times and once, and tells the memory that each process
// took at most.
//
//	put-ratio      the time of three cp, until the bytes are on the disk, by the time of put
//	cat-ratio      the time of one cp from the page cache by the time of cat
//	put-ratio-raw  as put-ratio, but cp may leave the bytes in the page cache
//	client-MiB, chunkserver-MiB, master-MiB
func BenchmarkGigabyte(b *testing.B) {
	const size = 1 << 30
	dir := b.TempDir()
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, bytes.Repeat(pattern(1<<20), size>>20), 0o644); err != nil {
		b.Fatal(err)
	}
	f := startFleet(b)
	for b.Loop() {
		timed(b, "sync")
		raw := copies(b, dir, big, 3, false)
		synced := copies(b, dir, big, 3, true)
		put, putMem := f.timed("-put", big, "/big")
		cat, catMem := f.timed("-cat", "/big")
		once := copies(b, dir, big, 1, false)
		f.dfs("-rm", "/big")

		b.ReportMetric(float64(synced)/float64(put), "put-ratio")
		b.ReportMetric(float64(raw)/float64(put), "put-ratio-raw")
		b.ReportMetric(float64(once)/float64(cat), "cat-ratio")
		b.ReportMetric(max(putMem, catMem), "client-MiB")
		b.ReportMetric(f.peak(f.servers...), "chunkserver-MiB")
		b.ReportMetric(f.peak(f.master), "master-MiB")
		b.Logf("cp three times %v, and until it is on the disk %v; put %v; cat %v; cp once %v", raw, synced, put, cat, once)
	}
}

// timed runs a command and returns how long it took.
func timed(b *testing.B, name string, args ...string) time.Duration {
	began := time.Now()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		b.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return time.Since(began)
}

// copies copies a file n times, perhaps until it is on the disk.
func copies(b *testing.B, dir, file string, n int, sync bool) time.Duration {
	began := time.Now()
	var made []string
	for i := range n {
		made = append(made, filepath.Join(dir, fmt.Sprint("copy", i)))
		timed(b, "cp", file, made[i])
	}
	if sync {
		timed(b, "sync", made...)
	}
	took := time.Since(began)
	for _, name := range made {
		os.Remove(name)
	}
	return took
}

// timed runs a command of the shell whose output goes nowhere, and returns how long
// it took, and its memory in MiB at most.
func (f *fleet) timed(args ...string) (time.Duration, float64) {
	cmd := f.command(args...)
	cmd.Stdout = discard{}
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		f.t.Fatalf("dfs %v: %v", args, err)
	}
	return time.Since(began), maxRSS(cmd)
}

// maxRSS returns the memory, in MiB, that a command which has ended took at most.
func maxRSS(cmd *exec.Cmd) float64 {
	usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if usage == nil {
		return 0
	}
	return float64(usage.Maxrss) / 1024
}

// discard reads what comes through a pipe, as a program behind cat would.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// peak returns the largest memory, in MiB, that any of these processes has taken.
func (f *fleet) peak(processes ...*process) (most float64) {
	for _, p := range processes {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		if err != nil {
			f.t.Skip("memory is read from /proc, on Linux")
		}
		for line := range strings.Lines(string(status)) {
			var kib float64
			if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kib); n == 1 {
				most = max(most, kib/1024)
			}
		}
	}
	return most
}
