package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"distsys/grader/interop"

	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary is the dfs command, too: started under that name, it runs main.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"dfs": main})
}

// blockSize makes files of several chunks cheap.
const blockSize = "131072"

// Proves that the shell and the gateway do what people and programs expect who
// know HDFS: each file in testdata is a session with a store of its own. A session
// that needs a program which is not installed is skipped.
func TestSessions(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"fill": fill,
		},
		Setup: func(env *testscript.Env) error {
			t := env.T().(testing.TB)
			name := strings.TrimSuffix(filepath.Base(strings.TrimPrefix(t.Name(), "TestSessions/")), ".txtar")
			needs(t, name, env)
			return startStore(env)
		},
	})
}

// needs looks for the programs of a session.
func needs(t testing.TB, session string, env *testscript.Env) {
	switch session {
	case "curl":
		interop.Need(t, "curl", "curl")
	case "fsspec":
		env.Setenv("PYTHON", interop.Python(t, "fsspec, requests", "python3-fsspec python3-requests"))
	case "npm-webhdfs":
		env.Setenv("NODE_PATH", interop.NPM(t, "webhdfs@1.2.0"))
	case "npm-node-webhdfs":
		env.Setenv("NODE_PATH", interop.NPM(t, "node-webhdfs@1.0.2"))
	}
}

// startStore starts a store for a session, and tells the session where it is.
func startStore(env *testscript.Env) error {
	self, err := exec.LookPath("dfs")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "dfs-session-")
	if err != nil {
		return err
	}
	env.Defer(func() { os.RemoveAll(dir) })
	p, err := start(self, "-D", "dfs.blocksize="+blockSize, "serve", "-dir", filepath.Join(dir, "store"),
		"-listen", "127.0.0.1:0", "-http", "127.0.0.1:0", "-data", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Defer(p.stop)
	at := map[string]string{}
	for _, what := range []string{"master", "webhdfs data", "webhdfs"} {
		if at[what], err = p.address(what); err != nil {
			return err
		}
	}
	if err := awaitServers(self, at["master"]); err != nil {
		return err
	}
	env.Setenv("DFS_MASTER", at["master"])
	env.Setenv("WEBHDFS", "http://"+at["webhdfs"]+"/webhdfs/v1")
	env.Setenv("DATA", "http://"+at["webhdfs data"]+"/webhdfs/v1")
	env.Setenv("HOSTPORT", at["webhdfs"])
	env.Setenv("STORE", filepath.Join(dir, "store"))
	env.Setenv("LONG", strings.Repeat("n", 256))
	return nil
}

// A process is a dfs command that runs.
type process struct {
	cmd   *exec.Cmd
	lines chan string
	seen  []string
}

// start starts a dfs command and reads what it prints.
func start(self string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(self, args...), lines: make(chan string, 100)}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	return p, nil
}

// address waits until the process says where a server listens.
func (p *process) address(what string) (string, error) {
	deadline := time.After(time.Minute)
	for {
		for _, line := range p.seen {
			if addr, ok := strings.CutPrefix(line, what+" on "); ok {
				return addr, nil
			}
		}
		select {
		case line, ok := <-p.lines:
			if !ok {
				return "", fmt.Errorf("%v ended: %v", p.cmd.Args, p.seen)
			}
			p.seen = append(p.seen, line)
		case <-deadline:
			return "", fmt.Errorf("%v does not say where the %s is: %v", p.cmd.Args, what, p.seen)
		}
	}
}

// stop asks the process to end, and waits.
func (p *process) stop() {
	p.cmd.Process.Signal(os.Interrupt)
	p.cmd.Wait()
}

// kill ends the process without a warning, as kill -9 does.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// awaitServers waits until chunkservers have reported, so that a file can be
// written.
func awaitServers(self, master string) error {
	var out []byte
	var err error
	for range 60 {
		cmd := exec.Command(self, "-fs", master, "-put", "-f", "-", "/.probe")
		cmd.Stdin = strings.NewReader("x")
		if out, err = cmd.CombinedOutput(); err == nil {
			return exec.Command(self, "-fs", master, "-rm", "/.probe").Run()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the store takes no file: %s", out)
}

// fill makes a file of so many bytes: fill SIZE FILE.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: fill SIZE FILE")
	}
	var n int
	if _, err := fmt.Sscan(args[0], &n); err != nil {
		ts.Fatalf("fill: %v", err)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), pattern(n), 0o644))
}

// pattern returns n bytes in which no two blocks are alike.
func pattern(n int) []byte {
	data := make([]byte, n)
	x := uint64(n) + 1
	for i := range data {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		data[i] = byte(x)
	}
	return data
}
