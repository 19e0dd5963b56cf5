package rpclab

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// MaxMessage is the size of the largest message, in bytes, that a codec reads or
// writes.
const MaxMessage = 1 << 20

var (
	// ErrTooLarge is returned when a message is larger than [MaxMessage], also
	// when one only says that it will be.
	ErrTooLarge = errors.New("rpclab: message too large")

	// ErrProtocol is returned when what was read is not MessagePack-RPC.
	ErrProtocol = errors.New("rpclab: not a MessagePack-RPC message")
)

// The types of messages. Each message is an array in MessagePack:
//
//	request       [0, msgid, method, params]
//	response      [1, msgid, error, result]
//	notification  [2, method, params]
//
// The msgid is an unsigned integer of 32 bits, the method a string, params an
// array with the arguments. A response has the msgid of its request; its error
// is nil, or its result is. A notification is a request that wants no response.
const (
	typeRequest      = 0
	typeResponse     = 1
	typeNotification = 2
)

// Params are all the params of a call. net/rpc gives a method one argument, and
// so params have one element. To call a method of another program that takes
// several, or none, make the argument a Params. A method of a Go service that
// has Params as its argument takes any number.
type Params []any

// handle says how values become MessagePack: as the specification has it today,
// with strings and bytes told apart, and structs as maps with their fields' names.
// What was bytes becomes a string where the type is not known. Encoders and
// decoders of all connections may use it at the same time.
var handle = func() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{WriteExt: true}
	h.RawToString = true
	return h
}()

// TODO(2B): read a message from a connection. Look at what you read as at what an
// enemy wrote: every length in it is a claim. Check claims against MaxMessage
// before you allocate, or wait for, what they promise. A value that does not fit
// the type it is decoded into must not cost you the place where the next message
// begins.
// BEGIN SOLUTION

// A messageReader takes messages from a connection. It reads each one whole before
// anything in it is decoded. So lengths have been checked against what is really
// there, and whatever goes wrong in decoding, the next message begins where this
// one ends.
type messageReader struct {
	conn *bufio.Reader
	data []byte         // the present message
	all  [4][]byte      // its fields
	dec  *codec.Decoder // used for one field after another
}

// A message is an array of three or four fields, each still encoded. They are
// valid until the next message is read.
type message struct {
	kind   uint64
	fields [][]byte // without the kind
}

func newMessageReader(conn io.Reader) *messageReader {
	return &messageReader{conn: bufio.NewReaderSize(conn, 16<<10), dec: codec.NewDecoderBytes([]byte{}, handle)}
}

// next reads a message. It returns io.EOF when the connection ended before it,
// and io.ErrUnexpectedEOF when it ended within.
func (r *messageReader) next() (message, error) {
	m, err := r.read()
	if errors.Is(err, io.EOF) && len(r.data) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return m, err
}

func (r *messageReader) read() (message, error) {
	r.data = r.data[:0]
	first, err := r.conn.Peek(1)
	if err != nil {
		return message{}, err
	}
	if !isArray(first[0]) { // it could be a string, and long
		return message{}, fmt.Errorf("%w: it begins with 0x%02x, which is no array", ErrProtocol, first[0])
	}
	n, err := r.head()
	if err != nil {
		return message{}, err
	}
	if n != 3 && n != 4 {
		return message{}, fmt.Errorf("%w: an array of %d", ErrProtocol, n)
	}
	var ends [5]int // the buffer may move while it grows: remember places, not slices
	ends[0] = len(r.data)
	for i := range n {
		if err := r.value(); err != nil {
			return message{}, err
		}
		ends[i+1] = len(r.data)
	}
	for i := range n {
		r.all[i] = r.data[ends[i]:ends[i+1]]
	}
	m := message{fields: r.all[:n]}
	return m, r.classify(&m)
}

