package sockets

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// A Reader reads RESP values from a stream. It reads ahead, so a stream must have
// one Reader from its beginning to its end.
type Reader struct {
	// TODO(1B): what a reader needs.
	// BEGIN SOLUTION
	in *bufio.Reader

	// Of the last command. Commands are many and small: they share memory.
	data []byte
	args [][]byte
	ends []int
	// END SOLUTION
}

// NewReader returns a Reader of the stream r.
func NewReader(r io.Reader) *Reader {
	// TODO(1B): make a reader.
	// BEGIN SOLUTION
	return &Reader{in: bufio.NewReaderSize(r, MaxLine+2)} // a whole line fits
	// END SOLUTION
	// STUB: return &Reader{}
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
	// BEGIN SOLUTION
	if _, err := r.in.Peek(1); err != nil {
		return Value{}, err // here, and only here, may the stream end
	}
	v, err := r.value(&quota{elements: MaxElements, bytes: MaxBulk, depth: MaxDepth})
	return v, unexpected(err)
	// END SOLUTION
	// STUB: todo("1B", "Reader.ReadValue: read the line that begins a value, and what belongs to it")
	// STUB: return Value{}, io.EOF
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
	// BEGIN SOLUTION
	for {
		first, err := r.in.Peek(1)
		if err != nil {
			return nil, err
		}
		if first[0] == byte(Array) {
			err = r.array()
		} else {
			err = r.inline()
		}
		if err != nil || len(r.args) > 0 {
			return r.args, unexpected(err)
		}
	}
	// END SOLUTION
	// STUB: todo("1B", "Reader.ReadCommand: read a command in either form")
	// STUB: return nil, io.EOF
}

// TODO(1B): the reading. Look at every length before you allocate.
// BEGIN SOLUTION

// A quota is what is left of the limits, for one value.
type quota struct{ elements, bytes, depth int }

func malformed(format string, args ...any) error {
	return &ProtocolError{Reason: fmt.Sprintf(format, args...)}
}

// unexpected is for errors inside a value, where the stream must not end.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// value reads a value.
func (r *Reader) value(q *quota) (Value, error) {
	line, err := r.line()
	if err != nil {
		return Value{}, err
	}
	if len(line) == 0 {
		return Value{}, malformed("an empty line in the place of a value")
	}
	kind, rest := Kind(line[0]), line[1:]
	switch kind {
	case SimpleString, Error:
		return Value{Kind: kind, Text: string(rest)}, nil
	case Integer:
		n, err := strconv.ParseInt(string(rest), 10, 64)
		if err != nil {
			return Value{}, malformed("%.40q is not an integer", rest)
		}
		return Value{Kind: Integer, Int: n}, nil
	case BulkString:
		n, err := length(rest, &q.bytes)
		if err != nil || n < 0 {
			return Value{Kind: Null}, err
		}
		text, err := r.bulk(nil, n)
		return Value{Kind: BulkString, Text: string(text)}, err
	case Array:
		n, err := length(rest, &q.elements)
		if err != nil || n < 0 {
			return Value{Kind: Null}, err
		}
		elements, err := r.elements(n, q)
		return Value{Kind: Array, Elements: elements}, err
	}
	return Value{}, malformed("unknown type byte %q", byte(kind))
}

// elements reads the elements of an array.
func (r *Reader) elements(n int, q *quota) ([]Value, error) {
	if q.depth == 0 {
		return nil, malformed("arrays inside each other, more than %d deep", MaxDepth)
	}
	q.depth--
	defer func() { q.depth++ }()
	var elements []Value // grows as they come: n is only a claim
	for range n {
		v, err := r.value(q)
		if err != nil {
			return nil, err
		}
		elements = append(elements, v)
	}
	return elements, nil
}

// line reads a line that ends in CRLF. It is valid until the next read.
func (r *Reader) line() ([]byte, error) {
	line, err := r.rawLine()
	if err != nil {
		return nil, err
	}
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || bytes.IndexByte(line, '\r') >= 0 {
		return nil, malformed("a line must end in CRLF, with no CR or LF inside")
	}
	return line, nil
}

// rawLine reads a line with its end, which is LF.
func (r *Reader) rawLine() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = malformed("a line of more than %d bytes", MaxLine)
	}
	return line, err
}

// length parses the length of a bulk string or an array, and takes it off what is
// left. A length of -1 is that of null.
func length(digits []byte, left *int) (int, error) {
	n, err := strconv.Atoi(string(digits))
	switch {
	case err != nil || n < -1:
		return 0, malformed("invalid length %.40q", digits)
	case n > *left:
		return 0, malformed("invalid length %d: more than the limit", n)
	}
	*left -= max(n, 0)
	return n, nil
}

// bulk appends the n bytes of a bulk string to to, and reads the CRLF behind them.
func (r *Reader) bulk(to []byte, n int) ([]byte, error) {
	for step := 64 << 10; n > 0; step *= 2 { // so that memory grows with what arrives
		piece := min(n, step)
		n -= piece
		to = slices.Grow(to, piece)
		fresh := to[len(to) : len(to)+piece]
		if _, err := io.ReadFull(r.in, fresh); err != nil {
			return nil, err
		}
		to = to[:len(to)+piece]
	}
	end, err := r.in.Peek(2)
	switch {
	case len(end) > 0 && end[0] != '\r', len(end) > 1 && end[1] != '\n':
		return nil, malformed("a bulk string that does not end where its length says")
	case err != nil:
		return nil, err
	}
	_, err = r.in.Discard(2)
	return to, err
}

// array reads a command that is an array of bulk strings.
func (r *Reader) array() error {
	r.args, r.ends, r.data = r.args[:0], r.ends[:0], recycle(r.data)
	q := quota{elements: MaxElements, bytes: MaxBulk}
	n, err := r.header(Array, &q.elements)
	for ; err == nil && n > 0; n-- {
		err = r.argument(&q)
	}
	if err != nil {
		return err
	}
	start := 0
	for _, end := range r.ends {
		r.args = append(r.args, r.data[start:end])
		start = end
	}
	return nil
}

// argument reads one argument of a command.
func (r *Reader) argument(q *quota) error {
	n, err := r.header(BulkString, &q.bytes)
	if err != nil {
		return err
	}
	if n < 0 {
		return malformed("null in the place of an argument")
	}
	if r.data, err = r.bulk(r.data, n); err != nil {
		return err
	}
	r.ends = append(r.ends, len(r.data))
	return nil
}

// header reads the line that begins an array or a bulk string.
func (r *Reader) header(kind Kind, left *int) (int, error) {
	line, err := r.line()
	if err != nil {
		return 0, err
	}
	if len(line) == 0 || line[0] != byte(kind) {
		return 0, malformed("expected '%c', got %.10q", kind, line)
	}
	return length(line[1:], left)
}

// inline reads a command from a line.
func (r *Reader) inline() error {
	r.args = r.args[:0]
	line, err := r.rawLine()
	if err != nil {
		return err
	}
	line = bytes.TrimRight(line, "\r\n")
	r.args = append(r.args, bytes.Fields(line)...)
	return nil
}

// recycle returns the memory of the last command for the next one, unless it is
// so much that a client should not keep it.
func recycle(data []byte) []byte {
	const most = 64 << 10
	if cap(data) > most {
		return nil
	}
	return data[:0]
}

// END SOLUTION
