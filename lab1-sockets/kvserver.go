package sockets

import (
	"context"
	"net"
	"time"
)

// A KVServer is a key/value store that many clients use at the same time, in
// RESP. The zero value is an empty store without limits, ready for use.
//
// Each client has its own connection. A command is executed at once and whole: to
// every client it looks as if the commands of all of them came one after another.
// A client may send more commands before it has the replies to the first ones
// (pipelining); replies come in the order of the commands. A reply does not wait
// for a later command, not even for one of which a part is there.
//
// A client that does not read its replies is not read from either: it costs a few
// buffers, and nobody else any time.
type KVServer struct {
	// IdleTimeout is how long a client may take to send a command, from the last
	// one on, or to take in a piece of a reply, of at least 16 KiB. Then its
	// connection is closed. 0 means for ever.
	IdleTimeout time.Duration

	// MaxConns is how many clients are served at the same time. More of them can
	// connect, and wait until others leave. 0 means any number.
	MaxConns int

	// TODO(1C): what the server remembers.
}

// Serve accepts connections from l and serves them, as [EchoServer.Serve] does.
//
// A command that fails is answered with an error, and the connection stays. Input
// that is not RESP is answered with an error, and the connection is closed, since
// nothing that follows can be understood.
func (s *KVServer) Serve(l net.Listener) error {
	// TODO(1C): accept connections, not more than MaxConns, and serve each.
	todo("1C", "KVServer.Serve: accept connections, and answer commands")
	return l.Close()
}

// Shutdown stops the server. It closes the listener and the connections of the
// clients that wait to be asked for nothing: those that have all their replies and
// have sent no further command. A command that was executed is answered in full
// before its connection is closed. When ctx ends before that, Shutdown closes what
// is left and returns the error of ctx. Either way no goroutine of the server is
// left when Shutdown and Serve have returned.
func (s *KVServer) Shutdown(ctx context.Context) error {
	// TODO(1C): stop accepting, let replies be sent, close what is left.
	todo("1C", "KVServer.Shutdown: stop accepting, let replies be sent, close what is left")
	return nil
}

// TODO(1C): serve one client.
