package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"distsys/grader/internal/result"
)

const (
	redrawTime = 100 * time.Millisecond // of the live line
	plainTime  = 10 * time.Second       // between lines where there is no terminal
)

// A Progress shows how far the grader has come with tests, or with planted
// bugs: as one live line on a terminal, else as a line now and then.
type Progress struct {
	w    io.Writer
	live bool
	cols int

	mu       sync.Mutex
	building string
	what     string // is counted: "test"
	outcome  string // of some of them: "failed"
	total    int
	done     int
	marked   int // those with that outcome
	running  []string
	began    time.Time

	quit chan struct{}
	gone sync.WaitGroup
}

// NewProgress returns a Progress that writes to w, which is a terminal of cols
// columns when live.
func NewProgress(w io.Writer, live bool, cols int) *Progress {
	p := &Progress{w: w, live: live, cols: cols, began: time.Now(), quit: make(chan struct{})}
	p.gone.Go(p.show)
	return p
}

// Building says that a lab is being built.
func (p *Progress) Building(lab string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.building = lab
	if !p.live {
		fmt.Fprintf(p.w, "building %s\n", lab)
	}
}

// Running says that the tests are to be run now.
func (p *Progress) Running(tests int) { p.begin("running", tests, "test", "failed") }

// Planting says that the bugs are to be planted now.
func (p *Progress) Planting(bugs int) { p.begin("planting", bugs, "bug", "caught") }

func (p *Progress) begin(verb string, total int, what, outcome string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.building, p.total, p.what, p.outcome = "", total, what, outcome
	if !p.live && total > 0 {
		fmt.Fprintf(p.w, "%s %s\n", verb, plural(total, what))
	}
}

// Started says that a test has been started, or a bug planted.
func (p *Progress) Started(_, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = append(p.running, name)
}

// Ended says what became of a test.
func (p *Progress) Ended(_, test string, status result.Status) {
	p.end(test, status != result.Pass)
}

// Tried says what became of a planted bug.
func (p *Progress) Tried(_, bug string, caught bool) { p.end(bug, caught) }

func (p *Progress) end(name string, marked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.running, name); i >= 0 {
		p.running = slices.Delete(p.running, i, i+1)
	}
	p.done++
	if marked {
		p.marked++
	}
}

// Stop ends the display and removes the live line.
func (p *Progress) Stop() {
	close(p.quit)
	p.gone.Wait()
	if p.live {
		fmt.Fprint(p.w, clearLine)
	}
}

// clearLine moves the cursor to the first column and erases the line.
const clearLine = "\r\x1b[K"

func (p *Progress) show() {
	interval := plainTime
	if p.live {
		interval = redrawTime
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-ticker.C:
		}
		if line := p.line(); p.live {
			fmt.Fprint(p.w, clearLine+text.Snip(line, p.cols-1, "…"))
		} else {
			fmt.Fprintln(p.w, line)
		}
	}
}

func (p *Progress) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := time.Since(p.began).Seconds()
	if p.building != "" {
		return fmt.Sprintf("building %s, %.0f s", p.building, elapsed)
	}
	marked := ""
	if p.marked > 0 {
		marked = fmt.Sprintf(", %d %s", p.marked, p.outcome)
	}
	return fmt.Sprintf("%d/%s%s, %.0f s: %s", p.done, plural(p.total, p.what), marked, elapsed, strings.Join(p.running, ", "))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
