package rpclab

import (
	"io"
	"net/rpc"
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
	}
}

type serverCodec struct {
	conn io.ReadWriteCloser

	// TODO(2B): what else the codec needs.
}

// ReadRequestHeader reads up to the next request, and sets the sequence number
// and the name of the method. A notification is a request whose response is never
// sent. A response is not for a server, which has asked nothing: it is passed over.
//
// When the connection ends between two messages, the error is io.EOF, and when it
// ends within one, io.ErrUnexpectedEOF, here or in ReadRequestBody.
func (c *serverCodec) ReadRequestHeader(r *rpc.Request) error {
	// TODO(2B): read the next request or notification.
	todo("2B", "serverCodec.ReadRequestHeader: read the next request or notification")
	return ErrProtocol
}

// ReadRequestBody decodes the params of the request into the argument to which
// args points; nil means that nobody wants them. Params are an array with one
// element, the argument, but for a method that takes [Params]. Its error becomes
// the answer to this request, and the connection goes on.
func (c *serverCodec) ReadRequestBody(args any) error {
	// TODO(2B): decode the params.
	todo("2B", "serverCodec.ReadRequestBody: decode the params")
	return ErrProtocol
}

// WriteResponse sends the result of a request or, if r.Error is set, that error
// and no result. If the result cannot be sent, because it cannot be encoded or is
// too large, the client gets an error that says so.
func (c *serverCodec) WriteResponse(r *rpc.Response, result any) error {
	// TODO(2B): send the response.
	todo("2B", "serverCodec.WriteResponse: send the response")
	return ErrProtocol
}

// Close closes the connection. Closing it a second time does nothing.
func (c *serverCodec) Close() error {
	// TODO(2B): close the connection once.
	todo("2B", "serverCodec.Close: close the connection")
	return c.conn.Close()
}
