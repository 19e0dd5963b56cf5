package sockets_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"distsys/grader/lincheck"
	"distsys/grader/simnet"
	"distsys/grader/simtest"
	sockets "distsys/lab1-sockets"

	"github.com/stretchr/testify/require"
)

// Proves that the history of what many clients asked and were answered is
// linearizable, with slow networks and connections that break: there is one order of
// all commands that explains every reply, and none took effect after its reply or
// before it was sent. For: a reply before the deed, a store for each connection, a
// command executed twice.
func TestLinearizable1C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		at := startKV(w, &sockets.KVServer{}, simnet.Unreliable)
		rec := lincheck.New(w)
		const clients = 6
		done := make(chan struct{})
		for id := range clients {
			w.Go(func() {
				defer func() { done <- struct{}{} }()
				u := &user{w: w, at: at, rec: rec, id: id, dice: w.Dice(simtest.Key("user"), uint64(id))}
				u.connect()
				for range 40 {
					u.act()
					w.Sleep(u.dice.Duration(0, 10*time.Millisecond))
				}
			})
		}
		for range clients {
			<-done
		}
		rec.Check(lincheck.NewKV().Model())
	})
}

// A user makes random commands, one after another.
type user struct {
	w    *simtest.World
	at   *site
	rec  *lincheck.Recorder
	id   int
	dice simtest.Dice
	c    *kvClient
}

func (u *user) connect() { u.c = clientOn(u.at.dialFrom(fmt.Sprintf("u%d", u.id))) }

// act makes one command, and now and then breaks the connection before the reply.
func (u *user) act() {
	c := u.choose()
	op := u.rec.Begin(u.id, c.in)
	u.c.send(command(c.words...))
	if u.dice.Chance(0.1) {
		u.w.Sleep(u.dice.Duration(0, 30*time.Millisecond))
		simnet.Reset(u.c.Conn)
		op.Lost()
		u.connect()
		return
	}
	reply := u.c.reply(fmt.Sprint(c.words))
	out, ok := c.out(reply)
	require.True(u.w, ok, "the reply to %v is %s", c.words, reply)
	op.End(out)
}

// A choice is a command as the client sends it and as the model knows it.
type choice struct {
	words []string
	in    lincheck.KVIn
	out   func(reply string) (lincheck.KVOut, bool)
}

func (u *user) choose() choice {
	key := fmt.Sprintf("k%d", u.dice.Uint64()%3)
	number := fmt.Sprintf("n%d", u.dice.Uint64()%2)
	value := fmt.Sprintf("u%d-%d", u.id, u.rec.Len())
	switch u.dice.Uint64() % 7 {
	case 0:
		return choice{[]string{"SET", key, value}, lincheck.Put(key, value), put}
	case 1:
		return choice{[]string{"SET", key, value, "NX"}, lincheck.SetNX(key, value), took("OK", "(nil)")}
	case 2:
		return choice{[]string{"DEL", key}, lincheck.Delete(key), took("(integer) 1", "(integer) 0")}
	case 3:
		return choice{[]string{"EXISTS", key}, lincheck.Exists(key), took("(integer) 1", "(integer) 0")}
	case 4:
		return choice{[]string{"INCR", number}, lincheck.Incr(number, 1), added}
	case 5:
		return choice{[]string{"DECR", number}, lincheck.Incr(number, -1), added}
	}
	return choice{[]string{"GET", key}, lincheck.Get(key), gotten}
}

func put(reply string) (lincheck.KVOut, bool) { return lincheck.Done, reply == "OK" }

func took(yes, no string) func(string) (lincheck.KVOut, bool) {
	return func(reply string) (lincheck.KVOut, bool) {
		return lincheck.Took(reply == yes), reply == yes || reply == no
	}
}

func added(reply string) (lincheck.KVOut, bool) {
	var n int64
	_, err := fmt.Sscanf(reply, "(integer) %d", &n)
	return lincheck.Number(n), err == nil
}

func gotten(reply string) (lincheck.KVOut, bool) {
	if reply == "(nil)" {
		return lincheck.Absent, true
	}
	text, err := strconv.Unquote(reply)
	return lincheck.Value(text), err == nil
}
