package sockets

import (
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sasha-s/go-deadlock"
)

// An endpoint is what all connections of one PacketConn have in common. It reads
// the datagrams and hands each to the connection that it is for.
//
// Who holds the mutex of a connection may lock that of its endpoint or listener,
// and not the other way round.
type endpoint struct {
	pc net.PacketConn

	mu       deadlock.Mutex // guards what follows; held for a few instructions
	conns    map[connKey]*Conn
	listener *listener // nil: nobody listens
}

// A connKey tells the connections of an endpoint apart. One that comes from
// another address is another connection, whatever its number.
type connKey struct {
	remote string
	number uint32
}

// endpoints has the endpoint of each PacketConn in use. Its mutex may be locked
// before that of an endpoint.
var endpoints = struct {
	mu sync.Mutex
	of map[net.PacketConn]*endpoint
}{of: map[net.PacketConn]*endpoint{}}

// useEndpoint returns the endpoint of a PacketConn with its mutex locked. The
// caller gives it a listener or a connection before unlocking it.
func useEndpoint(pc net.PacketConn) *endpoint {
	endpoints.mu.Lock()
	defer endpoints.mu.Unlock()
	e := endpoints.of[pc]
	if e == nil {
		e = &endpoint{pc: pc, conns: map[connKey]*Conn{}}
		endpoints.of[pc] = e
		go e.read()
	}
	e.mu.Lock()
	return e
}

// freeNumber returns a number for a new connection to addr. mu is held.
func (e *endpoint) freeNumber(addr net.Addr) uint32 {
	for {
		number := rand.Uint32()
		if e.conns[connKey{addr.String(), number}] == nil {
			return number
		}
	}
}

// add makes the endpoint hand c its segments. mu is held.
func (e *endpoint) add(c *Conn) { e.conns[c.key()] = c }

// remove forgets a connection that is over.
func (e *endpoint) remove(c *Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, c.key())
	e.wakeIdle()
}

// unlisten forgets the listener.
func (e *endpoint) unlisten() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listener = nil
	e.wakeIdle()
}

// wakeIdle makes read look whether it is still needed. mu is held.
func (e *endpoint) wakeIdle() {
	if e.idle() {
		e.pc.SetReadDeadline(time.Unix(1, 0))
	}
}

func (e *endpoint) idle() bool { return e.listener == nil && len(e.conns) == 0 }

// read takes datagrams from the PacketConn until nobody needs them any more, or
// until the PacketConn is closed.
func (e *endpoint) read() {
	buf := make([]byte, MaxDatagram+1) // A longer one than allowed is cut, and found out.
	for {
		n, from, err := e.pc.ReadFrom(buf)
		switch {
		case err == nil:
			e.dispatch(buf[:n], from)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			e.fail(err)
			return
		case e.retire():
			return
		}
	}
}

// retire ends the use of the PacketConn, unless somebody has come to need it
// meanwhile.
func (e *endpoint) retire() bool {
	endpoints.mu.Lock()
	defer endpoints.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pc.SetReadDeadline(time.Time{})
	if e.idle() {
		delete(endpoints.of, e.pc)
		return true
	}
	return false
}

// fail ends everything that uses the PacketConn, which can no longer be read.
func (e *endpoint) fail(err error) {
	endpoints.mu.Lock()
	delete(endpoints.of, e.pc)
	endpoints.mu.Unlock()
	e.mu.Lock()
	l, conns := e.listener, slices.Collect(maps.Values(e.conns))
	e.mu.Unlock()
	for _, c := range conns {
		c.fail(err)
	}
	if l != nil {
		l.Close()
	}
}

// send sends a segment to an address. Like every datagram it may get lost, so an
// error is nothing special.
func (e *endpoint) send(s *Segment, to net.Addr) {
	e.pc.WriteTo(s.Encode(), to)
}

// dispatch takes one datagram that has arrived.
func (e *endpoint) dispatch(datagram []byte, from net.Addr) {
	s, err := DecodeSegment(datagram)
	if err != nil {
		return // as if it had been lost
	}
	e.mu.Lock()
	c, l := e.conns[connKey{from.String(), s.Conn}], e.listener
	e.mu.Unlock()
	switch {
	case c != nil:
		c.arrive(s)
	case l != nil && s.Flags == SYN:
		l.arrive(s, from)
	default:
		e.refuse(s, from)
	}
}

// refuse answers a segment that belongs to no connection (RFC 9293, section
// 3.10.7.1): its sender believes in a connection that does not exist here.
func (e *endpoint) refuse(s *Segment, from net.Addr) {
	// TODO(1D): answer with RST, so that the sender believes it. Never answer RST
	// with RST.
	// BEGIN SOLUTION
	switch {
	case s.Flags&RST != 0:
	case s.Flags&ACK != 0:
		e.send(&Segment{Conn: s.Conn, Flags: RST, Seq: s.Ack}, from)
	default:
		e.send(&Segment{Conn: s.Conn, Flags: RST | ACK, Ack: s.Seq + s.size()}, from)
	}
	// END SOLUTION
	// STUB: if s.Flags&RST == 0 {
	// STUB: 	todo("1D", "endpoint.refuse: answer a segment of no connection with RST (RFC 9293, 3.10.7.1)")
	// STUB: }
}
