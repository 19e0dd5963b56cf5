package raft_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	raft "distsys/lab4-raft"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
)

// The clerk tests: a clerk of the student among servers that the test plays.

// A scene is one of these tests.
type scene struct {
	w       *simtest.World
	net     *simnet.Network
	servers []*actor
	clerk   *raft.Clerk

	mu       sync.Mutex
	sessions int64
}

// An actor plays a server.
type actor struct {
	s    *scene
	id   int
	mu   sync.Mutex
	got  []raft.DoArgs // without those that open a session
	play func(raft.DoArgs) raft.DoReply
}

// Do implements "KV.Do".
func (a *actor) Do(args *raft.DoArgs, reply *raft.DoReply) error {
	a.mu.Lock()
	play := a.play
	if args.Op.Kind != raft.OpOpen {
		a.got = append(a.got, *args)
	}
	a.mu.Unlock()
	*reply = play(*args)
	return nil
}

// startScene starts n servers that lead, and a clerk.
func startScene(w *simtest.World, n int) *scene {
	s := &scene{w: w, net: simnet.New(w, simnet.Link{Latency: simnet.Range{Min: hop}})}
	s.net.Describe(describe)
	for id := range n {
		a := &actor{s: s, id: id}
		a.play = a.leads
		s.servers = append(s.servers, a)
		s.net.Node(name(id)).Serve("KV", a)
	}
	s.clerk = raft.NewClerk(peersOf(s.net.Node("c0"), n))
	return s
}

// leads answers like a leader: the value is the name of the key.
func (a *actor) leads(args raft.DoArgs) raft.DoReply {
	if args.Op.Kind == raft.OpOpen {
		a.s.mu.Lock()
		defer a.s.mu.Unlock()
		a.s.sessions++
		return raft.DoReply{Status: raft.Done, Result: raft.Result{N: 100 + a.s.sessions}}
	}
	return raft.DoReply{Status: raft.Done, Result: raft.Result{Value: args.Op.Key, Found: true}}
}

func follows(raft.DoArgs) raft.DoReply { return raft.DoReply{Status: raft.NotLeader} }

func (a *actor) plays(play func(raft.DoArgs) raft.DoReply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.play = play
}

// take returns and forgets the requests that the server got.
func (a *actor) take() []raft.DoArgs {
	a.mu.Lock()
	defer a.mu.Unlock()
	got := a.got
	a.got = nil
	return got
}

// get reads a key, and checks the value and the time it took.
func (s *scene) get(key string, within time.Duration) {
	began := s.w.Now()
	ctx, cancel := context.WithTimeout(context.Background(), opBound)
	defer cancel()
	value, found, err := s.clerk.Get(ctx, key)
	if took := s.w.Now() - began; err != nil || took > within {
		s.w.Fatalf("get %q took %v of virtual time, and %v is allowed; the error is %v", key, took, within, err)
	}
	if value != key || !found {
		s.w.Fatalf("get %q returned value %q, found %v; the server answered this request with value %q, found true.\n"+
			"rule: an answer belongs to the request it was given to", key, value, found, key)
	}
}

// findBound is how long a clerk may look for the leader among three servers.
const findBound = 4 * time.Second

// Proves that a clerk finds the leader wherever it is, also past a server that does
// not answer; that it asks the one that led last time first; and that it asks with
// moderation when nobody leads. For: a clerk that waits for a dead server as long
// as the network does, or starts at the first server each time, or spins.
func TestClerkFindsLeader4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScene(w, 3)
		s.servers[0].plays(follows)
		s.net.Cut("c0", "s1")
		s.get("first", findBound)
		s.servers[0].take()
		for i := range 5 {
			s.get(fmt.Sprint("again", i), 20*hop)
		}
		if n := len(s.servers[0].take()); n > 0 {
			w.Fatalf("s2 had led, and led on. Of the next 5 operations the clerk sent %d requests to s0.\nrule: ask the server first that led last time", n)
		}
		s.servers[0].plays(s.servers[0].leads)
		s.servers[2].plays(follows)
		s.get("moved", findBound)

		for _, a := range s.servers {
			a.plays(follows)
			a.take()
		}
		s.net.Mend("c0", "s1")
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if _, _, err := s.clerk.Get(ctx, "nobody"); err == nil {
			w.Fatalf("nobody leads, but Clerk.Get returned no error")
		}
		for _, a := range s.servers {
			if n := len(a.take()); n > 200 || n < 2 {
				w.Fatalf("nobody led for 2 s. In that time the clerk asked %s %d times; 2 to 200 are in order: ask again, and pause between the rounds", name(a.id), n)
			}
		}
	})
}

