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

// A Progress shows how far grading has come: as one live line on a terminal,
// else as a line now and then.
type Progress struct {
	w    io.Writer
	live bool
	cols int

	mu       sync.Mutex
	building string
	total    int
	done     int
	failed   int
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
func (p *Progress) Running(tests int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.building, p.total = "", tests
	if !p.live && tests > 0 {
		fmt.Fprintf(p.w, "running %s\n", plural(tests, "test"))
	}
}

// Started says that a test has been started.
func (p *Progress) Started(_, test string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = append(p.running, test)
}

// Ended says what became of a test.
func (p *Progress) Ended(_, test string, status result.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.running, test); i >= 0 {
		p.running = slices.Delete(p.running, i, i+1)
	}
	p.done++
	if status != result.Pass {
		p.failed++
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
	failed := ""
	if p.failed > 0 {
		failed = fmt.Sprintf(", %d failed", p.failed)
	}
	return fmt.Sprintf("%d/%s%s, %.0f s: %s", p.done, plural(p.total, "test"), failed, elapsed, strings.Join(p.running, ", "))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
