package lincheck_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"distsys/grader/lincheck"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

// A call is one operation of a history made up by a test: times are in
// milliseconds; an end of 0 means that the operation was lost.
type call struct {
	client     int
	begin, end int
	in         lincheck.KVIn
	out        lincheck.KVOut
}

// play records the calls at their times. At the same time calls come first.
func play(w *simtest.World, rec *lincheck.Recorder, calls []call) {
	ops := make([]*lincheck.Op, len(calls))
	type event struct {
		at  int
		end bool
		run func()
	}
	var events []event
	for i, c := range calls {
		events = append(events, event{c.begin, false, func() { ops[i] = rec.Begin(c.client, c.in) }})
		if c.end > 0 {
			events = append(events, event{c.end, true, func() { ops[i].End(c.out) }})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		if a.end == b.end {
			return 0
		} else if b.end {
			return -1
		}
		return 1
	})
	for _, e := range events {
		w.Sleep(time.Duration(e.at)*ms - w.Now())
		e.run()
	}
	for i, c := range calls {
		if c.end == 0 {
			ops[i].Lost()
		}
	}
}

// check plays the calls in a world of their own.
func check(t *testing.T, calls []call, budget ...lincheck.Budget) *simtest.Result {
	return simtest.Try(t, 1, func(w *simtest.World) {
		rec := lincheck.New(w)
		for _, b := range budget {
			rec.Budget = b
		}
		play(w, rec, calls)
		require.Equal(w, len(calls), rec.Len())
		if ok := rec.Check(lincheck.NewKV().Model()); ok == w.Failed() {
			w.Fatalf("Check returned %v", ok)
		}
	})
}

var (
	get    = lincheck.Get
	put    = lincheck.Put
	app    = lincheck.Append
	del    = lincheck.Delete
	cas    = lincheck.CompareAndSet
	setnx  = lincheck.SetNX
	incr   = lincheck.Incr
	value  = lincheck.Value
	done   = lincheck.Done
	absent = lincheck.Absent
	took   = lincheck.Took
	number = lincheck.Number
)

// Proves that histories are accepted that some order explains: overlapping
// operations in any order, lost ones at any later time or never.
func TestAccepted(t *testing.T) {
	for name, calls := range map[string][]call{
		"empty":     {},
		"in order":  {{1, 1, 2, put("x", "a"), done}, {1, 3, 4, app("x", "b"), done}, {1, 5, 6, get("x"), value("ab")}},
		"two keys":  {{1, 1, 2, put("x", "a"), done}, {1, 3, 4, get("y"), absent}, {1, 5, 6, get("x"), value("a")}},
		"overlap":   {{1, 1, 5, app("x", "a"), done}, {2, 2, 4, app("x", "b"), done}, {3, 6, 7, get("x"), value("ba")}},
		"new early": {{1, 1, 9, put("x", "a"), done}, {2, 2, 3, get("x"), value("a")}, {2, 4, 5, get("x"), value("a")}},
		"lost, in effect late": {
			{1, 1, 0, app("x", "a"), done}, {2, 2, 3, get("x"), absent}, {2, 4, 5, put("x", "b"), done}, {2, 6, 7, get("x"), value("ba")}},
		"lost, never in effect": {{1, 1, 0, put("x", "a"), done}, {2, 2, 3, get("x"), absent}, {2, 40, 50, get("x"), absent}},
		"put and gone, unseen":  {{1, 1, 2, put("x", "a"), done}, {1, 3, 4, del("x"), took(true)}, {1, 5, 6, get("x"), absent}, {1, 7, 8, del("x"), took(false)}},
		"lost read":             {{1, 1, 0, get("x"), done}, {2, 2, 3, put("x", "a"), done}},
		"lost, retried":         {{1, 1, 0, app("x", "a"), done}, {1, 2, 3, app("x", "a"), done}, {1, 4, 5, get("x"), value("aa")}},
		"conditions": {
			{1, 1, 2, setnx("x", "a"), took(true)}, {1, 3, 4, setnx("x", "b"), took(false)}, {1, 5, 6, cas("x", "b", "c"), took(false)},
			{1, 7, 8, cas("x", "a", "c"), took(true)}, {1, 9, 10, del("x"), took(true)}, {1, 11, 12, del("x"), took(false)},
			{1, 13, 14, lincheck.Exists("x"), took(false)}},
		"numbers": {{1, 1, 2, incr("n", 5), number(5)}, {1, 3, 4, incr("n", -7), number(-2)}, {1, 5, 6, get("n"), value("-2")},
			{1, 7, 8, put("n", "a"), done}, {1, 9, 10, incr("n", 1), took(false)},
			{1, 11, 12, put("n", "9223372036854775807"), done}, {1, 13, 14, incr("n", 1), took(false)}},
		"versions": {{1, 1, 2, lincheck.PutVersion("x", "a", 0), took(true)}, {1, 3, 4, lincheck.PutVersion("x", "b", 0), took(false)},
			{1, 5, 6, lincheck.GetVersion("x"), lincheck.Versioned("a", 1)}, {1, 7, 8, lincheck.PutVersion("x", "b", 1), took(true)},
			{1, 9, 10, lincheck.GetVersion("x"), lincheck.Versioned("b", 2)}},
	} {
		t.Run(name, func(t *testing.T) {
			r := check(t, calls)
			require.Equal(t, simtest.Pass, r.Status, "%v", r)
		})
	}
}

