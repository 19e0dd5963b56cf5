package simnet

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Listen listens for streams, as [net.Listen] does: network is "tcp", address
// ":port" or "node:port", and port 0 stands for a free one. The listener
// belongs to the node's present incarnation: see [Incarnation.Listen].
func (node *Node) Listen(network, address string) (net.Listener, error) {
	return node.Incarnation().Listen(network, address)
}

// DialContext opens a stream to "node:port", as [net.Dialer.DialContext] does,
// from the node's present incarnation: see [Incarnation.DialContext].
func (node *Node) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return node.Incarnation().DialContext(ctx, network, address)
}

// A listener gives the streams that others dial.
type listener struct {
	net     *Network
	life    *Incarnation
	addr    Addr
	changed sync.Cond // on Network.mu

	// Network.mu guards what follows.
	queue []*conn
	err   error // why it is closed
	until time.Time
}

// Listen is [Node.Listen] for this incarnation: when it has crashed, Listen
// and Accept fail.
func (i *Incarnation) Listen(network, address string) (net.Listener, error) {
	n := i.node.net
	if !isNetwork("tcp", network) {
		return nil, opError("listen", network, nil, nil, net.UnknownNetworkError(network))
	}
	addr, err := i.bind("tcp", address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := i.gone(); err != nil {
		return nil, opError("listen", "tcp", nil, addr, err)
	}
	taken := func(port int) bool { return i.listeners[port] != nil }
	if addr.Port = i.node.port(addr.Port, taken); addr.Port == 0 {
		return nil, opError("listen", "tcp", nil, addr, syscall.EADDRINUSE)
	}
	l := &listener{net: n, life: i, addr: addr}
	l.changed.L = &n.mu
	if i.listeners == nil {
		i.listeners = map[int]*listener{}
	}
	i.listeners[addr.Port] = l
	return l, nil
}

// bind parses an address to listen on.
func (i *Incarnation) bind(network, address string) (Addr, error) {
	addr, err := parseAddr(network, address, i.node.name)
	if err == nil && addr.Node != i.node.name {
		err = os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	if err != nil {
		return addr, opError("listen", network, nil, nil, err)
	}
	return addr, nil
}

// gone says why an incarnation can do nothing, or returns nil. It is called
// with mu held.
func (i *Incarnation) gone() error {
	switch {
	case i.node.net.ended:
		return errEnded
	case !i.Alive():
		return errCrashed
	}
	return nil
}

func (l *listener) Accept() (net.Conn, error) {
	l.net.freeze()
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	for {
		switch {
		case l.err != nil:
			return nil, opError("accept", "tcp", nil, l.addr, l.err)
		case expired(l.until):
			return nil, opError("accept", "tcp", nil, l.addr, os.ErrDeadlineExceeded)
		case len(l.queue) > 0:
			c := l.queue[0]
			l.queue = l.queue[1:]
			c.listener = nil
			return c, nil
		}
		l.wait()
	}
}

func (l *listener) wait() {
	if !l.until.IsZero() {
		timer := time.AfterFunc(time.Until(l.until), func() {
			l.net.mu.Lock()
			defer l.net.mu.Unlock()
			l.changed.Broadcast()
		})
		defer timer.Stop()
	}
	l.changed.Wait()
}

// Close ends the listener, and resets the streams that nobody has accepted.
func (l *listener) Close() error {
	l.net.mu.Lock()
	if l.err != nil {
		l.net.mu.Unlock()
		return opError("close", "tcp", nil, l.addr, net.ErrClosed)
	}
	last := l.end(net.ErrClosed)
	l.net.mu.Unlock()
	sendAll(last)
	return nil
}

// end is called with mu held.
func (l *listener) end(err error) (last []*segment) {
	if l.err != nil {
		return nil
	}
	l.err = err
	for _, c := range l.queue {
		last = append(last, c.abort(err)...)
	}
	l.queue = nil
	if l.life.listeners[l.addr.Port] == l {
		delete(l.life.listeners, l.addr.Port)
	}
	l.changed.Broadcast()
	return last
}

// Addr returns the address that others dial.
func (l *listener) Addr() net.Addr { return l.addr }

// SetDeadline sets a deadline for Accept, as that of *net.TCPListener does.
func (l *listener) SetDeadline(t time.Time) error {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	l.until = t
	l.changed.Broadcast()
	return nil
}

// dialled is the arrival of a dial: the end c of a connection is on a node
// now. It returns the answer. It is called with mu held.
func (c *conn) dialled(life *Incarnation) *segment {
	c.life = life
	l := life.listeners[c.local.Port]
	if l == nil {
		return c.abort(syscall.ECONNREFUSED)[0]
	}
	c.net.conns[c] = struct{}{}
	c.listener = l
	l.queue = append(l.queue, c)
	l.changed.Broadcast()
	return c.out.segment(wordAccept, nil)
}

// DialContext is [Node.DialContext] from this incarnation: when it has
// crashed, DialContext fails after a long delay, and the streams are reset.
//
// Dialling a node that does not listen is refused after a round trip.
// Dialling one that is down, or behind a partition, takes until ctx ends or 31
// seconds have passed; when it can be reached meanwhile, it succeeds.
func (i *Incarnation) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	n := i.node.net
	n.freeze()
	if !isNetwork("tcp", network) {
		return nil, opError("dial", network, nil, nil, net.UnknownNetworkError(network))
	}
	remote, err := parseAddr("tcp", address, i.node.name)
	if err != nil {
		return nil, opError("dial", "tcp", nil, nil, err)
	}
	c, err := i.dial(ctx, remote)
	if err != nil {
		return nil, opError("dial", "tcp", nil, remote, err)
	}
	return c, nil
}

func (i *Incarnation) dial(ctx context.Context, remote Addr) (*conn, error) {
	n := i.node.net
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	err := i.gone()
	to := n.nodes[remote.Node]
	n.mu.Unlock()
	switch {
	case err != nil:
		return nil, afterWait(ctx, endingWait, err)
	case to == nil:
		return nil, afterWait(ctx, 10*time.Millisecond, &net.DNSError{Err: "no such host", Name: remote.Node, IsNotFound: true})
	}
	n.mu.Lock()
	local := Addr{"tcp", i.node.name, i.node.port(0, func(int) bool { return false })}
	c := n.newConns(i, to, local, remote)
	s := c.out.segment(wordDial, nil)
	n.mu.Unlock()
	stop := context.AfterFunc(ctx, c.wake)
	defer stop()
	s.send(nil)
	if err := c.connected(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// connected waits for the outcome of a dial.
func (c *conn) connected(ctx context.Context) error {
	giveUp := time.Now().Add(dialTimeout)
	c.net.mu.Lock()
	var err error
	for err == nil && c.dialing {
		switch {
		case c.err != nil:
			err = c.err
		case ctx.Err() != nil:
			err = ctx.Err()
		case expired(giveUp):
			err = syscall.ETIMEDOUT
		default:
			c.wait(giveUp)
		}
	}
	var last []*segment
	if err != nil {
		last = c.abort(err)
	}
	c.net.mu.Unlock()
	sendAll(last)
	return err
}

// afterWait returns err after a while: whoever tries again must not spin.
func afterWait(ctx context.Context, d time.Duration, err error) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
