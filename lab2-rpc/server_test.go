package rpclab_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// shutdown calls Shutdown in the background. Its outcome comes out of the channel.
func (o *office) shutdown(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() { done <- o.server.Shutdown(ctx) }()
	o.w.Sleep(soon)
	return done
}

// pending checks that Shutdown still waits.
func pending(w *simtest.World, shutdown <-chan error, why string) {
	select {
	case err := <-shutdown:
		fail(w, "calls that run go on and are answered; Shutdown waits for that (Server.Shutdown)", "Shutdown returned %v, though %s", err, why)
	default:
	}
}

// Proves that Shutdown lets the calls that run finish, takes no new ones, on old
// connections or new, and then closes everything.
func TestShutdownWaits2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		busy, idle := o.desk("a"), o.desk("b")
		idle.ping("nothing happened")
		short := busy.work(forever, "short", 5*time.Second)
		long := busy.work(forever, "long", 10*time.Second)
		w.Sleep(time.Second)

		shutdown := o.shutdown(within(w, time.Minute))
		pending(w, shutdown, "a call runs")
		select {
		case err := <-o.served:
			require.Equal(w, rpclab.ErrServerClosed, err, "what Serve returned after Shutdown")
		default:
			fail(w, "Serve returns ErrServerClosed once Shutdown was called (Server.Serve)", "Shutdown was called, and Serve has not returned")
		}
		if _, open := idle.state(); open != 0 {
			fail(w, "Shutdown reads no more requests (Server.Shutdown)", "Shutdown was called. A connection on which no call runs is still open")
		}
		refused := idle.work(within(w, time.Minute), "too late", 0).wait()
		require.ErrorIs(w, refused.err, syscall.ECONNREFUSED, "a call that dials after Shutdown")
		busy.work(within(w, 2*time.Second), "too late", 0).wait()
		short.succeeds()
		pending(w, shutdown, "a call still runs")
		long.succeeds()
		w.Sleep(soon)
		select {
		case err := <-shutdown:
			require.NoError(w, err, "Shutdown")
		default:
			fail(w, "calls that run are answered; then their connections are closed. Shutdown waits for that (Server.Shutdown)", "the last call has been answered, and Shutdown has not returned")
		}
		w.Sleep(soon)
		if _, open := busy.state(); open != 0 {
			fail(w, "calls that run are answered; then their connections are closed (Server.Shutdown)", "Shutdown has returned, and a connection is still open")
		}
		require.Zero(w, o.slow.count("too late"), "calls that were sent after Shutdown, and executed")
		o.leaves(0, "Shutdown has returned, and no connection is open")
	})
}

// Proves that Shutdown returns at once when nothing runs, and a second time; and
// that Serve afterwards closes its listener.
func TestShutdownOfIdleServer2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		for i := range 20 {
			o.desk(fmt.Sprint("d", i)).ping("nothing happened")
		}
		for n := range 2 {
			began := w.Now()
			require.NoError(w, o.server.Shutdown(within(w, time.Minute)), "Shutdown, called %d times before", n)
			require.Less(w, w.Now()-began, soon, "how long Shutdown took, while no call ran")
		}
		l, err := o.node.Listen("tcp", ":200")
		require.NoError(w, err)
		require.Equal(w, rpclab.ErrServerClosed, o.server.Serve(l), "Serve, after Shutdown")
		_, err = l.Accept()
		require.ErrorIs(w, err, net.ErrClosed, "Accept, on the listener of a server that was shut down\nrule: it closes the listener (Server.Serve)")
	})
}

// Proves that Shutdown gives up when its context ends: it closes the connections,
// and says why.
func TestShutdownGivesUp2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		d := o.desk("a")
		j := d.work(forever, "long", 10*time.Minute)
		w.Sleep(time.Second)
		shutdown := o.shutdown(within(w, 3*time.Second))
		pending(w, shutdown, "a call runs")
		began := w.Now()
		require.ErrorIs(w, <-shutdown, context.DeadlineExceeded, "Shutdown, whose context ended")
		require.Less(w, w.Now()-began, 3*time.Second, "how long Shutdown took, with 3 s to live")
		j.wait()
		if !errors.Is(j.err, rpclab.ErrBroken) || j.took > 5*time.Second {
			fail(w, "if the context ends first, it closes the connections, whatever runs (Server.Shutdown)", "Shutdown gave up. A call that ran returned %v after %v", j.err, j.took)
		}
		w.Sleep(10 * time.Minute) // the service still works on it
		o.leaves(0, "Shutdown gave up, and the call that it did not wait for has ended")
	})
}

// Proves that Serve returns the error of its listener, serves several listeners,
// and that one client, who sends nonsense, does not matter to others.
func TestServeListeners2A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		o := newOffice(w).open()
		l, err := o.node.Listen("tcp", ":200")
		require.NoError(w, err)
		second := make(chan error, 1)
		go func() { second <- o.server.Serve(l) }()
		d := o.desk("a")
		bad, err := o.net.Node("b").DialContext(forever, "tcp", "server:200")
		require.NoError(w, err)
		bad.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		w.Sleep(soon)
		d.ping("a client sent nonsense to another listener")
		require.NoError(w, l.Close())
		w.Sleep(soon)
		select {
		case err := <-second:
			require.ErrorIs(w, err, net.ErrClosed, "what Serve returned when its listener was closed")
			require.NotErrorIs(w, err, rpclab.ErrServerClosed, "what Serve returned when its listener was closed")
		default:
			fail(w, "Serve returns the error of the listener that ended it (Server.Serve)", "the listener was closed, and Serve has not returned")
		}
		d.ping("another listener was closed")
	})
}
