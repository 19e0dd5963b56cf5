package simnet

import (
	"bytes"
	"errors"
	"net/rpc"
	"sync"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// handle configures MessagePack as it is on the wire today: strings and bytes
// are different things.
var handle = func() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{WriteExt: true}
	h.RawToString = true
	h.ExplicitRelease = true // Encoders and decoders are used again.
	return h
}()

type encoder struct {
	*codec.Encoder
	buf []byte
}

type decoder struct{ *codec.Decoder }

var (
	encoders = sync.Pool{New: func() any {
		e := &encoder{buf: make([]byte, 0, 1024)}
		e.Encoder = codec.NewEncoderBytes(&e.buf, handle)
		return e
	}}
	decoders = sync.Pool{New: func() any {
		return &decoder{codec.NewDecoderBytes([]byte{}, handle)}
	}}
)

// maxPooled is the size of a buffer that is worth keeping.
const maxPooled = 1 << 20

// encode returns v in MessagePack.
func encode(v any) ([]byte, error) {
	e := encoders.Get().(*encoder)
	e.buf = e.buf[:cap(e.buf)]
	e.ResetBytes(&e.buf)
	if err := e.Encode(v); err != nil {
		return nil, err // An encoder that failed is not used again.
	}
	out := bytes.Clone(e.buf)
	if cap(e.buf) <= maxPooled {
		encoders.Put(e)
	}
	return out, nil
}

// decode decodes into v, a pointer. What it sets shares no memory with data.
func decode(data []byte, v any) error {
	d := decoders.Get().(*decoder)
	d.ResetBytes(data)
	if err := d.Decode(v); err != nil {
		return err
	}
	d.ResetBytes(nothing)
	decoders.Put(d)
	return nil
}

var nothing = []byte{}

// serverCodec lets a net/rpc server serve one request.
type serverCodec struct {
	method   string
	args     []byte
	answered bool
	errText  string
	reply    any
	bad      error // the arguments could not be decoded
}

var _ rpc.ServerCodec = (*serverCodec)(nil)

func (c *serverCodec) ReadRequestHeader(r *rpc.Request) error {
	r.ServiceMethod = c.method
	return nil
}

func (c *serverCodec) ReadRequestBody(args any) error {
	if args == nil { // The method is unknown.
		return nil
	}
	if err := decode(c.args, args); err != nil {
		c.bad = err
		return errors.New("simnet: cannot decode the arguments: " + err.Error())
	}
	return nil
}

// WriteResponse keeps the reply. It is sent when the server lets go of it.
func (c *serverCodec) WriteResponse(r *rpc.Response, reply any) error {
	c.answered, c.errText, c.reply = true, r.Error, reply
	return nil
}

func (c *serverCodec) Close() error { return nil }
