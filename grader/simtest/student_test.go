package simtest_test

import (
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distsys/grader/simtest"

	"github.com/sasha-s/go-deadlock"
	"github.com/stretchr/testify/require"
)

// student makes the mistakes that students make.
type student struct{ mu, other *deadlock.Mutex }

func newStudent() student { return student{new(deadlock.Mutex), new(deadlock.Mutex)} }

func todo(part, what string) { log.Printf("TODO(%s): %s", part, what) }

func (s student) todo() { s.vote() }

func (s student) vote() { todo("4A", "start an election (§5.2)") }

func (s student) sleepsWithMutex() {
	s.mu.Lock()
	defer s.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
}

func (s student) receivesWithMutex(c chan int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	<-c
}

func (s student) locks() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

func (s student) locksTwice() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locks()
}

func (s student) locksInOrder(a, b *deadlock.Mutex) {
	a.Lock()
	defer a.Unlock()
	b.Lock()
	defer b.Unlock()
}

// A mutex held across a sleep stops the clock once somebody else wants it.
// The report names the holder, the line of its Lock, the line where it waits,
// and who waits for it.
func TestMutexHeldAcrossSleep(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		s := newStudent()
		go s.sleepsWithMutex()
		w.Sleep(time.Millisecond)
		go s.locks()
		w.Sleep(time.Second)
	})
	requireStuck(t, r, "holds the mutex. It locked it at\n    student.sleepsWithMutex  student_test.go:",
		"now waits (sleep) at\n    student.sleepsWithMutex", "waits for the mutex at\n    student.locks")
}

// The same for a message that the holder waits for.
func TestMutexHeldAcrossReceive(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		s, c := newStudent(), make(chan int)
		go s.receivesWithMutex(c)
		w.Sleep(time.Millisecond)
		w.Go(func() { s.locks(); c <- 1 })
		w.Sleep(time.Second)
	})
	requireStuck(t, r, "student.receivesWithMutex", "now waits (chan receive)", "student.locks")
}

// Of a plain sync.Mutex the holder is not known: the report lists who may be.
func TestPlainMutexHeldAcrossSleep(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		var mu sync.Mutex
		go func() {
			mu.Lock()
			defer mu.Unlock()
			time.Sleep(time.Second)
		}()
		w.Sleep(time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
	})
	requireStuck(t, r, "Who holds it is not known")
}

// A mutex held across a sleep harms nobody while nobody wants it: no failure.
func TestMutexHeldAcrossSleepAlone(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		newStudent().sleepsWithMutex()
	})
}

func requireStuck(t *testing.T, r *simtest.Result, parts ...string) {
	t.Helper()
	require.Equal(t, simtest.Stuck, r.Status)
	require.Len(t, r.Failures, 1)
	require.Less(t, r.Failures[0].At, time.Minute)
	for _, part := range append(parts, "rule: never hold a mutex while you wait") {
		require.Contains(t, r.Failures[0].Message, part)
	}
}

// A double lock is reported at once, with both places.
func TestDoubleLock(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		s := newStudent()
		go s.locksTwice()
		w.Sleep(time.Second)
		s.locks()
	})
	require.Equal(t, simtest.Fail, r.Status)
	require.Contains(t, r.Failures[0].Message, "double lock")
	require.Contains(t, r.Failures[0].Message, "holds the mutex since\n    student.locksTwice")
	require.Contains(t, r.Failures[0].Message, "locks it again at\n    student.locks ")
}

// Two orders of two locks are reported although nobody got stuck this time.
func TestLockOrderInversion(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		s := newStudent()
		s.locksInOrder(s.mu, s.other)
		w.Sleep(time.Second)
		s.locksInOrder(s.other, s.mu)
	})
	require.Equal(t, simtest.Fail, r.Status)
	require.Contains(t, r.Failures[0].Message, "lock-order inversion")
	require.Contains(t, r.Failures[0].Message, "student.locksInOrder")
	require.NotContains(t, r.Failures[0].Message, "simtest.(*World)")
}

// A busy loop is told from a world that is stuck or slow.
func TestBusyLoop(t *testing.T) {
	var stop atomic.Bool
	defer stop.Store(true)
	r := simtest.Try(t, 1, func(w *simtest.World) {
		go spin(&stop)
		w.Sleep(time.Second)
	})
	require.Equal(t, simtest.Stuck, r.Status)
	require.Contains(t, r.Failures[0].Message, "busy loop")
	require.Contains(t, r.Failures[0].Message, "spin  simtest_test.go")
}

