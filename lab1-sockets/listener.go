package sockets

import (
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/sasha-s/go-deadlock"
)

// A listener gets the connections that others open to its endpoint.
type listener struct {
	transport *Transport
	endpoint  *endpoint
	closed    chan struct{} // closed by Close
	closing   sync.Once
	wake      chan struct{} // has one element while ready may have some

	mu      deadlock.Mutex     // guards what follows; held for a few instructions
	pending map[*Conn]struct{} // not accepted yet, ready or not: no more than Backlog
	ready   []*Conn            // those of them whose handshake is complete
}

func newListener(t *Transport, e *endpoint) *listener {
	return &listener{
		transport: t,
		endpoint:  e,
		closed:    make(chan struct{}),
		wake:      make(chan struct{}, 1),
		pending:   map[*Conn]struct{}{},
	}
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	for {
		select {
		case <-l.closed:
			return nil, net.ErrClosed
		case <-l.wake:
			if c := l.next(); c != nil {
				return c, nil
			}
		}
	}
}

// next takes the connection that has been ready longest, or returns nil.
func (l *listener) next() *Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ready) == 0 {
		return nil
	}
	c := l.ready[0]
	l.drop(c)
	if len(l.ready) > 0 {
		l.signal() // for another Accept
	}
	return c
}

func (l *listener) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Close implements [net.Listener].
func (l *listener) Close() error {
	err := net.ErrClosed
	l.closing.Do(func() {
		err = nil
		close(l.closed)
		l.endpoint.unlisten()
		for _, c := range l.clear() {
			c.abort()
		}
	})
	return err
}

// Addr implements [net.Listener].
func (l *listener) Addr() net.Addr { return l.endpoint.pc.LocalAddr() }

// arrive takes a SYN of a connection that does not exist yet. The endpoint calls
// it, for one segment at a time.
func (l *listener) arrive(s *Segment, from net.Addr) {
	if c := l.reserve(s, from); c != nil {
		c.openPassive(s)
	}
}

// reserve makes a connection if there is a place for one more.
func (l *listener) reserve(s *Segment, from net.Addr) *Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return nil
	default:
	}
	if len(l.pending) >= l.transport.Backlog {
		return nil // Its next SYN may find a place.
	}
	c := newConn(l.transport, l.endpoint, from, s.Conn)
	c.listener = l
	l.pending[c] = struct{}{}
	l.endpoint.mu.Lock()
	l.endpoint.add(c)
	l.endpoint.mu.Unlock()
	return c
}

// established passes a connection on to Accept: its handshake is complete.
func (l *listener) established(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.pending[c]; ok {
		l.ready = append(l.ready, c)
		l.signal()
	}
}

// forget gives the place of a connection free that is over, if it still has one.
func (l *listener) forget(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(c)
}

// drop is forget with mu held.
func (l *listener) drop(c *Conn) {
	delete(l.pending, c)
	l.ready = slices.DeleteFunc(l.ready, func(r *Conn) bool { return r == c })
}

// clear gives all places free, and returns who had them.
func (l *listener) clear() []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Collect(maps.Keys(l.pending))
	clear(l.pending)
	l.ready = nil
	return all
}
