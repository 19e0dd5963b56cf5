package rpclab

import (
	"context"
	"errors"
	"io"
	"net"
	"net/rpc"
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

	mu deadlock.Mutex
}

// NewCaller returns a caller that has not dialled yet. Its connections speak what
// the codec speaks, or gob if newCodec is nil.
func NewCaller(dial Dialer, newCodec func(io.ReadWriteCloser) rpc.ClientCodec) *Caller {
	c := &Caller{dial: dial, newCodec: newCodec}
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
	todo("2A", "Caller.Call: dial if there is no connection, call, wait for the answer or the end of the context")
	return ErrClosed
}

// Close closes the connection. Calls that wait end with [ErrClosed].
func (c *Caller) Close() error {
	// TODO(2A): close the connection, or end the dial.
	todo("2A", "Caller.Close: close the connection")
	return nil
}
