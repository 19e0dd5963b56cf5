package simtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"distsys/grader/simtest/verdict"
)

// A report collects what became of the worlds of one test, for people and for
// the grader.
type report struct {
	t     *testing.T
	test  string
	seeds []uint64
}

// verdictLine is what the grader reads.
type verdictLine struct {
	Event   string   `json:"event"` // plan, start, seed, done
	Test    string   `json:"test"`
	Seeds   []uint64 `json:"seeds,omitempty"`
	Seed    uint64   `json:"seed"`
	Status  Status   `json:"status,omitempty"`
	Seconds float64  `json:"seconds,omitempty"`
	Message string   `json:"message,omitempty"`
}

const maxMessage = 16 << 10 // bytes

var verdictMu sync.Mutex

func (l verdictLine) send() {
	if !verdict.Enabled() {
		return
	}
	if len(l.Message) > maxMessage {
		l.Message = l.Message[:maxMessage] + " ..."
	}
	line, err := json.Marshal(l)
	if err != nil {
		panic(err) // It holds nothing that cannot be encoded.
	}
	verdictMu.Lock()
	defer verdictMu.Unlock()
	verdict.Send(line)
}

func beginReport(t *testing.T, seeds []uint64) *report {
	verdictLine{Event: "plan", Test: t.Name(), Seeds: seeds}.send()
	return &report{t: t, test: t.Name(), seeds: seeds}
}

func (p *report) start(seed uint64) {
	verdictLine{Event: "start", Test: p.test, Seed: seed}.send()
}

// seed reports one world, and lets go of its events.
func (p *report) seed(r *Result) {
	line := verdictLine{Event: "seed", Test: p.test, Seed: r.Seed, Status: r.Status, Seconds: r.Real.Seconds()}
	if r.Failed() {
		r.writeLog()
		r.text = r.render()
		line.Message = r.text
	}
	r.Events = nil
	line.send()
	if r.spins {
		// The goroutine cannot be stopped: no further test would be worth much.
		fmt.Fprintf(os.Stderr, "--- %s/seed=%d\n%s\nThe busy loop cannot be stopped, so the run of the tests ends here.\n", p.test, r.Seed, r.text)
		os.Exit(1)
	}
}

// end reports the test. It runs when all its subtests have ended.
func (p *report) end(results []*Result) {
	status := Pass
	var first *Result
	var others []string
	for _, r := range results {
		switch {
		case r == nil: // filtered out by -run
			status = Fail
		case r.Failed() && first == nil:
			first = r
		case r.Failed():
			others = append(others, fmt.Sprint(r.Seed))
		}
	}
	if first != nil {
		text := first.text
		if len(others) > 0 {
			text += "\nalso failed: seed " + strings.Join(others, ", ")
		}
		p.t.Errorf("%s", text)
	}
	if p.t.Failed() || p.t.Skipped() {
		status = Fail
	}
	verdictLine{Event: "done", Test: p.test, Status: status}.send()
}

// logFile returns the name of a file of a world, and makes its folder.
func logFile(test string, seed uint64, ending string) (string, error) {
	name := fmt.Sprintf("%s-seed%d%s", strings.ReplaceAll(test, "/", "-"), seed, ending)
	return filepath.Join(*logFlag, name), os.MkdirAll(*logFlag, 0o755)
}

// File returns the name of a file beside the event log of this world, for what
// a failure wants to show, and makes the folder. The ending tells it from other
// files of the world.
func (w *World) File(ending string) (string, error) { return logFile(w.test, w.seed, ending) }

// writeLog writes the event log of a failed world to a file.
func (r *Result) writeLog() {
	if len(r.Events) == 0 || r.isTODO() {
		return
	}
	name, err := logFile(r.Test, r.Seed, ".jsonl")
	if err != nil {
		r.Notes = append(r.Notes, "the event log was not written: "+err.Error())
		return
	}
	f, err := os.Create(name)
	if err == nil {
		err = writeJSONLines(f, r.Events)
		if e := f.Close(); err == nil {
			err = e
		}
	}
	if err != nil {
		r.Notes = append(r.Notes, "the event log was not written: "+err.Error())
		return
	}
	r.Log = name
}
