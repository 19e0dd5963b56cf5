package sockets_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
	sockets "distsys/lab1-sockets"

	"github.com/stretchr/testify/require"
)

// Proves that each command does and answers what it does in Redis, for one client
// and for all: they share the store. For: details of the commands.
func TestCommands1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at := startKV(w, &sockets.KVServer{}, simnet.Reliable)
		a, b := at.client(), at.client()
		for _, s := range sessions {
			a.must("FLUSHALL", "OK", "it removes all keys")
			for i, step := range s.steps {
				if got := a.doLine(step.line); !isReply(got, step.want) {
					w.Fatalf("%s: the reply is %s instead of %s\nwhat came before:\n%s", step.line, got, step.want, before(s.steps[:i]))
				}
			}
		}
		a.must("SET shared by-a", "OK", "")
		b.must("GET shared", `"by-a"`, "another client has set it: all clients share one store")

		value := string(randomBytes(w, "value", 200_000))
		require.Equal(w, "OK", b.do("SET", "a key with spaces\r\n\x00", value), "SET of a key and a value with any bytes")
		require.Equal(w, "OK", b.do("SET", "another", strings.Repeat("y", 1000)))
		require.Equal(w, strconv.Quote(value), a.do("GET", "a key with spaces\r\n\x00"), "GET of a key with any bytes; the value has 200000")
		require.Equal(w, `""`, a.do("ECHO", ""), "ECHO of the empty string, which is not null")
		a.sendText("GET shared\r\nPING\n")
		require.Equal(w, `"by-a"`, a.reply("GET shared, inline"), "people with a terminal send a command on a line")
		require.Equal(w, "PONG", a.reply("PING, inline"))

		require.Equal(w, "OK", b.do("QUIT"))
		b.expectClosed("QUIT is answered with OK, and then the server closes the connection")
		a.must("PING", "PONG", "another client has quit")
	})
}

// before shows the last steps of a session.
func before(steps []step) string {
	var b strings.Builder
	for _, s := range steps[max(0, len(steps)-6):] {
		fmt.Fprintf(&b, "  %s  %s\n", s.line, s.want)
	}
	return b.String()
}

// Proves that a command which fails is answered with one error, whose text is on
// one line whatever the client sent, and that the connection stays. For: replies out
// of step, a client that writes its own replies.
func TestErrorsKeepConnection1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at := startKV(w, &sockets.KVServer{}, simnet.Reliable)
		c := at.client()
		for _, words := range [][]string{
			{"NOSUCH"}, {"nosuch", "a", "b"}, {""}, {"\r\n+OK\r\n"}, {"NO\r\n:1\r\n", "SUCH\r\n:2\r\n"},
			{strings.Repeat("LONG", 10_000)}, {"NOSUCH", strings.Repeat("x", 100_000)},
			{"GET"}, {"SET", "k"}, {"INCRBY", "k", "\r\n"}, {"SET", "k", "v", "\r\n:1"}, {"CONFIG"},
		} {
			got := c.do(words...)
			require.True(w, strings.HasPrefix(got, "(error) ERR"), "the command %.60q is wrong: the reply is %.100s instead of an error that begins with ERR", words, got)
			require.Equal(w, `"next"`, c.do("ECHO", "next"), "the reply to ECHO after %.60q, which was answered with an error\nrule: each command gets one reply", words)
		}
	})
}

// Proves that a client can send many commands before it reads a reply, and gets the
// replies in order; also when it then closes its sending side. For: bytes lost
// behind a command, replies out of order, half-close treated as close.
func TestPipelining1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at := startKV(w, &sockets.KVServer{}, simnet.Reliable)
		c := at.client()
		var all bytes.Buffer
		const n = 3000
		for i := range n {
			all.Write(say("INCR n"))
			all.Write(say(fmt.Sprintf("ECHO %d", i)))
			if i%100 == 0 {
				all.Write(say("NOSUCH"))
			}
		}
		w.Go(func() {
			c.send(all.Bytes())
			c.closeWrite()
		})
		for i := range n {
			require.Equal(w, fmt.Sprintf("(integer) %d", i+1), c.reply("INCR n"), "%d commands were sent at once; this is the reply to INCR number %d", 2*n, i)
			require.Equal(w, fmt.Sprintf("%q", strconv.Itoa(i)), c.reply("ECHO"), "%d commands were sent at once; this is the reply to ECHO number %d", 2*n, i)
			if i%100 == 0 {
				require.Contains(w, c.reply("NOSUCH"), "(error) ERR")
			}
		}
		c.expectClosed("the client has closed its sending side and has all its replies")
	})
}

