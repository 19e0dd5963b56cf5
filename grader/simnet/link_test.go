package simnet_test

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// about checks that of n tries a fraction near p succeeded: within 5 standard
// deviations.
func about(w *simtest.World, p float64, hits uint64, n int) {
	require.InDelta(w, p*float64(n), hits, 5*math.Sqrt(float64(n)*p*(1-p))+1e-9)
}

// Requests and replies are each lost as often as the settings say, and the
// caller of a lost one gets ErrLost after 100-500 ms.
func TestLoss(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const n = 2000
		link := steady(ms)
		link.Loss = 0.3
		p := newPair(w, link)
		failed := 0
		for i := range n {
			began := w.Now()
			if err := p.call(i); err != nil {
				failed++
				require.ErrorIs(w, err, simnet.ErrLost)
				took := w.Now() - began
				require.GreaterOrEqual(w, took, 100*ms)
				require.Less(w, took, 500*ms+2*ms)
			}
		}
		requests, replies := p.Stats().Requests().Total(), p.Stats().Replies().Total()
		about(w, 0.3, requests.Dropped, n)
		about(w, 0.3, replies.Dropped, int(requests.Delivered))
		require.EqualValues(w, failed, requests.Dropped+replies.Dropped)
	})
}

// The latency of each message lies in its range and uses all of it, to the
// nanosecond.
func TestLatency(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		var sent time.Duration
		low, high, odd := time.Hour, time.Duration(0), 0
		p.Observe(func(m *simnet.Message) { sent = m.At })
		p.ObserveDelivery(func(m *simnet.Message) {
			took := m.At - sent
			low, high = min(low, took), max(high, took)
			if took%time.Microsecond != 0 {
				odd++
			}
		})
		for i := range 1000 {
			require.NoError(w, p.call(i))
		}
		require.GreaterOrEqual(w, low, ms)
		require.Less(w, low, ms+100*time.Microsecond)
		require.Less(w, high, 5*ms)
		require.Greater(w, high, 5*ms-100*time.Microsecond)
		require.Greater(w, odd, 1900)
	})
}

// A duplicated request is executed twice, and the caller gets one reply.
func TestDuplicateRequest(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := simnet.Reliable
		link.Duplicate = 1
		link.Replies = &simnet.Reliable
		p := newPair(w, link)
		require.NoError(w, p.call(7))
		w.Sleep(second)
		require.Equal(w, []int{7, 7}, p.service.Served())
		require.EqualValues(w, 1, p.Stats().Requests().Total().Duplicated)
		require.EqualValues(w, 2, p.Stats().Requests().Total().Delivered)
		require.EqualValues(w, 2, p.Stats().Replies().Total().Sent)
	})
}

// A duplicated reply does no harm, and duplicates are as frequent as asked for.
func TestDuplicateReply(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := simnet.Reliable
		replies := link
		replies.Duplicate = 0.25
		link.Replies = &replies
		p := newPair(w, link)
		for i := range 1000 {
			require.NoError(w, p.call(i))
		}
		require.Len(w, p.service.Served(), 1000)
		about(w, 0.25, p.Stats().Replies().Total().Duplicated, 1000)
	})
}

// One lost copy of two does not fail the call: only when no copy is left to
// bring a reply does the caller learn it.
func TestDuplicateSavesCall(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Link{Latency: simnet.Reliable.Latency, Duplicate: 1, Corrupt: 0.5, Replies: &simnet.Reliable})
		failed := 0
		for i := range 400 {
			if err := p.call(i); err != nil {
				require.ErrorIs(w, err, simnet.ErrLost)
				failed++
			}
		}
		about(w, 0.25, uint64(failed), 400)
	})
}

