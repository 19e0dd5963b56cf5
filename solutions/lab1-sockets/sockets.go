// Package sockets is about programs that talk over a network through nothing
// but a stream of bytes, or less.
//
// It has an echo server and its client (1A), a wire protocol, RESP (1B), a
// key/value server that speaks it and that redis-cli can talk to (1C), and a
// reliable stream made of unreliable datagrams, as TCP makes it (1D).
//
// One rule for all of them: a stream has no messages. What one side sends with
// one Write the other may receive with three Reads, or together with the next.
package sockets

import (
	"context"
	"errors"
	"net"
)

// ErrServerClosed is returned by Serve after a call of Shutdown.
var ErrServerClosed = errors.New("sockets: server closed")

// A Dialer opens connections. A *[net.Dialer] is one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}
