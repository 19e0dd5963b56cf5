package sockets_test

import (
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"distsys/grader/interop"
	sockets "distsys/lab1-sockets"

	"github.com/stretchr/testify/require"
)

// How fast the key/value server is, as a ratio to redis-server on the same machine in
// the same run: redis-benchmark with 50 clients, turn by turn against one and the
// other. The best of the turns counts, for both.
//
//	go test -overlay "$(go run ./grader overlay lab1-sockets)" ./lab1-sockets -run '^$' -bench Redis -benchtime 5x
func BenchmarkAgainstRedis(b *testing.B) {
	program := interop.Need(b, "redis-benchmark", "redis-tools")
	theirs := startRedis(b)
	ours := serveReal(b, &sockets.KVServer{})
	for _, c := range []struct{ name, pipeline, requests string }{
		{"plain", "1", "20000"}, {"pipeline16", "16", "200000"},
	} {
		b.Run(c.name, func(b *testing.B) {
			best := map[string]map[string]float64{ours: {}, theirs: {}}
			for i := range b.N {
				for turn := range 2 { // who comes first changes
					port := []string{ours, theirs}[(i+turn)%2]
					out := output(b, "", program, "-p", port, "-t", "set,get,incr", "-c", "50", "-n", c.requests, "-P", c.pipeline, "--csv")
					for name, rate := range rates(b, out) {
						best[port][name] = max(best[port][name], rate)
					}
				}
			}
			b.ReportMetric(0, "ns/op")
			for name, rate := range best[ours] {
				b.ReportMetric(rate/best[theirs][name], name+"-ratio")
				b.ReportMetric(rate/1000, name+"-k/s")
			}
		})
	}
}

// rates reads what redis-benchmark prints: requests a second, by command.
func rates(b *testing.B, out string) map[string]float64 {
	records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	require.NoError(b, err)
	found := map[string]float64{}
	for _, r := range records[1:] {
		rate, err := strconv.ParseFloat(r[1], 64)
		require.NoError(b, err, fmt.Sprint(r))
		found[r[0]] = rate
	}
	return found
}