// Proves that a reply never waits for more input: not for a second command, not for
// one of which only the beginning is there; and that it does not matter into which
// pieces commands are cut. For: replies flushed only when the input buffer is empty.
func TestHalfACommand1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at := startKV(w, &sockets.KVServer{}, simnet.Reliable)
		c := at.client()
		for _, form := range []struct{ whole, next string }{
			{string(say("ECHO 1")), string(say("ECHO 2"))},
			{"ECHO 1\r\n", "ECHO 2\r\n"},
		} {
			for cut := 1; cut < len(form.next); cut++ {
				c.sendText(form.whole + form.next[:cut])
				got := c.reply(form.whole+form.next[:cut], "the first command is there, and must be answered whether or not the rest of the second one comes")
				require.Equal(w, `"1"`, got, "the client sent %q", form.whole+form.next[:cut])
				c.sendText(form.next[cut:])
				require.Equal(w, `"2"`, c.reply(form.next), "the client sent %q and, after the first reply, %q", form.whole+form.next[:cut], form.next[cut:])
			}
		}
		for _, b := range say("ECHO slow") {
			c.send([]byte{b})
			w.Sleep(20 * time.Millisecond)
		}
		require.Equal(w, `"slow"`, c.reply("ECHO slow"), "the command came a byte at a time")
	})
}

// Proves that INCR and its kin are atomic, with a hundred clients at once. For: data
// races, a value read under the mutex and written under it again later.
func TestAtomicIncr1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		late := func(conn net.Conn) net.Conn { return lateConn{conn} }
		at := start(w, &sockets.KVServer{}, simnet.Link{Latency: simnet.Range{Min: time.Millisecond, Max: time.Millisecond}}, late)
		const clients, each = 100, 40
		batch := bytes.Repeat(append(append(append(say("INCR n"), say("INCRBY n 3")...), say("DECR n")...), say("SET once 1 NX")...), each)
		won := make(chan int, clients)
		for range clients {
			c := at.client()
			w.Go(func() {
				w.Sleep(time.Second - w.Now()%time.Second) // all at the same instant
				c.send(batch)
				mine := 0
				for range 4 * each {
					if c.reply("INCR and others") == "OK" {
						mine++
					}
				}
				won <- mine
			})
		}
		total := 0
		for range clients {
			select {
			case n := <-won:
				total += n
			case <-time.After(patience):
				w.Fatalf("not all of the %d clients get their replies", clients)
			}
		}
		require.Equal(w, 1, total, "SET once 1 NX may succeed once, among all clients")
		at.client().must("GET n", fmt.Sprintf(`"%d"`, 3*clients*each), fmt.Sprintf("%d clients added 1, 3 and -1 to n, %d times each, all at the same time\nrule: a command is executed whole, with nothing between its reading and its writing", clients, each))
	})
}

// lateConn returns from Read at the next whole millisecond. So all clients have their
// commands executed at the same instant, with nothing that orders them: the race
// detector sees it if they share memory without a mutex.
type lateConn struct{ net.Conn }

func (c lateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	time.Sleep(time.Millisecond - time.Duration(time.Now().Nanosecond())%time.Millisecond)
	return n, err
}