// Proves that planted histories that no order explains are rejected, each with
// the answer at which that shows and the operations it contradicts.
func TestRejected(t *testing.T) {
	for name, c := range map[string]struct {
		calls []call
		says  []string
	}{
		"stale read": {
			[]call{{1, 1, 2, put("x", "a"), done}, {1, 3, 4, put("x", "b"), done}, {2, 5, 6, get("x"), value("a")}, {1, 7, 8, get("y"), absent}},
			[]string{`0.005000s to 0.006000s       client 2   get "x" → "a"` + "\n", `put "x" "b" → done   then it holds "b"`, "3 operations on the same data"}},
		"lost update": {
			[]call{{1, 1, 4, app("x", "a"), done}, {2, 2, 3, app("x", "b"), done}, {3, 5, 6, get("x"), value("b")}},
			[]string{`client 3   get "x" → "b"` + "\n"}},
		"double append": {
			[]call{{1, 1, 4, app("x", "a"), done}, {2, 5, 6, get("x"), value("aa")}},
			[]string{`client 2   get "x" → "aa"`, `client 1   append "x" "a" → done   then it holds "a"`}},
		"lost append in effect twice": {
			[]call{{1, 1, 0, app("x", "a"), done}, {2, 5, 6, get("x"), value("aa")}},
			[]string{`client 2   get "x" → "aa"`, `0.001000s, lost at 0.006000s client 1   append "x" "a" → ?`}},
		"in effect before the call": {
			[]call{{2, 1, 2, get("x"), value("a")}, {1, 3, 4, put("x", "a"), done}},
			[]string{`client 2   get "x" → "a"`}},
		"read back and forth": {
			[]call{{1, 1, 9, put("x", "a"), done}, {2, 2, 3, get("x"), value("a")}, {3, 4, 5, get("x"), absent}},
			[]string{`client 3   get "x" → absent`}},
		"one instant, one client": { // what one client does comes one after another, also without time between
			[]call{{1, 1, 2, put("x", "a"), done}, {1, 3, 3, put("x", "b"), done}, {1, 4, 5, get("x"), value("a")}},
			[]string{`get "x" → "a"`}},
		"lost count": {
			[]call{{1, 1, 3, incr("n", 1), number(1)}, {2, 2, 4, incr("n", 1), number(1)}, {1, 5, 6, get("n"), value("1")}},
			[]string{`client 2   incr "n" by 1 → 1` + "\n"}},
		"both set": {
			[]call{{1, 1, 3, setnx("x", "a"), took(true)}, {2, 2, 4, setnx("x", "b"), took(true)}},
			[]string{`client 2   setnx "x" "b" → yes` + "\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := check(t, c.calls)
			require.Equal(t, simtest.Fail, r.Status, "%v", r)
			require.Len(t, r.Failures, 1)
			for _, say := range c.says {
				require.Contains(t, r.Failures[0].Message, say)
			}
		})
	}
}

