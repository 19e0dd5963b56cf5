package simnet

import (
	"net/rpc"
	"testing"
	"testing/synctest"
	"time"
)

type E struct {
	Term    int
	Command []byte
}
type AA struct {
	Term, LeaderID, PrevLogIndex, PrevLogTerm int
	Entries                                   []E
	LeaderCommit                              int
}
type AR struct {
	Term    int
	Success bool
}
type fl struct{}
type Fl = fl

func (fl) AppendEntries(args *AA, reply *AR) error { *reply = AR{args.Term, true}; return nil }

var aa = &AA{3, 1, 41, 3, []E{{3, []byte("set x = 1")}}, 40}

func BenchmarkEnc(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		encode(aa)
	}
}
func BenchmarkDec(b *testing.B) {
	b.ReportAllocs()
	p, _ := encode(aa)
	for range b.N {
		decode(p, new(AA))
	}
}
func BenchmarkServe(b *testing.B) {
	b.ReportAllocs()
	p, _ := encode(aa)
	s := rpc.NewServer()
	s.RegisterName("Raft", fl{})
	for range b.N {
		s.ServeRequest(&serverCodec{method: "Raft.AppendEntries", args: p})
	}
}
func benchBubble(b *testing.B, f func()) {
	b.ReportAllocs()
	testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "x", F: func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f() })
	}}})
}
func BenchmarkTimers(b *testing.B) {
	benchBubble(b, func() {
		c := make(chan int, 1)
		for range b.N {
			time.AfterFunc(time.Millisecond, func() { time.AfterFunc(time.Millisecond, func() { c <- 1 }) })
			<-c
		}
	})
}
func BenchmarkSleep(b *testing.B) {
	benchBubble(b, func() {
		for range b.N {
			time.Sleep(time.Millisecond)
		}
	})
}
func BenchmarkTimersGrow(b *testing.B) {
	benchBubble(b, func() {
		c := make(chan int, 1)
		for range b.N {
			time.AfterFunc(time.Millisecond, func() { grow8(); time.AfterFunc(time.Millisecond, func() { grow8(); c <- 1 }) })
			<-c
		}
	})
}
//go:noinline
func grow8() byte {
	var room [8<<10]byte
	return room[len(room)-1]
}
func BenchmarkNow(b *testing.B) {
	benchBubble(b, func() {
		s := time.Now()
		for range b.N {
			time.Since(s)
		}
	})
}
