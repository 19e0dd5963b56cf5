package rpclab_test

import (
	"context"
	"errors"
	"fmt"
	"net/rpc"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

var forever = context.Background()

func within(w *simtest.World, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(forever, d)
	w.Cleanup(cancel)
	return ctx
}

// Proves that a client reads and writes a store on another machine, and sees what
// another client wrote.
func TestClientGetsAndPuts2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		a, b := o.client("a"), o.client("b")
		one, err := a.Put(forever, "k", "from a", 0)
		require.NoError(w, err)
		value, version, err := b.Get(forever, "k")
		require.NoError(w, err)
		require.Equal(w, "from a", value)
		require.Equal(w, one, version)
		two, err := b.Put(forever, "k", "from b", version)
		require.NoError(w, err)
		_, err = a.Put(forever, "k", "from a again", one)
		require.ErrorIs(w, err, rpclab.ErrVersion)
		value, version, err = a.Get(forever, "k")
		require.NoError(w, err)
		require.Equal(w, "from b", value)
		require.Equal(w, two, version)
		require.NoError(w, a.Delete(forever, "k", version))
		_, _, err = b.Get(forever, "k")
		require.ErrorIs(w, err, rpclab.ErrNoKey)
	})
}

// Proves that the store's errors are themselves on the client's side, whatever the
// key is called, and that other errors of the server stay what they are. For:
// errors recognised by a part of their text.
func TestErrorsSurviveTheWire2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		c := o.client("a")
		for _, key := range []string{"k", "", rpclab.ErrVersion.Error(), rpclab.ErrNoKey.Error(), rpclab.ErrNoKey.Error() + ": " + rpclab.ErrVersion.Error(), rpclab.ErrBroken.Error()} {
			_, _, err := c.Get(forever, key)
			only(w, err, rpclab.ErrNoKey, "Get(%q), which does not exist", key)
			_, err = c.Put(forever, key, "x", 99)
			only(w, err, rpclab.ErrNoKey, "Put(%q), which does not exist, with version 99", key)
			only(w, c.Delete(forever, key, 1), rpclab.ErrNoKey, "Delete(%q), which does not exist", key)
			version, err := c.Put(forever, key, rpclab.ErrNoKey.Error(), 0)
			require.NoError(w, err)
			_, err = c.Put(forever, key, "x", 0)
			only(w, err, rpclab.ErrVersion, "Put(%q), which exists, with version 0", key)
			only(w, c.Delete(forever, key, version+1), rpclab.ErrVersion, "Delete(%q) with another version", key)
		}
		d := o.desk("b")
		var reply string
		err := d.Call(forever, "Nobody.Home", &WorkArgs{}, &reply)
		var remote rpc.ServerError
		if !errors.As(err, &remote) {
			fail(w, "an error that the method returned is an rpc.ServerError (Caller.Call)", "Call of a method that does not exist returned %T %v", err, err)
		}
		d.ping("a call failed with an error of the server")
		if dials, _ := d.state(); dials != 1 {
			fail(w, "it dials when it needs a connection, and dials again when one has broken (Caller)", "a call failed with an error of the server. The caller has dialled %d times", dials)
		}
	})
}

// only checks that an error is the one that is wanted and no other.
func only(w *simtest.World, err, want error, format string, args ...any) {
	for _, e := range []error{rpclab.ErrNoKey, rpclab.ErrVersion, rpclab.ErrBroken, rpclab.ErrClosed} {
		if errors.Is(err, e) != (e == want) {
			fail(w, "the errors of the store are themselves on this side too (Client)", "%s: expected the error %q, got %v. errors.Is says %v for %q", fmt.Sprintf(format, args...), want, err, errors.Is(err, e), e)
		}
	}
}

// Proves that all calls share one connection, and that none waits for another: a
// hundred calls take as long as the slowest.
func TestCallsShareAConnection2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		d := o.desk("a")
		var jobs []*job
		for i := range 100 {
			jobs = append(jobs, d.work(forever, fmt.Sprint("job ", i), time.Duration(1+i%10)*time.Second))
		}
		for i, j := range jobs {
			j.succeeds()
			j.executed(1)
			if slowest := time.Duration(1+i%10)*time.Second + soon; j.took > slowest {
				fail(w, "all calls share one connection; Call waits for its own answer (Caller)", "a hundred calls began together. The server works %d s on call %d, and it took %v", 1+i%10, i, j.took)
			}
		}
		if dials, open := d.state(); dials != 1 || open != 1 {
			fail(w, "it has one connection at a time, and all calls share it (Caller)", "a hundred calls began together. The caller dialled %d times", dials)
		}
		d.ping("a hundred calls have succeeded")
	})
}