// Proves that a key is there until its time is over, to the microsecond, and then
// gone for every command; and what starts, stops and keeps that time. For: expiry
// looked at by GET only, expiry by a timer of an older SET, whole seconds.
func TestExpiry1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at := startKV(w, &sockets.KVServer{}, simnet.Link{}) // without latency: commands take no time
		c := at.client()
		const close = time.Microsecond
		whole := func() { w.Sleep(time.Second - w.Now()%time.Second) } // to the next whole second

		for _, e := range []struct {
			line string
			life time.Duration
		}{
			{"SET k 1 PX 1", time.Millisecond}, {"SET k 1 PX 1500", 1500 * time.Millisecond},
			{"SET k 1 EX 1", time.Second}, {"EXPIRE k 2", 2 * time.Second},
		} {
			whole()
			if strings.HasPrefix(e.line, "EXPIRE") {
				c.must("SET k 1", "OK", "")
				c.must(e.line, "(integer) 1", "")
			} else {
				c.must(e.line, "OK", "")
			}
			since := w.Now()
			w.Sleep(e.life - close)
			c.must("GET k", `"1"`, fmt.Sprintf("%s was %v ago: the key has time left", e.line, w.Now()-since))
			w.Sleep(2 * close)
			why := fmt.Sprintf("%s was %v ago: the time of the key is over, so for every command it is as if it had never been", e.line, w.Now()-since)
			c.must("DBSIZE", "(integer) 0", why)
			c.must("EXISTS k", "(integer) 0", why)
			c.must("DEL k", "(integer) 0", why)
			c.must("TTL k", "(integer) -2", why)
			c.must("SET k 2 XX", "(nil)", why)
			c.must("GET k", "(nil)", why)
		}

		whole()
		c.must("SET k 1 EX 3600", "OK", "")
		w.Sleep(time.Minute - 300*time.Microsecond) // so that it does not matter how it is rounded
		c.must("PTTL k", "(integer) 3540000", "SET k 1 EX 3600 was a minute ago")
		c.must("DEL k", "(integer) 1", "")

		whole()
		c.must("SET n 5 PX 100", "OK", "")
		c.must("SET nx 5 PX 100", "OK", "")
		c.must("SET gone 5 PX 100", "OK", "")
		c.must("SET stays 5 PX 100", "OK", "")
		c.must("SET stays 6", "OK", "")
		c.must("SET again 5 PX 100", "OK", "")
		c.must("SET again 6 PX 5000", "OK", "")
		c.must("SET reborn 5 PX 100", "OK", "")
		c.must("DEL reborn", "(integer) 1", "")
		c.must("SET reborn 6", "OK", "")
		c.must("INCR n", "(integer) 6", "")
		w.Sleep(100*time.Millisecond + 2*close)
		c.must("INCR n", "(integer) 1", "INCR leaves a key the time it has: n, with PX 100, is gone by now, and counts as 0")
		c.must("SET nx 7 NX", "OK", "nx, with PX 100, is gone: SET NX can set it")
		c.must("EXPIRE gone 10", "(integer) 0", "gone, with PX 100, is gone: there is nothing to expire")
		c.must("GET stays", `"6"`, "a SET without EX or PX takes away the end that an earlier one gave")
		c.must("GET again", `"6"`, "a second SET gave it 5 s more")
		c.must("GET reborn", `"6"`, "it was removed and set anew, without an end")
		c.must("TTL n", "(integer) -1", "n was made anew by INCR")
		w.Sleep(patience)
		c.must("GET nx", `"7"`, "nx was set anew, without an end")
		c.must("GET again", "(nil)", "a second SET gave it 5 s")
		c.must("DBSIZE", "(integer) 4", "n, nx, stays and reborn are left")
	})
}

// Proves that a client which sends commands and never reads replies is not read from
// any more, costs no memory beyond some buffers, and stalls nobody. For: an unbounded
// queue of replies, a mutex held while a reply is written.
func TestClientNeverReads1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at := startKV(w, &sockets.KVServer{}, simnet.Reliable)
		good := at.client()
		require.Equal(w, "OK", good.do("SET", "big", strings.Repeat("x", 4096)))
		deaf := at.dial()
		commands := bytes.Repeat(say("GET big"), 40_000)
		taken := deaf.offer(commands, 10*time.Second)
		if most := window + 256<<10; taken > most {
			w.Fatalf("%s never reads, but the server took %d bytes of commands from it; their replies are %d MiB, which must be kept somewhere\n"+
				"rule: do not read further commands before the replies to the last ones are on their way", deaf.name, taken, taken/len(say("GET big"))*4096>>20)
		}
		for range 10 {
			good.must("INCR n", "(integer) "+strconv.Itoa(int(w.Now()/time.Minute)+1), "another client does not read its replies; this one must not suffer for it")
			w.Sleep(time.Minute)
		}
		reply := "$4096\r\n" + strings.Repeat("x", 4096) + "\r\n"
		deaf.expectText(strings.Repeat(reply, taken/len(say("GET big"))), "the client reads now, after ten minutes, and nothing may be lost")
	})
}

// Proves that the idle timeout ends connections on which no whole command comes, and
// those whose client does not take its replies, and no others. For: a timeout that
// starts anew with each byte (slow-loris), that ends busy clients, or that counts
// only reading.
func TestIdleTimeout1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const idle = 5 * time.Second
		at := startKV(w, &sockets.KVServer{IdleTimeout: idle}, simnet.Reliable)
		busy := at.client()
		busy.must("PING", "PONG", "")
		w.Go(func() {
			for range 20 {
				w.Sleep(idle - time.Second)
				busy.must("PING", "PONG", "this client sends a command every 4 s, and the idle timeout is 5 s")
			}
		})

		silent := at.client()
		silent.must("PING", "PONG", "")
		began := w.Now()
		silent.expectGone(idle+time.Second, "it has sent no command for longer than the idle timeout, 5 s")
		require.GreaterOrEqual(w, w.Now()-began, idle-100*time.Millisecond, "the connection was closed before the idle timeout was over")

		loris := at.client()
		loris.must("PING", "PONG", "")
		w.Go(func() {
			for _, b := range say("ECHO slow-loris") {
				if _, err := loris.Write([]byte{b}); err != nil {
					return
				}
				w.Sleep(time.Second)
			}
		})
		loris.expectGone(idle+time.Second, "it sends a byte a second, but no whole command within the idle timeout, 5 s\nrule: the timeout is for a command, not for a byte")

		require.Equal(w, "OK", at.client().do("SET", "big", strings.Repeat("x", 100_000)))
		deaf := at.dial()
		asked := 20
		deaf.send(bytes.Repeat(say("GET big"), asked))
		w.Sleep(3 * idle)
		deaf.SetReadDeadline(time.Now().Add(patience))
		n, err := io.Copy(io.Discard, deaf.Conn)
		if isTimeout(err) || n >= int64(asked*100_000) {
			w.Fatalf("%s asked for 20 values of 100000 bytes and took none of them for 15 s; the idle timeout is 5 s, but its connection was kept\n"+
				"rule: a client that does not take its replies is as idle as one that sends no commands", deaf.name)
		}
		w.Sleep(20 * idle)

		patient := startKV(w, &sockets.KVServer{}, simnet.Reliable).client()
		patient.must("PING", "PONG", "")
		w.Sleep(20 * time.Minute)
		patient.must("PING", "PONG", "IdleTimeout is 0: connections are never closed for being idle")
	})
}

