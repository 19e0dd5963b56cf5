package simnet

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	maxDatagram   = 65507     // bytes
	receiveBuffer = 208 << 10 // bytes, of a socket
	overhead      = 64        // bytes that a datagram takes of the receive buffer besides its own
)

// ListenPacket opens a datagram socket, as [net.ListenPacket] does: network is
// "udp", address ":port" or "node:port", and port 0 stands for a free one. It
// belongs to the node's present incarnation.
//
// Datagrams are lost, doubled, reordered and damaged (a bit of the copy is
// flipped) as their link's settings say, and dropped above its MTU. On a link
// whose latency does not vary they keep their order. The receive queue takes
// 208 KiB (SetReadBuffer changes that) and drops what exceeds it. WriteTo never
// waits, and never fails because of what becomes of the datagram.
func (node *Node) ListenPacket(network, address string) (net.PacketConn, error) {
	return node.Incarnation().ListenPacket(network, address)
}

// Spoof sends a datagram from the node that claims to come from source,
// "node:port", whose owner need not know.
func (node *Node) Spoof(source, dest string, data []byte) error {
	claimed, err := parseAddr("udp", source, node.name)
	if err != nil {
		return opError("write", "udp", nil, nil, err)
	}
	to, err := parseAddr("udp", dest, node.name)
	if err != nil {
		return opError("write", "udp", nil, nil, err)
	}
	n := node.net
	n.mu.Lock()
	s := &socket{net: n, life: node.life, addr: claimed, boxed: claimed, routes: map[Addr]*route{}}
	d := s.datagram(data, to)
	n.mu.Unlock()
	if d != nil {
		d.send(d.payload)
	}
	return nil
}

// A socket sends and receives datagrams.
type socket struct {
	net     *Network
	life    *Incarnation
	addr    Addr
	boxed   net.Addr  // addr, boxed once for all
	changed sync.Cond // on Network.mu

	// Network.mu guards what follows.
	routes  map[Addr]*route
	queue   []letter // received; those before first are read
	first   int
	size    int // of those to be read, in bytes
	limit   int
	err     error // why it is closed
	readBy  time.Time
	writeBy time.Time
}

// A letter is a datagram as it arrived.
type letter struct {
	data []byte
	from net.Addr
}

// A route is from one port to another.
type route struct {
	link *link
	flow *flow
	key  uint64
	next uint64 // number of the next datagram
}

var _ net.PacketConn = (*socket)(nil)

// ListenPacket is [Node.ListenPacket] for this incarnation: when it has
// crashed, all methods of the socket fail.
func (i *Incarnation) ListenPacket(network, address string) (net.PacketConn, error) {
	n := i.node.net
	if !isNetwork("udp", network) {
		return nil, opError("listen", network, nil, nil, net.UnknownNetworkError(network))
	}
	addr, err := i.bind("udp", address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := i.gone(); err != nil {
		return nil, opError("listen", "udp", nil, addr, err)
	}
	taken := func(port int) bool { return i.sockets[port] != nil }
	if addr.Port = i.node.port(addr.Port, taken); addr.Port == 0 {
		return nil, opError("listen", "udp", nil, addr, syscall.EADDRINUSE)
	}
	s := &socket{net: n, life: i, addr: addr, boxed: addr, routes: map[Addr]*route{}, limit: receiveBuffer}
	s.changed.L = &n.mu
	if i.sockets == nil {
		i.sockets = map[int]*socket{}
	}
	i.sockets[addr.Port] = s
	return s, nil
}

func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	s.net.freeze()
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	for {
		switch {
		case s.err != nil:
			return 0, nil, s.opError("read", nil, s.err)
		case expired(s.readBy):
			return 0, nil, s.opError("read", nil, os.ErrDeadlineExceeded)
		case s.first < len(s.queue):
			l := s.pop()
			return copy(b, l.data), l.from, nil
		}
		s.wait()
	}
}

func (s *socket) push(l letter) {
	if s.first > len(s.queue)/2 {
		rest := copy(s.queue, s.queue[s.first:])
		clear(s.queue[rest:])
		s.queue, s.first = s.queue[:rest], 0
	}
	s.queue = append(s.queue, l)
	s.size += len(l.data) + overhead
}

func (s *socket) pop() letter {
	l := s.queue[s.first]
	s.queue[s.first] = letter{}
	s.first++
	if s.first == len(s.queue) {
		s.queue, s.first = s.queue[:0], 0
	}
	s.size -= len(l.data) + overhead
	return l
}

func (s *socket) wait() {
	if !s.readBy.IsZero() {
		timer := time.AfterFunc(time.Until(s.readBy), func() {
			s.net.mu.Lock()
			defer s.net.mu.Unlock()
			s.changed.Broadcast()
		})
		defer timer.Stop()
	}
	s.changed.Wait()
}

func (s *socket) WriteTo(b []byte, addr net.Addr) (int, error) {
	s.net.freeze()
	to, err := addrOf("udp", addr, s.addr.Node)
	if err == nil && len(b) > maxDatagram {
		err = os.NewSyscallError("sendto", syscall.EMSGSIZE)
	}
	if err != nil {
		return 0, s.opError("write", addr, err)
	}
	s.net.mu.Lock()
	switch {
	case s.err != nil:
		err = s.err
	case expired(s.writeBy):
		err = os.ErrDeadlineExceeded
	}
	if err != nil {
		s.net.mu.Unlock()
		return 0, s.opError("write", addr, err)
	}
	d := s.datagram(b, to)
	s.net.mu.Unlock()
	if d != nil {
		d.send(d.payload)
	}
	return len(b), nil
}