// Proves that a call ends with its deadline, to the millisecond, leaves its reply
// alone although the answer still comes, and disturbs no other call.
func TestDeadline2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		d := o.desk("a")
		d.ping("nothing happened")
		before := len(o.goroutines())
		other := d.work(forever, "other", 20*time.Second)
		for _, deadline := range []time.Duration{time.Millisecond, time.Second, 2500 * time.Millisecond} {
			j := d.work(within(w, deadline), fmt.Sprint("late ", deadline), 3*time.Second)
			j.wait()
			if j.took != deadline {
				fail(w, "when the context ends first, Call returns at once (Caller.Call)", "the deadline was %v, and the call returned after %v with %v", deadline, j.took, j.err)
			}
			j.fails(context.DeadlineExceeded, deadline)
		}
		other.succeeds()
		d.ping("calls ran into their deadlines")
		o.leaves(before, "calls ran into their deadlines, and their answers came later")
		if dials, _ := d.state(); dials != 1 {
			fail(w, "when the context ends first, the connection goes on serving other calls (Caller.Call)", "calls ran into their deadlines. The caller has dialled %d times", dials)
		}
	})
}

// Proves that a call ends when it is cancelled, and that one that was cancelled
// before it began sends nothing.
func TestCancel2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		d := o.desk("a")
		cancelled, cancel := context.WithCancel(forever)
		cancel()
		j := d.work(cancelled, "never", 0)
		j.fails(context.Canceled, 0)
		j.executed(0)

		d.ping("a call was cancelled before it began")
		before := o.net.Stats()
		j = d.work(cancelled, "never", 0)
		j.fails(context.Canceled, 0)
		j.executed(0)
		require.Zero(w, o.net.Stats().Since(before).Total().Sent, "messages that were sent for a call that was cancelled before it began")

		ctx, cancel := context.WithCancel(forever)
		other := d.work(forever, "other", 5*time.Second)
		j = d.work(ctx, "cancelled", 5*time.Second)
		w.Sleep(2 * time.Second)
		cancel()
		j.fails(context.Canceled, 2*time.Second)
		other.succeeds()
		j.executed(1)
	})
}

// Proves that waiting for a connection ends with the context of the call that
// waits, and with no other's: who began the dial does not matter.
func TestDialIsShared2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		d := o.desk("a")
		o.net.Partition([]string{"server"}, []string{"a"})
		first := d.work(within(w, 2*time.Second), "first", 0)
		w.Sleep(time.Second)
		second := d.work(within(w, 30*time.Second), "second", 0)
		third := d.work(within(w, 3*time.Second), "third", 0)
		first.wait()
		require.ErrorIs(w, first.err, context.DeadlineExceeded, "a call that waits for a connection")
		require.Equal(w, 2*time.Second, first.took, "how long a call took that waits for a connection, with a deadline of 2 s")
		w.Sleep(soon)
		o.net.Heal()
		second.succeeds()
		third.wait()
		if third.err != nil {
			require.ErrorIs(w, third.err, context.DeadlineExceeded)
		}
		first.executed(0)
		d.ping("a dial has succeeded, after the call that began it gave up")
	})
}

// Proves that a dial that fails is an error of the calls that wait for it, not
// ErrBroken, and that the next call dials again.
func TestDialFails2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w)
		o.slow = &Slow{}
		d := o.desk("a")
		for n := 1; n <= 3; n++ {
			j := d.work(within(w, time.Minute), "nobody listens", 0)
			j.fails(syscall.ECONNREFUSED, 0)
			if errors.Is(j.err, rpclab.ErrBroken) || errors.Is(j.err, rpclab.ErrClosed) {
				fail(w, "when there is no connection, and the dial fails, the error is that of the dial (Caller.Call)", "nobody listens. The call returned %v", j.err)
			}
			if dials, _ := d.state(); dials != n {
				fail(w, "a caller dials when it needs a connection (Caller)", "nobody listens, and %d calls have failed. The caller has dialled %d times", n, dials)
			}
		}
		o.open()
		d.ping("dials failed, and now the server listens")
	})
}

