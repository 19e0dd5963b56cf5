package rpclab_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/rpc"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// What a lock client is held to.
const (
	ruleLeaseEnds  = "Ends is not later than the server ends the lease (Lease.Ends)"
	ruleEndsEarly  = "Ends is earlier than the server's end by no more than the request and the answer travelled (Lease.Ends)"
	ruleReleased   = "a Release that came through is a success, however often it was sent (Lease.Release)"
	ruleWaitsOn    = "Acquire waits for a lock until its context ends (LockClient.Acquire)"
	ruleNoOvertake = "whoever has waited longest gets the lock (LockService)"
)

// A bank is a lock service and a fenced store on one server, and clients of them.
type bank struct {
	w    *simtest.World
	net  *simnet.Network
	lock *lockLog
}

func newBank(w *simtest.World, link simnet.Link) *bank {
	b := &bank{w: w, net: simnet.New(w, link), lock: &lockLog{w: w, LockService: rpclab.NewLockService()}}
	host(w, b.net.Node("server"), "Lock", b.lock)
	store := rpc.NewServer()
	require.NoError(w, store.RegisterName("Store", rpclab.NewFencedStore()))
	l, err := b.net.Node("store").Listen("tcp", ":100")
	require.NoError(w, err)
	w.Cleanup(func() { l.Close() })
	go store.Accept(l)
	return b
}

// lockLog is the lock service, and notes when it grants until when.
type lockLog struct {
	*rpclab.LockService
	w    *simtest.World
	mu   sync.Mutex
	ends map[uint64]time.Duration // by token
}

func (l *lockLog) note(g *rpclab.Grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ends == nil {
		l.ends = map[uint64]time.Duration{}
	}
	l.ends[g.Token] = l.w.Now() + g.Left
}

func (l *lockLog) Acquire(args *rpclab.AcquireArgs, reply *rpclab.Grant) error {
	err := l.LockService.Acquire(args, reply)
	if err == nil {
		l.note(reply)
	}
	l.w.Logf("Acquire(%s) by %s: %+v, error %v", args.Name, args.Owner, *reply, err)
	return err
}

func (l *lockLog) Renew(args *rpclab.RenewArgs, reply *rpclab.Grant) error {
	err := l.LockService.Renew(args, reply)
	if err == nil {
		l.note(reply)
	}
	l.w.Logf("Renew(%s), token %d: %+v, error %v", args.Name, args.Token, *reply, err)
	return err
}

func (l *lockLog) Release(args *rpclab.ReleaseArgs, reply *rpclab.ReleaseReply) error {
	err := l.LockService.Release(args, reply)
	l.w.Logf("Release(%s), token %d: error %v", args.Name, args.Token, err)
	return err
}

// serverEnd returns when the server ends the lease with the token.
func (b *bank) serverEnd(token uint64) time.Duration {
	b.lock.mu.Lock()
	defer b.lock.mu.Unlock()
	return b.lock.ends[token]
}

func (b *bank) client(name string) *rpclab.LockClient {
	c := rpclab.NewLockClient(dialer(b.net, name), name)
	b.w.Cleanup(c.Close)
	return c
}

// ends returns the client's idea of the end of its lease, as time of the world.
func (b *bank) ends(l *rpclab.Lease) time.Duration { return b.w.Now() + time.Until(l.Ends()) }

// checkEnds checks that the client takes its lease to end in time.
func (b *bank) checkEnds(l *rpclab.Lease, travelled time.Duration, what string) {
	b.w.Helper()
	client, server := b.ends(l), b.serverEnd(l.Token)
	if client > server {
		fail(b.w, ruleLeaseEnds, "%s: the server ends the lease at %v. Ends is %v later", what, server, client-server)
	}
	if client < server-travelled {
		fail(b.w, ruleEndsEarly, "%s: the server ends the lease at %v. Ends is %v earlier, at %v", what, server, server-client, client)
	}
}

// store calls a method of the fenced store, over a connection of its own.
func (b *bank) store(from, method string, args *rpclab.FencedArgs) (string, error) {
	conn, err := b.net.Node(from).DialContext(forever, "tcp", "store:100")
	if err != nil {
		return "", err
	}
	client := rpc.NewClient(conn)
	defer client.Close()
	var reply rpclab.FencedReply
	err = client.Call("Store."+method, args, &reply)
	if err == rpc.ServerError(rpclab.ErrFenced.Error()) {
		err = rpclab.ErrFenced
	}
	return reply.Value, err
}

