package rpclab

import (
	"errors"

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

// TODO(2B): encode a message, and write it. A value may turn out not to be
// encodable when half of it is: nothing of such a message must get on the wire.
