package rpclab

import (
	"context"
	"errors"
	"io"
	"net"
	"net/rpc"

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
}

// NewServer returns a server without services. Its connections speak what the
// codec speaks, or gob if newCodec is nil.
func NewServer(newCodec func(io.ReadWriteCloser) rpc.ServerCodec) *Server {
	s := &Server{rpc: rpc.NewServer(), newCodec: newCodec}
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
	todo("2A", "Server.Serve: accept connections and serve them")
	return nil
}

// Shutdown ends the server: it closes the listeners and reads no more requests.
// Calls that run go on and are answered; then their connections are closed.
// Shutdown waits for that. If the context ends first, it closes the connections,
// whatever runs, and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	// TODO(2A): stop accepting, stop reading, wait for the calls that run.
	todo("2A", "Server.Shutdown: wait for the calls that run")
	return nil
}
