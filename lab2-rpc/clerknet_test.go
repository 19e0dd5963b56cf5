package rpclab_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/lincheck"
	"distsys/grader/simnet"
	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// A shakyDialer makes connections that break: after each request, with the given
// probability, at any time from before it arrives to after its answer does.
type shakyDialer struct {
	w      *simtest.World
	dial   rpclab.Dialer
	key    uint64
	chance float64

	mu       sync.Mutex
	requests uint64
	cuts     int
}

func (d *shakyDialer) connect(ctx context.Context) (net.Conn, error) {
	conn, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	return &shakyConn{conn, d}, nil
}

type shakyConn struct {
	net.Conn
	d *shakyDialer
}

// Write sends a request: net/rpc writes each at once.
func (c *shakyConn) Write(b []byte) (int, error) {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	c.d.requests++
	dice := c.d.w.Dice(simtest.Key("cut"), c.d.key, c.d.requests)
	if dice.Chance(c.d.chance) {
		c.d.cuts++
		time.AfterFunc(dice.Duration(0, 12*time.Millisecond), func() { simnet.Reset(c.Conn) })
	}
	return c.Conn.Write(b)
}

// A crowd is some clerks on a shaky network.
type crowd struct {
	w       *simtest.World
	service *rpclab.TextService
	dialers []*shakyDialer
	clerks  []*rpclab.Clerk
}

func newCrowd(w *simtest.World, n int, chance float64) *crowd {
	network := simnet.New(w, simnet.Reliable)
	c := &crowd{w: w, service: rpclab.NewTextService(ttl)}
	host(w, network.Node("server"), "Text", c.service)
	for i := range n {
		d := &shakyDialer{w: w, dial: dialer(network, fmt.Sprint("clerk", i)), key: uint64(i), chance: chance}
		clerk := rpclab.NewClerk(d.connect)
		w.Cleanup(func() { clerk.Close(within(w, 5*time.Second)) })
		c.dialers = append(c.dialers, d)
		c.clerks = append(c.clerks, clerk)
	}
	return c
}

// each runs f for each clerk, all at the same time.
func (c *crowd) each(f func(i int, clerk *rpclab.Clerk)) {
	var wg sync.WaitGroup
	for i, clerk := range c.clerks {
		wg.Add(1)
		c.w.Go(func() {
			defer wg.Done()
			f(i, clerk)
		})
	}
	wg.Wait()
}

// calm ends the cuts.
func (c *crowd) calm() {
	for _, d := range c.dialers {
		d.mu.Lock()
		d.chance = 0
		d.mu.Unlock()
	}
}

func (c *crowd) count() (requests, cuts int) {
	for _, d := range c.dialers {
		d.mu.Lock()
		requests += int(d.requests)
		cuts += d.cuts
		d.mu.Unlock()
	}
	return requests, cuts
}

// Proves that each Append takes effect exactly once, by counting: 2,000 of them
// under each seed, by 20 clerks, while every fifth connection breaks. It also proves
// that the history is linearizable, and that the table has one session for each
// clerk at the end, but for those that were opened in vain, and in the end none.
func TestExactlyOnce2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const clerks, appends, keys = 20, 100, 10
		c := newCrowd(w, clerks, 0.2)
		rec := lincheck.New(w)
		most := 0
		c.each(func(i int, clerk *rpclab.Clerk) {
			ctx := within(w, time.Hour)
			for n := range appends {
				key, word := fmt.Sprint("k", (i+n)%keys), fmt.Sprintf("%d.%d,", i, n)
				op := rec.Begin(i, lincheck.Append(key, word))
				length, err := clerk.Append(ctx, key, word)
				require.NoError(w, err, "Append on a network that comes back at once")
				op.End(lincheck.Number(int64(length)))
				most = max(most, c.service.Sessions())
			}
		})
		c.calm()
		for k := range keys {
			key := fmt.Sprint("k", k)
			op := rec.Begin(0, lincheck.Get(key))
			got, err := c.clerks[0].Get(within(w, time.Minute), key)
			require.NoError(w, err)
			op.End(lincheck.KVOut{Value: got, Found: true})
			count := map[string]int{}
			for _, word := range strings.Split(got, ",") {
				count[word]++
			}
			for i := range clerks {
				for n := range appends {
					word := fmt.Sprintf("%d.%d", i, n)
					if (i+n)%keys == k && count[word] != 1 {
						fail(w, ruleOnce, "clerk %d has appended %q to %s once. It is there %d times", i, word+",", key, count[word])
					}
				}
			}
		}
		requests, cuts := c.count()
		log.Printf("2C: %d appends, %d requests, %d connections cut; at most %d sessions, %d at the end", clerks*appends, requests, cuts, most, c.service.Sessions())
		rec.Check(textModel())
		w.Sleep(ttl)
		require.Zero(w, c.service.Sessions(), "sessions when none was used for %v\nrule: %s", ttl, ruleBounded)
	})
}

// textModel is what a text service does: as a key/value store, but Put and Append
// answer with the length, and a text that is not there is empty.
func textModel() lincheck.Model {
	kv := lincheck.NewKV()
	write := func(name string) func(lincheck.KVState, lincheck.KVIn) (lincheck.KVState, lincheck.KVOut) {
		plain := kv[name]
		return func(s lincheck.KVState, in lincheck.KVIn) (lincheck.KVState, lincheck.KVOut) {
			next, _ := plain(s, in)
			return next, lincheck.Number(int64(len(next.Value)))
		}
	}
	kv["append"] = write("append")
	kv["get"] = func(s lincheck.KVState, in lincheck.KVIn) (lincheck.KVState, lincheck.KVOut) {
		return s, lincheck.Value(s.Value)
	}
	return kv.Model()
}

