package redis

import (
	"fmt"
	"strings"
)

// A Reply is what a client is sent.
type Reply []byte

// Nil says that there is no such value.
var Nil = Reply("$-1\r\n")

// OK says that a command was executed.
var OK = Status("OK")

// Status is a short text.
func Status(text string) Reply { return Reply("+" + text + "\r\n") }

// Error says what was wrong. Its first word is the kind of error, mostly ERR.
func Error(text string) Reply {
	return Reply("-" + strings.NewReplacer("\r", " ", "\n", " ").Replace(text) + "\r\n")
}

// Int is a number.
func Int(n int64) Reply { return fmt.Appendf(nil, ":%d\r\n", n) }

// Bool is 1 or 0.
func Bool(b bool) Reply {
	if b {
		return Int(1)
	}
	return Int(0)
}

// Bulk is any bytes.
func Bulk(value string) Reply { return fmt.Appendf(nil, "$%d\r\n%s\r\n", len(value), value) }

// Empty is an array without elements.
var Empty = Reply("*0\r\n")
