package rpclab

import (
	"fmt"
	"io"
	"net/rpc"
	"sync"
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
		// BEGIN SOLUTION 2B
		in:      newMessageReader(conn),
		out:     newMessageWriter(),
		pending: map[uint32]uint64{},
		// END SOLUTION
	}
}

type clientCodec struct {
	conn io.ReadWriteCloser

	// TODO(2B): what else the codec needs.
	// BEGIN SOLUTION
	in     *messageReader
	out    *messageWriter
	result []byte // of the response whose header was read last
	close  sync.Once
	closed error // what closing the connection returned

	mu      sync.Mutex        // guards pending; plain, since each call takes it twice
	pending map[uint32]uint64 // calls that wait for a response: msgid to sequence number
	// END SOLUTION
}

// WriteRequest sends a request. Its params are the argument alone or, when that
// is [Params], all of them. The msgid is the low 32 bits of the sequence number,
// which net/rpc counts up from 0. An error other than that of the connection
// concerns this call only, and nothing of it was sent.
func (c *clientCodec) WriteRequest(r *rpc.Request, args any) error {
	// TODO(2B): send the request.
	// BEGIN SOLUTION
	params, ok := args.(Params)
	if !ok {
		params = Params{args}
	}
	if params == nil {
		params = Params{} // nil would not be an array
	}
	id := uint32(r.Seq)
	data, err := c.out.encode(typeRequest, id, r.ServiceMethod, []any(params))
	if err != nil {
		return err
	}
	c.await(id, r.Seq) // before the response can come
	_, err = c.conn.Write(data)
	return err
	// END SOLUTION
	// STUB: todo("2B", "clientCodec.WriteRequest: send the request")
	// STUB: return ErrProtocol
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
	// BEGIN SOLUTION
	for {
		m, err := c.in.next()
		if err != nil {
			return c.fail(err)
		}
		found := false
		switch m.kind {
		case typeResponse:
			found, err = c.readResponse(m, r)
		case typeRequest:
			err = c.refuse(m)
		}
		if err != nil {
			return c.fail(err)
		}
		if found {
			return nil
		}
	}
	// END SOLUTION
	// STUB: todo("2B", "clientCodec.ReadResponseHeader: read the next response")
	// STUB: return ErrProtocol
}

// BEGIN SOLUTION 2B

// readResponse reports whether somebody waits for the response.
func (c *clientCodec) readResponse(m message, r *rpc.Response) (bool, error) {
	id, err := c.in.msgid(m.fields[0])
	if err != nil {
		return false, err
	}
	seq, ok := c.answered(id)
	if !ok {
		return false, nil
	}
	r.Seq = seq
	r.Error = c.errorText(m.fields[1])
	c.result = m.fields[2]
	return true, nil
}

// largestErrorObject is the size up to which an error object that is not a string
// is shown. Decoded, it takes many times as much.
const largestErrorObject = 16 << 10

// errorText returns the text for an error object, which is empty for nil only.
func (c *clientCodec) errorText(field []byte) string {
	if isNil(field) {
		return ""
	}
	var text string
	if isString(field[0]) && c.in.decode(field, &text) == nil && text != "" {
		return text
	}
	var object any
	if len(field) > largestErrorObject || c.in.decode(field, &object) != nil {
		return fmt.Sprintf("an error object of %d bytes", len(field))
	}
	if text = fmt.Sprint(object); text == "" {
		return "an empty error"
	}
	return text
}

// refuse answers a request from the server. It runs while a call may be writing,
// so it has an encoder of its own.
func (c *clientCodec) refuse(m message) error {
	id, err := c.in.msgid(m.fields[0])
	if err != nil {
		return err
	}
	data, err := newMessageWriter().encode(typeResponse, id, "this client serves no requests", nil)
	if err != nil {
		return err
	}
	_, err = c.conn.Write(data)
	return err
}

// await notes that a request waits for a response.
func (c *clientCodec) await(id uint32, seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending[id] = seq
}

// answered returns the sequence number of the request with this msgid, which
// waits no longer.
func (c *clientCodec) answered(id uint32) (seq uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seq, ok = c.pending[id]
	delete(c.pending, id)
	return seq, ok
}

// fail closes the connection: net/rpc reads no more after an error, and the server
// must not write to a client that does not read.
func (c *clientCodec) fail(err error) error {
	c.Close()
	return err
}

// END SOLUTION

// ReadResponseBody decodes the result of the response into the value to which
// reply points; nil means that nobody wants it.
func (c *clientCodec) ReadResponseBody(reply any) error {
	// TODO(2B): decode the result.
	// BEGIN SOLUTION
	if reply == nil {
		return nil
	}
	if err := c.in.decode(c.result, reply); err != nil {
		return c.fail(err)
	}
	return nil
	// END SOLUTION
	// STUB: todo("2B", "clientCodec.ReadResponseBody: decode the result")
	// STUB: return ErrProtocol
}

// Close closes the connection. Closing it a second time does nothing.
func (c *clientCodec) Close() error {
	// TODO(2B): close the connection once.
	// BEGIN SOLUTION
	c.close.Do(func() { c.closed = c.conn.Close() })
	return c.closed
	// END SOLUTION
	// STUB: todo("2B", "clientCodec.Close: close the connection")
	// STUB: return c.conn.Close()
}
