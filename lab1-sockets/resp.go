package sockets

import (
	"fmt"
	"strings"
)

// Limits on what a peer may make a [Reader] take in. They hold for one value, or
// one command, with everything inside it. A value beyond them is malformed.
const (
	MaxLine     = 16 << 10 // bytes of a line, without the CRLF
	MaxBulk     = 32 << 20 // bytes of all bulk strings together
	MaxElements = 1 << 20  // elements of all arrays together
	MaxDepth    = 32       // arrays inside each other: *1\r\n*1\r\n:7\r\n has depth 2
)

// A Kind is what a [Value] is. That of a value that travels is its first byte.
type Kind byte

// The kinds of values.
const (
	SimpleString Kind = '+' // a short text without CR and LF
	Error        Kind = '-' // the same, but says that a command failed
	Integer      Kind = ':' // 64 bits, with a sign
	BulkString   Kind = '$' // any bytes
	Array        Kind = '*' // any values
	Null         Kind = '_' // no value: $-1\r\n, or *-1\r\n where others send it
)

// A Value is a value of RESP2, the protocol that Redis clients and servers speak
// (redis.io/docs/latest/develop/reference/protocol-spec).
type Value struct {
	Kind     Kind
	Text     string  // of a SimpleString, Error or BulkString
	Int      int64   // of an Integer
	Elements []Value // of an Array; nil and empty are the same
}

// String returns the value as redis-cli shows it, on one line.
func (v Value) String() string {
	switch v.Kind {
	case SimpleString:
		return v.Text
	case Error:
		return "(error) " + v.Text
	case Integer:
		return fmt.Sprintf("(integer) %d", v.Int)
	case BulkString:
		if len(v.Text) > 100 {
			return fmt.Sprintf("%q... (%d bytes)", v.Text[:100], len(v.Text))
		}
		return fmt.Sprintf("%q", v.Text)
	case Array:
		var elements []string
		for i, e := range v.Elements {
			if i == 10 {
				elements = append(elements, fmt.Sprintf("... (%d elements)", len(v.Elements)))
				break
			}
			elements = append(elements, e.String())
		}
		return "[" + strings.Join(elements, " ") + "]"
	case Null:
		return "(nil)"
	}
	return fmt.Sprintf("(kind %q)", byte(v.Kind))
}

// A ProtocolError is returned for input that is not RESP, or beyond a limit.
// Nothing that follows such input can be understood.
type ProtocolError struct {
	Reason string // Reason says what is wrong, for people; it has no CR or LF.
}

func (e *ProtocolError) Error() string { return "Protocol error: " + e.Reason }
