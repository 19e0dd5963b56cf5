package sockets

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/sasha-s/go-deadlock"
)

// TODO(1A): what EchoServer and KVServer have in common, if you like: to accept
// connections, to remember the open ones, to shut down.
// BEGIN SOLUTION

// A server accepts connections, remembers the open ones, and shuts down. Its
// zero value is ready for use.
type server struct {
	mu       deadlock.Mutex // guards what follows; held for a few instructions
	listener net.Listener
	conns    map[net.Conn]struct{}
	closing  chan struct{} // closed when Shutdown begins
	drained  chan struct{} // closed when that has happened and no connection is left
}

// init makes the channels. mu is held.
func (s *server) init() {
	if s.closing == nil {
		s.closing = make(chan struct{})
		s.drained = make(chan struct{})
		s.conns = map[net.Conn]struct{}{}
	}
}

// serve accepts connections until shutdown, and calls handle for each in a
// goroutine of its own. The connection is closed when handle returns.
func (s *server) serve(l net.Listener, handle func(net.Conn)) error {
	defer l.Close()
	if !s.listen(l) {
		return ErrServerClosed
	}
	var pause backoff
	for {
		conn, err := l.Accept()
		switch {
		case s.isClosing():
			if err == nil {
				conn.Close()
			}
			return ErrServerClosed
		case err == nil:
			pause = 0
			s.start(conn, handle)
		case passes(err):
			s.wait(pause.next())
		default:
			return err
		}
	}
}

// listen notes the listener, unless the server has been shut down before.
func (s *server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	s.listener = l
	return !isClosed(s.closing)
}

// start serves one connection.
func (s *server) start(conn net.Conn, handle func(net.Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if isClosed(s.closing) { // since Accept returned
		conn.Close()
		return
	}
	s.conns[conn] = struct{}{}
	go func() {
		defer s.end(conn)
		handle(conn)
	}()
}

// end closes a connection and forgets it.
func (s *server) end(conn net.Conn) {
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	s.checkDrained()
}

// checkDrained lets Shutdown return once nothing is left. mu is held.
func (s *server) checkDrained() {
	if isClosed(s.closing) && len(s.conns) == 0 && !isClosed(s.drained) {
		close(s.drained)
	}
}

// shutdown stops accepting and waits until the connections have ended. Those that
// are left when ctx ends it closes.
func (s *server) shutdown(ctx context.Context) error {
	s.close()
	select {
	case <-s.drained:
		return nil
	case <-ctx.Done():
	}
	for _, conn := range s.open() {
		conn.Close() // wakes its goroutine, which ends
	}
	<-s.drained
	return ctx.Err()
}

// close stops accepting.
func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	if !isClosed(s.closing) {
		close(s.closing)
	}
	if s.listener != nil {
		s.listener.Close()
	}
	s.checkDrained()
}

// open returns the open connections.
func (s *server) open() []net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.conns))
}

func (s *server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return isClosed(s.closing)
}

// wait waits for d, or until shutdown.
func (s *server) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.closing:
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A backoff is the pause after an error of Accept. It doubles each time.
type backoff time.Duration

func (b *backoff) next() time.Duration {
	*b = min(max(2**b, backoff(5*time.Millisecond)), backoff(time.Second))
	return time.Duration(*b)
}

// passes reports whether an error of Accept is worth another try.
func passes(err error) bool {
	var temporary interface{ Temporary() bool }
	return errors.As(err, &temporary) && temporary.Temporary()
}

// END SOLUTION
