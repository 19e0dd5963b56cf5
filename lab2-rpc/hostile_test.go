package rpclab_test

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// prepared returns a connection that gives data and then ends.
func prepared(data []byte) *pipe {
	_, inner := newPipe(nil, "test", "codec")
	inner.deliver(data)
	inner.finish()
	return inner
}

// asServer reads requests from data with a server's codec until an error ends it,
// and answers each with its own argument. It returns all errors.
func asServer(data []byte) (errs error) {
	c := rpclab.NewServerCodec(prepared(data))
	defer c.Close()
	for {
		var r rpc.Request
		if err := c.ReadRequestHeader(&r); err != nil {
			return join(errs, err)
		}
		args := argsFor(r.ServiceMethod)
		if err := c.ReadRequestBody(args); err != nil {
			errs = join(errs, err)
		}
		c.WriteResponse(&rpc.Response{ServiceMethod: r.ServiceMethod, Seq: r.Seq}, args)
	}
}

// join is errors.Join, and a single error stays as it is.
func join(errs, err error) error {
	if errs == nil {
		return err
	}
	return errors.Join(errs, err)
}

// asClient makes a few calls and reads responses from data with a client's codec
// until an error ends it.
func asClient(data []byte) error {
	c := rpclab.NewClientCodec(prepared(data))
	defer c.Close()
	methods := []string{"Echo.Any", "Echo.Int", "Echo.Pair", "Echo.List", "Echo.Map", "Echo.Count", "Echo.String", "Echo.Bytes"}
	for seq, method := range methods {
		if err := c.WriteRequest(&rpc.Request{ServiceMethod: method, Seq: uint64(seq)}, 1); err != nil {
			return err
		}
	}
	for {
		var r rpc.Response
		if err := c.ReadResponseHeader(&r); err != nil {
			return err
		}
		var reply any
		if r.Error == "" && r.Seq < uint64(len(methods)) {
			reply = argsFor(methods[r.Seq])
		}
		if err := c.ReadResponseBody(reply); err != nil {
			return err
		}
	}
}

func argsFor(method string) any {
	switch method {
	case "Echo.Int":
		return new(int64)
	case "Echo.Pair":
		return new(Pair)
	case "Echo.List":
		return new([]int64)
	case "Echo.Map":
		return new(map[string]int64)
	case "Echo.Count":
		return new(rpclab.Params)
	case "Echo.String":
		return new(string)
	case "Echo.Bytes":
		return new([]byte)
	}
	return new(any)
}

// Proves that input that ends within a message is io.ErrUnexpectedEOF, and
// between two messages io.EOF, at whatever byte it is cut; and that no half
// request is executed.
func TestTruncated2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		request := frame(0, 300, "Echo.Pair", []any{map[string]any{"Name": x32, "Count": 70000, "Tags": []any{"a", x256}}})
		response := frame(1, 2, nil, map[string]any{"Name": x32, "Count": 70000, "Tags": []any{"a", x256}})
		refusal := frame(1, 2, []any{1, x256}, nil)
		for n := range request {
			err := asServer(request[:n])
			wantEnd(w, err, n, "the server got a request cut after %d of %d bytes: %s", n, len(request), show(request[:n]))
		}
		for _, r := range [][]byte{response, refusal} {
			for n := range r {
				err := asClient(r[:n])
				wantEnd(w, err, n, "the client got a response cut after %d of %d bytes: %s", n, len(r), show(r[:n]))
			}
		}
		s := serve(w)
		s.conn.Write(frame(0, 1, "Echo.String", []any{x256})[:200])
		s.conn.CloseWrite()
		if !s.ended() || s.echo.executed() != "" {
			fail(w, ruleEnds, "the server got half a request, and then the connection ended. Expected that it closes the connection and executes nothing. Closed: %v, executed: %q", s.ended(), s.echo.executed())
		}
	})
}

func wantEnd(w *simtest.World, err error, n int, format string, args ...any) {
	want := io.ErrUnexpectedEOF
	if n == 0 {
		want = io.EOF
	}
	if !errors.Is(err, want) {
		fail(w, "io.EOF when the connection ended between messages, io.ErrUnexpectedEOF when it ended within one (ReadRequestHeader, ReadResponseHeader)",
			"%s. Expected %v, got %v", fmt.Sprintf(format, args...), want, err)
	}
}

