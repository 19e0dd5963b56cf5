package rpclab_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// What a clerk is held to.
const (
	ruleSame    = "a call is named the same in each request that asks for it (CallID)"
	ruleNext    = "when a client asks for the next call, it has the answer to the one before, or wants none: a new call has a higher Seq (CallID)"
	ruleRetry   = "link.call sends the same request until it is answered (link.call)"
	rulePause   = "after each attempt that failed there is a RetryPause (link.call)"
	ruleSilent  = "an attempt that was not answered after AttemptTimeout is made again over another connection (link.call)"
	ruleGivesUp = "when the context ends first, the error is the context's (Clerk)"
	ruleFinal   = "ErrFull is the server's answer (Clerk)"
	ruleReopens = "a call that was not sent before in vain opens another session and goes on (Clerk)"
	ruleUnknown = "when a call may have been executed and its session has expired, the error is ErrExpired (Clerk)"
	ruleTurn    = "a clerk does one Put or Append at a time (Clerk)"
)

// host serves a service on a node, with net/rpc itself.
func host(w *simtest.World, node *simnet.Node, name string, service any) {
	server := rpc.NewServer()
	require.NoError(w, server.RegisterName(name, service))
	l, err := node.Listen("tcp", ":100")
	require.NoError(w, err)
	w.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go server.ServeConn(conn)
		}
	}()
}

// dialer returns a dialer from a node to the server.
func dialer(n *simnet.Network, from string) rpclab.Dialer {
	node := n.Node(from)
	return func(ctx context.Context) (net.Conn, error) { return node.DialContext(ctx, "tcp", "server:100") }
}

// A script is a text service that the test plays. It notes the requests.
type script struct {
	w   *simtest.World
	net *simnet.Network

	mu      sync.Mutex
	open    uint64 // the last session
	writes  []rpclab.CallID
	at      []time.Duration
	dials   int
	answers func(n int, args *rpclab.TextArgs) error // what the n'th Put or Append, from 1, is answered
}

// silence is what a script answers when it does not answer.
var silence = errors.New("no answer")

// play begins a script, and returns a clerk for it.
func play(w *simtest.World, answers func(n int, args *rpclab.TextArgs) error) (*script, *rpclab.Clerk) {
	s := &script{w: w, net: simnet.New(w, simnet.Reliable), answers: answers}
	host(w, s.net.Node("server"), "Text", (*Script)(s))
	dial := dialer(s.net, "clerk")
	c := rpclab.NewClerk(func(ctx context.Context) (net.Conn, error) {
		s.mu.Lock()
		s.dials++
		s.mu.Unlock()
		return dial(ctx)
	})
	w.Cleanup(func() { c.Close(within(w, 5*time.Second)) })
	return s, c
}

// Script has the methods of a text service.
type Script script

func (s *Script) Open(args *rpclab.OpenArgs, reply *rpclab.OpenReply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	reply.Session = s.open
	return nil
}

func (s *Script) Close(args *rpclab.CloseArgs, reply *rpclab.CloseReply) error { return nil }

func (s *Script) Get(args *rpclab.TextArgs, reply *rpclab.TextReply) error { return nil }

func (s *Script) Put(args *rpclab.TextArgs, reply *rpclab.TextReply) error {
	return s.Append(args, reply)
}

func (s *Script) Append(args *rpclab.TextArgs, reply *rpclab.TextReply) error {
	s.mu.Lock()
	s.writes = append(s.writes, args.Call)
	s.at = append(s.at, s.w.Now())
	n := len(s.writes)
	s.mu.Unlock()
	s.w.Logf("the server gets call %d of session %d", args.Call.Seq, args.Call.Session)
	reply.Length = len(args.Value)
	err := s.answers(n, args)
	if err == silence {
		time.Sleep(time.Hour)
	}
	return err
}

// seen returns the requests so far.
func (s *script) seen() []rpclab.CallID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]rpclab.CallID(nil), s.writes...)
}

// cut breaks all connections.
func (s *script) cut() { s.net.ResetConns("clerk", "server") }

