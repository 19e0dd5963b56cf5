package simtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	shownEvents   = 16
	shownFailures = 3
	shownNotes    = 3
	shownWidth    = 180 // characters of an event
)

// render gives a failed world as one message: what went wrong, the last
// events before it, and how to see it again.
func (r *Result) render() string {
	if r.isTODO() {
		return r.Failures[0].Message
	}
	var b strings.Builder
	for i, f := range r.Failures {
		if i == shownFailures {
			fmt.Fprintf(&b, "and %d more failures\n", len(r.Failures)-i)
			break
		}
		fmt.Fprintf(&b, "seed %d, after %s: %s\n", r.Seed, strings.TrimSpace(clock(f.At)), strings.TrimRight(f.Message, "\n"))
	}
	for i, n := range r.Notes {
		if i == shownNotes {
			fmt.Fprintf(&b, "note: and %d more\n", len(r.Notes)-i)
			break
		}
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	if last := r.lastEvents(); len(last) > 0 {
		b.WriteString("the last events before the failure:\n")
		for _, e := range last {
			b.WriteString(clip(e.String()) + "\n")
		}
	}
	fmt.Fprintf(&b, "run it again: go test %s -run '^%s$' -seed %d", testPackage(), r.Test, r.Seed)
	if r.Log != "" {
		fmt.Fprintf(&b, "\nwhole log:    %s", r.Log)
	}
	return b.String()
}

// lastEvents returns the events before the first failure.
func (r *Result) lastEvents() []Event {
	for i, e := range r.Events {
		if e.Kind == "fail" {
			return r.Events[max(0, i-shownEvents):i]
		}
	}
	return nil
}

func clip(s string) string {
	s = strings.ReplaceAll(s, "\n", " ")
	if r := []rune(s); len(r) > shownWidth {
		return string(r[:shownWidth]) + "…"
	}
	return s
}

// testPackage returns the package under test as go test takes it.
func testPackage() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for root := dir; root != filepath.Dir(root); root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			if rel, err := filepath.Rel(root, dir); err == nil {
				return "./" + filepath.ToSlash(rel)
			}
		}
	}
	return "."
}