// classify decodes the message's type and checks that it has the right number of
// fields for it.
func (r *messageReader) classify(m *message) error {
	if err := r.decode(m.fields[0], &m.kind); err != nil {
		return fmt.Errorf("%w: its type: %v", ErrProtocol, err)
	}
	m.fields = m.fields[1:]
	want := 3
	switch m.kind {
	case typeRequest, typeResponse:
	case typeNotification:
		want = 2
	default:
		return fmt.Errorf("%w: there is no type %d", ErrProtocol, m.kind)
	}
	if len(m.fields) != want {
		return fmt.Errorf("%w: an array of %d has type %d", ErrProtocol, len(m.fields)+1, m.kind)
	}
	return nil
}

// value reads a value with all that is inside.
func (r *messageReader) value() error {
	for missing := 1; missing > 0; missing-- {
		inside, err := r.head()
		if err != nil {
			return err
		}
		missing += inside
		if len(r.data)+missing-1 > MaxMessage { // each takes a byte at least
			return ErrTooLarge
		}
	}
	return nil
}

// head reads the beginning of a value: a number, a string or the like as a whole,
// of an array or a map only the length. It returns how many values are inside.
func (r *messageReader) head() (inside int, err error) {
	first, err := r.conn.ReadByte()
	if err != nil {
		return 0, err
	}
	r.data = append(r.data, first)
	switch {
	case first <= 0x7f || first >= 0xe0: // a small integer
		return 0, nil
	case first <= 0x8f: // a map
		return 2 * int(first&0x0f), nil
	case first <= 0x9f: // an array
		return int(first & 0x0f), nil
	case first <= 0xbf: // a string
		return 0, r.take(uint64(first & 0x1f))
	}
	f := formats[first-0xc0]
	if f.kind == unused {
		return 0, fmt.Errorf("%w: 0x%02x is not MessagePack", ErrProtocol, first)
	}
	length, err := r.length(f.lengthBytes)
	if err != nil {
		return 0, err
	}
	if f.kind == container {
		length *= uint64(f.size)
		if length > MaxMessage {
			return 0, ErrTooLarge
		}
		return int(length), nil
	}
	return 0, r.take(uint64(f.size) + length)
}

// length reads a length of so many bytes.
func (r *messageReader) length(bytes int) (uint64, error) {
	if err := r.take(uint64(bytes)); err != nil {
		return 0, err
	}
	var length uint64
	for _, b := range r.data[len(r.data)-bytes:] {
		length = length<<8 | uint64(b)
	}
	return length, nil
}

// take reads n bytes to the end of the message.
func (r *messageReader) take(n uint64) error {
	have := len(r.data)
	if uint64(have)+n > MaxMessage {
		return ErrTooLarge
	}
	r.data = slices.Grow(r.data, int(n))[:have+int(n)]
	got, err := io.ReadFull(r.conn, r.data[have:])
	r.data = r.data[:have+got]
	return err
}

// A format is how a value goes on that begins with a byte from 0xc0 to 0xdf.
type format struct {
	kind        formatKind
	lengthBytes int // bytes of the length that follows
	size        int // bytes besides that length; values for each unit of a container's
}

type formatKind int

const (
	plain     formatKind = iota // bytes follow: a number, a string, bytes, an extension
	container                   // values follow: an array or a map
	unused
)

var formats = [32]format{
	0x00: {},             // nil
	0x01: {kind: unused}, //
	0x02: {}, 0x03: {},   // false, true
	0x04: {lengthBytes: 1}, 0x05: {lengthBytes: 2}, 0x06: {lengthBytes: 4}, // bytes
	0x07: {lengthBytes: 1, size: 1}, 0x08: {lengthBytes: 2, size: 1}, 0x09: {lengthBytes: 4, size: 1}, // extensions, with their type
	0x0a: {size: 4}, 0x0b: {size: 8}, // floating point
	0x0c: {size: 1}, 0x0d: {size: 2}, 0x0e: {size: 4}, 0x0f: {size: 8}, // unsigned
	0x10: {size: 1}, 0x11: {size: 2}, 0x12: {size: 4}, 0x13: {size: 8}, // signed
	0x14: {size: 2}, 0x15: {size: 3}, 0x16: {size: 5}, 0x17: {size: 9}, 0x18: {size: 17}, // extensions of 1, 2, 4, 8, 16 bytes
	0x19: {lengthBytes: 1}, 0x1a: {lengthBytes: 2}, 0x1b: {lengthBytes: 4}, // strings
	0x1c: {kind: container, lengthBytes: 2, size: 1}, 0x1d: {kind: container, lengthBytes: 4, size: 1}, // arrays
	0x1e: {kind: container, lengthBytes: 2, size: 2}, 0x1f: {kind: container, lengthBytes: 4, size: 2}, // maps
}

