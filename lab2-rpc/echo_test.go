package rpclab_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	rpclab "distsys/lab2-rpc"
)

// Echo is a service for tests, under the name Echo. Most of its methods return
// their argument. It keeps a list of the calls that it executed.
type Echo struct {
	mu    sync.Mutex
	calls []string
}

// Pair is a struct as services have them.
type Pair struct {
	Name  string
	Count int
	Tags  []string
	Inner *Pair
	At    time.Time
}

// Unencodable is a value that cannot be encoded. That turns out only when some of
// it has been.
type Unencodable struct {
	Before string
	Secret Secret
}

// A Secret refuses to be encoded.
type Secret struct{}

func (Secret) MarshalBinary() ([]byte, error) { return nil, errors.New("a secret is not told") }
func (*Secret) UnmarshalBinary([]byte) error  { return nil }

func (e *Echo) note(method string, arg any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, fmt.Sprintf("%s(%v)", method, arg))
}

// executed returns the calls so far, as text.
func (e *Echo) executed() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.calls, " ")
}

func (e *Echo) Int(arg int64, reply *int64) error {
	e.note("Int", arg)
	*reply = arg
	return nil
}

func (e *Echo) Uint(arg uint64, reply *uint64) error {
	*reply = arg
	return nil
}

func (e *Echo) String(arg string, reply *string) error {
	e.note("String", arg)
	*reply = arg
	return nil
}

func (e *Echo) Bytes(arg []byte, reply *[]byte) error {
	*reply = arg
	return nil
}

func (e *Echo) Bool(arg bool, reply *bool) error {
	*reply = arg
	return nil
}

func (e *Echo) Float(arg float64, reply *float64) error {
	*reply = arg
	return nil
}

func (e *Echo) List(arg []int64, reply *[]int64) error {
	e.note("List", arg)
	*reply = arg
	return nil
}

func (e *Echo) Map(arg map[string]int64, reply *map[string]int64) error {
	*reply = arg
	return nil
}

func (e *Echo) Pair(arg *Pair, reply *Pair) error {
	e.note("Pair", arg.Name)
	*reply = *arg
	return nil
}

// Fail returns its argument as an error.
func (e *Echo) Fail(arg string, reply *int64) error {
	e.note("Fail", arg)
	*reply = 1 // must not be sent
	return errors.New(arg)
}

// Count returns the number of params.
func (e *Echo) Count(arg rpclab.Params, reply *int64) error {
	e.note("Count", len(arg))
	*reply = int64(len(arg))
	return nil
}

// Sleep answers after so many milliseconds.
func (e *Echo) Sleep(arg int64, reply *int64) error {
	time.Sleep(time.Duration(arg) * time.Millisecond)
	e.note("Sleep", arg)
	*reply = arg
	return nil
}

// Big returns a string of so many bytes.
func (e *Echo) Big(arg int64, reply *string) error {
	e.note("Big", arg)
	*reply = strings.Repeat("x", int(arg))
	return nil
}

// BigFail returns an error of so many bytes.
func (e *Echo) BigFail(arg int64, reply *string) error {
	return errors.New(strings.Repeat("x", int(arg)))
}

// Bad returns what cannot be encoded.
func (e *Echo) Bad(arg int64, reply *Unencodable) error {
	e.note("Bad", arg)
	*reply = Unencodable{Before: strings.Repeat("half a message ", 100)}
	return nil
}