// Proves that a client does not take its lease to be longer than the server does,
// and not much shorter, however slow the network is, however long it had to wait,
// and when the answer had to be sent twice. For: a lease measured from the coming of
// the answer, or from the beginning of a long wait.
func TestHolderKnowsTheEnd2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const way = 400 * time.Millisecond
		b := newBank(w, simnet.Link{Latency: simnet.Range{Min: way, Max: way + time.Millisecond}})
		a, c := b.client("a"), b.client("c")
		ctx := within(w, time.Hour)
		lease, err := a.Acquire(ctx, "x", 10*time.Second)
		require.NoError(w, err)
		b.checkEnds(lease, 4*way+soon, "Acquire of a free lock, and the dial before it")
		w.Sleep(5 * time.Second)
		require.NoError(w, lease.Renew(ctx, 10*time.Second))
		b.checkEnds(lease, 2*way+soon, "Renew")
		next, err := c.Acquire(ctx, "x", 3*time.Second)
		require.NoError(w, err)
		b.checkEnds(next, 4*way+soon, "Acquire of a lock that another held for a while")

		first := b.serverEnd(lease.Token)
		if b.ends(lease) > first {
			fail(w, ruleLeaseEnds, "Ends has moved since the lease ended")
		}
		// An answer is lost.
		w.Sleep(10 * time.Second)
		b.net.Cut("server", "a")
		time.AfterFunc(way+rpclab.AttemptTimeout/2, func() {
			b.net.ResetConns("a", "server")
			b.net.Mend("server", "a")
		})
		again, err := a.Acquire(ctx, "x", 20*time.Second)
		require.NoError(w, err, "Acquire whose answer was lost the first time\nrule: "+ruleRetry)
		b.checkEnds(again, 10*time.Second, "Acquire whose first answer was lost")
	})
}

// Proves that a Renew of a lease that has ended is refused, and that the client
// knows; and the same for Release.
func TestLeaseIsOver2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		b := newBank(w, simnet.Reliable)
		a := b.client("a")
		ctx := within(w, time.Hour)
		lease, err := a.Acquire(ctx, "x", time.Second)
		require.NoError(w, err)
		w.Sleep(2 * time.Second)
		require.ErrorIs(w, lease.Renew(ctx, time.Minute), rpclab.ErrNotHeld, "Renew after the end of the lease")
		if left := time.Until(lease.Ends()); left > 0 {
			fail(w, "if the lease has ended before, Ends is not in the future any more (Lease.Renew)", "Renew was refused. By Ends the lease goes on for %v", left)
		}
		require.ErrorIs(w, lease.Release(ctx), rpclab.ErrNotHeld, "Release after the end of the lease")
		lease, err = a.Acquire(ctx, "x", time.Minute)
		require.NoError(w, err)
		require.NoError(w, lease.Release(ctx))
		if left := time.Until(lease.Ends()); left > 0 {
			fail(w, "Ends is not in the future any more, whatever Release returns (Lease.Release)", "after Release the lease goes on for %v by Ends", left)
		}
		require.ErrorIs(w, lease.Renew(ctx, time.Minute), rpclab.ErrNotHeld, "Renew after Release")
	})
}

// Proves that Release succeeds although its first answer is lost, and that the next
// one has the lock at once.
func TestReleaseIsRepeated2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		b := newBank(w, simnet.Reliable)
		a, c := b.client("a"), b.client("c")
		ctx := within(w, time.Hour)
		lease, err := a.Acquire(ctx, "x", time.Hour)
		require.NoError(w, err)
		got := make(chan error, 1)
		w.Go(func() { _, err := c.Acquire(ctx, "x", time.Hour); got <- err })
		w.Sleep(time.Second)
		b.net.ResetAfter("server", "a", 0)
		require.NoError(w, lease.Release(ctx), "the connection broke when the lock had been released, before the answer\nrule: "+ruleReleased)
		select {
		case err := <-got:
			require.NoError(w, err)
		case <-time.After(time.Second):
			fail(w, ruleLine, "a has released the lock. c, who waits, has not got it a second later")
		}
	})
}