// Proves that all histories are linearizable, of clerks who read, append, put and
// give up, on a network that cuts connections. A call that is given up takes effect
// once, at any later time, or never.
func TestHistoryIsLinearizable2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := newCrowd(w, 6, 0.2)
		rec := lincheck.New(w)
		c.each(func(i int, clerk *rpclab.Clerk) {
			d := w.Dice(simtest.Key("calls"), uint64(i))
			for n := range 60 {
				patience := time.Minute
				if d.Chance(0.1) {
					patience = d.Duration(0, 20*time.Millisecond)
				}
				ctx, cancel := context.WithTimeout(forever, patience)
				letter, word := fmt.Sprint("a", d.Uint64()%3), fmt.Sprintf("%d.%d,", i, n)
				switch d.Uint64() % 6 {
				case 0, 1:
					appends(ctx, rec, i, clerk, letter, word)
				case 2:
					puts(ctx, rec, i, clerk, "p"+letter, word)
				case 3:
					gets(ctx, rec, i, clerk, "p"+letter)
				default:
					gets(ctx, rec, i, clerk, letter)
				}
				cancel()
			}
		})
		rec.Check(textModel())
	})
}

func appends(ctx context.Context, rec *lincheck.Recorder, client int, clerk *rpclab.Clerk, key, word string) {
	op := rec.Begin(client, lincheck.Append(key, word))
	if length, err := clerk.Append(ctx, key, word); err != nil {
		op.Lost()
	} else {
		op.End(lincheck.Number(int64(length)))
	}
}

func puts(ctx context.Context, rec *lincheck.Recorder, client int, clerk *rpclab.Clerk, key, word string) {
	op := rec.Begin(client, lincheck.Put(key, word))
	if err := clerk.Put(ctx, key, word); err != nil {
		op.Lost()
	} else {
		op.End(lincheck.Done)
	}
}

func gets(ctx context.Context, rec *lincheck.Recorder, client int, clerk *rpclab.Clerk, key string) {
	op := rec.Begin(client, lincheck.Get(key))
	if value, err := clerk.Get(ctx, key); err != nil {
		op.Lost()
	} else {
		op.End(lincheck.Value(value))
	}
}

// Proves that an Append takes effect once at whatever byte of the request or of the
// answer the connection breaks.
func TestResetAtEveryByte2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		host(w, n.Node("server"), "Text", rpclab.NewTextService(ttl))
		dial := dialer(n, "clerk")
		sent, received := 0, 0
		var mu sync.Mutex
		c := rpclab.NewClerk(func(ctx context.Context) (net.Conn, error) {
			conn, err := dial(ctx)
			if err != nil {
				return nil, err
			}
			return &countedConn{conn, &mu, &sent, &received}, nil
		})
		w.Cleanup(func() { c.Close(within(w, 5*time.Second)) })
		want, ctx := "", within(w, time.Hour)
		add := func(word string) {
			_, err := c.Append(ctx, "k", word)
			require.NoError(w, err)
			want += word
		}
		check := func(where string) {
			got, err := c.Get(ctx, "k")
			require.NoError(w, err)
			if got != want {
				fail(w, ruleOnce, "the connection broke %s. Before, all was right; now the text ends in %q, and ought to end in %q", where, tail(got), tail(want))
			}
		}
		// What a request and its answer take on a connection that is new.
		add("first,")
		n.ResetConns("clerk", "server")
		mu.Lock()
		sent, received = 0, 0
		mu.Unlock()
		add("second,")
		mu.Lock()
		request, answer := sent, received
		mu.Unlock()
		require.Greater(w, request, 20)
		require.Greater(w, answer, 10)
		for i := range request + 1 {
			n.ResetConns("clerk", "server")
			n.ResetAfter("clerk", "server", i)
			add(fmt.Sprintf("r%d,", i))
			check(fmt.Sprintf("when %d bytes of the request had come", i))
		}
		for i := range answer + 1 {
			n.ResetConns("clerk", "server")
			n.ResetAfter("server", "clerk", i)
			add(fmt.Sprintf("a%d,", i))
			check(fmt.Sprintf("when %d bytes of the answer had come", i))
		}
	})
}

func tail(s string) string { return s[max(0, len(s)-30):] }

// A countedConn counts the bytes both ways.
type countedConn struct {
	net.Conn
	mu             *sync.Mutex
	sent, received *int
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	*c.sent += len(b)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	*c.received += n
	c.mu.Unlock()
	return n, err
}

// Proves that one clerk may be used by many goroutines, on a network that cuts
// connections. For: data races; two calls under one name; calls of one session at
// the same time, of which the server refuses one.
func TestClerkIsShared2C(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		c := newCrowd(w, 1, 0.2)
		clerk := c.clerks[0]
		var wg sync.WaitGroup
		for g := range 10 {
			wg.Add(1)
			w.Go(func() {
				defer wg.Done()
				ctx := within(w, time.Hour)
				for n := range 10 {
					_, err := clerk.Append(ctx, "k", fmt.Sprintf("%d.%d,", g, n))
					require.NoError(w, err, "Append, one of ten at the same time on one clerk\nrule: "+ruleTurn)
					_, err = clerk.Get(ctx, "k")
					require.NoError(w, err)
				}
			})
		}
		wg.Wait()
		got, err := clerk.Get(within(w, time.Minute), "k")
		require.NoError(w, err)
		for g := range 10 {
			for n := range 10 {
				if word := fmt.Sprintf("%d.%d,", g, n); strings.Count(","+got, ","+word) != 1 {
					fail(w, ruleOnce, "goroutine %d has appended %q once. It is there %d times", g, word, strings.Count(","+got, ","+word))
				}
			}
		}
	})
}
