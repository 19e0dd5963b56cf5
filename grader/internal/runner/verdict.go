package runner

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	secretBytes  = 32
	longestLine  = 256 << 10 // of the verdict channel, in bytes
	mostVerdicts = 64 << 20  // bytes of the channel that are looked at
)

// A verdict collects what the kit says about one test. The kit shows who it is
// by a secret that no other code in the process can have seen.
//
// It believes a pass only when the seeds are those that it asked for: each
// begun, each ended in a pass, and none heard of twice with another outcome.
type verdict struct {
	test   string
	seeds  []uint64 // that the test is to run under
	secret string
	in     *os.File // the process reads the secret here
	r, w   *os.File
	done   chan struct{}

	planned []uint64
	begun   []uint64
	ended   map[uint64]verdictLine
	final   string // status of the "done" line
	odd     string // what cannot be, when the kit was not tampered with
}

// A verdictLine is what follows the secret.
type verdictLine struct {
	Event   string   `json:"event"`
	Test    string   `json:"test"`
	Seeds   []uint64 `json:"seeds"`
	Seed    uint64   `json:"seed"`
	Status  string   `json:"status"`
	Message string   `json:"message"`
}

func newVerdict(test string, seeds []uint64) (*verdict, error) {
	v := &verdict{test: test, seeds: seeds, done: make(chan struct{}), ended: map[uint64]verdictLine{}}
	random := make([]byte, secretBytes)
	rand.Read(random) // never fails
	v.secret = hex.EncodeToString(random)
	in, secret, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer secret.Close()
	v.in = in
	if _, err := secret.WriteString(v.secret); err != nil { // The pipe holds it all.
		in.Close()
		return nil, err
	}
	if v.r, v.w, err = os.Pipe(); err != nil {
		in.Close()
		return nil, err
	}
	go v.read()
	return v, nil
}

func (v *verdict) read() {
	defer close(v.done)
	in := bufio.NewReaderSize(v.r, longestLine)
	long := false
	for total := 0; ; {
		line, err := in.ReadSlice('\n')
		total += len(line)
		switch {
		case err == bufio.ErrBufferFull:
			long = true
			continue
		case err != nil:
			return
		case !long && total < mostVerdicts:
			v.line(bytes.TrimSuffix(line, []byte("\n")))
		}
		long = false
	}
}

func (v *verdict) line(line []byte) {
	text, ok := bytes.CutPrefix(line, []byte(v.secret+" "))
	if !ok {
		return
	}
	var l verdictLine
	if json.Unmarshal(text, &l) != nil || l.Test != v.test {
		return
	}
	switch l.Event {
	case "plan":
		if !slices.Equal(l.Seeds, v.seeds) && !slices.Equal(l.Seeds, realTime) {
			v.odd = "the test did not run under the seeds that it was told to run under"
		}
		v.planned = append(v.planned, l.Seeds...)
	case "start":
		v.begun = append(v.begun, l.Seed)
	case "seed":
		if old, ok := v.ended[l.Seed]; !ok || old.Status == "pass" {
			v.ended[l.Seed] = l
		}
	case "done":
		if v.final == "" || v.final == "pass" {
			v.final = l.Status
		}
	}
}

// realTime are the seeds of a test that runs in real time.
var realTime = []uint64{0}

// finish waits for the last line. The process has ended.
func (v *verdict) finish() {
	v.close()
	v.r.SetReadDeadline(time.Now().Add(drainTime))
	<-v.done
	v.r.Close()
	slices.Sort(v.begun)
	v.begun = slices.Compact(v.begun)
}

// close closes the ends that the process has inherited.
func (v *verdict) close() {
	v.in.Close()
	v.w.Close()
}

// passed reports whether the kit vouches for the test and each of its seeds.
func (v *verdict) passed() bool {
	for _, seed := range v.planned {
		if v.ended[seed].Status != "pass" || !slices.Contains(v.begun, seed) {
			return false
		}
	}
	return len(v.planned) > 0 && len(v.failed()) == 0 && v.final == "pass" && v.odd == ""
}

// failed returns the seeds that were begun and did not pass.
func (v *verdict) failed() []uint64 {
	failed := []uint64{}
	for _, seed := range v.begun {
		if v.ended[seed].Status != "pass" {
			failed = append(failed, seed)
		}
	}
	return failed
}

// running returns the seeds that were begun and did not end.
func (v *verdict) running() []uint64 {
	var running []uint64
	for _, seed := range v.begun {
		if _, ok := v.ended[seed]; !ok {
			running = append(running, seed)
		}
	}
	return running
}

// worst returns the line of the lowest seed with the given status, or of the
// lowest that did not pass when status is "".
func (v *verdict) worst(status string) (verdictLine, bool) {
	for _, seed := range v.begun {
		l, ok := v.ended[seed]
		if ok && (l.Status == status || status == "" && l.Status != "pass") {
			return l, true
		}
	}
	return verdictLine{}, false
}

// clean makes a message safe to keep: valid UTF-8, no trailing blanks.
func clean(message string) string {
	return strings.TrimRight(strings.ToValidUTF8(message, "\uFFFD"), " \t\r\n")
}
