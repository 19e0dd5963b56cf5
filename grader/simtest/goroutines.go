package simtest

import (
	"fmt"
	"strings"
)

// Goroutines describes the goroutines in which code under test runs now, or
// that it started: where each is. It is for tests that a server which was
// stopped leaves none. Goroutines that are about to end count too, so sleep a
// moment first. The caller's own is left out.
func (w *World) Goroutines() []string {
	self := current().id
	var all []string
	for _, g := range bubbleStacks(w.bubble) {
		if g.id == self {
			continue
		}
		if places := g.underTest(); places != "" {
			all = append(all, fmt.Sprintf("goroutine %d (%s) at\n%s", g.id, g.state, places))
		}
	}
	return all
}

// underTest says where in the code under test the goroutine is, or returns "".
func (g *goroutine) underTest() string {
	var frames []frame
	for _, f := range append(g.frames, g.creator) {
		if f.user() && !strings.HasSuffix(f.file, "_test.go") {
			frames = append(frames, f)
		}
	}
	return places(frames)
}
