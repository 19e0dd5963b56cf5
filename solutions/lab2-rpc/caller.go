package rpclab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"reflect"
	"time"

	"github.com/sasha-s/go-deadlock"
)

var (
	// ErrBroken is returned when the connection broke before the answer came. The
	// server may have executed the call, or not.
	ErrBroken = errors.New("rpclab: connection broken")

	// ErrClosed is returned when the [Caller] was closed.
	ErrClosed = errors.New("rpclab: caller closed")
)

// dialTimeout is how long a dial may take.
const dialTimeout = 10 * time.Second

// A Dialer connects to a server. It gives up when the context ends.
type Dialer func(ctx context.Context) (net.Conn, error)

// A Caller calls the methods of a server. It dials when it needs a connection, and
// dials again when one has broken. It has one connection at a time, and all calls
// share it. Its methods may be called by many goroutines at a time.
type Caller struct {
	dial     Dialer
	newCodec func(io.ReadWriteCloser) rpc.ClientCodec // nil: net/rpc's own, gob

	// TODO(2A): the connection, and what calls that wait for one must know. The
	// mutex guards it, and nobody dials while holding it.
	// BEGIN SOLUTION
	ctx    context.Context // ended by Close
	cancel context.CancelFunc
	// END SOLUTION

	mu deadlock.Mutex

	// BEGIN SOLUTION 2A
	closed bool
	conn   *connection // the present one, which may be in the making; nil if there is none
	// END SOLUTION
}

// NewCaller returns a caller that has not dialled yet. Its connections speak what
// the codec speaks, or gob if newCodec is nil.
func NewCaller(dial Dialer, newCodec func(io.ReadWriteCloser) rpc.ClientCodec) *Caller {
	c := &Caller{dial: dial, newCodec: newCodec}
	// BEGIN SOLUTION 2A
	c.ctx, c.cancel = context.WithCancel(context.Background())
	// END SOLUTION
	return c
}

// newClient makes a client of a connection that was dialled.
func (c *Caller) newClient(conn io.ReadWriteCloser) *rpc.Client {
	if c.newCodec == nil {
		return rpc.NewClient(conn)
	}
	return rpc.NewClientWithCodec(c.newCodec(conn))
}

// Call calls a method, waits for the answer, and sets what reply points to. If it
// returns an error, reply is as it was, and stays so.
//
// An error that the method returned is an [rpc.ServerError]. When the context ends
// first, the error is the context's: Call returns at once, and the connection goes
// on serving other calls, which the context of this one does not concern. When
// there is no connection, and the dial fails, the error is that of the dial. When
// the connection breaks, it is [ErrBroken]: Call sends a request once, and never
// again. After Close it is [ErrClosed]. All these may be wrapped.
//
// A connection that is known to be broken is not used for a call: the call dials.
//
// Call may read what args points to until the server has answered.
func (c *Caller) Call(ctx context.Context, method string, args, reply any) error {
	// TODO(2A): get the connection, or dial one together with others who need one;
	// call; wait for the answer or the end of the context.
	// BEGIN SOLUTION
	if err := ctx.Err(); err != nil {
		return err
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	// The answer may come after the context has ended, when reply is no longer ours.
	answer := reflect.New(reflect.TypeOf(reply).Elem())
	done := make(chan error, 1)
	go func() { done <- conn.client.Call(method, args, answer.Interface()) }()
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	case err := <-done:
		if err != nil {
			return c.failed(conn, method, err)
		}
		reflect.ValueOf(reply).Elem().Set(answer.Elem())
		return nil
	}
	// END SOLUTION
	// STUB: todo("2A", "Caller.Call: dial if there is no connection, call, wait for the answer or the end of the context")
	// STUB: return ErrClosed
}

// Close closes the connection. Calls that wait end with [ErrClosed].
func (c *Caller) Close() error {
	// TODO(2A): close the connection, or end the dial.
	// BEGIN SOLUTION
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.cancel()
	if c.conn != nil && c.conn.client != nil {
		c.conn.client.Close()
	}
	return nil
	// END SOLUTION
	// STUB: todo("2A", "Caller.Close: close the connection")
	// STUB: return nil
}

// BEGIN SOLUTION 2A

// A connection is one connection of a Caller, from the dial on. The fields below
// ready are set when it is closed.
type connection struct {
	ready  chan struct{}
	client *rpc.Client
	err    error
}

// connect returns the connection, once it is dialled.
func (c *Caller) connect(ctx context.Context) (*connection, error) {
	conn, err := c.current()
	if err != nil {
		return nil, err
	}
	select {
	case <-conn.ready:
		return conn, conn.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// current returns the present connection. If there is none, it begins to dial: for
// all who need it, so in a goroutine that ends with none of their contexts.
func (c *Caller) current() (*connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if c.conn == nil {
		c.conn = &connection{ready: make(chan struct{})}
		go c.open(c.conn)
	}
	return c.conn, nil
}

// open dials.
func (c *Caller) open(conn *connection) {
	ctx, cancel := context.WithTimeout(c.ctx, dialTimeout)
	defer cancel()
	stream, err := c.dial(ctx)

	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(conn.ready)
	switch {
	case c.closed:
		conn.err = ErrClosed
		if err == nil {
			stream.Close()
		}
	case err != nil:
		conn.err = fmt.Errorf("dial: %w", err)
		c.conn = nil // the next call tries again
	default:
		conn.client = c.newClient(&watchedConn{stream, func() { c.drop(conn) }})
	}
}

// A watchedConn tells when reading from it fails: there always is a reader, so
// that is when the connection has broken, also when no call is under way.
type watchedConn struct {
	net.Conn
	broken func()
}

func (w *watchedConn) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil {
		w.broken()
	}
	return n, err
}

// drop gives up a connection.
func (c *Caller) drop(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == conn {
		c.conn = nil
	}
	if conn.client != nil {
		conn.client.Close()
	}
}

// failed returns what Call returns when net/rpc returned an error. One that did
// not come from the server means that the connection is of no use any more.
func (c *Caller) failed(conn *connection, method string, err error) error {
	if _, ok := err.(rpc.ServerError); ok {
		return err
	}
	c.drop(conn)
	if c.isClosed() {
		return ErrClosed
	}
	return fmt.Errorf("%w: %s: %w", ErrBroken, method, err)
}

func (c *Caller) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// END SOLUTION
