package lincheck

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// A span is when an operation of whom was under way, in virtual time.
type span struct {
	id           int // the place of the operation in the history
	client       int
	state        opState
	began, ended time.Duration
}

func id(op porcupine.Operation) int { return op.Metadata.(span).id }

func (s span) String() string {
	began := fmt.Sprintf("%.6fs", s.began.Seconds())
	switch s.state {
	case ended:
		return fmt.Sprintf("%s to %.6fs", began, s.ended.Seconds())
	case lost:
		return fmt.Sprintf("%s, lost at %.6fs", began, s.ended.Seconds())
	default:
		return began + ", under way"
	}
}

// describe gives an operation on a key as one line: append "x" "b" → done.
func describe(in KVIn, out any) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", in.Op, quote(in.Key))
	switch in.Op {
	case "cas":
		fmt.Fprintf(&b, " %s to %s", quote(in.Old), quote(in.Value))
	case "put-version":
		fmt.Fprintf(&b, " %s if version %d", quote(in.Value), in.Version)
	case "incr":
		fmt.Fprintf(&b, " by %d", in.By)
	case "get", "get-version", "exists", "delete":
	default:
		b.WriteString(" " + quote(in.Value))
	}
	b.WriteString(" → ")
	if o, ok := out.(KVOut); ok {
		b.WriteString(o.describe(in))
	} else {
		b.WriteString("?")
	}
	return b.String()
}

func (o KVOut) describe(in KVIn) string {
	switch {
	case in.Op == "get" || in.Op == "get-version":
		return KVState{Value: o.Value, Found: o.Found, Version: o.Version}.String()
	case in.Op == "incr" && o.OK:
		return strconv.FormatInt(o.N, 10)
	case o == Done && (in.Op == "put" || in.Op == "append"):
		return "done"
	case o == KVOut{OK: true}:
		return "yes"
	case o == KVOut{}:
		return "no"
	case o == KVOut{Value: o.Value, Found: o.Found}:
		return KVState{Value: o.Value, Found: o.Found}.String()
	case o == KVOut{N: o.N, OK: o.OK}:
		return strconv.FormatInt(o.N, 10)
	default:
		return fmt.Sprintf("%+v", o)
	}
}

// String gives the value, and its version if it is known.
func (s KVState) String() string {
	switch {
	case !s.Found:
		return "absent"
	case s.Version > 0:
		return fmt.Sprintf("%s (version %d)", quote(s.Value), s.Version)
	default:
		return quote(s.Value)
	}
}

// quote quotes a value, and cuts the middle out of a long one: of values that
// grow by appending, the end says most.
func quote(s string) string {
	const head, tail = 12, 36
	if len(s) <= head+tail+8 {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%q…%q (%d bytes)", s[:head], s[len(s)-tail:], len(s))
}
