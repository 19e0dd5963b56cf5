package sockets

import (
	"context"
	"net"
)

// An EchoServer sends every byte back to the client that it comes from (RFC
// 862). The zero value is ready for use.
type EchoServer struct {
	// TODO(1A): what the server remembers: its listener and its open
	// connections, for Shutdown. KVServer will need the same, so it is worth a
	// type of its own, in server.go.
}

// Serve accepts connections from l and serves each in a goroutine of its own. It
// returns [ErrServerClosed] when [EchoServer.Shutdown] is called, at once, while
// clients may still be connected, or if it was called before; else it goes on until
// Accept fails, and returns that error. Either way it closes l. It is called once.
//
// Bytes are sent back as they come: the server waits neither for a line nor for
// the end. When the client closes its sending side, the server sends what is left
// and closes the connection.
//
// Some errors of Accept pass, such as too many open files. They are those with a
// method Temporary that returns true, as net/http has it. Serve then waits a
// little, from 5 ms to 1 s, and accepts again.
func (s *EchoServer) Serve(l net.Listener) error {
	// TODO(1A): accept connections, and serve each.
	todo("1A", "EchoServer.Serve: accept connections, and send back what comes")
	return l.Close()
}

// Shutdown stops the server. It closes the listener, lets the clients that are
// connected finish, and returns nil when the last connection is closed. When ctx
// ends before that, Shutdown closes the connections that are left and returns
// the error of ctx. Either way no goroutine of the server is left when Shutdown
// and Serve have returned.
func (s *EchoServer) Shutdown(ctx context.Context) error {
	// TODO(1A): stop accepting, wait for the clients, close what is left.
	todo("1A", "EchoServer.Shutdown: stop accepting, wait for the clients, close what is left")
	return nil
}

// TODO(1A): serve one client.

// Echo sends msg to the echo server at addr, and returns as many bytes as it
// sent, as they came back. It opens a connection with d and closes it.
//
// The answer may come while the message is still being sent: a long message does
// not fit in the buffers on the way, so Echo reads and writes at the same time.
// When the server ends the connection too early, the error is
// [io.ErrUnexpectedEOF]. When ctx ends, Echo returns at once, with the error of
// ctx. No goroutine is left when it returns. Errors may be wrapped.
func Echo(ctx context.Context, d Dialer, addr string, msg []byte) ([]byte, error) {
	// TODO(1A): connect, and send and receive at the same time.
	todo("1A", "Echo: connect, and send and receive at the same time")
	return nil, nil
}