// Proves that Acquire waits longer than one request may, keeps to its context, and
// that whoever gave up is not in the way for longer than its lease.
func TestAcquireWaitsOn2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		b := newBank(w, simnet.Reliable)
		a, c, d := b.client("a"), b.client("c"), b.client("d")
		lease, err := a.Acquire(within(w, time.Hour), "x", 5*time.Minute)
		require.NoError(w, err)
		_, err = d.Acquire(within(w, 3*time.Second), "x", time.Second)
		require.ErrorIs(w, err, context.DeadlineExceeded, "Acquire of a lock that is held, with a context of 3s")
		if w.Now() > 3*time.Second+soon {
			fail(w, ruleGivesUp, "Acquire with a context of 3s took until %v", w.Now())
		}
		next, err := c.Acquire(within(w, time.Hour), "x", time.Minute)
		require.NoError(w, err, "Acquire of a lock that is held for five minutes\nrule: "+ruleWaitsOn)
		if end := b.serverEnd(lease.Token); w.Now() < end || w.Now() > end+2*time.Second {
			fail(w, ruleFree, "the lease of a ended at %v. c, who waits, got the lock at %v", end, w.Now())
		}
		require.NoError(w, next.Release(within(w, time.Minute)))
	})
}

// Proves that the lock of a holder that crashed goes to the next one when the lease
// has ended, and not before.
func TestCrashedHolder2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		b := newBank(w, simnet.Reliable)
		a, c := b.client("a"), b.client("c")
		lease, err := a.Acquire(within(w, time.Hour), "x", 10*time.Second)
		require.NoError(w, err)
		end := b.serverEnd(lease.Token)
		b.net.Node("a").Crash()
		next, err := c.Acquire(within(w, time.Hour), "x", time.Second)
		require.NoError(w, err)
		if w.Now() < end {
			fail(w, ruleFree, "a has crashed. Its lease ends at %v. c got the lock at %v", end, w.Now())
		}
		if w.Now() > end+soon {
			fail(w, ruleFree, "a has crashed. Its lease ended at %v. c, who waits, got the lock at %v only", end, w.Now())
		}
		if next.Token <= lease.Token {
			fail(w, ruleTokens, "the lease of a had the token %d, that of c, after it, has %d", lease.Token, next.Token)
		}
	})
}

// Proves that a holder that stands still until its lease has ended does not write
// any more: what it was about to write, and what was on the way, is refused; and
// that it knows when it looks at Ends.
func TestPausedHolderDoesNotWrite2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		b := newBank(w, simnet.Reliable)
		a, c := b.client("a"), b.client("c")
		lease, err := a.Acquire(within(w, time.Hour), "x", 5*time.Second)
		require.NoError(w, err)
		_, err = b.store("a", "Write", &rpclab.FencedArgs{Lock: "x", Token: lease.Token, Key: "k", Value: "by a"})
		require.NoError(w, err)

		late := make(chan error, 1)
		w.Go(func() {
			w.Sleep(10 * time.Millisecond) // dialled, and then held up with what it sends
			conn, err := b.net.Node("a").DialContext(forever, "tcp", "store:100")
			if err != nil {
				late <- err
				return
			}
			client := rpc.NewClient(conn)
			defer client.Close()
			b.net.Node("a").Pause()
			late <- client.Call("Store.Write", &rpclab.FencedArgs{Lock: "x", Token: lease.Token, Key: "k", Value: "by a, late"}, &rpclab.FencedReply{})
		})
		next, err := c.Acquire(within(w, time.Hour), "x", time.Hour)
		require.NoError(w, err)
		got, err := b.store("c", "Read", &rpclab.FencedArgs{Lock: "x", Token: next.Token, Key: "k"})
		require.NoError(w, err)
		require.Equal(w, "by a", got)
		b.net.Node("a").Resume()
		if left := time.Until(lease.Ends()); left > 0 {
			fail(w, ruleLeaseEnds, "c has the lock. By its own idea a has it for another %v", left)
		}
		err = <-late
		require.Equal(w, rpc.ServerError(rpclab.ErrFenced.Error()), err, "a Write by a, sent when it had the lock, that comes when c has read\nrule: "+ruleFence)
		_, err = b.store("a", "Write", &rpclab.FencedArgs{Lock: "x", Token: lease.Token, Key: "other", Value: "by a, later"})
		require.ErrorIs(w, err, rpclab.ErrFenced, "a Write by a of another key\nrule: "+ruleFence)
		got, err = b.store("c", "Read", &rpclab.FencedArgs{Lock: "x", Token: next.Token, Key: "k"})
		require.NoError(w, err)
		require.Equal(w, "by a", got, "what c reads under its lease\nrule: "+ruleFence)
	})
}

