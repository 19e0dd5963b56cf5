package dfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"net/rpc"
	"strings"
	"sync"
)

// peers are connections to other machines, one each, made when they are needed.
type peers struct {
	cfg Config

	mu     sync.Mutex
	conns  map[string]*peer // by address
	closed bool
}

// A peer is a connection, perhaps still being made.
type peer struct {
	addr   string
	ready  chan struct{} // closed once client or err is set
	client *rpc.Client
	err    error
}

func newPeers(cfg Config) *peers { return &peers{cfg: cfg, conns: map[string]*peer{}} }

// call calls a method of the machine at addr and waits for the answer, for
// CallTimeout at most and no longer than ctx lives. After a timeout nobody knows
// whether the call was, or will be, executed; reply must not be used again. The
// errors of this package and of io/fs come back as what they are.
func (p *peers) call(ctx context.Context, addr, method string, args, reply any) (err error) {
	if p.cfg.Trace != nil {
		defer func() { p.cfg.Trace(addr, method, args, err) }()
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.CallTimeout)
	defer cancel()
	c, err := p.connect(ctx, addr)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", addr, err)
	}
	call := c.client.Go(method, args, reply, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
		err = call.Error
	case <-ctx.Done():
		err = ctx.Err()
	}
	var answered rpc.ServerError
	if err == nil || errors.As(err, &answered) {
		return remoteError(err)
	}
	p.drop(c) // it broke, or it hangs
	return fmt.Errorf("%s at %s: %w", method, addr, err)
}

// connect returns the connection to addr, once it is made.
func (p *peers) connect(ctx context.Context, addr string) (*peer, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, fs.ErrClosed
	}
	c := p.conns[addr]
	if c == nil {
		c = &peer{addr: addr, ready: make(chan struct{})}
		p.conns[addr] = c
		go p.dial(c)
	}
	p.mu.Unlock()

	select {
	case <-c.ready:
		return c, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *peers) dial(c *peer) {
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.CallTimeout)
	defer cancel()
	conn, err := p.cfg.Dial(ctx, "tcp", c.addr)
	if err != nil {
		c.err = err
	} else {
		c.client = rpc.NewClient(conn)
	}
	close(c.ready)
	p.mu.Lock()
	unwanted := p.closed
	p.mu.Unlock()
	if err != nil || unwanted {
		p.drop(c)
	}
}

// drop forgets a connection, so that the next call makes a new one.
func (p *peers) drop(c *peer) {
	p.mu.Lock()
	if p.conns[c.addr] == c {
		delete(p.conns, c.addr)
	}
	p.mu.Unlock()
	if c.client != nil {
		c.client.Close()
	}
}

// close ends all connections, and the calls that wait on them.
func (p *peers) close() {
	p.mu.Lock()
	p.closed = true
	conns := p.conns
	p.conns = map[string]*peer{}
	p.mu.Unlock()
	for _, c := range conns {
		select {
		case <-c.ready:
			p.drop(c)
		default: // dial will see that it is unwanted
		}
	}
}

// known are the errors that survive the way over the network. There only the
// text arrives, at whose end the error stands as it was wrapped.
var known = []error{
	fs.ErrNotExist, fs.ErrExist, fs.ErrInvalid, ErrNotDir, ErrIsDir, ErrNotEmpty, ErrNoSpace, ErrNoServers, ErrStale,
	ErrNoChunk, ErrCorrupt, ErrNotPrimary, ErrChunkFull, ErrTooLong, ErrBusy, ErrDuplicateServer, ErrStopped,
}

// remoteError returns the error that another machine answered with.
func remoteError(err error) error {
	if err == nil {
		return nil
	}
	for _, k := range known {
		if strings.HasSuffix(err.Error(), k.Error()) {
			return &wireError{text: err.Error(), is: k}
		}
	}
	return err
}

// A wireError is a known error with what was wrapped around it.
type wireError struct {
	text string
	is   error
}

func (e *wireError) Error() string { return e.text }
func (e *wireError) Unwrap() error { return e.is }
