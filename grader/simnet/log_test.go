package simnet_test

import (
	"fmt"
	"strings"
	"testing"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// Every message leaves its traces in the event log, with what it carried. A
// reply has the number of its request.
func TestLogOfACall(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		p := newPair(w, steady(ms))
		require.NoError(w, p.call(5))
		require.Error(w, p.client.Call("S.Fail", &Number{6}, &Number{}))
	})
	require.Equal(t, []string{
		"send {N:5}", "deliver {N:5}", "send reply {N:5}", "deliver reply {N:5}",
		"send {N:6}", "deliver {N:6}", "send reply error: not today", "deliver reply error: not today",
	}, kinds(r.Events))
	for i, e := range r.Events {
		require.EqualValues(t, 1+i/4, e.Msg)
		require.Equal(t, []string{"1", "1", "2", "2"}[i%4], e.From)
		require.EqualValues(t, []int{0, 1, 1, 2}[i%4]+i/4*2, e.At/ms)
	}
	require.Equal(t, "S.Echo", r.Events[3].Name)
}

// Faults leave their traces, with their reasons.
func TestLogOfFaults(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		p := newPair(w, steady(ms))
		link := steady(ms)
		link.Duplicate, link.Reorder, link.ReorderDelay, link.Corrupt = 1, 1, simnet.Range{Min: second}, 1
		p.SetLinks(link)
		_ = p.call(1)
		link = steady(ms)
		link.Loss = 1
		p.SetLinks(link)
		_ = p.call(2)
		p.SetLinks(steady(ms))
		p.Partition([]string{"1"}, []string{"2"})
		_ = p.call(3)
		p.Partition()
		p.Cut("1", "2")
		p.Mend("1", "2")
		p.Isolate("1")
		p.Rejoin("1")
		p.Heal()
		p.two.Pause()
		held := p.start(4)
		w.Sleep(second)
		p.two.Resume()
		_ = held.wait()
		gone := p.start(5)
		w.Sleep(ms / 2)
		p.two.Crash()
		_ = gone.wait()
		p.two.Restart()
		_ = p.call(6)
	})
	require.False(t, r.Failed(), r)
	require.Equal(t, strings.Split(`send {N:1}
hold (1s longer, by the link) {N:1}
duplicate {N:1}
hold (1s longer, by the link) {N:1}
drop (damaged) {N:1}
drop (damaged) {N:1}
send {N:2}
drop (lost) {N:2}
partition 1 | 2
send {N:3}
drop (partition) {N:3}
heal no partition
partition cut
heal mended
partition isolated
heal rejoined
heal
pause
send {N:4}
hold (2 is paused) {N:4}
resume
deliver {N:4}
send reply {N:4}
deliver reply {N:4}
send {N:5}
crash
drop (the receiver has crashed) {N:5}
restart
send {N:6}
drop (the receiver serves nothing yet) {N:6}`, "\n"), kinds(r.Events))
}

// A test can shorten bodies; it need not shorten all.
func TestDescribe(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		p.Describe(func(method string, v any) string {
			if n := v.(Number).N; n == 5 {
				return fmt.Sprintf("%s of five", method)
			}
			return ""
		})
		require.NoError(w, p.call(5))
		require.NoError(w, p.call(6))
	})
	all := kinds(r.Events)
	require.Equal(t, "send S.Echo of five", all[0])
	require.Equal(t, "send {N:6}", all[4])
}

// Large bodies are not kept, and of very many only the last.
func TestLogForgets(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		n.Node("2").Serve("Boxes", &Boxes{})
		client := n.Node("1").Client("2")
		require.NoError(w, client.Call("Boxes.Swap", &Box{Bytes: make([]byte, 5000)}, nil))
		for range 5000 {
			require.NoError(w, client.Call("Boxes.Swap", &Box{Bytes: make([]byte, 4000)}, nil))
		}
	})
	all := kinds(r.Events)
	require.Regexp(t, "^send 50.. bytes$", all[0])
	require.Regexp(t, "^send 40.. bytes$", all[4])
	require.Regexp(t, "^send {Bytes:.*", all[len(all)-4])
}