// Proves that what is not MessagePack-RPC is an [rpclab.ErrProtocol], and ends the
// connection.
func TestProtocolErrors2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, m := range [][]byte{
			[]byte("GET / HTTP/1.1\r\n\r\n"),
			[]byte("\xc1"),
			encode(nil), encode(7), encode("text"), encode(map[string]any{"a": 1}),
			frame(), frame(0), frame(0, 1), frame(1, 2), frame(0, 1, "Echo.Int"), frame(1, 2, nil),
			frame(0, 1, "Echo.Int", []any{1}, 1), frame(1, 2, nil, 1, 1),
			frame(2), frame(2, "Echo.Int"), frame(2, "Echo.Int", []any{1}, 1),
			frame(3, 1, "Echo.Int", []any{1}), frame(-1, 1, "Echo.Int", []any{1}), frame("0", 1, "Echo.Int", []any{1}), frame(256, 1, "Echo.Int", []any{1}),
			frame([]any{0}, 1, "Echo.Int", []any{1}), frame(map[string]any{}, 1, "Echo.Int", []any{1}),
			append([]byte("\xdc\x00\x05"), frame(0, 1, "Echo.Int", []any{1}, 1)[1:]...),
		} {
			err := asServer(m)
			wantProtocolError(w, err, "server", m)
			err = asClient(m)
			wantProtocolError(w, err, "client", m)
		}
		for _, m := range [][]byte{
			frame(0, nil, "Echo.Int", []any{1}), frame(0, -1, "Echo.Int", []any{1}), frame(0, "1", "Echo.Int", []any{1}), frame(0, []any{1}, "Echo.Int", []any{1}), frame(0, uint64(1<<32), "Echo.Int", []any{1}),
			frame(0, 1, nil, []any{1}), frame(0, 1, 7, []any{1}), frame(0, 1, true, []any{1}), frame(0, 1, map[string]any{}, []any{1}),
			frame(2, nil, []any{1}), frame(2, 7, []any{1}),
			[]byte("\x94\x00\x01\xa8Echo.Int\x91\xc1"), []byte("\x94\x00\x01\xa8Echo.Any\x91\x92\x01\xc1"),
		} {
			err := asServer(m)
			wantProtocolError(w, err, "server", m)
			s := serve(w)
			if s.ask(m); !s.ended() {
				fail(w, ruleEnds, "the server got %s. Expected that it closes the connection: it is open", show(m))
			}
		}
		for _, m := range [][]byte{
			frame(1, nil, nil, 1), frame(1, -1, nil, 1), frame(1, "1", nil, 1), frame(1, uint64(1<<32), nil, 1),
			[]byte("\x94\x01\x01\xc1\xc0"), []byte("\x94\x01\x01\xc0\xc1"),
		} {
			err := asClient(m)
			wantProtocolError(w, err, "client", m)
			c := dial(w)
			call, _ := c.call("Echo.Int", int64(1), new(int64))
			c.say(m)
			if !over(call) || call.Error == nil || !c.conn.finished() {
				fail(w, ruleEnds, "a call waits, and the client got %s. Expected that the call ends with an error and the connection is closed: over %v, error %v, closed %v", show(m), over(call), call.Error, c.conn.finished())
			}
		}
	})
}

func wantProtocolError(w *simtest.World, err error, who string, m []byte) {
	if !errors.Is(err, rpclab.ErrProtocol) {
		fail(w, "ErrProtocol is returned when what was read is not MessagePack-RPC (message.go)", "the %s got %s. Expected ErrProtocol, got: %v", who, show(m), err)
	}
}