// Proves that the clock's ties do not make operations overlap that one client
// did one after another.
func TestTiesAreOrdered(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		rec := lincheck.New(w)
		for _, v := range []string{"a", "b"} {
			rec.Begin(1, put("x", v)).End(done)
		}
		rec.Begin(1, get("x")).End(value("a"))
		rec.Check(lincheck.NewKV().Model())
	})
	require.Equal(t, simtest.Fail, r.Status, "%v", r)
	require.Contains(t, r.Failures[0].Message, `get "x" → "a"`)
}

// Proves that Check agrees with a search through all orders, on small random
// histories, right and wrong ones; and that the answer it names is the first at
// which the history is beyond explanation.
func TestAgreesWithAllOrders(t *testing.T) {
	verdicts := map[bool]int{}
	for seed := range uint64(400) {
		var calls []call
		r := simtest.Try(t, seed+1, func(w *simtest.World) {
			d := w.Dice()
			for range 6 {
				begin := int(d.Uint64()%10) + 1
				c := call{client: len(calls), begin: begin, end: begin + int(d.Uint64()%6) + 1}
				switch v := string(rune('a' + d.Uint64()%3)); d.Uint64() % 4 {
				case 0:
					c.in, c.out = app("x", v), done
				case 1:
					c.in, c.out = cas("x", v, "c"), took(d.Chance(0.5))
				default:
					c.in, c.out = get("x"), []lincheck.KVOut{absent, value("a"), value("b"), value("ab"), value("c")}[d.Uint64()%5]
				}
				if d.Chance(0.2) {
					c.end = 0
				}
				calls = append(calls, c)
			}
			rec := lincheck.New(w)
			play(w, rec, calls)
			rec.Check(lincheck.NewKV().Model())
		})
		want := allOrders(calls)
		verdicts[want]++
		require.Equal(t, want, !r.Failed(), "%+v\n%v", calls, r)
		if !want {
			first := firstWrong(calls)
			line := fmt.Sprintf("client %-3d", first.client)
			require.Contains(t, strings.Split(r.Failures[0].Message, "\n")[1], line, "%+v", calls)
		}
	}
	require.Greater(t, verdicts[true], 50)
	require.Greater(t, verdicts[false], 50)
}

// firstWrong cuts the history at each return, and returns the call with the
// first one where no order is left.
func firstWrong(calls []call) call {
	byEnd := slices.Clone(calls)
	slices.SortStableFunc(byEnd, func(a, b call) int { return a.end - b.end })
	for _, last := range byEnd {
		if last.end == 0 {
			continue
		}
		var cut []call
		tied := false // calls that end at the same time end in the order of the list
		for _, c := range calls {
			if c.begin > last.end {
				continue
			}
			if c.end > last.end || c.end == last.end && tied {
				c.end = 0
			}
			if c.client == last.client {
				tied = true
			}
			cut = append(cut, c)
		}
		if !allOrders(cut) {
			return last
		}
	}
	panic("no prefix is wrong")
}

func allOrders(calls []call) bool {
	return tryOrders(lincheck.KVState{}, calls)
}

