package rpclab

import (
	"io"
	"net/rpc"
)

// NewClientCodec returns a codec with which a net/rpc client calls a server that
// speaks MessagePack-RPC:
//
//	client := rpc.NewClientWithCodec(rpclab.NewClientCodec(conn))
//
// It is for one client, which calls its methods as net/rpc's documentation says.
// The connection's Write must be safe for use by several goroutines at a time, as
// that of a net.Conn is. These end the connection: an error of the connection,
// [ErrTooLarge] when reading, [ErrProtocol], and a result that does not fit the
// type of the reply.
func NewClientCodec(conn io.ReadWriteCloser) rpc.ClientCodec {
	return &clientCodec{
		conn: conn,
	}
}

type clientCodec struct {
	conn io.ReadWriteCloser

	// TODO(2B): what else the codec needs.
}

// WriteRequest sends a request. Its params are the argument alone or, when that
// is [Params], all of them. The msgid is the low 32 bits of the sequence number,
// which net/rpc counts up from 0. An error other than that of the connection
// concerns this call only, and nothing of it was sent.
func (c *clientCodec) WriteRequest(r *rpc.Request, args any) error {
	// TODO(2B): send the request.
	todo("2B", "clientCodec.WriteRequest: send the request")
	return ErrProtocol
}

// ReadResponseHeader reads up to the next response to a request that was sent, and
// sets its sequence number and its error. An error object may be of any type. If
// it is a string, the error has that text, otherwise a text that shows the object;
// no text is empty, because that would not be an error to net/rpc.
//
// Notifications are passed over, as are responses that nobody waits for. A request
// from the server is answered with an error: who asks must not wait for ever.
//
// When the connection ends between two messages, the error is io.EOF, and when it
// ends within one, io.ErrUnexpectedEOF, here or in ReadResponseBody.
func (c *clientCodec) ReadResponseHeader(r *rpc.Response) error {
	// TODO(2B): read the next response.
	todo("2B", "clientCodec.ReadResponseHeader: read the next response")
	return ErrProtocol
}

// ReadResponseBody decodes the result of the response into the value to which
// reply points; nil means that nobody wants it.
func (c *clientCodec) ReadResponseBody(reply any) error {
	// TODO(2B): decode the result.
	todo("2B", "clientCodec.ReadResponseBody: decode the result")
	return ErrProtocol
}

// Close closes the connection. Closing it a second time does nothing.
func (c *clientCodec) Close() error {
	// TODO(2B): close the connection once.
	todo("2B", "clientCodec.Close: close the connection")
	return c.conn.Close()
}