func (s *socket) opError(op string, addr net.Addr, err error) error {
	return opError(op, "udp", s.boxed, addr, err)
}

// Close closes the socket.
func (s *socket) Close() error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.err != nil {
		return s.opError("close", nil, net.ErrClosed)
	}
	s.end(net.ErrClosed)
	return nil
}

// end is called with mu held.
func (s *socket) end(err error) {
	if s.err != nil {
		return
	}
	s.err = err
	s.queue, s.first, s.size = nil, 0, 0
	if s.life.sockets[s.addr.Port] == s {
		delete(s.life.sockets, s.addr.Port)
	}
	s.changed.Broadcast()
}

func (s *socket) LocalAddr() net.Addr { return s.boxed }

func (s *socket) SetDeadline(t time.Time) error      { return s.setDeadline(t, &s.readBy, &s.writeBy) }
func (s *socket) SetReadDeadline(t time.Time) error  { return s.setDeadline(t, &s.readBy) }
func (s *socket) SetWriteDeadline(t time.Time) error { return s.setDeadline(t, &s.writeBy) }

func (s *socket) setDeadline(t time.Time, which ...*time.Time) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if s.err != nil {
		return s.opError("set", nil, s.err)
	}
	for _, d := range which {
		*d = t
	}
	s.changed.Broadcast()
	return nil
}

// SetReadBuffer sets the size of the receive queue in bytes.
func (s *socket) SetReadBuffer(bytes int) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.limit = bytes
	return nil
}

// SetWriteBuffer does nothing: WriteTo never waits.
func (s *socket) SetWriteBuffer(int) error { return nil }

// A datagram is the cargo of sockets.
type datagram struct {
	packet
	source net.Addr
}

// datagram returns nil when there is nobody to send it to. It is called with
// mu held.
func (s *socket) datagram(data []byte, to Addr) *datagram {
	r := s.route(to)
	if r == nil {
		return nil
	}
	n := s.net
	n.lastID++
	d := &datagram{source: s.boxed}
	d.packet = packet{
		net: n, link: r.link, flow: r.flow, from: s.life, to: r.link.to.life,
		id: n.lastID, ordinal: r.key | r.next, payload: bytes.Clone(data), cargo: d,
		word: wordDatagram, fromPort: s.addr.Port, toPort: to.Port,
	}
	r.next++
	return d
}

const wordDatagram = "datagram"

func (s *socket) route(to Addr) *route {
	r := s.routes[to]
	if r != nil {
		return r
	}
	node := s.net.nodes[to.Node]
	if node == nil {
		return nil
	}
	l := s.net.link(s.life.node, node)
	r = l.route(s.addr.Port, to.Port)
	s.routes[to] = r
	return r
}

// route is called with mu held.
func (l *link) route(from, to int) *route {
	ports := [2]int{from, to}
	r := l.routes[ports]
	if r == nil {
		r = &route{link: l, flow: l.flow(flowName("udp", min(from, to))), key: uint64(from)<<48 | uint64(to)<<32}
		if l.routes == nil {
			l.routes = map[[2]int]*route{}
		}
		l.routes[ports] = r
	}
	return r
}

// flowName names what Stats counts together: the traffic of one service.
func flowName(network string, port int) string { return network + ":" + strconv.Itoa(port) }

func (d *datagram) doubled() {}

func (d *datagram) refusal(f flight) *cause {
	s := d.to.sockets[d.toPort]
	switch {
	case s == nil:
		return noSocket
	case s.size+len(d.payload)+overhead > s.limit:
		return queueFull
	}
	return nil
}

func (d *datagram) arrive(f flight) {
	l := letter{data: d.content(f), from: d.source}
	n := d.net
	n.mu.Lock()
	defer n.mu.Unlock()
	s := d.to.sockets[d.toPort]
	if s == nil {
		return
	}
	s.push(l)
	s.changed.Signal()
}

func (d *datagram) gone(*cause) {}

// content returns what a copy carries: with a bit flipped when it is damaged.
func (p *packet) content(f flight) []byte {
	if !f.damaged || len(p.payload) == 0 {
		return p.payload
	}
	data := bytes.Clone(p.payload)
	d := p.dice(forDamage + f.copy)
	bit := d.Uint64() % uint64(8*len(data))
	data[bit/8] ^= 1 << (bit % 8)
	return data
}

const (
	maxHead      = 2 << 10 // bytes of a raw packet's content that the event log keeps
	maxHeadLarge = 128     // bytes of what is larger
	maxShown     = 32
)

// keepHead returns what shows a raw packet in the event log.
func (p *packet) keepHead() func() string {
	size, shown := len(p.payload), p
	if size > maxHead {
		shown = &packet{net: p.net, flow: p.flow, word: p.word, fromPort: p.fromPort, toPort: p.toPort}
		shown.payload = bytes.Clone(p.payload[:maxHeadLarge])
	}
	return func() string { return shown.rawText(size) }
}

func (p *packet) rawText(size int) string {
	text := fmt.Sprintf("%s %d→%d", p.word, p.fromPort, p.toPort)
	if size == 0 && p.word != wordDatagram {
		return text
	}
	p.net.mu.Lock()
	describe, data := p.net.describe, p.payload
	p.net.mu.Unlock()
	if describe != nil && len(data) == size {
		if shown := describe(p.flow.name, data); shown != "" {
			return text + " " + shown
		}
	}
	more := ""
	if len(data) > maxShown {
		data, more = data[:maxShown], "..."
	}
	return fmt.Sprintf("%s %d bytes: %q%s", text, size, data, more)
}
