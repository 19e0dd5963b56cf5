package simtest_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// A world takes virtual time, not real time.
func TestVirtualTime(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		w.Sleep(30 * time.Minute)
		require.Equal(w, 30*time.Minute, w.Now())
	})
}

// Each seed is a world of its own with its own choices; the same seed chooses
// the same again.
func TestSeeds(t *testing.T) {
	draw := func(seed uint64) (x, y uint64) {
		r := simtest.Try(t, seed, func(w *simtest.World) {
			require.Equal(w, seed, w.Seed())
			d := w.Dice(1, 2)
			x, y = w.Rand().Uint64(), d.Uint64()
		})
		require.Equal(t, simtest.Pass, r.Status)
		return x, y
	}
	x1, y1 := draw(1)
	x2, y2 := draw(2)
	again, yAgain := draw(1)
	require.NotEqual(t, x1, x2)
	require.NotEqual(t, y1, y2)
	require.Equal(t, x1, again)
	require.Equal(t, y1, yAgain)
}

// A Dice depends on all of its keys, and its chances are about as asked for.
func TestDice(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		a, b := w.Dice(1, 2), w.Dice(2, 1)
		require.NotEqual(w, a.Uint64(), b.Uint64())
		hits := 0
		for i := range uint64(10_000) {
			d := w.Dice(7, i)
			if d.Chance(0.25) {
				hits++
			}
			span := d.Duration(time.Second, 3*time.Second)
			require.True(w, span >= time.Second && span < 3*time.Second)
		}
		require.InDelta(w, 2500, hits, 250)
	})
}

// A failed check says when, under which seed, what came before it, and how to
// run it again.
func TestFailureMessage(t *testing.T) {
	r := simtest.Try(t, 7, func(w *simtest.World) {
		w.Record(simtest.Event{Kind: "send", From: "1", To: "2", Name: "Raft.RequestVote", Lazy: func() string { return "{Term:4}" }})
		w.Sleep(1500 * time.Millisecond)
		require.Equal(w, 1, 2, "one is two")
		w.Errorf("not reached")
	})
	require.Equal(t, simtest.Fail, r.Status)
	require.Len(t, r.Failures, 1)
	require.Equal(t, 1500*time.Millisecond, r.Failures[0].At)
	text := simtest.Render(r)
	require.Contains(t, text, "seed 7, after 1.500000s:")
	require.Contains(t, text, "one is two")
	require.Contains(t, text, "send      1 → 2  Raft.RequestVote {Term:4}")
	require.Contains(t, text, "go test ./grader/simtest -run '^TestFailureMessage$' -seed 7")
}

// Errorf lets the world go on; the first failure gives the status.
func TestErrorfGoesOn(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		w.Errorf("first")
		w.Sleep(time.Second)
		w.Errorf("second")
	})
	require.Len(t, r.Failures, 2)
	require.Equal(t, time.Second, r.Failures[1].At)
}

// Cleanups run in the bubble, last first, also after a failure.
func TestCleanup(t *testing.T) {
	var order []int
	var ending bool
	r := simtest.Try(t, 1, func(w *simtest.World) {
		w.Cleanup(func() { order = append(order, 1) })
		w.Cleanup(func() { order = append(order, 2); ending = w.Ending(); time.Sleep(time.Second) })
		w.Fatalf("stop")
	})
	require.Equal(t, simtest.Fail, r.Status)
	require.Equal(t, []int{2, 1}, order)
	require.True(t, ending)
}

// Eventually waits no longer than it has to, and no longer than it may.
func TestEventually(t *testing.T) {
	var after time.Duration
	r := simtest.Try(t, 1, func(w *simtest.World) {
		w.Eventually(time.Minute, func() bool { return w.Now() >= time.Second }, "a second passes")
		after = w.Now()
		w.Eventually(time.Minute, func() bool { return false }, "pigs fly to %s", "Rome")
	})
	require.Equal(t, time.Second, after)
	require.Contains(t, r.Failures[0].Message, "not within 1m0s: pigs fly to Rome")
}