// tryOrders reports whether the calls can be put in an order, lost ones in it
// or not.
func tryOrders(s lincheck.KVState, left []call) bool {
	ended := 0
	for i, c := range left {
		if c.end > 0 {
			ended++
		}
		first := true
		for _, d := range left {
			if d.end > 0 && d.end < c.begin {
				first = false
			}
		}
		if !first {
			continue
		}
		next, want := lincheck.NewKV()[c.in.Op](s, c.in)
		if c.end > 0 && want != c.out {
			continue
		}
		if tryOrders(next, slices.Concat(left[:i], left[i+1:])) {
			return true
		}
	}
	return ended == 0
}

// A simulated store in which each operation takes effect at one moment between
// its call and its return.
func simulate(w *simtest.World, rec *lincheck.Recorder, clients, ops int, lossy float64) {
	var mu sync.Mutex
	states := map[string]lincheck.KVState{}
	model := lincheck.NewKV()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Add(1)
		w.Go(func() {
			defer wg.Done()
			d := w.Dice(uint64(c))
			for n := range ops {
				in := app(fmt.Sprint("k", d.Uint64()%2), fmt.Sprintf("%d.%d,", c, n))
				if d.Chance(0.5) {
					in = get(in.Key)
				}
				op := rec.Begin(c, in)
				w.Sleep(d.Duration(0, 5*ms))
				apply := func() lincheck.KVOut {
					mu.Lock()
					defer mu.Unlock()
					next, out := model[in.Op](states[in.Key], in)
					states[in.Key] = next
					return out
				}
				if d.Chance(lossy) {
					op.Lost()
					if late := d.Duration(0, 300*ms); d.Chance(0.5) {
						w.Go(func() { w.Sleep(late); apply() })
					}
					continue
				}
				out := apply()
				w.Sleep(d.Duration(0, 5*ms))
				op.End(out)
			}
		})
	}
	wg.Wait()
}

// Proves that long histories of a right store are accepted, with ten clients
// and with lost operations in effect late, in about a step an operation.
func TestLongHistories(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		rec := lincheck.New(w)
		rec.Budget.Steps = 100_000
		simulate(w, rec, 10, 100, 0.02)
		require.True(w, rec.Check(lincheck.NewKV().Model()))
	})
}

// Proves that one wrong answer in a long history is found, and shown with what
// was there before it, in few lines.
func TestOneWrongAnswer(t *testing.T) {
	var picture string
	r := simtest.Try(t, 3, func(w *simtest.World) {
		rec := lincheck.New(w)
		simulate(w, rec, 8, 100, 0.02)
		rec.Begin(77, put("k0", "fresh")).End(done)
		rec.Begin(78, get("k0")).End(value("stale"))
		simulate(w, rec, 8, 10, 0)
		rec.Check(lincheck.NewKV().Model())
	})
	require.Equal(t, simtest.Fail, r.Status, "%v", r)
	text := r.Failures[0].Message
	lines := strings.Split(text, "\n")
	require.Contains(t, lines[1], `client 78  get "k0" → "stale"`)
	require.Contains(t, text, `client 77  put "k0" "fresh" → done   then it holds "fresh" (version`)
	require.Less(t, len(lines), 25)
	require.Less(t, len(text), 4000)

	_, picture, _ = strings.Cut(text, "picture, for a browser: ")
	html, err := os.ReadFile(picture)
	require.NoError(t, err)
	require.Contains(t, string(html), "client 78, ")
	require.Contains(t, string(html), "stale")
	require.Less(t, len(html), 1<<20)
}

// laborious returns appends that overlap, on a key where the model's shortcuts
// do not apply: there are 12! orders.
func laborious(begin int) []call {
	calls := []call{{1, begin, begin + 1, incr("x", 0), number(0)}, {1, begin + 2, begin + 3, del("x"), took(true)}}
	for i := range 12 {
		calls = append(calls, call{i + 3, begin + 4, begin + 9, app("x", string(rune('a'+i))), done})
	}
	return calls
}

