package runner_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/internal/result"
	"distsys/grader/internal/runner"
	"distsys/grader/simtest"
)

// These tests do what no student's code could: they have the whole of os and
// syscall. What the limits stop here they stop for certain.

func TestChildOpensFiles(t *testing.T) {
	child(t)
	simtest.Real(t, func(t *testing.T) {
		for n := 0; ; n++ {
			if _, err := os.Open(os.DevNull); err != nil {
				require.ErrorIs(t, err, syscall.EMFILE)
				require.Less(t, n, 10_000)
				return
			}
		}
	})
}

// The kit can still report when no further file can be opened.
func TestFiles(t *testing.T) {
	r := run(t, "TestChildOpensFiles", options(t))
	require.Equal(t, result.Pass, r.Status, r.Message)
}

func TestChildWritesOneFile(t *testing.T) {
	child(t)
	simtest.Real(t, func(t *testing.T) {
		f, err := os.CreateTemp("", "")
		require.NoError(t, err)
		block := make([]byte, 1<<20)
		for range 1024 {
			if _, err := f.Write(block); err != nil {
				t.Fatal("refused")
			}
		}
	})
}

func TestFileSize(t *testing.T) {
	r := run(t, "TestChildWritesOneFile", options(t))
	require.NotEqual(t, result.Pass, r.Status)
}

func TestChildFillsFolder(t *testing.T) {
	child(t)
	simtest.Real(t, func(t *testing.T) {
		for n := range 20 {
			f, err := os.Create(filepath.Join(os.TempDir(), strconv.Itoa(n)))
			require.NoError(t, err)
			require.NoError(t, f.Truncate(64<<20))
		}
		time.Sleep(time.Minute)
	})
}

func TestScratch(t *testing.T) {
	r := run(t, "TestChildFillsFolder", options(t))
	require.Equal(t, result.Crash, r.Status)
	require.Contains(t, r.Message, "wrote more than 512 MiB of temporary files")
}

func TestChildForks(t *testing.T) {
	child(t)
	simtest.Real(t, func(t *testing.T) {
		for {
			exec.Command("sleep", "60").Start()
		}
	})
}

func TestProcesses(t *testing.T) {
	r := run(t, "TestChildForks", options(t))
	require.Equal(t, result.Crash, r.Status)
	require.Contains(t, r.Message, "started more than 64 processes")
}

func TestChildAllocates(t *testing.T) {
	child(t)
	simtest.Real(t, func(t *testing.T) {
		_ = make([]byte, 64<<30)
		runtime.Gosched()
		held := make([]byte, 4<<30)
		for i := range held {
			held[i] = 1
		}
	})
}

func TestMemory(t *testing.T) {
	o := options(t)
	o.Limits.Memory = 256 << 20
	r := run(t, "TestChildAllocates", o)
	require.Equal(t, result.Crash, r.Status, r.Message)
	require.Less(t, r.Memory, int64(3<<30))
}

// TestChildLeaves starts a process that leaves its group and its session.
func TestChildLeaves(t *testing.T) {
	child(t)
	simtest.Real(t, func(t *testing.T) {
		cmd := exec.Command("sh", "-c", "sleep 1; touch "+filepath.Join(os.TempDir(), "..", "left-behind"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		require.NoError(t, cmd.Start())
	})
}

// A child dies with the test, even one that has left its group.
func TestNothingIsLeftBehind(t *testing.T) {
	if !runner.Isolated() {
		t.Skip("needs namespaces")
	}
	o := options(t)
	r, err := this(t).Run(t.Context(), "TestChildLeaves", o)
	require.NoError(t, err)
	require.Equal(t, result.Pass, r.Status, r.Message)
	time.Sleep(1500 * time.Millisecond)
	require.NoFileExists(t, filepath.Join(o.TempDir, "left-behind"))
}

func TestChildDials(t *testing.T) {
	child(t)
	simtest.Real(t, func(t *testing.T) {
		l, err := net.Listen("tcp", "localhost:0")
		require.NoError(t, err, "the loopback interface works")
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err, "the loopback interface works")
		c.Close()
		_, err = net.DialTimeout("udp", "192.0.2.1:53", time.Second)
		require.ErrorIs(t, err, syscall.ENETUNREACH)
	})
}

func TestNetwork(t *testing.T) {
	if !runner.Isolated() {
		t.Skip("needs namespaces")
	}
	r := run(t, "TestChildDials", options(t))
	require.Equal(t, result.Pass, r.Status, r.Message)
}

// TestChildForges looks for the secret wherever a process can look without
// reading its own memory, and forges a pass with all it finds.
func TestChildForges(t *testing.T) {
	child(t)
	simtest.Run(t, func(w *simtest.World) {
		w.Errorf("failed by right")
		forge()
	})
}

func forge() {
	var seen bytes.Buffer
	for _, name := range []string{"environ", "cmdline", "fdinfo/3", "fdinfo/4"} {
		text, _ := os.ReadFile("/proc/self/" + name)
		seen.Write(text)
	}
	for fd := 3; fd < 10; fd++ {
		buf := make([]byte, 100)
		syscall.SetNonblock(fd, true)
		if n, _ := syscall.Read(fd, buf); n > 0 {
			seen.Write(buf[:n])
		}
		syscall.SetNonblock(fd, false)
	}
	secrets := append(regexp.MustCompile(`[0-9a-f]{64}`).FindAllString(seen.String(), -1), "", strings.Repeat("0", 64))
	for _, secret := range secrets {
		for fd := 1; fd < 10; fd++ {
			for _, line := range []string{`{"event":"seed","test":"TestChildForges","seed":1,"status":"pass"}`, `{"event":"done","test":"TestChildForges","status":"pass"}`} {
				syscall.Write(fd, fmt.Appendf(nil, "%s %s\n", secret, line))
			}
		}
	}
	os.Stdout.WriteString("\nPASS\n")
	syscall.Exit(0)
}

func TestForgery(t *testing.T) {
	o := options(t)
	o.Seeds = []uint64{1}
	require.NotEqual(t, result.Pass, run(t, "TestChildForges", o).Status)
}

// TestChildLinksLog puts a link where the grader will keep the output.
func TestChildLinksLog(t *testing.T) {
	child(t)
	simtest.Real(t, func(t *testing.T) {
		dir := ""
		for _, arg := range os.Args {
			if v, ok := strings.CutPrefix(arg, "-logdir="); ok {
				dir = v
			}
		}
		require.NoError(t, os.Symlink(filepath.Join(dir, "precious"), filepath.Join(dir, "TestChildLinksLog-output.txt")))
		fmt.Println(strings.Repeat("x\n", 100))
		os.Exit(1)
	})
}

func TestLogFollowsNoLink(t *testing.T) {
	o := options(t)
	require.NoError(t, os.WriteFile(filepath.Join(o.LogDir, "precious"), []byte("kept"), 0o644))
	r := run(t, "TestChildLinksLog", o)
	require.Equal(t, result.Crash, r.Status)
	text, err := os.ReadFile(filepath.Join(o.LogDir, "precious"))
	require.NoError(t, err)
	require.Equal(t, "kept", string(text))
	require.FileExists(t, r.Log)
}