// Proves that a clerk whose answers are lost asks again with the very same request,
// reads and writes alike, and that each operation has the next Seq. For: a new Seq
// for each attempt, with which the server cannot tell that it is the same.
func TestClerkAsksAgain4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScene(w, 3)
		s.get("hello", findBound)
		for _, a := range s.servers {
			a.take()
		}
		for seq := uint64(2); seq < 6; seq++ {
			lost := 0
			stop := s.net.Intercept(func(m *simnet.Message) simnet.Verdict {
				s.mu.Lock()
				defer s.mu.Unlock()
				if m.Reply && lost < 3 {
					lost++
					return simnet.Drop
				}
				return simnet.Pass
			})
			key := fmt.Sprint("key", seq)
			s.get(key, 2*findBound)
			stop()
			want := raft.DoArgs{Session: 101, Seq: seq, Op: raft.Op{Kind: raft.OpGet, Key: key}}
			requests := 0
			for _, a := range s.servers {
				for _, got := range a.take() {
					requests++
					if got != want {
						w.Fatalf("operation %d of session 101 was sent to %s as %+v, and should be %+v.\n"+
							"rule: the requests of a session have Seq 1, 2, 3 ..., and an operation that is sent again has the same Session and Seq (DoArgs)", seq, name(a.id), got, want)
					}
				}
			}
			if requests < 4 {
				w.Fatalf("three answers were lost, but the clerk sent only %d requests", requests)
			}
		}
	})
}

// Proves that a late answer to an earlier operation is not taken for the answer to
// this one. For: one channel for the answers to all operations.
func TestClerkLateAnswer4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScene(w, 2)
		s.get("hello", findBound)
		slow := func(a *actor, d time.Duration) {
			a.plays(func(args raft.DoArgs) raft.DoReply {
				time.Sleep(d)
				return a.leads(args)
			})
		}
		for round := range 3 {
			// Both servers answer each operation, at different times: what is late
			// for one operation comes while the next is under way.
			slow(s.servers[0], time.Duration(700+200*round)*time.Millisecond)
			slow(s.servers[1], time.Duration(600+300*round)*time.Millisecond)
			for i := range 3 {
				s.get(fmt.Sprintf("key%d.%d", round, i), opBound)
			}
		}
	})
}

// Proves that a clerk returns when its context ends, and that what it has given up
// keeps its Seq: the next operation has another. For: a Seq that is counted only
// when there was an answer - the server would answer the next operation with the
// result of this one.
func TestClerkContext4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScene(w, 3)
		s.get("hello", findBound)
		for _, a := range s.servers {
			a.take()
			a.plays(follows)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		began := w.Now()
		put := make(chan error, 1)
		go func() { put <- s.clerk.Put(ctx, "given up", "1") }()
		var err error
		select {
		case err = <-put:
		case <-time.After(10 * time.Second):
			w.Fatalf("the context of a Put ended after 1 s; after 10 s it has not returned")
		}
		if took := w.Now() - began; !errors.Is(err, context.DeadlineExceeded) || took > 1100*time.Millisecond {
			w.Fatalf("the context of a Put ended after 1 s. Put returned after %v, with the error %v; it returns at once, with the context's error", took, err)
		}
		for _, a := range s.servers {
			a.plays(a.leads)
		}
		s.get("next", findBound)
		seqs := map[uint64]raft.Op{}
		for _, a := range s.servers {
			for _, got := range a.take() {
				if op, ok := seqs[got.Seq]; ok && op != got.Op {
					w.Fatalf("two operations have seq %d of session %d: %s and %s.\n"+
						"rule: an operation that was given up may have been executed. It keeps its Seq", got.Seq, got.Session, describeOp(op), describeOp(got.Op))
				}
				seqs[got.Seq] = got.Op
			}
		}

		// A context that has ended already ends the wait for another call, too.
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.clerk.Put(ended, "x", "1"); err == nil {
			w.Fatalf("Put with a context that was cancelled before returned no error")
		}
	})
}

// Proves what a clerk does when its session has expired: an operation that was sent
// once goes into a new session, and one that was sent more than once does not, since
// it may have been executed. For: a request repeated in a new session, which the
// server would execute a second time.
func TestClerkSessionExpires4E(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := startScene(w, 1)
		a := s.servers[0]
		s.get("hello", findBound)
		expired := func(session uint64) func(raft.DoArgs) raft.DoReply {
			return func(args raft.DoArgs) raft.DoReply {
				if args.Session == session {
					return raft.DoReply{Status: raft.Expired}
				}
				return a.leads(args)
			}
		}
		a.plays(expired(101))
		s.get("sent once", findBound)

		a.take()
		var lost sync.Once
		stop := s.net.Intercept(func(m *simnet.Message) (v simnet.Verdict) {
			if m.Reply {
				lost.Do(func() { v = simnet.Drop })
			}
			return v
		})
		defer stop()
		a.plays(expired(102))
		ctx, cancel := context.WithTimeout(context.Background(), opBound)
		defer cancel()
		err := s.clerk.Append(ctx, "x", "1")
		sessions := map[uint64]bool{}
		for _, got := range a.take() {
			sessions[got.Session] = true
		}
		if !errors.Is(err, raft.ErrExpired) || len(sessions) != 1 {
			w.Fatalf("the first answer to an Append was lost; to the second request the server said that the session has expired. "+
				"Append returned %v, and was sent in %d sessions; it returns ErrExpired.\n"+
				"rule: an operation that may have been executed is not sent in another session", err, len(sessions))
		}
		s.get("afterwards", findBound)
	})
}
