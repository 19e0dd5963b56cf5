package rpclab_test

import (
	"bytes"
	"io"
	"net/rpc"
	"testing"

	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// Proves that messages are found wherever reads happen to end: byte by byte, and
// many requests in one read. For: one Read taken for one message.
func TestServerFindsMessages2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, chunk := range []int{0, 1, 2, 7} {
			s := serve(w)
			s.inner.chunk = chunk
			var all []byte
			for id := range 50 {
				all = append(all, frame(0, id, "Echo.String", []any{x256})...)
			}
			values, rest := decodeAll(s.ask(all))
			if len(values) != 50 || len(rest) > 0 {
				fail(w, ruleAnswer, "the server got 50 requests at once, and could read %d bytes at a time (0: any). Expected 50 responses, got %d", chunk, len(values))
			}
			s.alive(ruleAnswer, "the server got 50 requests at once, and answered them")
		}
	})
}

// Proves that calls on one connection do not wait for each other, and that each
// response carries the msgid of its own request. For: a response matched to the
// wrong call, fields of the codec that the next request overwrites.
func TestServerAnswersInAnyOrder2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := serve(w)
		var all, want []byte
		for _, ms := range []int{900, 100, 500, 300, 700} {
			all = append(all, frame(0, 7000+ms, "Echo.Sleep", []any{ms})...)
		}
		for ms := 100; ms <= 900; ms += 200 {
			want = append(want, frame(1, uint32(7000+ms), nil, ms)...)
		}
		s.conn.Write(all)
		w.Sleep(1000 * settle)
		if got := s.conn.take(); !bytes.Equal(got, want) {
			fail(w, ruleMatch, "the server got %s\nexpected, the shortest sleep first, %s\ngot                                %s", show(all), show(want), show(got))
		}
	})
}

// Proves that the msgid is the client's to choose: it may repeat numbers, go back,
// and need not begin at 0.
func TestServerTakesAnyMsgid2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := serve(w)
		for _, id := range []uint32{5, 5, 4, 1<<32 - 1, 0, 1 << 31, 5} {
			got := s.ask(frame(0, id, "Echo.Int", []any{1}))
			if want := frame(1, id, nil, 1); !bytes.Equal(got, want) {
				fail(w, ruleMatch, "the server got a request with msgid %d. Expected %s, got %s", id, show(want), show(got))
			}
		}
		// The same number in a longer form, as some libraries write it.
		got := s.ask([]byte("\x94\xd0\x00\xd3\x00\x00\x00\x00\x00\x00\x00\x05\xd9\x08Echo.Int\xdc\x00\x01\xd1\x00\x07"))
		if want := frame(1, 5, nil, 7); !bytes.Equal(got, want) {
			fail(w, ruleMatch, "the server got [0 5 Echo.Int [7]], each number and length in more bytes than it needs. Expected %s, got %s", show(want), show(got))
		}
	})
}

// Proves that the server executes notifications, answers none of them, whatever
// may be wrong, and serves on.
func TestServerTakesNotifications2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := serve(w)
		for _, n := range [][]byte{
			frame(2, "Echo.Int", []any{5}),
			frame(2, "Echo.Fail", []any{"no"}),
			frame(2, "Echo.Bad", []any{1}),
			frame(2, "Echo.Nothing", []any{}),
			frame(2, "Nobody.Int", []any{1}),
			frame(2, "nodot", []any{1}),
			frame(2, "Echo.Int", []any{1, 2}),
			frame(2, "Echo.Int", []any{"x"}),
			frame(2, "Echo.Int", map[string]any{"a": 1}),
			frame(2, "Echo.Int", nil),
		} {
			if got := s.ask(n); len(got) > 0 {
				fail(w, ruleNotify, "the server got the notification %s. Expected no response, got %s", show(n), show(got))
			}
			s.alive(ruleNotify, "the server got the notification %s", show(n))
		}
		if s.echo.executed()[:len("Int(5) ")] != "Int(5) " {
			fail(w, ruleNotify, "the server got the notification [2 Echo.Int [5]]. Expected that it executes Int(5), it executed %s", s.echo.executed())
		}
		// Between requests, a notification takes no other's response.
		all := append(frame(0, 1, "Echo.Sleep", []any{5}), frame(2, "Echo.Sleep", []any{2})...)
		all = append(all, frame(0, 0, "Echo.Int", []any{3})...)
		want := append(frame(1, 0, nil, 3), frame(1, 1, nil, 5)...)
		if got := s.ask(all); !bytes.Equal(got, want) {
			fail(w, ruleNotify, "the server got %s\nexpected %s\ngot      %s", show(all), show(want), show(got))
		}
	})
}

// Proves that a response, which no server asked for, is passed over.
func TestServerPassesOverResponses2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := serve(w)
		for _, m := range [][]byte{frame(1, 3, nil, "result"), frame(1, 3, "error", nil), frame(1, 4, []any{1, "x"}, map[string]any{})} {
			if got := s.ask(m); len(got) > 0 {
				fail(w, "a response is not for a server: it is passed over (ReadRequestHeader)", "the server got the response %s. Expected nothing, got %s", show(m), show(got))
			}
			s.alive("a response is not for a server: it is passed over (ReadRequestHeader)", "the server got the response %s", show(m))
		}
	})
}

