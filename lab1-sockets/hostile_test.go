package sockets_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
	sockets "distsys/lab1-sockets"

	"github.com/stretchr/testify/require"
)

// hostileInput is what peers send that do not speak the protocol, or mean harm. Each
// is answered with errors only. Then the connection is closed, or kept where what
// came can be understood as commands.
var hostileInput = []struct {
	name, input string
	kept        bool
}{
	{name: "a bulk string of 2 GiB is announced", input: "*1\r\n$2147483647\r\n"},
	{name: "a length that fits in no integer", input: "*1\r\n$99999999999999999999\r\n"},
	{name: "a negative length", input: "*1\r\n$-5\r\n"},
	{name: "an array of two billion elements is announced", input: "*2147483647\r\n"},
	{name: "a negative number of elements", input: "*-7\r\n"},
	{name: "arrays inside each other", input: strings.Repeat("*1\r\n", 10_000)},
	{name: "a line without end", input: strings.Repeat("A", 100_000)},
	{name: "a length without end", input: "*" + strings.Repeat("1", 100_000)},
	{name: "a reply in the place of a command", input: "*1\r\n+OK\r\n"},
	{name: "a string that is longer than its length says", input: "*1\r\n$4\r\nPINGPING\r\n"},
	{name: "null in the place of an argument", input: "*2\r\n$3\r\nGET\r\n$-1\r\n"},
	{name: "the hello of TLS", input: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", kept: true},
	{name: "a request of HTTP", input: "GET / HTTP/1.1\r\n", kept: true},
	{name: "a script that looks like one reply after another", input: "NOSUCH \x00\r\nNOSUCH \xff\xfe\r\n", kept: true},
}

// Proves that whatever a peer sends is answered with errors only, that the connection
// is closed where nothing after it can be understood, and that other clients and the
// data do not suffer. For: panics, memory allocated on a claim, a connection left
// half-dead.
func TestHostileInput1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at := startKV(w, &sockets.KVServer{}, simnet.Reliable)
		good := at.client()
		good.must("SET k v", "OK", "")
		for _, h := range hostileInput {
			bad := at.client()
			bad.SetWriteDeadline(time.Now().Add(aWhile))
			bad.Write([]byte(h.input)) // the server may well hang up before the end of it
			got := bad.reply(h.input)
			require.True(w, strings.HasPrefix(got, "(error) ERR"), "%s: the reply to %s is %s instead of an error", h.name, shown(h.input), got)
			if !h.kept {
				bad.expectClosed(fmt.Sprintf("%s: %s is not RESP, and nothing after it can be understood", h.name, shown(h.input)))
			} else {
				bad.send(say("PING"))
				for got := ""; got != "PONG"; {
					got = bad.reply("PING")
					require.True(w, got == "PONG" || strings.HasPrefix(got, "(error) ERR"), "%s: the reply to %s is %s instead of an error", h.name, shown(h.input), got)
				}
			}
			good.must("GET k", `"v"`, "another client sent: "+h.name)
		}
	})
}

// Proves that peers which break off at any point of a command harm nobody, and that
// half a command is never executed. For: a short read taken for a whole command, a
// goroutine that never ends.
func TestHostileEnds1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := &sockets.KVServer{IdleTimeout: 30 * time.Second}
		at := startKV(w, s, simnet.Reliable)
		good := at.client()
		good.must("SET k v", "OK", "")
		w.Sleep(time.Second)
		before := len(w.Goroutines())
		whole := say("SET k overwritten")
		for n := 0; n < len(whole); n++ {
			bad := at.dial()
			bad.send(whole[:n])
			w.Sleep(20 * time.Millisecond)
			switch n % 4 {
			case 0:
				bad.closeWrite() // and waits for what the server does
			case 1:
				simnet.Reset(bad.Conn)
			case 2:
				at.net.Node(bad.name).Crash()
			case 3:
				at.net.Isolate(bad.name) // half-open: nobody will tell the server
			}
		}
		for range 5 { // and right inside a reply
			bad := at.dial()
			bad.offer(bytes.Repeat(say("ECHO "+strings.Repeat("x", 10_000)), 30), time.Second)
			w.Sleep(20 * time.Millisecond)
			simnet.Reset(bad.Conn)
		}
		for range 8 {
			good.must("GET k", `"v"`, "other clients broke off before the end of a command: it must not be executed")
			w.Sleep(10 * time.Second)
		}
		if left := w.Goroutines(); len(left) > before {
			w.Fatalf("clients broke off long ago, and the idle timeout of 30 s is over, but %d goroutines that served them still wait. One of them:\n%s", len(left)-before, left[len(left)-1])
		}
	})
}

// Proves that a flood of connections that say nothing does not keep others out for
// ever: those that are served go on, and the flood's places come free with the idle
// timeout. And that one client's flood of commands delays others by no more than its
// own turn. For: places that are never given back, a lock held for a whole batch.
func TestHostileFloods1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at := startKV(w, &sockets.KVServer{MaxConns: 50, IdleTimeout: 5 * time.Second}, simnet.Reliable)
		good := at.client()
		good.must("SET k v", "OK", "")
		for range 300 {
			at.dialFrom("flood")
		}
		late := at.client()
		late.SetDeadline(time.Time{})
		late.send(say("GET k"))
		for range 12 { // 300 connections, 49 at a time, 5 s each
			good.must("GET k", `"v"`, "300 connections that say nothing came after this one")
			w.Sleep(3 * time.Second)
		}
		require.Equal(w, `"v"`, late.reply("GET k"), "300 connections that say nothing came before this client; with MaxConns 50 and an idle timeout of 5 s it must have had its turn")

		greedy := at.client()
		w.Go(func() {
			greedy.SetWriteDeadline(time.Now().Add(time.Minute))
			greedy.Write(bytes.Repeat(say("ECHO "+strings.Repeat("x", 1000)), 1_000))
		})
		for i := range 1_000 {
			greedy.reply("ECHO")
			if i%100 == 0 {
				began := w.Now()
				good.must("GET k", `"v"`, "")
				require.Less(w, w.Now()-began, time.Second, "another client sent 1000 commands at once; this one had to wait")
			}
		}
	})
}
