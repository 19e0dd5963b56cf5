package rpclab

import (
	"context"
	"errors"
	"io"
	"net"
	"net/rpc"
	"sync"
	"time"

	"github.com/sasha-s/go-deadlock"
)

// ErrServerClosed is returned by [Server.Serve] after [Server.Shutdown].
var ErrServerClosed = errors.New("rpclab: server closed")

// A Server serves services of net/rpc on the connections that listeners accept.
type Server struct {
	rpc      *rpc.Server
	newCodec func(io.ReadWriteCloser) rpc.ServerCodec // nil: net/rpc's own, gob

	mu deadlock.Mutex // guards everything below

	// TODO(2A): what Serve and Shutdown must know of each other.
	// BEGIN SOLUTION
	closing   bool
	listeners map[net.Listener]bool
	conns     map[net.Conn]bool
	serving   sync.WaitGroup // one for each connection; none is added once closing is set
	// END SOLUTION
}

// NewServer returns a server without services. Its connections speak what the
// codec speaks, or gob if newCodec is nil.
func NewServer(newCodec func(io.ReadWriteCloser) rpc.ServerCodec) *Server {
	s := &Server{rpc: rpc.NewServer(), newCodec: newCodec}
	// BEGIN SOLUTION 2A
	s.listeners = map[net.Listener]bool{}
	s.conns = map[net.Conn]bool{}
	// END SOLUTION
	return s
}

// Register adds a service, whose methods clients call as "name.Method". The
// rules for methods are those of net/rpc's Register.
func (s *Server) Register(name string, service any) error { return s.rpc.RegisterName(name, service) }

// serveConn serves a connection until reading from it fails. By then it has
// answered the calls that it had begun, and closed the connection.
func (s *Server) serveConn(conn net.Conn) {
	if s.newCodec == nil {
		s.rpc.ServeConn(conn)
		return
	}
	s.rpc.ServeCodec(s.newCodec(conn))
}

// Serve accepts connections from the listener and serves each in a goroutine of its
// own. It returns the error of the listener that ended it, or [ErrServerClosed]
// once Shutdown was called. It closes the listener. It may be called for several
// listeners.
func (s *Server) Serve(l net.Listener) error {
	// TODO(2A): accept and serve until Shutdown or an error.
	// BEGIN SOLUTION
	defer l.Close()
	if !s.listen(l) {
		return ErrServerClosed
	}
	defer s.unlisten(l)
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			s.start(conn)
		case s.isClosing():
			return ErrServerClosed
		default:
			return err
		}
	}
	// END SOLUTION
	// STUB: todo("2A", "Server.Serve: accept connections and serve them")
	// STUB: return nil
}

// Shutdown ends the server: it closes the listeners and reads no more requests.
// Calls that run go on and are answered; then their connections are closed.
// Shutdown waits for that. If the context ends first, it closes the connections,
// whatever runs, and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	// TODO(2A): stop accepting, stop reading, wait for the calls that run.
	// BEGIN SOLUTION
	s.stopReading()
	served := make(chan struct{})
	go func() {
		s.serving.Wait()
		close(served)
	}()
	select {
	case <-served:
		return nil
	case <-ctx.Done():
		s.closeConns()
		return ctx.Err()
	}
	// END SOLUTION
	// STUB: todo("2A", "Server.Shutdown: wait for the calls that run")
	// STUB: return nil
}

// BEGIN SOLUTION 2A

// listen notes a listener. It returns false if the server is closing.
func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.listeners[l] = true
	return true
}

func (s *Server) unlisten(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// start serves a connection, or closes it if the server is closing.
func (s *Server) start(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		conn.Close()
		return
	}
	s.conns[conn] = true
	s.serving.Go(func() {
		s.serveConn(conn)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, conn)
	})
}

// stopReading closes the listeners, and ends the reading of all connections: that
// is how serveConn learns that it is to answer what it has begun, and no more.
func (s *Server) stopReading() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for l := range s.listeners {
		l.Close()
	}
	for conn := range s.conns {
		conn.SetReadDeadline(time.Now())
	}
}

func (s *Server) closeConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		conn.Close()
	}
}

// END SOLUTION