// A panic in the body, or in a goroutine of the test, is a failure with its
// place; other worlds are not harmed.
func TestPanicIsRecovered(t *testing.T) {
	body := func(*simtest.World) { panic(errors.New("boom")) }
	helper := func(w *simtest.World) {
		w.Go(func() { panic("boom") })
		w.Sleep(time.Hour)
	}
	for _, f := range []func(*simtest.World){body, helper} {
		r := simtest.Try(t, 1, f)
		require.Equal(t, simtest.Panic, r.Status)
		require.Contains(t, r.Failures[0].Message, "panic: boom")
		require.Contains(t, r.Failures[0].Message, "simtest_test.go:")
		require.Zero(t, r.Failures[0].At)
	}
}

// FailNow in another goroutine than the body's ends the test too.
func TestFailNowInOtherGoroutine(t *testing.T) {
	var reached atomic.Bool
	r := simtest.Try(t, 1, func(w *simtest.World) {
		go func() { require.Fail(w, "in a plain goroutine") }()
		w.Sleep(time.Minute)
		reached.Store(true)
	})
	require.Equal(t, simtest.Fail, r.Status)
	require.False(t, reached.Load())
	require.Contains(t, r.Failures[0].Message, "in a plain goroutine")
}

// A body that blocks for ever, or that never ends, is ended by the bound on
// virtual time.
func TestBodyThatNeverEnds(t *testing.T) {
	blocked := func(*simtest.World) { select {} }
	endless := func(w *simtest.World) {
		for {
			w.Sleep(time.Second)
		}
	}
	for _, f := range []func(*simtest.World){blocked, endless} {
		r := simtest.Try(t, 1, f)
		require.Equal(t, simtest.Stuck, r.Status)
		require.Contains(t, r.Failures[0].Message, "did not end within 1h0m0s of virtual time")
	}
}

// A world that records events without end is halted: the storm freezes.
func TestStorm(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		for {
			if w.Halted() {
				select {}
			}
			w.Record(simtest.Event{Kind: "send"})
			if w.Now() == 0 {
				w.Sleep(time.Nanosecond)
			}
		}
	})
	require.Equal(t, simtest.Stuck, r.Status)
	require.Contains(t, r.Failures[0].Message, "a storm: 500000 events")
}

// A clean-up that hangs does not hang the test.
func TestCleanupThatHangs(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		w.Cleanup(func() { select {} })
	})
	require.Equal(t, simtest.Stuck, r.Status)
	require.Contains(t, r.Failures[0].Message, "did not end within 1m0s")
}

// A panic in a goroutine of the code under test cannot be recovered from: it
// ends the process. The trace then names the world.
func TestPanicInStudentGoroutine(t *testing.T) {
	out := inProcess(t, "panic")
	require.Contains(t, out, "panic: out of bounds")
	require.Contains(t, out, `labels:{"world": "TestScene/seed=1"}`)
	require.NotContains(t, out, "--- PASS")
}

// os.Exit in the code under test ends the process; that is the grader's to
// see. A printed line is no verdict either.
func TestExit(t *testing.T) {
	require.NotContains(t, inProcess(t, "exit"), "PASS")
}

// A busy loop cannot be stopped: the process ends, with a message that shows
// the loop.
func TestBusyLoopEndsProcess(t *testing.T) {
	out := inProcess(t, "spin")
	require.Contains(t, out, "busy loop")
	require.Contains(t, out, "spin  simtest_test.go:")
	require.Contains(t, out, "cannot be stopped")
}

// A race in the code under test fails the world when the detector is on.
func TestRaceFails(t *testing.T) {
	if !simtest.RaceEnabled {
		t.Log("without -race there is nothing to see")
		return
	}
	out := inProcess(t, "race")
	require.Contains(t, out, "WARNING: DATA RACE")
	require.Contains(t, out, "--- FAIL: TestScene/seed=1")
}

