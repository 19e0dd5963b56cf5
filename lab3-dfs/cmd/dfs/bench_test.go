package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
//
// With -short it takes a quarter of that.
func BenchmarkGigabyte(b *testing.B) {
	size := 1 << 30
	if testing.Short() {
		size = 1 << 28
	}
	dir := b.TempDir()
	big := filepath.Join(dir, "big")
	writeBig(b, big, size)
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
		b.ReportMetric(mostMemory(f.servers...), "chunkserver-MiB")
		b.ReportMetric(mostMemory(f.master), "master-MiB")
		b.Logf("cp three times %v, and until it is on the disk %v; put %v; cat %v; cp once %v", raw, synced, put, cat, once)
	}
}

// writeBig makes a file without holding it in memory.
func writeBig(b *testing.B, name string, size int) {
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	piece := pattern(1 << 20)
	for range size / len(piece) {
		if _, err := f.Write(piece); err != nil {
			b.Fatal(err)
		}
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
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for memory := 0.0; ; {
		select {
		case err := <-done:
			if err != nil {
				f.t.Fatalf("dfs %v: %v", args, err)
			}
			return time.Since(began), memory
		case <-time.After(50 * time.Millisecond):
			memory = max(memory, peak(cmd.Process.Pid))
		}
	}
}

// discard reads what comes through a pipe, as a program behind cat would.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// mostMemory returns the memory, in MiB, that any of these processes has taken at
// most.
func mostMemory(processes ...*process) (most float64) {
	for _, p := range processes {
		most = max(most, peak(p.cmd.Process.Pid))
	}
	return most
}

// peak returns the memory, in MiB, that a process which still runs has taken at most;
// 0 where there is no /proc.
func peak(pid int) (mib float64) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kib); n == 1 {
			mib = kib / 1024
		}
	}
	return mib
}
