package rpclab_test

import (
	"fmt"
	"io"
	"net/rpc"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// Proves that messages are found wherever reads happen to end: byte by byte, and
// many responses in one read.
func TestClientFindsMessages2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, chunk := range []int{0, 1, 2, 7} {
			c := dial(w)
			c.inner.chunk = chunk
			var all []byte
			replies := make([]string, 50)
			var calls []*rpc.Call
			for i := range replies {
				call, id := c.call("Echo.String", "x", &replies[i])
				calls = append(calls, call)
				all = append(all, frame(1, id, nil, fmt.Sprint(i, x256))...)
			}
			c.say(all)
			for i, call := range calls {
				if !over(call) || call.Error != nil || replies[i] != fmt.Sprint(i, x256) {
					fail(w, ruleMatch, "50 calls got their responses at once, and the client could read %d bytes at a time (0: any). Call %d: over %v, error %v, reply %.40q", chunk, i, over(call), call.Error, replies[i])
				}
			}
		}
	})
}

// Proves that each response goes to the call whose msgid it has, in whatever order
// they come.
func TestClientMatchesResponses2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := dial(w)
		replies := make([]int64, 20)
		var calls []*rpc.Call
		var ids []uint32
		for i := range replies {
			call, id := c.call("Echo.Int", int64(i), &replies[i])
			calls, ids = append(calls, call), append(ids, id)
		}
		for n, i := range w.Rand().Perm(len(calls)) {
			if n%2 == 0 {
				c.say(frame(1, ids[i], nil, 100+i))
			} else {
				c.say(frame(1, ids[i], fmt.Sprint("error ", i), nil))
			}
			ok := over(calls[i]) && (n%2 == 0 && calls[i].Error == nil && replies[i] == int64(100+i) ||
				n%2 == 1 && calls[i].Error == rpc.ServerError(fmt.Sprint("error ", i)))
			if !ok {
				fail(w, ruleMatch, "20 calls wait, and the response to msgid %d came. Its call: over %v, error %v, reply %d", ids[i], over(calls[i]), calls[i].Error, replies[i])
			}
		}
	})
}

// Proves that notifications from the server, and responses that nobody waits for,
// disturb nothing.
func TestClientPassesOver2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := dial(w)
		for _, m := range [][]byte{
			frame(2, "nvim_buf_lines_event", []any{1, nil, []any{x64k}}),
			frame(2, "redraw", []any{}),
			frame(2, "odd", nil),
			frame(2, "", map[string]any{}),
			frame(1, uint32(4_000_000_000), nil, "late"),
			frame(1, 77777, []any{1, "late"}, nil),
			frame(1, 77777, "late", 1),
		} {
			var reply int64
			call, id := c.call("Echo.Int", int64(1), &reply)
			c.say(m)
			if over(call) {
				fail(w, rulePass, "a call waits, and the client got %s. The call ended with error %v, reply %d", show(m), call.Error, reply)
			}
			c.say(append(m, frame(1, id, nil, 5)...))
			if !over(call) || call.Error != nil || reply != 5 {
				fail(w, rulePass, "a call waits, the client got %s and then the call's response, 5. The call: over %v, error %v, reply %d", show(m), over(call), call.Error, reply)
			}
			c.say(m)
			c.alive(rulePass, "the client got %s while no call waited", show(m))
		}
	})
}

// Proves that a response that comes a second time is passed over.
func TestClientTakesResponseOnce2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := dial(w)
		var reply int64
		call, id := c.call("Echo.Int", int64(1), &reply)
		c.say(frame(1, id, nil, 5))
		require.True(w, over(call), "the response came, and the call is not over")
		c.say(frame(1, id, nil, 6))
		c.say(frame(1, id, "x", nil))
		require.EqualValues(w, 5, reply, "the reply, after another response with the same msgid")
		c.alive(rulePass, "a response came three times")
	})
}

// Proves that a request from the server is answered with an error.
func TestClientRefusesRequests2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := dial(w)
		var reply int64
		call, id := c.call("Echo.Int", int64(1), &reply)
		for _, request := range [][]byte{frame(0, 3, "Client.Method", []any{1}), frame(0, uint32(1<<32-1), "x", nil)} {
			c.say(request)
			got := c.conn.take()
			want := last(request)[1]
			if m := last(got); len(m) != 4 || fmt.Sprint(m[0]) != "1" || m[1] != want || m[2] == nil {
				fail(w, ruleRefuse, "the client got %s. Expected [1 %d <an error> <nil>], got %s", show(request), want, show(got))
			}
		}
		c.say(frame(1, id, nil, 5))
		require.True(w, over(call), "the response came, after requests of the server; the call is not over")
		require.NoError(w, call.Error)
		c.alive(ruleRefuse, "the server sent requests")
	})
}

