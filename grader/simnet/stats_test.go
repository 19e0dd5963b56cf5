package simnet_test

import (
	"testing"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// Messages and bytes are counted exactly, by link, method and direction.
func TestStats(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		serve(p.Node("3"))
		for range 3 {
			require.NoError(w, p.call(1))
		}
		require.NoError(w, p.client.Call("S.Other", &Number{1}, &Number{}))
		_, err := echo(p.one.Client("3"), 1000)
		require.NoError(w, err)
		require.Error(w, p.client.Call("S.Fail", &Number{1}, &Number{}))

		const size = 1 + 2 + 1 // A map of one, "N", and the number.
		require.Equal(w, simnet.Stats{
			{From: "1", To: "2", Method: "S.Echo"}:               {Sent: 3, Delivered: 3, Bytes: 3 * size},
			{From: "2", To: "1", Method: "S.Echo", Reply: true}:  {Sent: 3, Delivered: 3, Bytes: 3 * size},
			{From: "1", To: "2", Method: "S.Other"}:              {Sent: 1, Delivered: 1, Bytes: size},
			{From: "2", To: "1", Method: "S.Other", Reply: true}: {Sent: 1, Delivered: 1, Bytes: size},
			{From: "1", To: "3", Method: "S.Echo"}:               {Sent: 1, Delivered: 1, Bytes: size + 2},
			{From: "3", To: "1", Method: "S.Echo", Reply: true}:  {Sent: 1, Delivered: 1, Bytes: size + 2},
			{From: "1", To: "2", Method: "S.Fail"}:               {Sent: 1, Delivered: 1, Bytes: size},
			{From: "2", To: "1", Method: "S.Fail", Reply: true}:  {Sent: 1, Delivered: 1},
		}, p.Stats())
	})
}

// What was dropped and duplicated is counted too.
func TestStatsOfFaults(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		link := simnet.Reliable
		link.Duplicate = 1
		link.Replies = &simnet.Link{Loss: 1}
		p := newPair(w, link)
		require.Error(w, p.call(1))
		p.Isolate("1")
		require.Error(w, p.call(1))
		all := p.Stats()
		require.Equal(w, simnet.Count{Sent: 2, Bytes: 8, Delivered: 2, Dropped: 1, Duplicated: 1}, all.Requests().Total())
		require.Equal(w, simnet.Count{Sent: 2, Bytes: 8, Dropped: 2}, all.Replies().Total())
	})
}

// Selections can be chained, and a snapshot is a snapshot.
func TestStatsSelections(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		require.NoError(w, p.call(1))
		before := p.Stats()
		for range 2 {
			require.NoError(w, p.call(1))
		}
		require.EqualValues(w, 1, before.From("1").Total().Sent)
		since := p.Stats().Since(before)
		require.EqualValues(w, 2, since.From("1").To("2").Method("S.Echo").Requests().Total().Sent)
		require.EqualValues(w, 2, since.From("2").Replies().Total().Delivered)
		require.Empty(w, since.To("3"))
		require.Empty(w, since.Method("S.Other"))
		require.Empty(w, p.Stats().Since(p.Stats()))
	})
}
