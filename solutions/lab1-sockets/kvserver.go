package sockets

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/net/netutil"
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
	// BEGIN SOLUTION
	server server
	store  store
	// END SOLUTION
}

// Serve accepts connections from l and serves them, as [EchoServer.Serve] does.
//
// A command that fails is answered with an error, and the connection stays. Input
// that is not RESP is answered with an error, and the connection is closed, since
// nothing that follows can be understood.
func (s *KVServer) Serve(l net.Listener) error {
	// TODO(1C): accept connections, not more than MaxConns, and serve each.
	// BEGIN SOLUTION
	if s.MaxConns > 0 {
		l = netutil.LimitListener(l, s.MaxConns)
	}
	return s.server.serve(l, s.talk)
	// END SOLUTION
	// STUB: todo("1C", "KVServer.Serve: accept connections, and answer commands")
	// STUB: return l.Close()
}

// Shutdown stops the server. It closes the listener and the connections of the
// clients that wait to be asked for nothing: those that have all their replies and
// have sent no further command. A command that was executed is answered in full
// before its connection is closed. When ctx ends before that, Shutdown closes what
// is left and returns the error of ctx. Either way no goroutine of the server is
// left when Shutdown and Serve have returned.
func (s *KVServer) Shutdown(ctx context.Context) error {
	// TODO(1C): stop accepting, let replies be sent, close what is left.
	// BEGIN SOLUTION
	s.server.close()
	for _, conn := range s.server.open() {
		conn.SetReadDeadline(past) // wakes those that wait for a command
	}
	return s.server.shutdown(ctx)
	// END SOLUTION
	// STUB: todo("1C", "KVServer.Shutdown: stop accepting, let replies be sent, close what is left")
	// STUB: return nil
}

// TODO(1C): serve one client.
// BEGIN SOLUTION

// past is a deadline that has passed.
var past = time.Unix(0, 0)

// talk serves one client.
func (s *KVServer) talk(conn net.Conn) {
	c := &client{conn: conn, timeout: s.IdleTimeout, closing: s.server.closing}
	c.out = NewWriter(c)
	defer c.out.Flush()
	in := NewReader(c)
	for {
		c.idle = true
		args, err := in.ReadCommand()
		if malformed := (*ProtocolError)(nil); errors.As(err, &malformed) {
			c.out.WriteValue(replyProtocolError(malformed))
		}
		if err != nil {
			return
		}
		if err := c.out.WriteValue(s.store.execute(args)); err != nil || isQuit(args) {
			return
		}
	}
}

// A client is the stream of a connection, with manners: replies are on their way
// before it waits for the next command, and it does not wait for ever.
type client struct {
	conn    net.Conn
	out     *Writer
	timeout time.Duration
	closing <-chan struct{} // closed when the server shuts down
	idle    bool            // nothing of the next command has been asked for
}

// Read is called when all input has been used up. Only then are replies flushed:
// as many as came together go out together, and none waits for a command that is
// not there yet, or not whole.
func (c *client) Read(p []byte) (int, error) {
	if err := c.out.Flush(); err != nil {
		return 0, err
	}
	if c.idle { // a deadline for the whole command, not for each Read: no slow-loris
		c.idle = false
		if c.timeout > 0 {
			c.conn.SetReadDeadline(time.Now().Add(c.timeout))
		}
		if isClosed(c.closing) { // looked at after the deadline was set: Shutdown does it the other way round
			return 0, ErrServerClosed
		}
	}
	return c.conn.Read(p)
}

// Write writes in pieces, each of which the client has the timeout to take in.
func (c *client) Write(p []byte) (int, error) {
	const piece = 16 << 10
	written := 0
	for written < len(p) {
		if c.timeout > 0 {
			c.conn.SetWriteDeadline(time.Now().Add(c.timeout))
		}
		n, err := c.conn.Write(p[written:min(written+piece, len(p))])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// END SOLUTION