// Proves that an error object of any type becomes an error of its call, with a
// text that shows what was in it, and that the connection goes on. For: a client
// that takes an error object for a string, an empty error for none.
func TestClientTakesErrorObjects2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, e := range []struct {
			object any
			shows  []string
		}{
			{"plain", []string{"plain"}},
			{"", nil},
			{[]byte("bytes"), []string{"bytes"}},
			{[]any{0, "Vim:E117: Unknown function"}, []string{"0", "Vim:E117: Unknown function"}},
			{map[string]any{"code": -32601, "message": "no such method"}, []string{"code", "-32601", "message", "no such method"}},
			{404, []string{"404"}},
			{-1.5, []string{"-1.5"}},
			{true, []string{"true"}},
			{false, nil},
			{0, nil},
			{[]any{}, nil},
			{map[string]any{}, nil},
			{[]any{[]any{"nested", nil}, nil}, []string{"nested"}},
			{x64k, []string{x64k}},
			{strings.Repeat("\x00", 100), nil},
		} {
			c := dial(w)
			for _, result := range []any{nil, 5, "a result"} {
				reply := int64(-1)
				call, id := c.call("Echo.Int", int64(1), &reply)
				c.say(frame(1, id, e.object, result))
				if !over(call) {
					fail(w, ruleErrors, "the client got a response with the error object %.60v. The call is not over", e.object)
				}
				err, ok := call.Error.(rpc.ServerError)
				if !ok || err == "" || reply != -1 {
					fail(w, ruleErrors, "the client got a response with the error object %#.60v. Expected an rpc.ServerError, got %T %v, reply %d", e.object, call.Error, call.Error, reply)
				}
				for _, text := range e.shows {
					if !strings.Contains(string(err), text) {
						fail(w, ruleErrors, "the client got a response with the error object %#.60v. Expected an error that shows %.60q, got %.200q", e.object, text, err)
					}
				}
				c.alive(ruleErrors, "the client got a response with the error object %#.60v", e.object)
			}
		}
	})
}

// Proves that the sequence number survives, although a msgid has 32 bits only.
func TestClientSequenceWraps2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		conn, inner := newPipe(w, "server", "client")
		c := rpclab.NewClientCodec(inner)
		for _, seq := range []uint64{1<<32 - 1, 1 << 32, 1<<32 + 5, 1<<40 + 3} {
			require.NoError(w, c.WriteRequest(&rpc.Request{ServiceMethod: "Echo.Int", Seq: seq}, 1))
		}
		request := conn.take()
		values, _ := decodeAll(request)
		require.Len(w, values, 4, "the requests on the wire: %s", show(request))
		for i, want := range []uint64{1<<32 - 1, 1 << 32, 1<<32 + 5, 1<<40 + 3} {
			id := values[i].([]any)[1]
			if fmt.Sprint(id) != fmt.Sprint(uint32(want)) {
				fail(w, "the msgid is the low 32 bits of the sequence number (WriteRequest)", "the sequence number was %d. Expected the msgid %d, got %v", want, uint32(want), id)
			}
			conn.Write(frame(1, id, nil, 1))
			var head rpc.Response
			require.NoError(w, c.ReadResponseHeader(&head))
			require.NoError(w, c.ReadResponseBody(nil))
			if head.Seq != want {
				fail(w, ruleMatch, "the response to msgid %v came, whose sequence number was %d. Got the sequence number %d", id, want, head.Seq)
			}
		}
	})
}

