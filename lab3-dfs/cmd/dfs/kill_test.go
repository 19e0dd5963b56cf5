package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A fleet is a store each of whose servers is a process of its own.
type fleet struct {
	t       testing.TB
	dir     string
	master  *process
	address string
	servers []*process
}

func startFleet(t testing.TB) *fleet {
	f := &fleet{t: t, dir: t.TempDir(), address: "127.0.0.1:0"}
	f.startMaster()
	f.servers = make([]*process, 4)
	for n := range f.servers {
		f.startServer(n)
	}
	require.NoError(t, awaitServers("dfs", f.address))
	return f
}

func (f *fleet) start(args ...string) *process {
	p, err := start("dfs", args...)
	require.NoError(f.t, err)
	f.t.Cleanup(p.kill)
	return p
}

func (f *fleet) startMaster() {
	f.master = f.start("master", "-dir", filepath.Join(f.dir, "master"), "-listen", f.address)
	var err error
	f.address, err = f.master.address("master")
	require.NoError(f.t, err)
}

// chunks returns the folder of a chunkserver.
func (f *fleet) chunks(n int) string { return filepath.Join(f.dir, fmt.Sprint("chunks", n)) }

func (f *fleet) startServer(n int) {
	f.servers[n] = f.start("-fs", f.address, "chunkserver", "-dir", f.chunks(n))
}

// dfs runs a command of the shell.
func (f *fleet) dfs(args ...string) string {
	cmd := f.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(f.t, cmd.Run(), "dfs %v: %s", args, &errs)
	return out.String()
}

func (f *fleet) command(args ...string) *exec.Cmd {
	return exec.Command("dfs", append([]string{"-fs", f.address}, args...)...)
}

// Proves that files survive real processes being killed: a chunkserver in the
// middle of a -cat, and the master, which then starts again in its folder. Data
// that was read is compared byte for byte.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("moves half a gigabyte: left out by -short")
	}
	const size = 256 << 20
	big := filepath.Join(t.TempDir(), "big")
	require.NoError(t, os.WriteFile(big, pattern(size), 0o644))
	f := startFleet(t)
	f.dfs("-mkdir", "-p", "/data/2026")
	f.dfs("-put", big, "/data/2026")
	require.Contains(t, f.dfs("-ls", "/data/2026"), fmt.Sprintf("%d", size))

	t.Log("kill -9 of a chunkserver during a -cat")
	f.cat("/data/2026/big", big, func() { f.servers[0].kill() })

	t.Log("kill -9 of the master during a -put, and restart")
	f.dfs("-put", "main_test.go", "/data/small")
	put := f.command("-put", big, "/data/2026/second")
	put.Stderr = os.Stderr
	require.NoError(t, put.Start())
	time.Sleep(300 * time.Millisecond)
	f.master.kill()
	f.startMaster()
	require.NoError(t, put.Wait(), "a -put that goes on while the master starts again")
	small, err := os.ReadFile("main_test.go")
	require.NoError(t, err)
	require.Equal(t, string(small), f.dfs("-cat", "/data/small"))
	f.cat("/data/2026/big", big, func() {})
	f.cat("/data/2026/second", big, func() {})
	require.Equal(t, "/data\n/data/2026\n/data/2026/big\n/data/2026/second\n/data/small\n", f.dfs("-ls", "-C", "-R", "/"))
}

// cat compares a file of the store with a local one. When a quarter of it has come,
// it calls meanwhile.
func (f *fleet) cat(name, local string, meanwhile func()) {
	want, err := os.Open(local)
	require.NoError(f.t, err)
	defer want.Close()
	info, err := want.Stat()
	require.NoError(f.t, err)
	cmd := f.command("-cat", name)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	require.NoError(f.t, err)
	require.NoError(f.t, cmd.Start())
	var done int64
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(out, a)
		if n > 0 {
			_, err := io.ReadFull(want, b[:n])
			require.NoError(f.t, err, "%s is longer than it should be", name)
			require.True(f.t, bytes.Equal(a[:n], b[:n]), "%s differs between byte %d and %d", name, done, done+int64(n))
		}
		if done += int64(n); meanwhile != nil && done >= info.Size()/4 {
			meanwhile()
			meanwhile = nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		require.NoError(f.t, err)
	}
	require.NoError(f.t, cmd.Wait(), "dfs -cat %s: %s", name, &errs)
	require.Equal(f.t, info.Size(), done, "bytes of %s", name)
}

// Proves that a chunk file that was cut short and a checksum file that is gone do
// no harm: the bytes come from the other copies, and copies are made until there
// are three again.
func TestDamagedFolder(t *testing.T) {
	f := startFleet(t)
	local := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(local, pattern(1<<20), 0o644))
	f.dfs("-put", local, "/f")
	holders := f.copies("*.data", 1<<20)
	require.Len(t, holders, 3, "whole copies of a file of one chunk")
	chunk := strings.TrimSuffix(filepath.Base(holders[0]), ".data")
	damage := []func(dir string){
		func(dir string) { require.NoError(t, os.Truncate(filepath.Join(dir, chunk+".data"), 1000)) },
		func(dir string) { require.NoError(t, os.Remove(one(t, dir, chunk+".*.sums"))) },
	}
	for i, spoil := range damage {
		dir := filepath.Dir(holders[i])
		for n, p := range f.servers {
			if dir == f.chunks(n) {
				p.kill()
				spoil(dir)
				f.startServer(n)
			}
		}
	}
	f.cat("/f", local, func() {})
	for range 300 {
		if holders = f.copies("*.data", 1<<20); len(holders) == 3 {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	require.Len(t, holders, 3, "whole copies a minute after two of three were damaged")
	f.cat("/f", local, func() {})
}

// one returns the only file in a folder that matches.
func one(t testing.TB, dir, pattern string) string {
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	require.NoError(t, err)
	require.Len(t, found, 1, "files %s in %s", pattern, dir)
	return found[0]
}

// copies returns the files of all chunkservers that match and have that size.
func (f *fleet) copies(pattern string, size int64) (whole []string) {
	found, err := filepath.Glob(filepath.Join(f.dir, "chunks*", pattern))
	require.NoError(f.t, err)
	for _, name := range found {
		if info, err := os.Stat(name); err == nil && info.Size() == size {
			whole = append(whole, name)
		}
	}
	return whole
}
