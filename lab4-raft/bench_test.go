package raft_test

import (
	"testing"
	"time"

	"distsys/grader/simtest"
)

// How fast the simulation is: virtual seconds per real second of a five-server
// cluster that only sends heartbeats.
func BenchmarkIdleCluster(b *testing.B) {
	benchmarkCluster(b, func(*cluster) {})
}

// The same for a cluster that agrees on 50 commands a virtual second.
func BenchmarkBusyCluster(b *testing.B) {
	benchmarkCluster(b, func(c *cluster) {
		for range 50 {
			c.offer(c.command())
			c.w.Sleep(time.Millisecond)
		}
	})
}

// benchmarkCluster runs a cluster for b.N virtual seconds, and calls work at
// the beginning of each.
func benchmarkCluster(b *testing.B, work func(c *cluster)) {
	simtest.Bench(b, func(w *simtest.World) {
		c := startCluster(w, 5, snapshots(100))
		c.waitForLeader()
		for range b.N {
			until := w.Now() + time.Second
			work(c)
			w.Sleep(until - w.Now())
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "virtual-s/s")
}