// Proves that no more than MaxConns clients are served at a time, and that the others
// are served when some leave. For: slots that are not given back.
func TestConnectionLimit1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const most = 10
		at := startKV(w, &sockets.KVServer{MaxConns: most}, simnet.Reliable)
		for round := range 3 {
			var served []*kvClient
			for range most {
				c := at.client()
				c.must("PING", "PONG", fmt.Sprintf("%d clients are connected, and MaxConns is %d (round %d)", len(served)+1, most, round))
				served = append(served, c)
			}
			waiting := at.client()
			waiting.send(say("PING"))
			waiting.expectSilence(aWhile, fmt.Sprintf("MaxConns is %d, and as many clients are connected: this one has to wait (round %d)", most, round))
			served[0].must("PING", "PONG", "one more client waits; this one is served")
			if round%2 == 0 {
				served[0].Close()
			} else {
				simnet.Reset(served[0].Conn)
			}
			require.Equal(w, "PONG", waiting.reply("PING"), "a client has left, so the one that waited has its place (round %d)", round)
			waiting.Close()
			for _, c := range served[1:] {
				c.Close()
			}
			w.Sleep(time.Second)
		}
	})
}

// Proves that Shutdown closes the connections of idle clients at once, lets a reply
// that is being sent come to its end, and leaves nothing behind. For: Shutdown that
// waits for idle clients or cuts replies off.
func TestShutdown1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := &sockets.KVServer{IdleTimeout: 10 * time.Minute}
		at := startKV(w, s, simnet.Reliable)
		idle, fresh, slow := at.client(), at.client(), at.client()
		value := strings.Repeat("0123456789", 50_000)
		require.Equal(w, "OK", idle.do("SET", "big", value))
		slow.send(say("GET big"))
		w.Sleep(time.Second) // the reply is under way, and more than the network holds

		down := shutDown(w, s, time.Minute)
		w.Sleep(100 * time.Millisecond)
		require.ErrorIs(w, at.mustReturn("Shutdown was called"), sockets.ErrServerClosed, "the error of Serve after Shutdown")
		at.refuses()
		for _, c := range []*kvClient{idle, fresh} {
			c.expectEnd("the client has all its replies; Shutdown must close its connection at once, without waiting for the idle timeout")
		}
		down.mustWait("a reply is still being sent")
		w.Sleep(15 * time.Second)
		down.mustWait("a reply is still being sent")
		require.Equal(w, strconv.Quote(value), slow.reply("GET big"), "Shutdown was called while this reply was being sent: it must come whole")
		slow.expectClosed("Shutdown was called, and the last reply was sent")
		require.NoError(w, down.mustReturn("the last reply was sent"), "all replies were sent in time; Shutdown must return nil")
		at.mustBeGone()
	})
}

// Proves that Shutdown closes what is left when its context ends: a client that does
// not take its replies does not hold it up. For: Shutdown that waits for ever.
func TestShutdownDeadline1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := &sockets.KVServer{}
		at := startKV(w, s, simnet.Reliable)
		require.Equal(w, "OK", at.client().do("SET", "big", strings.Repeat("x", 1<<20)))
		deaf := at.client()
		deaf.send(say("GET big"))
		w.Sleep(time.Second)
		began := w.Now()
		err := shutDown(w, s, 3*time.Second).mustReturn("its context has ended after 3 s")
		require.ErrorIs(w, err, context.DeadlineExceeded, "a client had not taken its reply when the context ended; Shutdown must return the context's error")
		require.GreaterOrEqual(w, w.Now()-began, 3*time.Second, "Shutdown returned before its context ended, although a reply was being sent")
		at.mustReturn("Shutdown was called")
		at.mustBeGone()
	})
}
