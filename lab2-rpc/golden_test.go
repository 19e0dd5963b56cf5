package rpclab_test

import (
	"bytes"
	"math"
	"net/rpc"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

var (
	x31  = strings.Repeat("x", 31)
	x32  = strings.Repeat("x", 32)
	x256 = strings.Repeat("x", 256)
	x64k = strings.Repeat("x", 1<<16)
)

// Frames as they are on the wire, written by hand after the MessagePack
// specification. Each request is answered by Echo with the response beside it.
var vectors = []struct {
	about             string
	seq               uint64
	method            string
	args              any
	request, response string
}{
	{"a small integer", 0, "Echo.Int", int64(7), "\x94\x00\x00\xa8Echo.Int\x91\x07", "\x94\x01\x00\xc0\x07"},
	{"a negative integer", 1, "Echo.Int", int64(-33), "\x94\x00\x01\xa8Echo.Int\x91\xd0\xdf", "\x94\x01\x01\xc0\xd0\xdf"},
	{"the largest msgid of one byte", 127, "Echo.Int", int64(127), "\x94\x00\x7f\xa8Echo.Int\x91\x7f", "\x94\x01\x7f\xc0\x7f"},
	{"the msgid 128, which is unsigned", 128, "Echo.Int", int64(128), "\x94\x00\xcc\x80\xa8Echo.Int\x91\xd1\x00\x80", "\x94\x01\xcc\x80\xc0\xd1\x00\x80"},
	{"a msgid of 16 bits", 65535, "Echo.Uint", uint64(65535), "\x94\x00\xcd\xff\xff\xa9Echo.Uint\x91\xcd\xff\xff", "\x94\x01\xcd\xff\xff\xc0\xcd\xff\xff"},
	{"a msgid of 17 bits", 65536, "Echo.Uint", uint64(math.MaxUint64), "\x94\x00\xce\x00\x01\x00\x00\xa9Echo.Uint\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "\x94\x01\xce\x00\x01\x00\x00\xc0\xcf\xff\xff\xff\xff\xff\xff\xff\xff"},
	{"the largest msgid", math.MaxUint32, "Echo.Int", int64(math.MinInt64), "\x94\x00\xce\xff\xff\xff\xff\xa8Echo.Int\x91\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "\x94\x01\xce\xff\xff\xff\xff\xc0\xd3\x80\x00\x00\x00\x00\x00\x00\x00"},
	{"an empty string", 2, "Echo.String", "", "\x94\x00\x02\xabEcho.String\x91\xa0", "\x94\x01\x02\xc0\xa0"},
	{"a string of 31 bytes", 2, "Echo.String", x31, "\x94\x00\x02\xabEcho.String\x91\xbf" + x31, "\x94\x01\x02\xc0\xbf" + x31},
	{"a string of 32 bytes", 2, "Echo.String", x32, "\x94\x00\x02\xabEcho.String\x91\xd9\x20" + x32, "\x94\x01\x02\xc0\xd9\x20" + x32},
	{"a string of 256 bytes", 2, "Echo.String", x256, "\x94\x00\x02\xabEcho.String\x91\xda\x01\x00" + x256, "\x94\x01\x02\xc0\xda\x01\x00" + x256},
	{"a string of 64 KiB", 2, "Echo.String", x64k, "\x94\x00\x02\xabEcho.String\x91\xdb\x00\x01\x00\x00" + x64k, "\x94\x01\x02\xc0\xdb\x00\x01\x00\x00" + x64k},
	{"bytes", 3, "Echo.Bytes", []byte{0, 255}, "\x94\x00\x03\xaaEcho.Bytes\x91\xc4\x02\x00\xff", "\x94\x01\x03\xc0\xc4\x02\x00\xff"},
	{"true", 3, "Echo.Bool", true, "\x94\x00\x03\xa9Echo.Bool\x91\xc3", "\x94\x01\x03\xc0\xc3"},
	{"a float", 3, "Echo.Float", 1.5, "\x94\x00\x03\xaaEcho.Float\x91\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", "\x94\x01\x03\xc0\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"},
	{"a list", 3, "Echo.List", []int64{1, 2, 3}, "\x94\x00\x03\xa9Echo.List\x91\x93\x01\x02\x03", "\x94\x01\x03\xc0\x93\x01\x02\x03"},
	{"a list that is nil", 3, "Echo.List", []int64(nil), "\x94\x00\x03\xa9Echo.List\x91\xc0", "\x94\x01\x03\xc0\xc0"},
	{"a map", 3, "Echo.Map", map[string]int64{"a": 1}, "\x94\x00\x03\xa8Echo.Map\x91\x81\xa1a\x01", "\x94\x01\x03\xc0\x81\xa1a\x01"},
	{"no argument", 3, "Echo.Int", nil, "\x94\x00\x03\xa8Echo.Int\x91\xc0", "\x94\x01\x03\xc0\x00"},
	{"Params, none", 4, "Echo.Count", rpclab.Params{}, "\x94\x00\x04\xaaEcho.Count\x90", "\x94\x01\x04\xc0\x00"},
	{"Params that are nil", 4, "Echo.Count", rpclab.Params(nil), "\x94\x00\x04\xaaEcho.Count\x90", "\x94\x01\x04\xc0\x00"},
	{"Params, one", 4, "Echo.Count", rpclab.Params{"a"}, "\x94\x00\x04\xaaEcho.Count\x91\xa1a", "\x94\x01\x04\xc0\x01"},
	{"Params, three", 4, "Echo.Count", rpclab.Params{1, "b", nil}, "\x94\x00\x04\xaaEcho.Count\x93\x01\xa1b\xc0", "\x94\x01\x04\xc0\x03"},
	{"an error", 5, "Echo.Fail", "no", "\x94\x00\x05\xa9Echo.Fail\x91\xa2no", "\x94\x01\x05\xa2no\xc0"},
}

// Proves that the server's responses are right to the byte.
func TestServerFrames2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := serve(w)
		for _, v := range vectors {
			got := s.ask([]byte(v.request))
			if string(got) != v.response {
				fail(w, ruleBytes, "%s. The server got the request %s\nexpected the response %s\ngot                   %s", v.about, show([]byte(v.request)), show([]byte(v.response)), show(got))
			}
		}
	})
}

