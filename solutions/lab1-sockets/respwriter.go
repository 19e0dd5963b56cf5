package sockets

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A Writer writes RESP values to a stream, through a buffer.
type Writer struct {
	// TODO(1B): what a writer needs.
	// BEGIN SOLUTION
	out *bufio.Writer
	// END SOLUTION
}

// NewWriter returns a Writer to the stream w.
func NewWriter(w io.Writer) *Writer {
	// TODO(1B): make a writer.
	// BEGIN SOLUTION
	return &Writer{out: bufio.NewWriterSize(w, 16<<10)}
	// END SOLUTION
	// STUB: return &Writer{}
}

// WriteValue writes a value to the buffer. When the buffer is full it goes on to
// the stream. Once the stream has failed, every WriteValue and Flush returns its
// error.
//
// A SimpleString or Error with a CR or LF in it cannot be sent, nor can a value of
// an unknown kind: whoever reads it would take a part of it for the next value.
// WriteValue then returns an error and writes nothing, also when it is an element
// of an array.
func (w *Writer) WriteValue(v Value) error {
	// TODO(1B): write a value.
	// BEGIN SOLUTION
	if err := check(v); err != nil {
		return err
	}
	return w.value(v)
	// END SOLUTION
	// STUB: todo("1B", "Writer.WriteValue: write a value")
	// STUB: return nil
}

// Flush sends what is in the buffer on to the stream.
func (w *Writer) Flush() error {
	// TODO(1B): flush.
	// BEGIN SOLUTION
	return w.out.Flush()
	// END SOLUTION
	// STUB: todo("1B", "Writer.Flush: send the buffer on to the stream")
	// STUB: return nil
}

// TODO(1B): the writing.
// BEGIN SOLUTION

// check says why a value cannot be sent, or returns nil.
func check(v Value) error {
	switch v.Kind {
	case SimpleString, Error:
		if strings.ContainsAny(v.Text, "\r\n") {
			return fmt.Errorf("RESP: CR or LF in the line %.40q", v.Text)
		}
	case Array:
		for _, e := range v.Elements {
			if err := check(e); err != nil {
				return err
			}
		}
	case Integer, BulkString, Null:
	default:
		return fmt.Errorf("RESP: no such kind: %q", byte(v.Kind))
	}
	return nil
}

// value writes a value that can be sent. The error of the last write is enough: a
// bufio.Writer keeps its first.
func (w *Writer) value(v Value) error {
	switch v.Kind {
	case SimpleString, Error:
		w.out.WriteByte(byte(v.Kind))
		w.out.WriteString(v.Text)
	case Integer:
		w.number(':', v.Int)
		return w.err()
	case BulkString:
		w.number('$', int64(len(v.Text)))
		w.out.WriteString(v.Text)
	case Array:
		w.number('*', int64(len(v.Elements)))
		for _, e := range v.Elements {
			w.value(e)
		}
		return w.err()
	case Null:
		w.out.WriteString("$-1")
	}
	_, err := w.out.WriteString("\r\n")
	return err
}

// number writes a line that is a number.
func (w *Writer) number(kind byte, n int64) {
	line := append(w.out.AvailableBuffer(), kind)
	line = strconv.AppendInt(line, n, 10)
	w.out.Write(append(line, "\r\n"...))
}

// err returns the error that the stream has had, if any.
func (w *Writer) err() error {
	_, err := w.out.Write(nil)
	return err
}

// END SOLUTION
