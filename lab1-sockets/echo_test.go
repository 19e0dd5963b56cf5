package sockets_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"distsys/grader/simtest"
	sockets "distsys/lab1-sockets"

	"github.com/stretchr/testify/require"
)

// temporary is an error of Accept that passes: too many open files, say.
type temporary struct{}

func (temporary) Error() string   { return "accept: too many open files" }
func (temporary) Temporary() bool { return true }
func (temporary) Timeout() bool   { return false }

// Proves that errors of Accept which pass do not stop the server, nor make it
// spin, and that Serve returns any other error. For: a server that gives up, a
// loop without a pause.
func TestAcceptErrors1A(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		l := newScripted(w)
		server := &sockets.EchoServer{}
		served := make(chan error, 1)
		w.Go(func() { served <- server.Serve(l) })
		for range 30 {
			l.fail(temporary{})
		}
		conn := l.dial()
		conn.SetDeadline(time.Now().Add(40 * time.Second))
		_, err := io.WriteString(conn, "still there?")
		require.NoError(w, err, "after 30 errors of Accept that pass, a client is not served within 40 s")
		require.GreaterOrEqual(w, w.Now(), 100*time.Millisecond, "Serve called Accept again and again without a pause, although it failed each time")

		broken := errors.New("the listener is broken")
		l.fail(broken)
		select {
		case err := <-served:
			require.ErrorIs(w, err, broken, "the error of Serve")
		case <-time.After(10 * time.Second):
			w.Fatalf("Accept failed for good with %q, but Serve did not return that error", broken)
		}
		require.True(w, l.isClosed(), "Serve returned, but did not close the listener")
	})
}