// Proves that the client's requests are right to the byte, and that it takes the
// responses to them.
func TestClientFrames2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		conn, inner := newPipe(w, "server", "client")
		c := rpclab.NewClientCodec(inner)
		for _, v := range vectors {
			require.NoError(w, c.WriteRequest(&rpc.Request{ServiceMethod: v.method, Seq: v.seq}, v.args), "WriteRequest(%s): %s", v.method, v.about)
			if got := conn.take(); string(got) != v.request {
				fail(w, ruleBytes, "%s. The client calls %s with the sequence number %d\nexpected the request %s\ngot                  %s", v.about, v.method, v.seq, show([]byte(v.request)), show(got))
			}
			conn.Write([]byte(v.response))
			var head rpc.Response
			require.NoError(w, c.ReadResponseHeader(&head), "ReadResponseHeader: %s", v.about)
			require.Equal(w, v.seq, head.Seq, "the sequence number of the response %s", show([]byte(v.response)))
			if v.method == "Echo.Fail" {
				require.Equal(w, "no", head.Error, "the error of the response %s", show([]byte(v.response)))
				require.NoError(w, c.ReadResponseBody(nil))
				continue
			}
			require.Empty(w, head.Error, "the error of the response %s", show([]byte(v.response)))
			if v.args == nil || v.method == "Echo.Count" {
				require.NoError(w, c.ReadResponseBody(nil))
				continue
			}
			reply := reflect.New(reflect.TypeOf(v.args))
			require.NoError(w, c.ReadResponseBody(reply.Interface()), "ReadResponseBody: %s", v.about)
			require.Equal(w, v.args, reply.Elem().Interface(), "the result of the response %s", show([]byte(v.response)))
		}
	})
}

// A randomCall is a call of Echo that returns its argument, or as an error its
// text.
type randomCall struct {
	method string
	args   any
}

// someCalls returns random calls, the same for the same world. It makes the
// generators anew: two worlds must not share one.
func someCalls(w *simtest.World) []randomCall {
	anInt := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-130, 300))
	aString := rapid.OneOf(rapid.String(), rapid.StringN(0, 2000, -1))
	one := rapid.OneOf(
		call("Echo.Int", anInt),
		call("Echo.Uint", rapid.Uint64()),
		call("Echo.String", aString),
		call("Echo.Bytes", rapid.SliceOf(rapid.Byte())),
		call("Echo.Bool", rapid.Bool()),
		call("Echo.Float", rapid.Float64()),
		call("Echo.List", rapid.SliceOf(anInt)),
		call("Echo.Map", rapid.MapOfN(rapid.String(), anInt, 0, 30)),
		call("Echo.Pair", rapid.Custom(func(t *rapid.T) *Pair { return drawPair(t, aString, 3) })),
		call("Echo.Fail", rapid.StringN(1, 200, -1)),
	)
	return rapid.SliceOfN(one, 1, 30).Example(int(w.Seed()))
}

func call[T any](method string, args *rapid.Generator[T]) *rapid.Generator[randomCall] {
	return rapid.Custom(func(t *rapid.T) randomCall { return randomCall{method, args.Draw(t, method)} })
}

func drawPair(t *rapid.T, aString *rapid.Generator[string], depth int) *Pair {
	p := &Pair{
		Name:  aString.Draw(t, "name"),
		Count: rapid.Int().Draw(t, "count"),
		Tags:  rapid.SliceOfN(rapid.String(), 0, 20).Draw(t, "tags"),
		At:    time.Unix(rapid.Int64Range(1, 1<<35).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "nsec")).UTC(),
	}
	if depth > 0 && rapid.Bool().Draw(t, "inner") {
		p.Inner = drawPair(t, aString, depth-1)
	}
	return p
}