// Proves that a request for a method that does not exist, or whose name has no
// dot, or several, is answered with an error, on a connection that goes on.
func TestServerRefusesMethods2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := serve(w)
		for _, name := range []string{"nodot", "", ".", "Echo.", ".Int", "Echo.Nothing", "Nobody.Int", "Echo.Int.Int", "Echo.Int ", "Écho.Ïnt", x64k} {
			s.refused(9, frame(0, 9, name, []any{1}))
			s.refused(9, frame(0, 9, name, []any{map[string]any{"deep": []any{x256, []byte{1}, nil, 1.5}}, 2}))
		}
	})
}

// Proves that params that do not fit the method are answered with an error, on a
// connection that goes on: too few, too many, no array at all, another type. The
// method is not executed. For: the connection half-dead after a decode error.
func TestServerRefusesParams2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, params := range []any{
			[]any{}, []any{1, 2}, []any{nil, nil}, nil, map[string]any{}, map[string]any{"arg": 1}, 7, "7", true, []byte{7},
			[]any{"x"}, []any{1.5}, []any{[]any{1}}, []any{map[string]any{"a": 1}}, []any{[]any{}}, []any{[]any{"x", x64k, 1}},
			map[string]any{"a": []any{1, 2, 3}, "b": x64k},
		} {
			s := serve(w)
			s.refused(9, frame(0, 9, "Echo.Int", params))
			if got := s.echo.executed(); got != "Int(7)" {
				fail(w, ruleAnswer, "the server got [0 9 Echo.Int %.40v], and then a good request, Int(7). It executed %s", params, got)
			}
			s.refused(9, frame(0, 9, "Echo.Pair", append([]any{map[string]any{"Name": 1}}, 2)))
			s.refused(9, frame(0, 9, "Echo.Pair", []any{map[string]any{"Name": "x", "Inner": map[string]any{"Tags": 3}}}))
			s.refused(9, frame(0, 9, "Echo.Count", params2(params)))
		}
	})
}

// params2 returns params that a method with Params refuses: the same if they are
// no array, otherwise nil.
func params2(params any) any {
	if _, ok := params.([]any); ok {
		return nil
	}
	return params
}

// Proves that the argument itself may be a map with the names of a struct's
// fields, or an array with their values in order, or nil, as go-msgpack decodes
// them.
func TestServerTakesArguments2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := serve(w)
		for _, arg := range []any{
			map[string]any{"Name": "n", "Count": 2, "Tags": []any{"a"}},
			map[string]any{"Name": "n", "Count": 2, "Tags": []any{"a"}, "Unknown": []any{1, x256}},
			[]any{"n", 2, []any{"a"}, nil},
		} {
			m := last(s.ask(frame(0, 9, "Echo.Pair", []any{arg})))
			if len(m) == 4 && m[2] == nil {
				if pair, ok := m[3].(map[any]any); ok && pair["Name"] == "n" && len(pair["Tags"].([]any)) == 1 {
					continue
				}
			}
			fail(w, "params are an array with one element, the argument (ReadRequestBody)", "the server got [0 9 Echo.Pair [%v]]. Expected the same pair as the result, got %v", arg, m)
		}
		got := s.ask(frame(0, 9, "Echo.Pair", []any{nil}))
		if m := last(got); len(m) != 4 || m[2] != nil {
			fail(w, "params are an array with one element, the argument (ReadRequestBody)", "the server got [0 9 Echo.Pair [<nil>]]. Expected an empty pair as the result, got %s", show(got))
		}
	})
}

// Proves that a result that cannot be sent, because its type cannot be encoded or
// because it is too large, becomes an error for this call alone. For: half a
// message on the wire, a client that waits for ever.
func TestServerCannotSendResult2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := serve(w)
		for _, request := range [][]byte{
			frame(0, 9, "Echo.Bad", []any{1}),
			frame(0, 9, "Echo.Big", []any{rpclab.MaxMessage}),
			frame(0, 9, "Echo.Big", []any{5 * rpclab.MaxMessage}),
			frame(0, 9, "Echo.BigFail", []any{rpclab.MaxMessage}),
		} {
			got := s.ask(request)
			if m := last(got); len(m) != 4 || m[2] == nil || m[3] != nil || len(got) > rpclab.MaxMessage {
				fail(w, ruleResult, "the server got %s. Expected a response with an error, got %s", show(request), show(got))
			}
			s.alive(ruleResult, "the server got %s, and answered %s", show(request), show(got))
		}
		const most = rpclab.MaxMessage - 9 // 94 01 09 c0, db and a length of 4 bytes
		if got := s.ask(frame(0, 9, "Echo.Big", []any{most})); len(got) != rpclab.MaxMessage {
			fail(w, ruleResult, "the result makes a message of %d bytes, which is the most that is allowed. Expected it to be sent, got %s", rpclab.MaxMessage, show(got))
		}
	})
}

// Proves that Close closes the connection, lets a Read that waits go, and may
// come twice; and that the end of the connection ends the server's loop.
func TestServerCodecCloses2B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		mustClose(w, func(p *pipe) (io.Closer, func() error) {
			c := rpclab.NewServerCodec(p)
			return c, func() error { return c.ReadRequestHeader(&rpc.Request{}) }
		})

		s := serve(w)
		s.alive(ruleEnds, "nothing happened")
		s.conn.CloseWrite()
		if !s.ended() {
			fail(w, ruleEnds, "the client has closed the connection. The server does not end, or leaves it open")
		}
	})
}
