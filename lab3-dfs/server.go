package dfs

import (
	"context"
	"net"
	"net/rpc"
	"sync"
)

// A service answers the calls of other machines, and can be stopped. Master and
// ChunkServer are built on it.
type service struct {
	cfg   Config
	peers *peers          // for calls of others
	ctx   context.Context // ends when the service stops
	end   context.CancelFunc
	tasks sync.WaitGroup // goroutines that Stop waits for

	netMu   sync.Mutex // guards what follows
	open    map[interface{ Close() error }]bool
	stopped bool
}

func newService(cfg Config) *service {
	s := &service{cfg: cfg, peers: newPeers(cfg), open: map[interface{ Close() error }]bool{}}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// serve answers calls of rcvr's methods on the connections that l accepts, until
// the service is stopped; then it returns ErrStopped.
func (s *service) serve(l net.Listener, name string, rcvr any) error {
	server := rpc.NewServer()
	if err := server.RegisterName(name, rcvr); err != nil {
		return err
	}
	if !s.track(l) {
		return ErrStopped
	}
	defer s.untrack(l)
	for {
		conn, err := l.Accept()
		if s.ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return ErrStopped
		}
		if err != nil {
			return err
		}
		if !s.track(conn) {
			return ErrStopped
		}
		go func() {
			defer s.untrack(conn)
			server.ServeConn(conn)
		}()
	}
}

// spawn runs a function in a goroutine that stop waits for. The function returns
// when s.ctx ends.
func (s *service) spawn(f func()) {
	s.netMu.Lock()
	defer s.netMu.Unlock()
	if !s.stopped {
		s.tasks.Go(f)
	}
}

// track remembers what stop must close, and that stop must wait for its user. It
// reports false, and closes it, when the service was stopped.
func (s *service) track(c interface{ Close() error }) bool {
	s.netMu.Lock()
	ok := !s.stopped
	if ok {
		s.open[c] = true
		s.tasks.Add(1)
	}
	s.netMu.Unlock()
	if !ok {
		c.Close()
	}
	return ok
}

func (s *service) untrack(c interface{ Close() error }) {
	c.Close()
	s.netMu.Lock()
	delete(s.open, c)
	s.netMu.Unlock()
	s.tasks.Done()
}

// stop ends the service: no more calls are answered, those that run are given
// up, and when it returns no goroutine of the service is left.
func (s *service) stop() {
	s.end()
	s.netMu.Lock()
	s.stopped = true
	var open []interface{ Close() error }
	for c := range s.open {
		open = append(open, c)
	}
	s.netMu.Unlock()
	for _, c := range open {
		c.Close()
	}
	s.peers.close()
	s.tasks.Wait()
}
