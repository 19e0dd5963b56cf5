package lincheck

import (
	"context"
	"slices"

	"github.com/anishathalye/porcupine"
)

// A Budget bounds a search by what it does, not by the time it takes: a slow
// machine comes to the same verdict as a fast one. A history of right answers
// takes little more than one step for each operation; only when many operations
// overlap and the answers leave open what happened it takes many.
type Budget struct {
	Steps int // Steps bounds how often the search tries an operation.
	Bytes int // Bytes bounds the memory that the search keeps, roughly.
}

var defaultBudget = Budget{Steps: 500_000, Bytes: 256 << 20}

// Verdict is the outcome of a check.
type verdict int

const (
	linearizable verdict = iota
	notLinearizable
	unknownVerdict // the budget ran out
)

// Check fails the world when the history is not linearizable by the model, or
// when the budget does not suffice to tell. It returns whether the history is
// linearizable. It may be called more than once, and while operations are under
// way. Call it from the goroutine that runs the test's body: virtual time moves
// by some nanoseconds.
func (r *Recorder) Check(model Model) bool {
	r.runs++
	s := &search{model: withDefaults(model), left: r.Budget, working: r.w.Working}
	parts := s.partition(r.history())
	for _, part := range parts {
		switch s.judge(part) {
		case notLinearizable:
			r.reject(s, part)
			return false
		case unknownVerdict:
			r.giveUp(s, part)
			return false
		}
	}
	return true
}

// A search looks for linearizations by one model, within a budget.
type search struct {
	model Model
	left  Budget
	// working is called every so many steps.
	working func()
}

func withDefaults(m Model) Model {
	if m.Step == nil {
		step := m.StepContext
		m.Step = func(state, in, out any) (bool, any) { return step(context.Background(), state, in, out) }
		m.StepContext = nil
	}
	if m.Partition == nil {
		m.Partition = func(history []porcupine.Operation) [][]porcupine.Operation {
			return [][]porcupine.Operation{history}
		}
	}
	return m
}

// partition returns the parts of the history that can be judged on their own,
// the smallest first: it is found faster what is wrong with it, and told in
// fewer words. The model may have changed operations to make the search easier;
// they are here as they were recorded.
func (s *search) partition(history []porcupine.Operation) [][]porcupine.Operation {
	parts := s.model.Partition(history)
	for _, part := range parts {
		for i := range part {
			part[i] = history[id(part[i])]
		}
	}
	slices.SortStableFunc(parts, func(a, b []porcupine.Operation) int { return len(a) - len(b) })
	return parts
}

// judge searches for a linearization of one part.
func (s *search) judge(part []porcupine.Operation) verdict {
	v, _ := s.run(part, false)
	return v
}

// notice is how many steps pass between two calls of working.
const notice = 10_000

// run has porcupine search. What it took is taken from the budget. With
// wantOrder it also returns the longest linearization that porcupine came
// upon; this makes each step cost more.
func (s *search) run(part []porcupine.Operation, wantOrder bool) (verdict, []porcupine.Operation) {
	exhausted := false
	model := s.model // with its Partition, which may leave out what tells nothing
	// Once the budget is spent no step is possible any more. Porcupine then
	// takes back the steps it made and ends.
	model.Step = func(state, in, out any) (bool, any) {
		if exhausted = exhausted || s.left.Steps <= 0 || s.left.Bytes <= 0; exhausted {
			return false, nil
		}
		if s.left.Steps--; s.left.Steps%notice == 0 {
			s.working()
		}
		ok, next := s.model.Step(state, in, out)
		if ok {
			s.left.Bytes -= len(part)/8 + size(next)
		}
		return ok, next
	}
	var found bool
	var order []porcupine.Operation
	if wantOrder {
		result, info := porcupine.CheckOperationsVerbose(model, part, 0)
		found = result == porcupine.Ok
		order = longest(info)
	} else {
		found = porcupine.CheckOperations(model, part)
	}
	switch {
	case found:
		return linearizable, order
	case exhausted:
		return unknownVerdict, order
	default:
		return notLinearizable, order
	}
}

func longest(info porcupine.LinearizationInfo) []porcupine.Operation {
	var best []porcupine.Operation
	for _, orders := range info.PartialLinearizationsOperations() {
		for _, o := range orders {
			if len(o) > len(best) {
				best = o
			}
		}
	}
	return best
}

// entrySize is what porcupine keeps of a step besides the set of operations
// and the state, in bytes, roughly.
const entrySize = 100

func size(state any) int {
	if s, ok := state.(interface{ Size() int }); ok {
		return entrySize + s.Size()
	}
	return entrySize
}
