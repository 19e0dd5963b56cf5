package simnet

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// An Addr is the address of a stream's end or of a datagram socket. It is
// comparable, and its String is "node:port".
type Addr struct {
	Net  string // "tcp" or "udp"
	Node string
	Port int
}

// Network returns "tcp" or "udp".
func (a Addr) Network() string { return a.Net }

// String returns "node:port".
func (a Addr) String() string { return net.JoinHostPort(a.Node, strconv.Itoa(a.Port)) }

const (
	firstEphemeral = 49152
	lastPort       = 65535
)

// parseAddr takes "node:port" apart. Local stands for an empty host and for
// the names that a machine gives itself.
func parseAddr(network, address, local string) (Addr, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return Addr{}, err
	}
	port, err := strconv.Atoi(service)
	if err != nil || port < 0 || port > lastPort {
		return Addr{}, &net.AddrError{Err: "invalid port", Addr: address}
	}
	switch host {
	case "", "localhost", "127.0.0.1", "0.0.0.0", "::", "::1":
		host = local
	}
	return Addr{network, host, port}, nil
}

// addrOf returns addr as an Addr.
func addrOf(network string, addr net.Addr, local string) (Addr, error) {
	if a, ok := addr.(Addr); ok {
		return a, nil
	}
	if addr == nil {
		return Addr{}, &net.AddrError{Err: "missing address"}
	}
	return parseAddr(network, addr.String(), local)
}

// isNetwork reports whether name is kind ("tcp", "udp"), or its variant for
// IPv4 or IPv6.
func isNetwork(kind, name string) bool {
	return strings.TrimRight(name, "46") == kind
}

// port gives a free port, or the wanted one if it is free: 0 means that there
// is none. It is called with mu held.
func (node *Node) port(wanted int, taken func(int) bool) int {
	if wanted != 0 {
		if taken(wanted) {
			return 0
		}
		return wanted
	}
	for range lastPort - firstEphemeral + 1 {
		port := firstEphemeral + node.ports%(lastPort-firstEphemeral+1)
		node.ports++
		if !taken(port) {
			return port
		}
	}
	return 0
}

// opError is an error as package net returns it. Source and addr may be nil.
func opError(op, network string, source, addr net.Addr, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) && err == error(errno) {
		err = os.NewSyscallError(calls[op], errno)
	}
	return &net.OpError{Op: op, Net: network, Source: source, Addr: addr, Err: err}
}

// calls are the system calls behind an operation.
var calls = map[string]string{"dial": "connect", "listen": "bind", "read": "read", "write": "write", "accept": "accept"}

// expired reports whether a deadline has passed. The zero time is none.
func expired(deadline time.Time) bool {
	return !deadline.IsZero() && !time.Now().Before(deadline)
}