// A reordered message is held by ReorderDelay, so that a later one overtakes
// it.
func TestReorder(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const n = 1000
		link := steady(ms)
		link.Reorder = 0.2
		link.ReorderDelay = simnet.Range{Min: 15 * ms, Max: 100 * ms}
		p := newPair(w, link)
		sent := make([]time.Duration, n)
		var mu sync.Mutex
		held := uint64(0)
		p.Observe(func(m *simnet.Message) {
			mu.Lock()
			defer mu.Unlock()
			if !m.Reply {
				sent[m.Body.(Number).N] = m.At
			}
		})
		p.ObserveDelivery(func(m *simnet.Message) {
			mu.Lock()
			defer mu.Unlock()
			if took := m.At - sent[m.Body.(Number).N]; !m.Reply && took > ms {
				held++
				if took < 16*ms || took >= 101*ms {
					w.Errorf("held for %v", took)
				}
			}
		})
		for i := range n {
			p.start(i)
			w.Sleep(10 * ms)
		}
		w.Sleep(second)
		mu.Lock()
		defer mu.Unlock()
		about(w, 0.2, held, n)
		overtaken := 0
		order := p.service.Served()
		for i := 1; i < n; i++ {
			if order[i] < order[i-1] {
				overtaken++
			}
		}
		require.Greater(w, overtaken, n/20)
	})
}

// Reordering holds two thirds of the replies for 0.2-2 s and no request.
func TestReordering(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reordering)
		late := uint64(0)
		for i := range 300 {
			began := w.Now()
			require.NoError(w, p.call(i))
			switch took := w.Now() - began; {
			case took >= 200*ms:
				late++
				require.Less(w, took, 2*second+10*ms)
			default:
				require.Less(w, took, 10*ms)
			}
		}
		about(w, 2./3, late, 300)
	})
}

// ReorderReplies changes the replies only, and keeps the other settings.
func TestReorderReplies(t *testing.T) {
	link := simnet.Unreliable.ReorderReplies()
	require.Equal(t, simnet.Unreliable.Loss, link.Loss)
	require.Equal(t, simnet.Unreliable.Loss, link.Replies.Loss)
	require.Zero(t, link.Reorder)
	require.Nil(t, simnet.Unreliable.Replies)
}

// A damaged RPC message is dropped.
func TestCorrupt(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := steady(ms)
		link.Corrupt = 1
		p := newPair(w, link)
		require.ErrorIs(w, p.call(1), simnet.ErrLost)
		require.Empty(w, p.service.Served())
	})
}

// Messages queue for the bandwidth of a link, each direction on its own.
func TestBandwidth(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := steady(5 * ms)
		link.Bandwidth = 1000
		p := newPair(w, link)
		var mu sync.Mutex
		var size int
		var arrived []time.Duration
		p.ObserveDelivery(func(m *simnet.Message) {
			mu.Lock()
			defer mu.Unlock()
			if !m.Reply {
				size = m.Size
				arrived = append(arrived, m.At)
			}
		})
		for i := range 10 {
			p.start(i)
		}
		w.Sleep(second)
		mu.Lock()
		defer mu.Unlock()
		require.Len(w, arrived, 10)
		for i, at := range arrived {
			require.Equal(w, time.Duration((i+1)*size)*ms+5*ms, at)
		}
	})
}

// What is larger than the MTU is dropped.
func TestMTU(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := steady(ms)
		p := newPair(w, link)
		require.NoError(w, p.call(1))
		link.MTU = int(p.Stats().Requests().Total().Bytes)
		p.SetLinks(link)
		require.NoError(w, p.call(2))
		link.MTU--
		p.SetLinks(link)
		require.ErrorIs(w, p.call(3), simnet.ErrLost)
		require.Equal(w, []int{1, 2}, p.service.Served())
	})
}

// SetLink sets one direction; SetLinks sets all, also those that were set.
func TestSetLink(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, steady(ms))
		took := func() time.Duration {
			began := w.Now()
			require.NoError(w, p.call(0))
			return w.Now() - began
		}
		require.Equal(w, 2*ms, took())
		p.SetLink("1", "2", steady(10*ms))
		require.Equal(w, 11*ms, took())
		p.SetLink("2", "1", steady(100*ms))
		require.Equal(w, 110*ms, took())
		p.SetLinks(steady(3 * ms))
		require.Equal(w, 6*ms, took())
	})
}

