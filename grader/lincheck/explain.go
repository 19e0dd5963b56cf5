package lincheck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// An explanation is what is known about a part that is not linearizable.
type explanation struct {
	culprit porcupine.Operation   // with the first answer that no order explains
	before  []porcupine.Operation // an order that explains all earlier answers, if one was found
	states  []any                 // after each of before
	pending []porcupine.Operation // under way then, or lost, and not in before
}

// explain finds the first return at which a part stops being linearizable: if
// it is not linearizable, no longer history is. A prefix that takes too much to
// judge counts as linearizable: the answer may come out too late, and never
// wrong.
func (s *search) explain(part []porcupine.Operation, budget Budget) *explanation {
	returns := returnTimes(part)
	wrong := func(n int) bool {
		s.left = budget
		return s.judge(prefix(part, returns[n], nil)) == notLinearizable
	}
	first := firstTrue(len(returns), wrong)
	if first < 0 {
		return nil
	}
	e := &explanation{}
	for _, op := range part {
		if op.Output != Unknown && op.Return == returns[first] {
			e.culprit = op
		}
	}
	e.explainBefore(s, part, returns[first], budget)
	return e
}

func returnTimes(part []porcupine.Operation) []int64 {
	var times []int64
	for _, op := range part {
		if op.Return != forever {
			times = append(times, op.Return)
		}
	}
	slices.Sort(times) // no two are the same
	return times
}

// firstTrue returns the lowest i below n for which f(i) holds, or -1. Once
// true, f stays true; but it is cheapest for small i, so the bound is doubled
// first.
func firstTrue(n int, f func(int) bool) int {
	low, high := 0, 1
	for ; high < n && !f(high-1); high *= 2 {
		low = high
	}
	if high >= n {
		if high = n; n == 0 || !f(n-1) {
			return -1
		}
	}
	for low < high-1 {
		if mid := (low + high - 1) / 2; f(mid) {
			high = mid + 1
		} else {
			low = mid + 1
		}
	}
	return high - 1
}

// prefix returns the part as it was right after time: what had not returned yet
// is lost, and what had not been called is not there. The answer of forget, if
// it is not nil, is not known either.
func prefix(part []porcupine.Operation, time int64, forget *porcupine.Operation) []porcupine.Operation {
	var ops []porcupine.Operation
	for _, op := range part {
		if op.Call > time {
			continue
		}
		if op.Return > time || forget != nil && id(op) == id(*forget) {
			op.Output, op.Return = Unknown, forever
		}
		ops = append(ops, op)
	}
	return ops
}

// maxVerbose bounds steps times operations of a search that notes orders.
const maxVerbose = 50_000_000

func (e *explanation) explainBefore(s *search, part []porcupine.Operation, time int64, budget Budget) {
	ops := prefix(part, time, &e.culprit)
	s.left = budget
	s.left.Steps = min(s.left.Steps, maxVerbose/(len(ops)+1))
	v, order := s.run(ops, true)
	if v != linearizable {
		return
	}
	// Porcupine puts every operation somewhere. Those with an unknown outcome
	// that nothing depends on come last: leave them out.
	kept := len(order)
	for kept > 0 && order[kept-1].Output == Unknown && id(order[kept-1]) != id(e.culprit) {
		kept--
	}
	e.before, e.pending = order[:kept], order[kept:]
	raw := map[int]porcupine.Operation{}
	for _, op := range part {
		raw[id(op)] = op
	}
	state := s.model.Init()
	for i, op := range e.before {
		op.Input = raw[id(op)].Input // as it was recorded
		_, state = s.model.Step(state, op.Input, op.Output)
		e.before[i], e.states = op, append(e.states, state)
	}
}

// skip returns how many operations of the order can be left out in front, so
// that about n are left, and the culprit if it is among them.
func (e *explanation) skip(n int) int {
	skip := max(0, len(e.before)-n)
	for i, op := range e.before[:skip] {
		if id(op) == id(e.culprit) {
			return i
		}
	}
	return skip
}

const (
	shownBefore  = 10
	shownPending = 5
	shownWidth   = 150
)

// render gives the explanation as text for a student.
func (e *explanation) render(s *search, operations int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "the history is not linearizable: no order of the operations explains this answer (%d operations on the same data):\n", operations)
	fmt.Fprintf(&b, "    %s\n", line(s.model, e.culprit))
	if len(e.before) > 0 {
		b.WriteString("All answers before it can be explained, for example by this order:\n")
	}
	skip := e.skip(shownBefore)
	if skip > 0 {
		fmt.Fprintf(&b, "    ... %d operations; then it holds %s\n", skip, s.describeState(e.states[skip-1]))
	}
	for i := skip; i < len(e.before); i++ {
		mark := ""
		if id(e.before[i]) == id(e.culprit) {
			mark = "   <- the answer that does not fit"
		}
		fmt.Fprintf(&b, "    %s   then it holds %s%s\n", line(s.model, e.before[i]), s.describeState(e.states[i]), mark)
	}
	for i, op := range e.pending {
		if i == shownPending {
			fmt.Fprintf(&b, "    and %d more\n", len(e.pending)-i)
			break
		}
		if i == 0 {
			b.WriteString("Under way at that time, or lost, and perhaps in effect:\n")
		}
		fmt.Fprintf(&b, "    %s\n", line(s.model, op))
	}
	return b.String()
}

func line(m Model, op porcupine.Operation) string {
	what := fmt.Sprintf("%v → %v", op.Input, op.Output)
	if m.DescribeOperation != nil {
		what = m.DescribeOperation(op.Input, op.Output)
	}
	at := op.Metadata.(span)
	return fmt.Sprintf("%-28s client %-3d %s", at, at.client, clip(what))
}

func (s *search) describeState(state any) string {
	if s.model.DescribeState != nil {
		return clip(s.model.DescribeState(state))
	}
	return clip(fmt.Sprint(state))
}

func clip(s string) string {
	if r := []rune(s); len(r) > shownWidth {
		return string(r[:shownWidth]) + "…"
	}
	return s
}