// Hard work that takes less CPU time than the bound is no busy loop.
func TestHardWork(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		x := uint64(0)
		for i := range uint64(300_000_000) {
			x ^= i * i
		}
		w.Logf("%d", x)
		w.Sleep(time.Second)
	})
	require.Equal(t, simtest.Pass, r.Status, r.String())
}

// Waiting for something outside the bubble is named as such.
func TestWaitsOutside(t *testing.T) {
	outside := make(chan int)
	r := simtest.Try(t, 1, func(w *simtest.World) {
		go func() { <-outside }()
		w.Sleep(time.Second)
	})
	require.Equal(t, simtest.Stuck, r.Status)
	require.Contains(t, r.Failures[0].Message, "outside the simulated world")
	require.Contains(t, r.Failures[0].Message, "student_test.go:")
}

// Goroutines that end a little after Stop are fine.
func TestGoroutinesThatEnd(t *testing.T) {
	r := simtest.Try(t, 1, func(*simtest.World) {
		go time.Sleep(50 * time.Second)
		go func() { time.Sleep(5 * time.Second) }()
	})
	require.Equal(t, simtest.Pass, r.Status, r.String())
	require.Empty(t, r.Notes)
}

// Goroutines that are blocked for ever are noted, and fail nothing.
func TestGoroutinesBlockedForEver(t *testing.T) {
	r := simtest.Try(t, 1, func(*simtest.World) {
		c := make(chan int)
		go func() { c <- 1 }()
		go func() {
			for {
				select {
				case <-c:
				}
			}
		}()
	})
	require.Equal(t, simtest.Pass, r.Status, r.String())
	require.Len(t, r.Notes, 1)
	require.Contains(t, r.Notes[0], "blocked for ever (chan receive)")
}

// Goroutines that still tick after Stop fail the world, however they wait and
// however slowly they tick.
func TestGoroutinesThatTick(t *testing.T) {
	never := make(chan int)
	tickers := map[string]func(){
		"sleep": func() { time.Sleep(10 * time.Millisecond) },
		"slow":  func() { time.Sleep(5 * time.Minute) },
		"select": func() {
			select {
			case <-never:
			case <-time.After(100 * time.Millisecond):
			}
		},
	}
	for name, tick := range tickers {
		t.Run(name, func(t *testing.T) {
			r := simtest.Try(t, 1, func(*simtest.World) {
				if name == "select" {
					never := make(chan int)
					tick = func() {
						select {
						case <-never:
						case <-time.After(100 * time.Millisecond):
						}
					}
				}
				go func() {
					for {
						tick()
					}
				}()
			})
			require.Equal(t, simtest.Fail, r.Status)
			require.Contains(t, r.Failures[0].Message, "still runs after Stop")
			require.Contains(t, r.Failures[0].Message, "student_test.go:")
		})
	}
}

// What is printed with log and slog joins the event log of its own world.
func TestLogsJoin(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		r := w.Seed()
		w.Sleep(time.Duration(r) * time.Millisecond)
		log.Printf("seed %d", r)
		slog.Info("hello", "seed", r)
	})
	r := simtest.Try(t, 9, func(w *simtest.World) {
		w.Sleep(time.Second)
		log.Printf("from %d", w.Seed())
		slog.Info("hello", "seed", w.Seed())
	})
	require.Len(t, r.Events, 2)
	require.Equal(t, simtest.Event{At: time.Second, Kind: "log", Detail: "from 9"}, r.Events[0])
	require.Contains(t, r.Events[1].Detail, "hello seed=9")
}

// The log of a failed world is a file of JSON lines.
func TestLogFile(t *testing.T) {
	dir := t.TempDir()
	r := simtest.Try(t, 3, func(w *simtest.World) {
		w.Logf("a note")
		w.Fatalf("it failed")
	})
	name := simtest.WriteLog(r, dir)
	require.Equal(t, filepath.Join(dir, "TestLogFile-seed3.jsonl"), name)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, `{"t":0,"kind":"note","detail":"a note"}`+"\n"+`{"t":0,"kind":"fail","detail":"it failed"}`+"\n", string(text))
}

// go-deadlock's table of held locks, which the kit reads, has the layout that
// the kit expects.
func TestHeldLocks(t *testing.T) {
	var mu deadlock.RWMutex
	mu.RLock()
	defer mu.RUnlock()
	require.Contains(t, simtest.HeldByMe(), "TestHeldLocks")
}