// Proves that under contention each gets its turn: nobody is overtaken twice by the
// same client, and all get the lock equally often. For: locks that go to whoever
// asks at the right moment.
func TestContentionIsFair2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const clients, turns = 6, 15
		b := newBank(w, simnet.Reliable)
		var mu sync.Mutex
		var holders []int // in order
		inside := 0
		var wg sync.WaitGroup
		for i := range clients {
			c := b.client(fmt.Sprint("c", i))
			wg.Add(1)
			w.Go(func() {
				defer wg.Done()
				ctx := within(w, time.Hour)
				d := w.Dice(simtest.Key("hold"), uint64(i))
				for range turns {
					mu.Lock()
					since := len(holders)
					mu.Unlock()
					lease, err := c.Acquire(ctx, "x", time.Minute)
					require.NoError(w, err)
					mu.Lock()
					inside++
					if inside > 1 {
						fail(w, ruleOneOwner, "client %d has got the lock, and another one has not released it", i)
					}
					overtakes := map[int]int{}
					for _, h := range holders[since:] {
						overtakes[h]++
						if overtakes[h] > 2 { // one may have been on its way
							fail(w, ruleNoOvertake, "client %d waited while client %d got the lock three times", i, h)
						}
					}
					holders = append(holders, i)
					mu.Unlock()
					w.Sleep(d.Duration(0, 50*time.Millisecond))
					mu.Lock()
					inside--
					mu.Unlock()
					require.NoError(w, lease.Release(ctx))
				}
			})
		}
		wg.Wait()
	})
}

// Proves that lock, lease and fence together keep a counter right: clients read it
// and write it one higher, some of them after their lease has ended, on connections
// that break. No update that was acknowledged is lost.
func TestCounterUnderFire2D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		b := newBank(w, simnet.Reliable)
		var mu sync.Mutex
		done, unknown, fenced := 0, 0, 0
		var wg sync.WaitGroup
		for i := range 5 {
			name := fmt.Sprint("c", i)
			shaky := &shakyDialer{w: w, dial: dialer(b.net, name), key: uint64(i), chance: 0.1}
			c := rpclab.NewLockClient(shaky.connect, name)
			w.Cleanup(c.Close)
			wg.Add(1)
			w.Go(func() {
				defer wg.Done()
				ctx := within(w, time.Hour)
				d := w.Dice(simtest.Key("steps"), uint64(i))
				for range 30 {
					lease, err := c.Acquire(ctx, "x", 200*time.Millisecond)
					require.NoError(w, err)
					args := rpclab.FencedArgs{Lock: "x", Token: lease.Token, Key: "n"}
					old, err := b.store(name, "Read", &args)
					if err != nil {
						require.ErrorIs(w, err, rpclab.ErrFenced)
						continue
					}
					w.Sleep(d.Duration(0, 300*time.Millisecond)) // longer than the lease, at times
					n, _ := strconv.Atoi(old)
					args.Value = strconv.Itoa(n + 1)
					if d.Chance(0.1) { // the connection breaks somewhere
						time.AfterFunc(d.Duration(0, 12*time.Millisecond), func() { b.net.ResetConns(name, "store") })
					}
					_, err = b.store(name, "Write", &args)
					mu.Lock()
					switch {
					case err == nil:
						done++
					case errors.Is(err, rpclab.ErrFenced):
						fenced++
					default:
						unknown++
					}
					mu.Unlock()
					if d.Chance(0.5) {
						if err := lease.Release(ctx); err != nil {
							require.ErrorIs(w, err, rpclab.ErrNotHeld)
						}
					}
				}
			})
		}
		wg.Wait()
		c := b.client("last")
		lease, err := c.Acquire(within(w, time.Hour), "x", time.Minute)
		require.NoError(w, err)
		got, err := b.store("last", "Read", &rpclab.FencedArgs{Lock: "x", Token: lease.Token, Key: "n"})
		require.NoError(w, err)
		n, _ := strconv.Atoi(got)
		if n < done || n > done+unknown {
			fail(w, ruleFence, "%d updates were acknowledged, and of %d nobody knows. The counter is %d", done, unknown, n)
		}
		log.Printf("2D: %d updates, %d refused by the fence, %d unknown", done, fenced, unknown)
	})
}