// Proves that a clerk repeats a call under the same name until it is answered,
// whatever happens to its connections, and that another call has another name. For:
// no repetition; repetition under a new name; two calls under one name; repetition
// without a pause.
func TestClerkRepeatsCall2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		var s *script
		s, c := play(w, func(n int, args *rpclab.TextArgs) error {
			if n%4 != 0 {
				s.cut() // between the request and the answer
			}
			return nil
		})
		var last rpclab.CallID
		for i := range 3 {
			length, err := c.Append(within(w, time.Minute), "k", "word")
			require.NoError(w, err, "a call whose connection breaks three times\nrule: "+ruleRetry)
			require.Equal(w, 4, length, "the length that Append returns is the server's answer")
			seen := s.seen()
			require.Len(w, seen, 4*(i+1), "requests that came. Each call was to be answered the fourth time\nrule: "+ruleRetry)
			for _, id := range seen[4*i:] {
				if id != seen[4*i] {
					fail(w, ruleSame, "a call was sent as %+v, and after its connection had broken as %+v", seen[4*i], id)
				}
			}
			if id := seen[4*i]; id.Session == last.Session && id.Seq <= last.Seq {
				fail(w, ruleNext, "a new call was sent as %+v. The one before it was %+v", id, last)
			}
			last = seen[4*i]
			for j := 4*i + 1; j < 4*i+4; j++ {
				if gap := s.at[j] - s.at[j-1]; gap < rpclab.RetryPause {
					fail(w, rulePause, "a call was sent again after %v", gap)
				} else if gap > time.Second {
					fail(w, ruleRetry, "a call whose connection had broken was sent again after %v only", gap)
				}
			}
		}
		if s.open != 1 {
			fail(w, ruleReopens, "three calls, whose connections broke, took %d sessions. No session has expired", s.open)
		}
	})
}

// Proves that a clerk gives up a connection on which no answer comes, and repeats
// the call over another one. For: clerks that wait for ever for a server that is
// gone.
func TestClerkLeavesSilentConnection2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s, c := play(w, func(n int, args *rpclab.TextArgs) error {
			if n == 1 {
				return silence
			}
			return nil
		})
		_, err := c.Append(within(w, time.Minute), "k", "word")
		require.NoError(w, err, "a call whose first request is not answered\nrule: "+ruleSilent)
		seen := s.seen()
		require.Len(w, seen, 2, "requests that came\nrule: "+ruleSilent)
		if seen[0] != seen[1] {
			fail(w, ruleSame, "a call was sent as %+v, and when no answer had come as %+v", seen[0], seen[1])
		}
		if gap := s.at[1] - s.at[0]; gap < rpclab.AttemptTimeout-soon || gap > rpclab.AttemptTimeout+time.Second {
			fail(w, ruleSilent, "a call that was not answered was sent again after %v", gap)
		}
		if s.dials < 2 {
			fail(w, ruleSilent, "a call that was not answered was sent again over the same connection")
		}
	})
}

// Proves that a call that was given up comes to an end at once with the context's
// error, is not sent any more, and that the next call is another one. For: contexts
// that are not heeded, also while waiting for a turn; the name of a call that was
// given up used again.
func TestClerkGivesUp2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		var s *script
		s, c := play(w, func(n int, args *rpclab.TextArgs) error {
			if args.Value == "never" {
				s.cut()
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(forever, 3*time.Second)
		defer cancel()
		began := w.Now()
		waited := make(chan error, 1)
		w.Go(func() {
			w.Sleep(time.Second)
			short, cancel := context.WithTimeout(forever, time.Second)
			defer cancel()
			_, err := c.Append(short, "k", "waits for its turn")
			if took := w.Now() - began; took > 2*time.Second+soon {
				err = fmt.Errorf("%w, but only after %v", err, took)
			}
			waited <- err
		})
		_, err := c.Append(ctx, "k", "never")
		require.ErrorIs(w, err, context.DeadlineExceeded, "the call is never answered\nrule: "+ruleGivesUp)
		require.InDelta(w, 3*time.Second, w.Now()-began, float64(soon), "when the call ended whose context ended after 3s\nrule: "+ruleGivesUp)
		require.Equal(w, context.DeadlineExceeded, errors.Unwrap(<-waited), "a call that waits for its turn, and for which another context ends after 2s\nrule: "+ruleGivesUp)
		w.Sleep(soon) // what was sent before arrives
		given := s.seen()
		w.Sleep(10 * time.Second)
		if n := len(s.seen()); n != len(given) {
			fail(w, ruleGivesUp, "a call was given up, and came %d times more", n-len(given))
		}
		_, err = c.Append(within(w, time.Minute), "k", "next")
		require.NoError(w, err)
		seen := s.seen()
		if first, next := given[0], seen[len(seen)-1]; first.Session == next.Session && next.Seq <= first.Seq {
			fail(w, ruleNext, "a call was given up that was sent as %+v. The next one was sent as %+v", first, next)
		}
	})
}

