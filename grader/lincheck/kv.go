package lincheck

import (
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/anishathalye/porcupine"
)

// KV is the sequential specification of a key/value store: what each operation
// does to the one key it names, and what it answers. A test may add entries or
// change them.
type KV map[string]func(old KVState, in KVIn) (KVState, KVOut)

// KVState is what a store holds under one key.
type KVState struct {
	Value   string
	Found   bool
	Version uint64 // Version counts the changes since the key was made; 0 without the key.
}

// KVIn is what a client asks. Op names the entry of the [KV]; of the others,
// an operation has those that it needs.
type KVIn struct {
	Op      string
	Key     string
	Value   string
	Old     string // Old is the value that must be there.
	Version uint64 // Version is the version that must be there.
	By      int64
}

// KVOut is what a client is answered. Fields that the operation does not answer
// are zero.
type KVOut struct {
	Value   string
	Found   bool   // Found tells whether the key was there.
	Version uint64 // Version is that of the value now, for the operations that tell it.
	OK      bool   // OK tells whether a conditional operation took effect.
	N       int64
}

// The operations of [NewKV], as a client asks for them.

// Get asks for a value. The answer is [Value] or [Absent].
func Get(key string) KVIn { return KVIn{Op: "get", Key: key} }

// GetVersion asks for a value and its version. The answer is [Versioned] or [Absent].
func GetVersion(key string) KVIn { return KVIn{Op: "get-version", Key: key} }

// Exists asks whether a key is there. The answer is [Took].
func Exists(key string) KVIn { return KVIn{Op: "exists", Key: key} }

// Put sets a value. The answer is [Done].
func Put(key, value string) KVIn { return KVIn{Op: "put", Key: key, Value: value} }

// Append adds to the end of a value; a key that is not there counts as empty.
// The answer is [Done].
func Append(key, value string) KVIn { return KVIn{Op: "append", Key: key, Value: value} }

// Delete removes a key. The answer is [Took]: whether it was there.
func Delete(key string) KVIn { return KVIn{Op: "delete", Key: key} }

// SetNX sets a value if the key is not there. The answer is [Took].
func SetNX(key, value string) KVIn { return KVIn{Op: "setnx", Key: key, Value: value} }

// CompareAndSet sets a value if the key has the old one. The answer is [Took].
func CompareAndSet(key, old, value string) KVIn {
	return KVIn{Op: "cas", Key: key, Old: old, Value: value}
}

// PutVersion sets a value if the key has the version, 0 for a key that is not
// there. The answer is [Took]. The versions of a key are 1, 2, 3 ... since it
// was made.
func PutVersion(key, value string, version uint64) KVIn {
	return KVIn{Op: "put-version", Key: key, Value: value, Version: version}
}

// Incr adds to a decimal number; a key that is not there counts as 0. The
// answer is [Number], or Took(false) when the value is no number or the sum
// is none of 64 bits.
func Incr(key string, by int64) KVIn { return KVIn{Op: "incr", Key: key, By: by} }

// Answers.
var (
	Done   = KVOut{}
	Absent = KVOut{}
)

// Value is the answer of [Get] for a key that is there.
func Value(v string) KVOut { return KVOut{Value: v, Found: true} }

// Versioned is the answer of [GetVersion] for a key that is there.
func Versioned(v string, version uint64) KVOut { return KVOut{Value: v, Found: true, Version: version} }

// Took is the answer of an operation that says whether it took effect.
func Took(ok bool) KVOut { return KVOut{OK: ok} }

// Number is the answer of [Incr].
func Number(n int64) KVOut { return KVOut{OK: true, N: n} }

// NewKV returns the operations get, get-version, exists, put, put-version,
// append, delete, setnx, cas and incr. Keys are absent at first.
//
// Long histories with many lost operations are easiest to check where a key is
// only read and appended to, or only read and put, and each value is put once.
func NewKV() KV { return maps.Clone(operations) }