// claims are beginnings of messages that promise more than [rpclab.MaxMessage]
// allows.
func claims(server bool) map[string][]byte {
	head := "\x94\x01\x00\xc0" // a response to the first call
	if server {
		head = "\x94\x00\x00\xa8Echo.Any\x91"
	}
	all := map[string][]byte{
		"an array of 2^32-1 as the message": []byte("\xdd\xff\xff\xff\xff"),
		"a string of 2^32-1 bytes":          []byte(head + "\xdb\xff\xff\xff\xff"),
		"a string of 2^28 bytes":            []byte(head + "\xdb\x10\x00\x00\x00"),
		"2^32-1 bytes":                      []byte(head + "\xc6\xff\xff\xff\xff"),
		"an array of 2^32-1":                []byte(head + "\xdd\xff\xff\xff\xff"),
		"an array of 2^28":                  []byte(head + "\xdd\x10\x00\x00\x00"),
		"a map of 2^32-1":                   []byte(head + "\xdf\xff\xff\xff\xff"),
		"an extension of 2^32-1 bytes":      []byte(head + "\xc9\xff\xff\xff\xff\x05"),
		"a time of 2^31 bytes":              []byte(head + "\xc9\x80\x00\x00\x00\xff"),
		"a string inside a deep array":      []byte(head + strings.Repeat("\x91", 500) + "\xdb\xff\xff\xff\xff"),
		"an array of arrays of 2^32-1":      []byte(head + "\xdc\x00\x02\xdd\xff\xff\xff\xff"),
		"one byte more than MaxMessage":     []byte(head + "\xdb\x00\x10\x00\x00"),
	}
	if server {
		all["a method of 2^32-1 bytes"] = []byte("\x94\x00\x00\xdb\xff\xff\xff\xff")
		all["params of 2^32-1"] = []byte("\x94\x00\x00\xa8Echo.Any\xdd\xff\xff\xff\xff")
		all["a notification with 2^32-1 params"] = []byte("\x93\x02\xa8Echo.Any\xdd\xff\xff\xff\xff")
		all["a list of 2^32-1"] = []byte("\x94\x00\x00\xa9Echo.List\x91\xdd\xff\xff\xff\xff")
		all["a field of 2^32-1 bytes"] = []byte("\x94\x00\x00\xa9Echo.Pair\x91\x81\xa4Name\xdb\xff\xff\xff\xff")
	} else {
		all["an error of 2^32-1 bytes"] = []byte("\x94\x01\x00\xdb\xff\xff\xff\xff")
		all["an error object of 2^32-1"] = []byte("\x94\x01\x00\xdd\xff\xff\xff\xff")
		all["a response that nobody waits for"] = []byte("\x94\x01\x63\xc0\xdb\xff\xff\xff\xff")
		all["a notification"] = []byte("\x93\x02\xa1x\xdd\xff\xff\xff\xff")
	}
	return all
}

// Proves that a message of [rpclab.MaxMessage] bytes is taken, and that a larger
// one is an [rpclab.ErrTooLarge] after no more bytes than that: also one that goes
// on for ever.
func TestTooLarge2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const slack = 64 << 10 // for a buffer
		endless := make([]byte, rpclab.MaxMessage+4*slack)
		for i := range endless {
			endless[i] = 0xc0
		}
		for _, server := range []bool{true, false} {
			for about, claim := range claims(server) {
				who, play := "client", asClient
				if server {
					who, play = "server", asServer
				}
				if err := play(append(claim, endless...)); !errors.Is(err, rpclab.ErrTooLarge) {
					fail(w, "ErrTooLarge is returned when a message is larger than MaxMessage (message.go)", "the %s got a message that promises %s, and more than MaxMessage of it came. Expected ErrTooLarge, got: %v", who, about, err)
				}
			}
		}
		many := make([]any, 17)
		for i := range many {
			many[i] = x64k
		}
		require.ErrorIs(w, asServer(frame(0, 0, "Echo.Any", []any{many})), rpclab.ErrTooLarge, "the server got an argument of 17 strings of 64 KiB")
		require.ErrorIs(w, asClient(frame(1, 0, nil, many)), rpclab.ErrTooLarge, "the client got a result of 17 strings of 64 KiB")
		s := serve(w)
		s.ask(append(claims(true)["a string of 2^32-1 bytes"], endless...))
		if n := s.inner.consumed(); n > rpclab.MaxMessage+slack || !s.ended() {
			fail(w, ruleEnds, "a client promises a string of 4 GiB, and sends more than MaxMessage of it. The server read %d bytes of it, and MaxMessage is %d. Closed: %v", n, rpclab.MaxMessage, s.ended())
		}
		s = serve(w)
		largest := frame(0, 9, "Echo.Int", []any{strings.Repeat("x", rpclab.MaxMessage-18)})
		require.Len(w, largest, rpclab.MaxMessage)
		s.refused(9, largest) // with an error about its type
		err := asServer(frame(0, 9, "Echo.Int", []any{strings.Repeat("x", rpclab.MaxMessage-17)}))
		require.ErrorIs(w, err, rpclab.ErrTooLarge, "the server got a message of %d bytes, and MaxMessage is %d", rpclab.MaxMessage+1, rpclab.MaxMessage)
		c := dial(w)
		var reply string
		call, id := c.call("Echo.String", "x", &reply)
		c.say(frame(1, id, nil, strings.Repeat("x", rpclab.MaxMessage-9)))
		if !over(call) || call.Error != nil || len(reply) != rpclab.MaxMessage-9 {
			fail(w, "MaxMessage is the size of the largest message (message.go)", "the client got a response of %d bytes, which is the most that is allowed. The call: over %v, error %v, reply of %d bytes", rpclab.MaxMessage, over(call), call.Error, len(reply))
		}
	})
}

