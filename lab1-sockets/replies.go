package sockets

import (
	"fmt"
	"strings"
)

// Replies of a [KVServer], in the words of Redis.
var (
	replyOK        = Value{Kind: SimpleString, Text: "OK"}
	replyPong      = Value{Kind: SimpleString, Text: "PONG"}
	replyNull      = Value{Kind: Null}
	replyNoInteger = Value{Kind: Error, Text: "ERR value is not an integer or out of range"}
	replyOverflow  = Value{Kind: Error, Text: "ERR increment or decrement would overflow"}
	replySyntax    = Value{Kind: Error, Text: "ERR syntax error"}
)

func replyInt(n int) Value        { return Value{Kind: Integer, Int: int64(n)} }
func replyBulk(text string) Value { return Value{Kind: BulkString, Text: text} }

// replyExpireTime is for a time to live that is not allowed.
func replyExpireTime(command string) Value {
	return Value{Kind: Error, Text: fmt.Sprintf("ERR invalid expire time in '%s' command", strings.ToLower(command))}
}

// replyArity is for a command with too many or too few arguments.
func replyArity(command string) Value {
	return Value{Kind: Error, Text: fmt.Sprintf("ERR wrong number of arguments for '%s' command", oneLine(strings.ToLower(command)))}
}

// replyUnknown is for a command that does not exist.
func replyUnknown(command []byte, args [][]byte) Value {
	var b strings.Builder
	fmt.Fprintf(&b, "ERR unknown command '%.128s', with args beginning with: ", command)
	for _, arg := range args {
		if b.Len() > 256 {
			break
		}
		fmt.Fprintf(&b, "'%.128s' ", arg)
	}
	return Value{Kind: Error, Text: oneLine(b.String())}
}

// replyProtocolError is the last word to a client that does not speak RESP.
func replyProtocolError(err *ProtocolError) Value {
	return Value{Kind: Error, Text: "ERR " + oneLine(err.Error())}
}

// oneLine makes a text fit in an Error: a client must not be able to write
// replies of its own.
func oneLine(text string) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(text)
}