// inProcess runs TestScene with the given scene in a process of its own.
func inProcess(t *testing.T, scene string) string {
	cmd := exec.Command(os.Args[0], "-test.run=^TestScene$", "-seed=1", "-test.v", "-logdir", t.TempDir())
	cmd.Env = append(os.Environ(), "SIMTEST_SCENE="+scene)
	out, _ := cmd.CombinedOutput()
	return string(out)
}

// TestScene is the child of inProcess.
func TestScene(t *testing.T) {
	scene, ok := os.LookupEnv("SIMTEST_SCENE")
	if !ok {
		return
	}
	simtest.Run(t, func(w *simtest.World) {
		switch scene {
		case "panic":
			go func() { panic("out of bounds") }()
		case "exit":
			go os.Exit(0)
		case "spin":
			go spin(new(atomic.Bool))
		case "fail":
			w.Errorf("as asked")
		case "environment":
			_, set := os.LookupEnv("DISTSYS_VERDICT")
			require.False(w, set)
		case "race":
			x := 0
			go func() { x++ }()
			x++
		}
		w.Sleep(time.Second)
	})
}

func spin(stop *atomic.Bool) {
	for n := 0; !stop.Load(); n++ {
	}
}

// What the labs' stubs log fails the world at once, in few words.
func TestTODO(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		w.Sleep(time.Second)
		student{}.todo()
		w.Sleep(time.Hour)
		w.Errorf("not reached")
	})
	require.Len(t, r.Failures, 1)
	text := simtest.Render(r)
	require.True(t, strings.HasPrefix(text, "next: TODO(4A): start an election (§5.2)\n    student.vote"), text)
	require.NotContains(t, text, "run it again")
}

// A goroutine of the code under test is known by the functions it is in, and by
// the one that started it. One of the test or of the kit is not one.
func TestGoroutinesUnderTest(t *testing.T) {
	const (
		head    = "goroutine 7 [IO wait, synctest bubble 3]:\n"
		library = "io.Copy({0x1, 0x2})\n\t/go/src/io/io.go:388 +0x1d\n"
		lab     = "distsys/lab1-sockets.(*EchoServer).Serve(0xc000, {0x1, 0x2})\n\t/x/lab1-sockets/echo.go:31 +0x1d\n"
		test    = "distsys/lab1-sockets_test.start.func1()\n\t/x/lab1-sockets/site_test.go:9 +0x1d\n"
		byLab   = "created by distsys/lab1-sockets.(*server).start in goroutine 5\n\t/x/lab1-sockets/server.go:70 +0x1d\n"
		byKit   = "created by distsys/grader/simtest.(*World).Go in goroutine 5\n\t/x/grader/simtest/world.go:70 +0x1d\n"
	)
	require.Equal(t, "    (*EchoServer).Serve  echo.go:31", simtest.UnderTest(head+library+lab+test+byKit))
	require.Equal(t, "    (*server).start  server.go:70", simtest.UnderTest(head+library+byLab))
	require.Empty(t, simtest.UnderTest(head+library+test+byKit))

	var seen []string
	simtest.Try(t, 1, func(w *simtest.World) {
		w.Go(func() { w.Sleep(time.Second) })
		w.Sleep(time.Millisecond)
		seen = w.Goroutines()
	})
	require.Empty(t, seen)
}

// A goroutine of the test that never ends fails the world, and nobody goes on
// looking for its end: that would keep the clock of a world busy that is over.
func TestHelperNeverEnds(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		w.Go(func() { select {} })
	})
	require.Equal(t, simtest.Stuck, r.Status)
	require.Contains(t, r.Failures[0].Message, "a goroutine of the test (World.Go) did not end")
	require.False(t, simtest.Spins(r))
}
