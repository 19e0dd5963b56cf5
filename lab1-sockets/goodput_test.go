package sockets_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	sockets "distsys/lab1-sockets"

	"distsys/grader/simtest"
)

// goodput transfers bytes from client to server, and returns which fraction of the
// capacity of the link they took, from the end of the handshake to the last Read,
// and how many bytes were sent for each one delivered.
func goodput(p *pair, size int) (fraction, sent float64) {
	client, server := p.connect()
	began := p.w.Now()
	p.all(time.Hour, fmt.Sprintf("a transfer of %d bytes", size),
		func() { p.send(client, 1, size) },
		func() { p.expect(server, 1, size) },
	)
	took := (p.w.Now() - began).Seconds()
	return float64(size) / took / 1e6, float64(p.sent("client")) / float64(size)
}

// checkGoodput fails unless a link of 1 MB/s with a round trip of 50 ms is used to
// the fraction wanted.
func checkGoodput(t *testing.T, loss, want float64) {
	simtest.Run(t, func(w *simtest.World) {
		link := steadyLink(50 * millisecond)
		link.Loss = loss
		got, sent := goodput(newPair(w, link), 2<<20)
		w.Logf("goodput is %.3f of the capacity, with %.3f bytes sent for each one delivered", got, sent)
		if got < want {
			w.Fatalf("goodput was %.3f of the capacity of the link, and at least %v is asked for: 1 MB/s, round trip 50 ms, loss %v. For each byte delivered %.2f were sent\nhint: few bytes sent mean that the line was idle: is enough under way at a time, and is a loss noticed soon? Many mean that they were sent in vain", got, want, loss, sent)
		}
	})
}

// Proves that a clean link is used to half of its capacity: segments are sent before
// the ones in front of them are acknowledged.
func TestGoodputCleanHalf1D(t *testing.T) { checkGoodput(t, 0, 0.5) }

// Proves that a clean link is used to 80 % of its capacity.
func TestGoodputClean1D(t *testing.T) { checkGoodput(t, 0, 0.8) }

// Proves that a link that loses 1 % of the datagrams is used to a quarter of its
// capacity.
func TestGoodputLossQuarter1D(t *testing.T) { checkGoodput(t, 0.01, 0.25) }

// Proves that a link that loses 1 % of the datagrams is used to half of its capacity:
// a loss is noticed before the timer expires, and taken for no sign of congestion.
func TestGoodputLoss1D(t *testing.T) { checkGoodput(t, 0.01, 0.5) }

// BenchmarkGoodput is the table of goodput: fractions of the capacity of a link of
// 1 MB/s, with the bytes sent for each byte delivered.
//
//	go test -overlay "$(go run ./grader overlay lab1-sockets)" ./lab1-sockets -run '^$' -bench Goodput -benchtime 1x
func BenchmarkGoodput(b *testing.B) {
	for _, rtt := range []time.Duration{10, 50, 200} {
		for _, loss := range []float64{0, 1, 5, 10, 20, 30} {
			b.Run(fmt.Sprintf("rtt=%dms/loss=%v%%", rtt, loss), func(b *testing.B) {
				var got, sent float64
				for range b.N {
					simtest.Bench(b, func(w *simtest.World) {
						link := steadyLink(rtt * millisecond)
						link.Loss = loss / 100
						got, sent = goodput(newPair(w, link), 32<<20)
					})
				}
				b.ReportMetric(got, "goodput")
				b.ReportMetric(sent, "sent/delivered")
			})
		}
	}
}

// BenchmarkMemory transfers 64 MiB with 1 % loss, and tells the largest heap, with
// what the simulated network itself holds.
func BenchmarkMemory(b *testing.B) {
	var peak atomic.Uint64
	for range b.N {
		simtest.Bench(b, func(w *simtest.World) {
			link := steadyLink(50 * millisecond)
			link.Loss = 0.01
			p := newPair(w, link)
			p.transport = &sockets.Transport{ReceiveBuffer: 256 << 10, SendBuffer: 256 << 10}
			stop := make(chan struct{})
			go func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Second):
						var m runtime.MemStats
						runtime.ReadMemStats(&m)
						peak.Store(max(peak.Load(), m.HeapInuse))
					}
				}
			}()
			goodput(p, 64<<20)
			close(stop)
		})
	}
	b.ReportMetric(float64(peak.Load())/(1<<20), "peak-MiB")
}
