package sockets_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"distsys/grader/interop"
	"distsys/grader/simtest"
	sockets "distsys/lab1-sockets"

	"github.com/stretchr/testify/require"
)

// realTime bounds what takes milliseconds: when it is over, something hangs.
const realTime = time.Minute

// serveReal runs a service on a real socket of this machine until the test ends, and
// returns its port.
func serveReal(t testing.TB, s service) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), realTime)
		defer cancel()
		if t.Failed() {
			cancel()
		}
		if err := s.Shutdown(ctx); err != nil && !t.Failed() {
			t.Errorf("Shutdown: %v", err)
		}
		l.Close()
		if err := <-served; err != sockets.ErrServerClosed && !t.Failed() {
			t.Errorf("Serve: %v", err)
		}
	})
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}

// output runs a program and returns what it prints.
func output(t testing.TB, stdin, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), realTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	require.NoError(t, err, "%s %s\n%s%s", program, strings.Join(args, " "), out, complaints.String())
	return string(out)
}

// Proves that a client in Python, written for any echo server, works with this one.
func TestInteropPython1A(t *testing.T) {
	python := interop.Need(t, "python3", "python3")
	simtest.Real(t, func(t *testing.T) {
		port := serveReal(t, &sockets.EchoServer{})
		const program = `
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
    s.connect(('localhost', int(sys.argv[1])))
    s.sendall(b'Hello, server!')
    print(s.recv(1024).decode())
`
		require.Equal(t, "Hello, server!\n", output(t, "", python, "-c", program, port))
	})
}

// Proves that nc gets back what it sends, and ends when it has got everything.
func TestInteropNetcat1A(t *testing.T) {
	nc := interop.Need(t, "nc", "netcat-openbsd")
	simtest.Real(t, func(t *testing.T) {
		port := serveReal(t, &sockets.EchoServer{})
		text := lines(20_000)
		require.Equal(t, text, output(t, text, nc, "-N", "127.0.0.1", port))
	})
}

// Proves that a person with nc can talk to the key/value server.
func TestInteropNetcat1C(t *testing.T) {
	nc := interop.Need(t, "nc", "netcat-openbsd")
	simtest.Real(t, func(t *testing.T) {
		kv := serveReal(t, &sockets.KVServer{})
		require.Equal(t, "+OK\r\n$1\r\n7\r\n+OK\r\n", output(t, "SET x 7\nGET x\nQUIT\n", nc, "-N", "127.0.0.1", kv))
	})
}

// Proves that redis-cli gets from this server, in every session of the tests, word
// for word what it gets from a real redis-server.
func TestInteropRedisCLI1C(t *testing.T) {
	cli := interop.Need(t, "redis-cli", "redis-tools")
	theirs := startRedis(t)
	simtest.Real(t, func(t *testing.T) {
		ours := serveReal(t, &sockets.KVServer{})
		for _, s := range sessions {
			script := "FLUSHALL\n"
			for _, step := range s.steps {
				script += step.line + "\n"
			}
			want := strings.Split(interop.RedisCLI(t, theirs, script), "\n")
			got := strings.Split(interop.RedisCLI(t, ours, script), "\n")
			asked := strings.Split(script, "\n")
			require.Len(t, got, len(want), "the session %q: how many lines redis-cli prints", s.name)
			for i := range want {
				require.Equal(t, want[i], got[i], "the session %q: what redis-cli prints for %s, with redis-server and with this one", s.name, asked[min(i, len(asked)-1)])
			}
		}
		require.Equal(t, "PONG\n", output(t, "", cli, "-p", ours, "PING"))
	})
}

// Proves that redis-benchmark runs, plain and pipelined. How fast it is, is
// BenchmarkAgainstRedis.
func TestInteropRedisBenchmark1C(t *testing.T) {
	benchmark := interop.Need(t, "redis-benchmark", "redis-tools")
	simtest.Real(t, func(t *testing.T) {
		port := serveReal(t, &sockets.KVServer{})
		for _, pipeline := range []string{"1", "16"} {
			out := output(t, "", benchmark, "-p", port, "-t", "ping,set,get,incr", "-c", "50", "-n", "5000", "-P", pipeline, "--csv")
			for _, name := range []string{`"SET"`, `"GET"`, `"INCR"`} {
				require.Contains(t, out, name)
			}
		}
	})
}

// startRedis starts a redis-server that keeps nothing, and returns its port.
func startRedis(t testing.TB) string {
	redis := interop.Need(t, "redis-server", "redis-server")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	cmd := exec.Command(redis, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for deadline := time.Now().Add(realTime); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			fmt.Fprint(conn, "PING\r\n")
			reply := make([]byte, 7)
			_, err = io.ReadFull(conn, reply)
			conn.Close()
			if err == nil && string(reply) == "+PONG\r\n" {
				return port
			}
		}
		require.True(t, time.Now().Before(deadline), "redis-server does not answer: %v", err)
	}
}
