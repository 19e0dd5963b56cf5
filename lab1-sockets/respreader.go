package sockets

import (
	"io"
)

// A Reader reads RESP values from a stream. It reads ahead, so a stream must have
// one Reader from its beginning to its end.
type Reader struct {
	// TODO(1B): what a reader needs.
}

// NewReader returns a Reader of the stream r.
func NewReader(r io.Reader) *Reader {
	// TODO(1B): make a reader.
	return &Reader{}
}

// ReadValue reads the next value. It returns as soon as the value is there, and
// does not wait for more.
//
// The error is [io.EOF] at the end of the stream, [io.ErrUnexpectedEOF] when the
// stream ends inside a value, a [*ProtocolError] when the input is malformed, and
// otherwise the stream's own error. It may be wrapped.
//
// A value whose announced length is allowed but whose bytes never come costs
// little: memory grows with what arrived.
func (r *Reader) ReadValue() (Value, error) {
	// TODO(1B): read the line that begins a value, and what belongs to it.
	todo("1B", "Reader.ReadValue: read the line that begins a value, and what belongs to it")
	return Value{}, io.EOF
}

// ReadCommand reads the next command: its name and its arguments, of which there
// may be none. The bytes are valid until the next call.
//
// Programs send a command as an array of bulk strings; anything else in the array
// is malformed. People with a terminal send it inline: on a line that does not
// begin with '*' and ends in LF or CRLF, with the words divided by spaces or tabs.
// Empty commands, "*0\r\n" and "\r\n", are skipped. Errors are those of
// [Reader.ReadValue].
func (r *Reader) ReadCommand() ([][]byte, error) {
	// TODO(1B): read a command in either form.
	todo("1B", "Reader.ReadCommand: read a command in either form")
	return nil, io.EOF
}

// TODO(1B): the reading. Look at every length before you allocate.
