package sockets

import (
	"io"
)

// A Writer writes RESP values to a stream, through a buffer.
type Writer struct {
	// TODO(1B): what a writer needs.
}

// NewWriter returns a Writer to the stream w.
func NewWriter(w io.Writer) *Writer {
	// TODO(1B): make a writer.
	return &Writer{}
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
	todo("1B", "Writer.WriteValue: write a value")
	return nil
}

// Flush sends what is in the buffer on to the stream.
func (w *Writer) Flush() error {
	// TODO(1B): flush.
	todo("1B", "Writer.Flush: send the buffer on to the stream")
	return nil
}

// TODO(1B): the writing.