// check makes the call and compares what comes back.
func (c randomCall) check(w *simtest.World, client *rpc.Client) {
	if c.method == "Echo.Fail" {
		var reply int64
		err := client.Call(c.method, c.args, &reply)
		require.Equal(w, rpc.ServerError(c.args.(string)), err, "the error of %s(%q)", c.method, c.args)
		return
	}
	args := reflect.ValueOf(c.args)
	for args.Kind() == reflect.Pointer {
		args = args.Elem()
	}
	reply := reflect.New(args.Type())
	require.NoError(w, client.Call(c.method, c.args, reply.Interface()), "%s(%v)", c.method, c.args)
	require.Equal(w, args.Interface(), reply.Elem().Interface(), "the reply of %s", c.method)
}

// converse makes random calls through a client's and a server's codec, one after
// the other and then all at once.
func converse(w *simtest.World, clientCodec rpc.ClientCodec, serverCodec rpc.ServerCodec) {
	server := rpc.NewServer()
	require.NoError(w, server.RegisterName("Echo", &Echo{}))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		server.ServeCodec(serverCodec)
	}()
	client := rpc.NewClientWithCodec(clientCodec)
	calls := someCalls(w)
	for _, c := range calls {
		c.check(w, client)
	}
	done := make(chan struct{})
	for _, c := range calls {
		w.Go(func() {
			defer func() { done <- struct{}{} }()
			c.check(w, client)
		})
	}
	for range calls {
		<-done
	}
	require.NoError(w, client.Close())
	<-gone
}

// Proves that the client's codec understands, and is understood by, go-msgpack's
// own server codec, on random calls.
func TestClientAgainstGoMsgpack2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		a, b := newPipe(w, "client", "go-msgpack's server")
		converse(w, rpclab.NewClientCodec(a), codec.MsgpackSpecRpc.ServerCodec(b, handle))
	})
}

// Proves that the server's codec understands, and is understood by, go-msgpack's
// own client codec, on random calls.
func TestServerAgainstGoMsgpack2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		a, b := newPipe(w, "go-msgpack's client", "server")
		converse(w, codec.MsgpackSpecRpc.ClientCodec(a, handle), rpclab.NewServerCodec(b))
	})
}

// Proves that both codecs write the same bytes as go-msgpack's own on random
// calls.
func TestSameBytesAsGoMsgpack2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		a, mine := newPipe(w, "server", "client")
		b, golden := newPipe(w, "server", "go-msgpack's client")
		compareRequests(w, rpclab.NewClientCodec(mine), a, codec.MsgpackSpecRpc.ClientCodec(golden, handle), b)
		a, mine = newPipe(w, "client", "server")
		b, golden = newPipe(w, "client", "go-msgpack's server")
		compareResponses(w, rpclab.NewServerCodec(mine), a, codec.MsgpackSpecRpc.ServerCodec(golden, handle), b)
	})
}

// ordered reports whether a call's bytes can be compared: Go maps have no order.
func (c randomCall) ordered() bool { return c.method != "Echo.Map" }

func compareRequests(w *simtest.World, mine rpc.ClientCodec, a *pipe, golden rpc.ClientCodec, b *pipe) {
	for seq, c := range slices.DeleteFunc(someCalls(w), func(c randomCall) bool { return !c.ordered() }) {
		require.NoError(w, mine.WriteRequest(&rpc.Request{ServiceMethod: c.method, Seq: uint64(seq)}, c.args))
		require.NoError(w, golden.WriteRequest(&rpc.Request{ServiceMethod: c.method, Seq: uint64(seq)}, c.args))
		if got, want := a.take(), b.take(); !bytes.Equal(got, want) {
			fail(w, ruleBytes, "the client calls %s(%v)\nexpected the request %s\ngot                  %s", c.method, c.args, show(want), show(got))
		}
	}
}

func compareResponses(w *simtest.World, mine rpc.ServerCodec, a *pipe, golden rpc.ServerCodec, b *pipe) {
	for _, c := range slices.DeleteFunc(someCalls(w), func(c randomCall) bool { return !c.ordered() }) {
		r := rpc.Response{Seq: uint64(w.Rand().Uint32())}
		if c.method == "Echo.Fail" {
			r.Error = c.args.(string)
		}
		request := frame(0, uint32(r.Seq), c.method, []any{c.args})
		a.Write(request)
		b.Write(request)
		var head rpc.Request
		for _, codec := range []rpc.ServerCodec{mine, golden} {
			require.NoError(w, codec.ReadRequestHeader(&head))
			require.NoError(w, codec.ReadRequestBody(nil))
			r.Seq = head.Seq
			require.NoError(w, codec.WriteResponse(&r, c.args))
		}
		if got, want := a.take(), b.take(); !bytes.Equal(got, want) {
			fail(w, ruleBytes, "the server answers %s with error %q, result %v\nexpected the response %s\ngot                   %s", show(request), r.Error, c.args, show(want), show(got))
		}
	}
}
