package class

import (
	"fmt"
	"io"
	"sync"
	"time"

	"distsys/grader/internal/result"
)

// progress tells of each student, and how long the rest will take.
type progress struct {
	out   io.Writer
	began time.Time
	all   int

	mu     sync.Mutex
	ready  int // graded now or before
	graded int // graded now
}

func newProgress(out io.Writer, all int) *progress {
	return &progress{out: out, began: time.Now(), all: all}
}

func (p *progress) done(r *Record, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready++
	if !known {
		p.graded++
	}
	text := fmt.Sprintf("%s of %s", number(r.Points), number(r.Max))
	if r.counted() == nil {
		text = r.Problem
	}
	if known {
		text += " (graded before)"
	}
	fmt.Fprintf(p.out, "%*d/%d  %s: %s%s\n", len(fmt.Sprint(p.all)), p.ready, p.all, r.Student.ID, text, p.left())
}

// left estimates the time for those that are not graded yet.
func (p *progress) left() string {
	rest := p.all - p.ready
	if p.graded == 0 || rest == 0 {
		return ""
	}
	left := time.Duration(rest) * (time.Since(p.began) / time.Duration(p.graded))
	return fmt.Sprintf("   about %v left", left.Round(time.Second))
}

// silent is the progress of one student's tests.
type silent struct{}

func (silent) Building(string)                     {}
func (silent) Running(int)                         {}
func (silent) Started(string, string)              {}
func (silent) Ended(string, string, result.Status) {}
