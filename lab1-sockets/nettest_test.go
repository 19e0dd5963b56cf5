package sockets_test

import (
	"context"
	"net"
	"testing"
	"time"

	sockets "distsys/lab1-sockets"

	"distsys/grader/simtest"

	"golang.org/x/net/nettest"
)

// Proves that a connection behaves as a net.Conn must, in real time over UDP on the
// loopback interface: golang.org/x/net/nettest says so.
func TestConn1D(t *testing.T) {
	simtest.Real(t, func(t *testing.T) {
		nettest.TestConn(t, func() (client, server net.Conn, stop func(), err error) {
			near, far := loopback(t), loopback(t)
			l, err := sockets.Listen(far)
			if err != nil {
				return nil, nil, nil, err
			}
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if client, err = sockets.Dial(ctx, near, far.LocalAddr()); err != nil {
				return nil, nil, nil, err
			}
			if server, err = l.Accept(); err != nil {
				return nil, nil, nil, err
			}
			return client, server, func() {
				client.Close()
				server.Close()
				l.Close()
				near.Close()
				far.Close()
			}, nil
		})
	})
}

func loopback(t *testing.T) net.PacketConn {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc
}