// Proves that a connection that breaks while no call is under way is replaced
// before the next call: it succeeds. The broken one is closed.
func TestReconnects2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		d := o.desk("a")
		d.ping("nothing happened")
		for n := 2; n <= 4; n++ {
			switch n {
			case 2:
				o.net.ResetConns("a", "server")
			case 3:
				o.node.Crash()
				o.node.Restart()
				o.open()
			case 4:
				require.NoError(w, o.server.Shutdown(within(w, time.Second)))
				o.open()
			}
			w.Sleep(time.Second)
			if _, open := d.state(); open != 0 {
				fail(w, "a caller has one connection at a time (Caller)", "the connection broke a second ago, and no call was under way. The caller has not closed it")
			}
			d.ping("the connection broke a second ago, and the server is there")
			dials, open := d.state()
			require.Equal(w, n, dials, "how often the caller has dialled")
			require.Equal(w, 1, open, "how many connections it has")
		}
	})
}

// Proves that calls that are under way when the connection breaks end at once with
// ErrBroken, that none of them is sent a second time, and that the next call
// succeeds.
func TestBrokenConnection2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		d := o.desk("a")
		for n := range 3 {
			var jobs []*job
			for i := range 10 {
				jobs = append(jobs, d.work(forever, fmt.Sprint("job ", n, i), time.Minute))
			}
			w.Sleep(time.Second)
			if n == 2 {
				o.node.Crash()
			} else {
				o.net.ResetConns("server", "a")
			}
			for _, j := range jobs {
				j.wait()
				if !errors.Is(j.err, rpclab.ErrBroken) || errors.Is(j.err, rpclab.ErrClosed) || j.took > time.Second+soon {
					fail(w, "when the connection breaks, the error is ErrBroken (Caller.Call)", "the connection broke a second after the call began. Expected ErrBroken then, got %v after %v", j.err, j.took)
				}
			}
			if n == 2 {
				o.node.Restart()
				o.open()
			}
			d.ping("the connection broke, and the server is there")
			w.Sleep(2 * time.Minute)
			for _, j := range jobs {
				require.Equal(w, "untouched", j.reply)
				if n < 2 {
					j.executed(1)
				}
			}
		}
		dials, open := d.state()
		require.Equal(w, 4, dials, "how often the caller has dialled, after the connection broke three times")
		require.Equal(w, 1, open, "how many connections it has")
	})
}

// Proves that a call is sent once, at whatever byte of the request or the answer
// the connection breaks, and says that its outcome is not known.
func TestCallIsSentOnce2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		d := o.desk("a")
		for n := range 40 {
			d.ping("the connection broke %d times", n)
			from, to := "a", "server"
			if n%2 == 1 {
				from, to = to, from
			}
			o.net.ResetAfter(from, to, w.Rand().IntN(8))
			j := d.work(within(w, time.Minute), fmt.Sprint("job ", n), 0)
			j.wait()
			if !errors.Is(j.err, rpclab.ErrBroken) {
				fail(w, "when the connection breaks, the error is ErrBroken (Caller.Call)", "the connection broke within the first bytes from %s to %s. The call returned %v, reply %q", from, to, j.err, j.reply)
			}
			w.Sleep(time.Second)
			j.executed(n % 2)
		}
	})
}

// Proves that Close ends the calls that wait, for an answer or a connection, and
// closes the connection; and that afterwards every call is ErrClosed.
func TestCallerCloses2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		unused, waits, dials := o.desk("a"), o.desk("b"), o.desk("c")
		o.net.Isolate("c")
		jobs := []*job{
			waits.work(forever, "one", time.Minute),
			waits.work(forever, "two", time.Minute),
			dials.work(forever, "three", time.Minute),
		}
		w.Sleep(time.Second)
		for _, d := range []*desk{unused, waits, dials} {
			d.Close()
			d.Close()
		}
		for _, j := range jobs {
			j.fails(rpclab.ErrClosed, time.Second)
		}
		o.net.Heal()
		for _, d := range []*desk{unused, waits, dials} {
			d.work(forever, "afterwards", 0).fails(rpclab.ErrClosed, 0)
			if _, open := d.state(); open != 0 || d.dialing != 0 {
				fail(w, "Close closes the connection (Caller.Close)", "the caller of %s is closed. It has %d connections, and dials %d more", d.node.Name(), open, d.dialing)
			}
		}
		require.Zero(w, o.slow.count("afterwards"), "calls that were executed after Close")
		require.NoError(w, o.server.Shutdown(within(w, time.Hour)))
		o.leaves(0, "all callers are closed, and the server is shut down")
	})
}