// Settings that make no sense fail the world and are named.
func TestBadSettings(t *testing.T) {
	bad := map[string]simnet.Link{
		"Loss is 10":              {Loss: 10},
		"Duplicate is -1":         {Duplicate: -1},
		"Corrupt is NaN":          {Replies: &simnet.Link{Corrupt: math.NaN()}},
		"Latency is {-1ms 0s}":    {Latency: simnet.Range{Min: -ms}},
		"ReorderDelay":            {ReorderDelay: simnet.Range{Max: -ms}},
		"Bandwidth, Queue or MTU": {MTU: -1},
		"Replies of its own":      {Replies: &simnet.Link{Replies: &simnet.Link{}}},
	}
	for text, link := range bad {
		r := simtest.Try(t, 1, func(w *simtest.World) { simnet.New(w, link) })
		require.Len(t, r.Failures, 1)
		require.Contains(t, r.Failures[0].Message, text)
	}
}

// story tells what became of 200 requests from node 1 to node 2, and of their
// replies, while noise may run on other links and with other methods.
func story(t *testing.T, seed uint64, noise bool) (text string) {
	r := simtest.Try(t, seed, func(w *simtest.World) {
		link := simnet.Link{Latency: simnet.Range{Min: ms, Max: 30 * ms}, Loss: 0.1, Duplicate: 0.2, Reorder: 0.3,
			ReorderDelay: simnet.Range{Min: 10 * ms, Max: 50 * ms}, Corrupt: 0.1}
		p := newPair(w, link)
		serve(p.Node("3"))
		var mu sync.Mutex
		add := func(a ...any) {
			mu.Lock()
			defer mu.Unlock()
			text += fmt.Sprintln(a...)
		}
		p.ObserveDelivery(func(m *simnet.Message) {
			if number := m.Body.(Number); number.N < 1000 {
				add(m.At, m.From, m.To, number)
			}
		})
		if noise {
			for i := range 1000 {
				w.Go(func() {
					w.Sleep(time.Duration(i) * 20 * ms)
					p.startOn(p.client, "S.Other", 1000)
					p.startOn(p.one.Client("3"), "S.Echo", 1000)
					p.startOn(p.Node("3").Client("2"), "S.Echo", 1000)
					p.startOn(p.two.Client("1"), "S.Echo", 1000)
				})
			}
		}
		for i := range 200 {
			call := p.start(i)
			w.Sleep(100 * ms)
			add(i, call.isDone())
		}
		w.Sleep(10 * second)
	})
	require.False(t, r.Failed(), r)
	return text
}

// The same seed decides the same for a link, whatever happens on other links
// and to other methods. Another seed decides otherwise.
func TestSameSeedSameFates(t *testing.T) {
	quiet := story(t, 1, false)
	require.Equal(t, quiet, story(t, 1, false))
	require.Equal(t, quiet, story(t, 1, true))
	require.NotEqual(t, quiet, story(t, 2, false))
}

// Changing one setting does not change what the others decide.
func TestSettingsAreIndependent(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		sent := map[int]time.Duration{}
		took := map[string]map[int]time.Duration{}
		for name, link := range map[string]simnet.Link{
			"plain": {Latency: simnet.Range{Min: ms, Max: 30 * ms}},
			"faulty": {Latency: simnet.Range{Min: ms, Max: 30 * ms}, Loss: 0.2, Duplicate: 0.1, Corrupt: 0.1,
				Reorder: 0.1, ReorderDelay: simnet.Range{Min: second, Max: second}},
		} {
			p := newPair(w, link)
			some := map[int]time.Duration{}
			took[name] = some
			p.Observe(func(m *simnet.Message) {
				if !m.Reply {
					sent[m.Body.(Number).N] = m.At
				}
			})
			p.ObserveDelivery(func(m *simnet.Message) {
				if n := m.Body.(Number).N; !m.Reply && some[n] == 0 {
					some[n] = m.At - sent[n]
				}
			})
			for i := range 200 {
				_ = p.call(i)
			}
		}
		same := 0
		for i := range 200 {
			if took["plain"][i] == took["faulty"][i] {
				same++
			}
		}
		require.Greater(w, same, 100)
	})
}