var operations = KV{
	"get": func(s KVState, in KVIn) (KVState, KVOut) {
		return s, KVOut{Value: s.Value, Found: s.Found}
	},
	"get-version": func(s KVState, in KVIn) (KVState, KVOut) {
		return s, KVOut{Value: s.Value, Found: s.Found, Version: s.Version}
	},
	"exists": func(s KVState, in KVIn) (KVState, KVOut) { return s, Took(s.Found) },
	"put":    func(s KVState, in KVIn) (KVState, KVOut) { return s.With(in.Value), Done },
	"append": func(s KVState, in KVIn) (KVState, KVOut) { return s.With(s.Value + in.Value), Done },
	"delete": func(s KVState, in KVIn) (KVState, KVOut) { return KVState{}, Took(s.Found) },
	"setnx":  func(s KVState, in KVIn) (KVState, KVOut) { return s.withIf(!s.Found, in.Value) },
	"cas":    func(s KVState, in KVIn) (KVState, KVOut) { return s.withIf(s.Found && s.Value == in.Old, in.Value) },
	"put-version": func(s KVState, in KVIn) (KVState, KVOut) {
		return s.withIf(s.Version == in.Version, in.Value)
	},
	"incr": incr,
}

func incr(s KVState, in KVIn) (KVState, KVOut) {
	var n int64
	if s.Found {
		var err error
		if n, err = strconv.ParseInt(s.Value, 10, 64); err != nil {
			return s, Took(false)
		}
	}
	if in.By > 0 && n > math.MaxInt64-in.By || in.By < 0 && n < math.MinInt64-in.By {
		return s, Took(false)
	}
	n += in.By
	return s.With(strconv.FormatInt(n, 10)), Number(n)
}

// With returns the state after the key was set to v.
func (s KVState) With(v string) KVState {
	return KVState{Value: v, Found: true, Version: s.Version + 1}
}

func (s KVState) withIf(cond bool, v string) (KVState, KVOut) {
	if !cond {
		return s, Took(false)
	}
	return s.With(v), Took(true)
}

var hashSeed = maphash.MakeSeed()

// Size is the number of bytes that a state holds.
func (s KVState) Size() int { return len(s.Value) }

// Model returns the specification as porcupine takes it. Inputs are [KVIn],
// outputs [KVOut]; keys are independent of each other.
func (kv KV) Model() Model {
	return Model{
		Partition: kv.byKey,
		Init:      func() any { return KVState{} },
		Step: func(state, in, out any) (bool, any) {
			next, want := kv.operation(in)(state.(KVState), asked(in))
			ok := out == Unknown || out == want
			if n, is := in.(narrowIn); is && ok {
				ok, next = n.narrow(next)
			}
			return ok, next
		},
		Hash:              func(state any) uint64 { return maphash.String(hashSeed, state.(KVState).Value) },
		DescribeOperation: func(in, out any) string { return describe(asked(in), out) },
		DescribeState:     func(state any) string { return state.(KVState).String() },
	}
}

func (kv KV) operation(in any) func(KVState, KVIn) (KVState, KVOut) {
	op := kv[asked(in).Op]
	if op == nil {
		panic(fmt.Sprintf("lincheck: the model has no operation %q", asked(in).Op))
	}
	return op
}

func asked(in any) KVIn {
	if a, ok := in.(narrowIn); ok {
		return a.KVIn
	}
	return in.(KVIn)
}

// byKey parts a history by key, in the order in which the keys appear.
func (kv KV) byKey(history []porcupine.Operation) [][]porcupine.Operation {
	var parts [][]porcupine.Operation
	index := map[string]int{}
	for _, op := range history {
		in := op.Input.(KVIn)
		kv.operation(in)
		i, ok := index[in.Key]
		if !ok {
			i = len(parts)
			index[in.Key] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], op)
	}
	for i := range parts {
		parts[i] = narrow(parts[i])
	}
	return slices.DeleteFunc(parts, func(part []porcupine.Operation) bool { return len(part) == 0 })
}
