package sockets_test

import (
	"net"
	"sync"

	"distsys/grader/simtest"
)

// A scripted is a listener whose Accept returns what the test gives it: one end
// of a pipe, or an error.
type scripted struct {
	w       *simtest.World
	results chan accepted

	mu     sync.Mutex
	closed bool
	end    chan struct{} // closed with the listener
	calls  int           // of Accept
}

type accepted struct {
	conn net.Conn
	err  error
}

func newScripted(w *simtest.World) *scripted {
	l := &scripted{w: w, results: make(chan accepted, 1000), end: make(chan struct{})}
	w.Cleanup(func() { l.Close() })
	return l
}

// dial connects a client.
func (l *scripted) dial() net.Conn {
	client, server := net.Pipe()
	l.results <- accepted{conn: server}
	l.w.Cleanup(func() { client.Close() })
	return client
}

// fail makes the next Accept fail.
func (l *scripted) fail(err error) { l.results <- accepted{err: err} }

func (l *scripted) Accept() (net.Conn, error) {
	l.mu.Lock()
	l.calls++
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return nil, net.ErrClosed
	}
	select {
	case r := <-l.results:
		return r.conn, r.err
	case <-l.end:
		return nil, net.ErrClosed
	}
}

func (l *scripted) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.end)
	}
	return nil
}

func (l *scripted) Addr() net.Addr { return pipeAddr{} }

// accepts returns how often Accept was called.
func (l *scripted) accepts() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls
}

func (l *scripted) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