// Proves that no claim makes a codec allocate: lengths are checked before memory
// is given. It measures what is allocated, so nothing else may run meanwhile.
func TestClaimsAllocateNothing2B(t *testing.T) {
	simtest.Real(t, func(t *testing.T) {
		const most = 8 * rpclab.MaxMessage
		require.Equal(t, io.EOF, asServer(frame(0, 1, "Echo.Int", []any{1})), "the server got a good request")
		require.Equal(t, io.EOF, asClient(frame(1, 1, nil, 1)), "the client got a good response")
		for _, server := range []bool{true, false} {
			for about, claim := range claims(server) {
				who, play := "client", asClient
				if server {
					who, play = "server", asServer
				}
				var err error
				bytes := allocated(func() { err = play(claim) })
				if bytes > most || err == nil {
					t.Fatalf("the %s got %d bytes that promise %s, and then the end. It allocated %d bytes, and %d are plenty; error: %v\nrule: %s", who, len(claim), about, bytes, most, err, ruleClaims)
				}
			}
		}
	})
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Proves that values nested without end, in arguments, results and errors, do no
// harm.
func TestDeepNesting2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for nest, end := range map[string]string{"\x91": "", "\x81\xa1k": "", "\x92\xc0": "", "\x81\x91": "\xc0"} {
			deep := strings.Repeat(nest, 100_000) + "\xc0" + strings.Repeat(end, 100_000)
			for _, method := range []string{"\xaaEcho.Count", "\xa8Echo.Int", "\xa9Echo.Pair"} {
				s := serve(w)
				m := []byte("\x94\x00\x09" + method + "\x91" + deep)
				if got := last(s.ask(m)); (len(got) != 4 || got[2] == nil) && !s.ended() {
					fail(w, ruleAnswer, "the server got an argument 100000 levels deep. Expected an error, or the end of the connection; got %v", got)
				}
			}
			for _, response := range []string{"\x94\x01\x00\xc0" + deep, "\x94\x01\x00\x91" + deep + "\xc0", "\x93\x02\xa1x" + deep, "\x94\x01\x63\xc0" + deep} {
				if err := asClient([]byte(response)); err == nil {
					fail(w, ruleEnds, "the client got a value 100000 levels deep, and then the end. Expected an error, got none")
				}
			}
		}
	})
}

// Proves that bytes that are changed on the way, one at a time, make no codec
// panic, hang or allocate without bounds.
func TestChangedBytes2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, v := range vectors {
			if len(v.request) > 100 {
				continue
			}
			for i := range v.request {
				data := []byte(v.request + v.request)
				data[i] = byte(w.Rand().Uint32())
				asServer(data)
			}
			for i := range v.response {
				data := []byte(v.response + v.response)
				data[i] = byte(w.Rand().Uint32())
				asClient(data)
			}
		}
	})
}

// Whatever a client sends, a server's codec ends with an error, and allocates no
// more than a bound.
func FuzzServerCodec(f *testing.F) {
	for _, v := range vectors {
		f.Add([]byte(v.request))
	}
	for _, claim := range claims(true) {
		f.Add(claim)
	}
	f.Fuzz(func(t *testing.T, data []byte) { fuzz(t, data, func() error { return asServer(data) }) })
}

// Whatever a server sends, a client's codec ends with an error, and allocates no
// more than a bound.
func FuzzClientCodec(f *testing.F) {
	for _, v := range vectors {
		f.Add([]byte(v.response))
	}
	for _, claim := range claims(false) {
		f.Add(claim)
	}
	f.Fuzz(func(t *testing.T, data []byte) { fuzz(t, data, func() error { return asClient(data) }) })
}

func fuzz(t *testing.T, data []byte, play func() error) {
	var err error
	bytes := allocated(func() { err = play() })
	if err == nil {
		t.Fatal("the codec reads on after the end of the connection")
	}
	if most := uint64(8*rpclab.MaxMessage + 256*len(data)); bytes > most {
		t.Fatalf("allocated %d bytes for %d bytes of input, and %d are plenty", bytes, len(data), most)
	}
}