func isString(first byte) bool { return first&0xe0 == 0xa0 || first >= 0xd9 && first <= 0xdb }

func isArray(first byte) bool { return first&0xf0 == 0x90 || first == 0xdc || first == 0xdd }

// elements returns the number of elements of an encoded array, and their bytes.
// Of something else it returns false.
func elements(field []byte) (n int, rest []byte, ok bool) {
	switch first := field[0]; {
	case !isArray(first):
		return 0, nil, false
	case first == 0xdc:
		return int(binary.BigEndian.Uint16(field[1:])), field[3:], true
	case first == 0xdd:
		return int(binary.BigEndian.Uint32(field[1:])), field[5:], true
	default:
		return int(first & 0x0f), field[1:], true
	}
}

// isNil reports whether an encoded value is nil.
func isNil(field []byte) bool { return field[0] == 0xc0 }

// decode decodes a field of the present message into the value to which v points.
// The value keeps nothing of the message's memory.
func (r *messageReader) decode(field []byte, v any) error {
	r.dec.ResetBytes(field)
	return r.dec.Decode(v)
}

// msgid decodes a field that is a msgid.
func (r *messageReader) msgid(field []byte) (id uint32, err error) {
	var n uint64
	if isNil(field) {
		return 0, fmt.Errorf("%w: the msgid is nil", ErrProtocol)
	}
	if err := r.decode(field, &n); err != nil {
		return 0, fmt.Errorf("%w: the msgid: %v", ErrProtocol, err)
	}
	if n > math.MaxUint32 {
		return 0, fmt.Errorf("%w: the msgid %d has more than 32 bits", ErrProtocol, n)
	}
	return uint32(n), nil
}

// method decodes a field that is the name of a method.
func (r *messageReader) method(field []byte) (name string, err error) {
	if isNil(field) {
		return "", fmt.Errorf("%w: the method is nil", ErrProtocol)
	}
	if err := r.decode(field, &name); err != nil {
		return "", fmt.Errorf("%w: the method: %v", ErrProtocol, err)
	}
	return name, nil
}

// END SOLUTION

// TODO(2B): encode a message, and write it. A value may turn out not to be
// encodable when half of it is: nothing of such a message must get on the wire.
// BEGIN SOLUTION

// A messageWriter makes messages of values.
type messageWriter struct {
	data []byte
	enc  *codec.Encoder
}

func newMessageWriter() *messageWriter {
	w := &messageWriter{data: make([]byte, 512)}
	w.enc = codec.NewEncoderBytes(&w.data, handle)
	return w
}

// encode returns the values as a message. It is valid until the next one is
// encoded.
func (w *messageWriter) encode(values ...any) ([]byte, error) {
	w.data = w.data[:cap(w.data)] // the encoder uses the length
	w.enc.ResetBytes(&w.data)
	if err := w.enc.Encode(values); err != nil {
		w.enc = codec.NewEncoderBytes(&w.data, handle) // one that has failed is not to be trusted
		return nil, fmt.Errorf("rpclab: encode the message: %w", err)
	}
	if n := len(w.data); n > MaxMessage {
		w.data = make([]byte, 512)
		return nil, fmt.Errorf("%w: %d bytes, and %d are the most", ErrTooLarge, n, MaxMessage)
	}
	return w.data, nil
}

// END SOLUTION