// Proves that an answer that is an error ends a call, and is the same error on this
// side. For: errors that are taken for broken connections; errors lost on the wire.
func TestServerRefuses2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		host(w, n.Node("server"), "Text", rpclab.NewTextService(ttl))
		c := rpclab.NewClerk(dialer(n, "clerk"))
		w.Cleanup(func() { c.Close(within(w, 5*time.Second)) })
		ctx := within(w, time.Minute)
		require.NoError(w, c.Put(ctx, "k", strings.Repeat("x", rpclab.MaxText-1)))
		length, err := c.Append(ctx, "k", "y")
		require.NoError(w, err)
		require.Equal(w, rpclab.MaxText, length)
		_, err = c.Append(ctx, "k", "z")
		require.ErrorIs(w, err, rpclab.ErrFull, "Append to a text of MaxText bytes\nrule: "+ruleFinal)
		require.ErrorIs(w, c.Put(ctx, "k", strings.Repeat("x", rpclab.MaxText+1)), rpclab.ErrFull, "Put of more than MaxText bytes\nrule: "+ruleFinal)
		if w.Now() > time.Second {
			fail(w, ruleFinal, "two calls that the server refused took %v", w.Now())
		}
		got, err := c.Get(ctx, "k")
		require.NoError(w, err)
		require.Equal(w, strings.Repeat("x", rpclab.MaxText-1)+"y", got)
	})
}

// Proves that a clerk that was idle for so long that its session has expired opens
// another one, without its caller noticing. For: ErrExpired of a call that was
// certainly not executed.
func TestClerkWasIdle2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		service := rpclab.NewTextService(ttl)
		host(w, n.Node("server"), "Text", service)
		c := rpclab.NewClerk(dialer(n, "clerk"))
		w.Cleanup(func() { c.Close(within(w, 5*time.Second)) })
		for i := range 3 {
			length, err := c.Append(within(w, time.Minute), "k", "word")
			require.NoError(w, err, "a call after %v without one\nrule: %s", 2*ttl, ruleReopens)
			require.Equal(w, 4*(i+1), length)
			if n := service.Sessions(); n != 1 {
				fail(w, ruleBounded, "the only clerk has made a call. There are %d sessions", n)
			}
			w.Sleep(2 * ttl)
		}
	})
}

// Proves that a call that may have been executed is not executed under another name
// when its session has expired meanwhile: the clerk says that it does not know. For:
// another session for the same call, which then is executed twice.
func TestCallOutlivesSession2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		host(w, n.Node("server"), "Text", rpclab.NewTextService(ttl))
		c := rpclab.NewClerk(dialer(n, "clerk"))
		other := rpclab.NewClerk(dialer(n, "other"))
		w.Cleanup(func() { c.Close(within(w, 5*time.Second)); other.Close(within(w, 5*time.Second)) })
		_, err := c.Append(within(w, time.Minute), "k", "one,")
		require.NoError(w, err)

		n.Cut("server", "clerk") // requests come through, answers do not
		failed := make(chan error)
		w.Go(func() {
			_, err := c.Append(within(w, 10*time.Minute), "k", "two,")
			failed <- err
		})
		w.Sleep(time.Second)
		got, err := other.Get(within(w, time.Minute), "k")
		require.NoError(w, err)
		require.Equal(w, "one,two,", got, "what the text is when a request came through whose answer did not")
		n.Isolate("clerk")
		w.Sleep(2 * ttl)
		n.Rejoin("clerk")
		n.Mend("server", "clerk")
		err = <-failed
		got, e := other.Get(within(w, time.Minute), "k")
		require.NoError(w, e)
		require.Equal(w, "one,two,", got, "what the text is after Append(\"one,\") and one Append(\"two,\"), whose session expired before an answer came\nrule: "+ruleUnknown)
		require.ErrorIs(w, err, rpclab.ErrExpired, "Append(\"two,\")\nrule: "+ruleUnknown)
		_, err = c.Append(within(w, time.Minute), "k", "three,")
		require.NoError(w, err, "the next call\nrule: "+ruleReopens)
	})
}

