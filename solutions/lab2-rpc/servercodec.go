package rpclab

import (
	"fmt"
	"io"
	"math"
	"net/rpc"
	"sync"
)

// NewServerCodec returns a codec with which a net/rpc server serves a connection
// in MessagePack-RPC:
//
//	server.ServeCodec(rpclab.NewServerCodec(conn))
//
// It is for one server, which calls its methods as net/rpc's documentation says.
// These end the connection: an error of the connection, [ErrTooLarge] and
// [ErrProtocol]. Whatever else is wrong with a request is answered with an error.
func NewServerCodec(conn io.ReadWriteCloser) rpc.ServerCodec {
	return &serverCodec{
		conn: conn,
		// BEGIN SOLUTION 2B
		in:  newMessageReader(conn),
		out: newMessageWriter(),
		// END SOLUTION
	}
}

type serverCodec struct {
	conn io.ReadWriteCloser

	// TODO(2B): what else the codec needs.
	// BEGIN SOLUTION
	in     *messageReader
	out    *messageWriter
	params []byte // of the request whose header was read last
	close  sync.Once
	closed error // what closing the connection returned
	// END SOLUTION
}

// BEGIN SOLUTION 2B

// noResponse is the sequence number that a notification gets. No request has it:
// a msgid has 32 bits only.
const noResponse = math.MaxUint32 + 1

// END SOLUTION

// ReadRequestHeader reads up to the next request, and sets the sequence number
// and the name of the method. A notification is a request whose response is never
// sent. A response is not for a server, which has asked nothing: it is passed over.
//
// When the connection ends between two messages, the error is io.EOF, and when it
// ends within one, io.ErrUnexpectedEOF, here or in ReadRequestBody.
func (c *serverCodec) ReadRequestHeader(r *rpc.Request) error {
	// TODO(2B): read the next request or notification.
	// BEGIN SOLUTION
	for {
		m, err := c.in.next()
		if err != nil {
			return err
		}
		switch m.kind {
		case typeRequest:
			return c.readRequest(m, r)
		case typeNotification:
			return c.readNotification(m, r)
		}
	}
	// END SOLUTION
	// STUB: todo("2B", "serverCodec.ReadRequestHeader: read the next request or notification")
	// STUB: return ErrProtocol
}

// BEGIN SOLUTION 2B

func (c *serverCodec) readRequest(m message, r *rpc.Request) error {
	id, err := c.in.msgid(m.fields[0])
	if err != nil {
		return err
	}
	r.Seq = uint64(id)
	c.params = m.fields[2]
	r.ServiceMethod, err = c.in.method(m.fields[1])
	return err
}

func (c *serverCodec) readNotification(m message, r *rpc.Request) (err error) {
	r.Seq = noResponse
	c.params = m.fields[1]
	r.ServiceMethod, err = c.in.method(m.fields[0])
	return err
}

// END SOLUTION

// ReadRequestBody decodes the params of the request into the argument to which
// args points; nil means that nobody wants them. Params are an array with one
// element, the argument, but for a method that takes [Params]. Its error becomes
// the answer to this request, and the connection goes on.
func (c *serverCodec) ReadRequestBody(args any) error {
	// TODO(2B): decode the params.
	// BEGIN SOLUTION
	if args == nil {
		return nil
	}
	n, argument, ok := elements(c.params)
	if !ok {
		return fmt.Errorf("rpclab: params must be an array")
	}
	if all, ok := args.(*Params); ok {
		return c.in.decode(c.params, all)
	}
	if n != 1 {
		return fmt.Errorf("rpclab: wrong number of arguments: want 1, got %d", n)
	}
	return c.in.decode(argument, args)
	// END SOLUTION
	// STUB: todo("2B", "serverCodec.ReadRequestBody: decode the params")
	// STUB: return ErrProtocol
}

// WriteResponse sends the result of a request or, if r.Error is set, that error
// and no result. If the result cannot be sent, because it cannot be encoded or is
// too large, the client gets an error that says so.
func (c *serverCodec) WriteResponse(r *rpc.Response, result any) error {
	// TODO(2B): send the response.
	// BEGIN SOLUTION
	if r.Seq == noResponse {
		return nil
	}
	var object any // the error: nil or a string
	if r.Error != "" {
		object, result = r.Error, nil
	}
	id := uint32(r.Seq)
	data, err := c.out.encode(typeResponse, id, object, result)
	if err != nil { // the client must not wait for ever
		data, err = c.out.encode(typeResponse, id, "cannot send the result: "+err.Error(), nil)
	}
	if err != nil {
		return err
	}
	_, err = c.conn.Write(data)
	return err
	// END SOLUTION
	// STUB: todo("2B", "serverCodec.WriteResponse: send the response")
	// STUB: return ErrProtocol
}

// Close closes the connection. Closing it a second time does nothing.
func (c *serverCodec) Close() error {
	// TODO(2B): close the connection once.
	// BEGIN SOLUTION
	c.close.Do(func() { c.closed = c.conn.Close() })
	return c.closed
	// END SOLUTION
	// STUB: todo("2B", "serverCodec.Close: close the connection")
	// STUB: return c.conn.Close()
}