// Proves that a search that runs out of its budget fails the world, says that
// the verdict is unknown, and says so under the same budget each time.
func TestUnknownFails(t *testing.T) {
	calls := append(laborious(1), call{20, 20, 21, get("x"), value("abcdefghijkk")})
	for _, b := range []lincheck.Budget{{Steps: 5000, Bytes: 1 << 30}, {Steps: 1 << 30, Bytes: 1 << 20}} {
		r := check(t, calls, b)
		require.Equal(t, simtest.Fail, r.Status, "%v", r)
		require.Contains(t, r.Failures[0].Message, "unknown, and that counts as a failure")
		require.Contains(t, r.Failures[0].Message, "15 operations on the same data, 0 of them lost and up to 12 at a time")
		again := check(t, calls, b)
		require.Equal(t, r.Failures[0].Message, again.Failures[0].Message)
	}
	calls[len(calls)-1].out = value("abcdefghijkl")
	r := check(t, calls, lincheck.Budget{Steps: 5000, Bytes: 1 << 20})
	require.Equal(t, simtest.Pass, r.Status, "%v", r)
}

// Proves that a history that is wrong early is not called unknown because its
// rest is too much to search.
func TestWrongBeforeUnknown(t *testing.T) {
	calls := []call{{1, 1, 2, put("x", "1"), done}, {2, 3, 4, get("x"), value("b")}}
	calls = append(calls, laborious(5)...)
	calls = append(calls, call{20, 15, 16, get("x"), value("z")})
	r := check(t, calls, lincheck.Budget{Steps: 20_000, Bytes: 64 << 20})
	require.Equal(t, simtest.Fail, r.Status, "%v", r)
	require.Contains(t, r.Failures[0].Message, `client 2   get "x" → "b"`)
}

// Proves that a test can change an operation and add one.
func TestOwnOperations(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		rec := lincheck.New(w)
		kv := lincheck.NewKV()
		kv["append"] = func(s lincheck.KVState, in lincheck.KVIn) (lincheck.KVState, lincheck.KVOut) {
			next := s.With(s.Value + in.Value)
			return next, number(int64(len(next.Value)))
		}
		kv["getset"] = func(s lincheck.KVState, in lincheck.KVIn) (lincheck.KVState, lincheck.KVOut) {
			return s.With(in.Value), lincheck.KVOut{Value: s.Value, Found: s.Found}
		}
		rec.Begin(1, app("x", "abc")).End(number(3))
		rec.Begin(1, app("x", "d")).End(number(4))
		rec.Begin(1, lincheck.KVIn{Op: "getset", Key: "x", Value: "e"}).End(value("abcd"))
		rec.Begin(1, get("x")).End(value("e"))
		require.True(w, rec.Check(kv.Model()))
		rec.Begin(1, lincheck.KVIn{Op: "getset", Key: "x", Value: "f"}).End(value("abcd"))
		require.False(w, rec.Check(kv.Model()))
	})
	require.Equal(t, simtest.Fail, r.Status, "%v", r)
	require.Contains(t, r.Failures[0].Message, `getset "x" "f" → "abcd"`)
	require.Contains(t, r.Failures[0].Message, "-history2.html")
}

// Proves that a recorder may be used by all goroutines of a world, and checked
// while operations are under way.
func TestConcurrentUse(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		rec := lincheck.New(w)
		for c := range 20 {
			w.Go(func() {
				for {
					op := rec.Begin(c, put(fmt.Sprint(c), "v"))
					w.Sleep(ms)
					op.End(done)
				}
			})
		}
		for range 10 {
			w.Sleep(5 * ms)
			require.True(w, rec.Check(lincheck.NewKV().Model()))
		}
	})
}

// Proves that an operation ends once.
func TestEndsOnce(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		op := lincheck.New(w).Begin(1, get("x"))
		op.Lost()
		op.End(absent)
	})
	require.Equal(t, simtest.Panic, r.Status)
}

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "lincheck-")
	if err != nil {
		panic(err)
	}
	flag.Set("logdir", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}