// Proves that a request that was held up on an old connection, and comes when the
// call has been repeated over another one, and others have followed, changes
// nothing.
func TestRequestFromOldConnection2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		host(w, n.Node("server"), "Text", rpclab.NewTextService(ttl))
		dial := dialer(n, "clerk")
		var slow []*slowConn
		c := rpclab.NewClerk(func(ctx context.Context) (net.Conn, error) {
			conn, err := dial(ctx)
			if err == nil && len(slow) < 2 {
				slow = append(slow, &slowConn{Conn: conn, holdFrom: 2, hold: time.Duration(2*len(slow)+3) * rpclab.AttemptTimeout})
				conn = slow[len(slow)-1]
			}
			return conn, err
		})
		w.Cleanup(func() { c.Close(within(w, 5*time.Second)) })
		// The first two connections hold what is written to them from the second
		// request on.
		want := ""
		for _, word := range []string{"a,", "b,", "c,", "d,"} {
			_, err := c.Append(within(w, time.Minute), "k", word)
			require.NoError(w, err)
			want += word
			w.Sleep(rpclab.AttemptTimeout)
		}
		w.Sleep(20 * rpclab.AttemptTimeout)
		late := 0
		for _, conn := range slow {
			late += int(conn.late.Load())
		}
		require.GreaterOrEqual(w, late, 2, "requests that were held up and sent later")
		got, err := c.Get(within(w, time.Minute), "k")
		require.NoError(w, err)
		require.Equal(w, want, got, "the text. %d requests were held up on old connections and came late\nrule: %s", late, ruleOnce)
	})
}

// A slowConn holds what is written to it for some time, from the holdFrom'th Write
// on. It stays open until all has been sent.
type slowConn struct {
	net.Conn
	holdFrom int
	hold     time.Duration
	writes   int
	late     atomic.Int32 // writes that were held and then sent
}

func (c *slowConn) Write(b []byte) (int, error) {
	if c.writes++; c.writes < c.holdFrom {
		return c.Conn.Write(b)
	}
	held := bytes.Clone(b)
	time.AfterFunc(c.hold, func() {
		if _, err := c.Conn.Write(held); err == nil {
			c.late.Add(1)
		}
	})
	return len(b), nil
}

func (c *slowConn) Close() error {
	time.AfterFunc(c.hold+time.Second, func() { c.Conn.Close() })
	return nil
}

// Proves that Close ends the session at the server and the connection, and that
// later calls, and those under way, are ErrClosed. For: sessions left to expire
// although the client is there to end them.
func TestClerkCloses2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		service := rpclab.NewTextService(ttl)
		host(w, n.Node("server"), "Text", service)
		c, idle := rpclab.NewClerk(dialer(n, "clerk")), rpclab.NewClerk(dialer(n, "idle"))
		_, err := c.Append(within(w, time.Minute), "k", "word")
		require.NoError(w, err)
		require.Equal(w, 1, service.Sessions())
		require.NoError(w, c.Close(within(w, time.Minute)))
		require.Zero(w, service.Sessions(), "sessions after Close\nrule: Close ends the session, so that the server need not remember it (Clerk.Close)")
		_, err = c.Append(within(w, time.Minute), "k", "word")
		require.ErrorIs(w, err, rpclab.ErrClosed, "Append after Close")
		_, err = c.Get(within(w, time.Minute), "k")
		require.ErrorIs(w, err, rpclab.ErrClosed, "Get after Close")
		require.NoError(w, idle.Close(within(w, time.Minute)), "Close of a clerk that has done nothing")

		c = rpclab.NewClerk(dialer(n, "clerk"))
		_, err = c.Append(within(w, time.Minute), "k", "word")
		require.NoError(w, err)
		n.Isolate("clerk")
		ended := make(chan error, 2)
		w.Go(func() { _, err := c.Append(forever, "k", "word"); ended <- err })
		w.Go(func() { _, err := c.Get(forever, "k"); ended <- err })
		w.Sleep(10 * time.Second)
		began := w.Now()
		require.ErrorIs(w, c.Close(within(w, time.Second)), context.DeadlineExceeded, "Close while a call is under way and the server cannot be reached")
		require.InDelta(w, time.Second, w.Now()-began, float64(soon), "how long Close took whose context ended after 1s")
		for range 2 {
			select {
			case err := <-ended:
				require.ErrorIs(w, err, rpclab.ErrClosed, "a call under way while the clerk was closed")
			case <-time.After(time.Minute):
				fail(w, "the connection is closed, and the calls end with ErrClosed (Clerk.Close)", "a call under way has not ended a minute after Close")
			}
		}
	})
}