// Proves that a request that cannot be sent, because its argument cannot be
// encoded or is too large, fails its call alone, and leaves nothing on the wire.
func TestClientCannotSendRequest2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := dial(w)
		var waiting int64
		call, id := c.call("Echo.Int", int64(1), &waiting)
		for _, args := range []any{
			Unencodable{Before: x256},
			strings.Repeat("x", rpclab.MaxMessage),
			rpclab.Params{1, Unencodable{}},
		} {
			var reply int64
			bad := c.client.Go("Echo.Int", args, &reply, make(chan *rpc.Call, 1))
			if got := c.conn.take(); len(got) > 0 || !over(bad) || bad.Error == nil {
				fail(w, ruleRequest, "the argument, a %T, cannot be sent. Expected an error and nothing on the wire, got over %v, error %v, and on the wire %s", args, over(bad), bad.Error, show(got))
			}
			c.alive(ruleRequest, "the argument, a %T, could not be sent", args)
		}
		c.say(frame(1, id, nil, 5))
		if !over(call) || call.Error != nil || waiting != 5 {
			fail(w, ruleRequest, "a call waited while others could not be sent. Then its response came. The call: over %v, error %v, reply %d", over(call), call.Error, waiting)
		}
		// 94 00 id a8 Echo.Big 91, db and a length of 4 bytes
		largest := strings.Repeat("x", rpclab.MaxMessage-18)
		c.client.Go("Echo.Big", largest, nil, make(chan *rpc.Call, 1))
		if got := c.conn.take(); len(got) != rpclab.MaxMessage {
			fail(w, ruleRequest, "the request makes a message of %d bytes, which is the most that is allowed. Expected it to be sent, got %s", rpclab.MaxMessage, show(got))
		}
	})
}

// Proves that a result that does not fit the reply is an error of the call, and
// that the client then lets go of the connection. For: the connection half-dead
// after a decode error.
func TestClientReplyDoesNotFit2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, result := range []any{"text", []any{1}, map[string]any{"a": x64k}, 1.5} {
			c := dial(w)
			var reply int64
			call, id := c.call("Echo.Int", int64(1), &reply)
			other, _ := c.call("Echo.Int", int64(2), new(int64))
			c.say(frame(1, id, nil, result))
			if !over(call) || call.Error == nil {
				fail(w, ruleEnds, "the result was %.40v, and the reply an int64. Expected an error, got over %v, error %v, reply %d", result, over(call), call.Error, reply)
			}
			if !c.conn.finished() {
				fail(w, ruleEnds, "the result was %.40v, and the reply an int64. net/rpc reads no more after that, so the codec must close the connection: it is open", result)
			}
			if !over(other) || other.Error == nil {
				fail(w, ruleEnds, "the result was %.40v, and the reply an int64. Another call still waits: over %v, error %v", result, over(other), other.Error)
			}
		}
	})
}

// Proves that a result that is nil leaves an empty reply, and that a reply that
// nobody wants is thrown away.
func TestClientTakesNil2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := dial(w)
		reply := Pair{}
		call, id := c.call("Echo.Pair", nil, &reply)
		c.say(frame(1, id, nil, nil))
		require.True(w, over(call), "the response came, and the call is not over")
		require.NoError(w, call.Error, "a response without error and with the result nil")
		require.Equal(w, Pair{}, reply)
		call, id = c.call("Echo.Pair", nil, nil)
		c.say(frame(1, id, nil, map[string]any{"Name": x256}))
		require.True(w, over(call), "the response came, and the call is not over")
		require.NoError(w, call.Error, "a response whose result nobody wants")
		c.alive(ruleMatch, "two calls got their responses")
	})
}

// Proves that Close closes the connection, once, and that calls end when the
// connection does.
func TestClientCodecCloses2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		mustClose(w, func(p *pipe) (io.Closer, func() error) {
			c := rpclab.NewClientCodec(p)
			return c, func() error { return c.ReadResponseHeader(&rpc.Response{}) }
		})

		d := dial(w)
		call, _ := d.call("Echo.Int", int64(1), new(int64))
		d.conn.CloseWrite()
		w.Sleep(settle)
		if !over(call) || call.Error == nil {
			fail(w, ruleEnds, "the server has closed the connection. A call still waits: over %v, error %v", over(call), call.Error)
		}
	})
}

// Proves that requests can be written while responses are read, as net/rpc does.
func TestClientReadsWhileItWrites2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		conn, inner := newPipe(w, "server", "client")
		c := rpclab.NewClientCodec(inner)
		const n = 200
		for seq := range uint64(n) {
			require.NoError(w, c.WriteRequest(&rpc.Request{ServiceMethod: "Echo.Int", Seq: seq}, 1))
			conn.Write(frame(1, seq, nil, 1))
		}
		written := make(chan struct{})
		w.Go(func() {
			defer close(written)
			for seq := range uint64(n) {
				require.NoError(w, c.WriteRequest(&rpc.Request{ServiceMethod: "Echo.Int", Seq: n + seq}, 1))
			}
		})
		for seq := range uint64(n) {
			var head rpc.Response
			require.NoError(w, c.ReadResponseHeader(&head))
			require.Equal(w, seq, head.Seq, "the sequence number of a response")
			require.NoError(w, c.ReadResponseBody(new(int)))
		}
		<-written
	})
}
