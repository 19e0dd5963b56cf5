package lincheck

import (
	"cmp"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// narrow makes the search on one key easier. The search tries operations in
// every order that their times allow, and finds out late that one was wrong;
// lost operations, which may take effect at any later time, are the worst. What
// readers saw tells more. The history that comes out is linearizable if and only
// if the other is.
func narrow(part []porcupine.Operation) []porcupine.Operation {
	// A read that was lost tells nothing.
	part = slices.DeleteFunc(slices.Clone(part), func(op porcupine.Operation) bool {
		return op.Output == Unknown && reads[op.Input.(KVIn).Op]
	})
	if only(part, "get", "put") {
		part = narrowPuts(part)
	}
	if !has(part, "incr") {
		seen := longestSeen(part)
		grows := only(part, "get", "append")
		for i := range part {
			part[i].Input = narrowIn{part[i].Input.(KVIn), seen, grows}
		}
	}
	return part
}

var reads = map[string]bool{"get": true, "get-version": true, "exists": true}

func has(part []porcupine.Operation, name string) bool {
	return slices.ContainsFunc(part, func(op porcupine.Operation) bool { return op.Input.(KVIn).Op == name })
}

func only(part []porcupine.Operation, names ...string) bool {
	return !slices.ContainsFunc(part, func(op porcupine.Operation) bool {
		return !slices.Contains(names, op.Input.(KVIn).Op)
	})
}

// A narrowIn is an input that knows which values were ever seen, in an answer
// or as the old one of a cas.
type narrowIn struct {
	KVIn
	seen  []string // without those that are the beginning of another
	grows bool     // the key is only read and appended to
}

// never is a value that nobody ever saw, and that no append can make one that
// somebody saw. All of them are alike.
const never = "(a value that nobody saw)"

// narrow cuts the search short behind a state, or makes states alike that
// cannot be told apart.
func (in narrowIn) narrow(s KVState) (bool, KVState) {
	for _, v := range in.seen {
		if strings.HasPrefix(v, s.Value) {
			return true, s
		}
	}
	if !s.Found {
		return true, s // nobody saw a value, but somebody may see that there is none
	}
	if !in.grows {
		return true, KVState{Value: never, Found: s.Found, Version: s.Version}
	}
	// Where a value only grows, each value begins with those before it.
	return len(in.seen) == 0 || len(in.seen) == 1 && strings.HasPrefix(s.Value, in.seen[0]), s
}

func longestSeen(part []porcupine.Operation) []string {
	var seen []string
	for _, op := range part {
		if out, ok := op.Output.(KVOut); ok && out.Value != "" {
			seen = append(seen, out.Value)
		}
		if in := op.Input.(KVIn); in.Op == "cas" {
			seen = append(seen, in.Old)
		}
	}
	slices.Sort(seen)
	var longest []string
	for i, v := range seen {
		if i == len(seen)-1 || !strings.HasPrefix(seen[i+1], v) {
			longest = append(longest, v)
		}
	}
	return longest
}

// narrowPuts bounds the lost puts of values that nobody else put. One that was
// never seen may as well never have taken effect. One that was seen took effect
// before the first reader that saw it returned, and not before the readers
// ahead of that one that saw another value: the value would have been gone.
func narrowPuts(part []porcupine.Operation) []porcupine.Operation {
	puts := map[string]int{}
	readers := map[string][]porcupine.Operation{}
	var gets []porcupine.Operation
	for _, op := range part {
		if out, ok := op.Output.(KVOut); ok && op.Input.(KVIn).Op == "get" {
			gets = append(gets, op)
			if out.Found {
				readers[out.Value] = append(readers[out.Value], op)
			}
			continue
		}
		puts[op.Input.(KVIn).Value]++
	}
	var narrowed []porcupine.Operation
	for _, op := range part {
		value := op.Input.(KVIn).Value
		if op.Output == Unknown && puts[value] == 1 {
			if readers[value] == nil {
				continue
			}
			first := slices.MinFunc(readers[value], byReturn)
			op.Return = first.Return
			for _, g := range gets {
				if g.Return < first.Call { // So it saw another value: first is the first.
					op.Call = max(op.Call, g.Call)
				}
			}
		}
		narrowed = append(narrowed, op)
	}
	return narrowed
}

func byReturn(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) }
