package rpclab_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"strings"
	"testing"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/stretchr/testify/require"

	rpclab "distsys/lab2-rpc"
)

// A dialect is a way to say the same calls.
type dialect struct {
	name   string
	client func(io.ReadWriteCloser) rpc.ClientCodec
	server func(io.ReadWriteCloser) rpc.ServerCodec
}

var dialects = []dialect{
	{"yours", rpclab.NewClientCodec, rpclab.NewServerCodec},
	{"go-msgpack",
		func(c io.ReadWriteCloser) rpc.ClientCodec { return codec.MsgpackSpecRpc.ClientCodec(c, handle) },
		func(c io.ReadWriteCloser) rpc.ServerCodec { return codec.MsgpackSpecRpc.ServerCodec(c, handle) }},
	{"gob", nil, nil},
}

var payloads = []struct {
	name string
	pair *Pair
}{
	{"small", &Pair{Name: "a key", Count: 42, Tags: []string{"x"}}},
	{"64KiB", &Pair{Name: strings.Repeat("x", 64<<10)}},
}

// connect starts a server on loopback and returns a client.
func (d dialect) connect(tb testing.TB) *rpc.Client {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() { l.Close() })
	server := rpc.NewServer()
	require.NoError(tb, server.RegisterName("Echo", &quietEcho{}))
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if d.server == nil {
				go server.ServeConn(conn)
			} else {
				go server.ServeCodec(d.server(conn))
			}
		}
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(tb, err)
	client := rpc.NewClient
	if d.client != nil {
		client = func(c io.ReadWriteCloser) *rpc.Client { return rpc.NewClientWithCodec(d.client(c)) }
	}
	c := client(conn)
	tb.Cleanup(func() { c.Close() })
	return c
}

type quietEcho struct{}

func (quietEcho) Pair(arg *Pair, reply *Pair) error {
	*reply = *arg
	return nil
}

// One call after the other over TCP on loopback.
func BenchmarkCall(b *testing.B) {
	each(b, func(b *testing.B, d dialect, pair *Pair) {
		client := d.connect(b)
		for b.Loop() {
			var reply Pair
			if err := client.Call("Echo.Pair", pair, &reply); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Many calls at a time over TCP on loopback, on one connection.
func BenchmarkParallelCalls(b *testing.B) {
	each(b, func(b *testing.B, d dialect, pair *Pair) {
		client := d.connect(b)
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				var reply Pair
				if err := client.Call("Echo.Pair", pair, &reply); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// A request and a response through both codecs, without a network or net/rpc.
func BenchmarkCodec(b *testing.B) {
	each(b, func(b *testing.B, d dialect, pair *Pair) {
		if d.client == nil {
			b.Skip("net/rpc does not export its gob codecs")
		}
		near, far := newPipe(nil, "client", "server")
		client, server := d.client(near), d.server(far)
		var request rpc.Request
		var response rpc.Response
		for seq := uint64(0); b.Loop(); seq++ {
			var args, reply Pair
			err := errors.Join( // nil only if all are
				client.WriteRequest(&rpc.Request{ServiceMethod: "Echo.Pair", Seq: seq}, pair),
				server.ReadRequestHeader(&request),
				server.ReadRequestBody(&args),
				server.WriteResponse(&rpc.Response{ServiceMethod: "Echo.Pair", Seq: request.Seq}, &args),
				client.ReadResponseHeader(&response),
				client.ReadResponseBody(&reply),
			)
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func each(b *testing.B, f func(b *testing.B, d dialect, pair *Pair)) {
	for _, p := range payloads {
		for _, d := range dialects {
			b.Run(fmt.Sprintf("%s/%s", p.name, d.name), func(b *testing.B) {
				b.SetBytes(2 * int64(len(p.pair.Name)))
				b.ReportAllocs()
				f(b, d, p.pair)
			})
		}
	}
}
