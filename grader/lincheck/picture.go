package lincheck

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
)

// shownOps is how many operations before the culprit a picture has.
const shownOps = 40

// draw writes the picture of the last operations up to the culprit. The ones
// before are summed up in the state that they left. From that state there is no
// order either: otherwise there would be one for all.
func (s *search) draw(part []porcupine.Operation, e *explanation, path string) error {
	skip := e.skip(shownOps)
	left := map[int]bool{}
	for _, op := range e.before[:skip] {
		left[id(op)] = true
	}
	var shown []porcupine.Operation
	for _, op := range prefix(part, e.culprit.Return, nil) {
		if !left[id(op)] {
			shown = append(shown, op)
		}
	}
	shown = inRows(shown)
	model := s.model
	model.Partition = nil
	model.DescribeOperationMetadata = func(info any) string {
		at := info.(span)
		return fmt.Sprintf("client %d, %s", at.client, at)
	}
	var notes []porcupine.Annotation
	if skip > 0 {
		from := e.states[skip-1]
		model.Init = func() any { return from }
		notes = append(notes, porcupine.Annotation{
			Tag: "before", Start: e.before[0].Call, End: e.before[skip-1].Call,
			Description: fmt.Sprintf("%d operations", skip), Details: "then it holds " + s.describeState(from),
		})
	}
	info := s.orders(model, shown)
	info.AddAnnotations(notes)
	return porcupine.VisualizePath(model, info, path)
}

// orders has porcupine search again, and note the orders it comes upon. It is
// cut short: this picture need not be complete.
func (s *search) orders(model Model, shown []porcupine.Operation) porcupine.LinearizationInfo {
	steps := 50_000
	bounded := model
	bounded.Step = func(state, in, out any) (bool, any) {
		if steps--; steps < 0 {
			return false, nil
		}
		if steps%notice == 0 {
			s.working()
		}
		return model.Step(state, in, out)
	}
	_, info := porcupine.CheckOperationsVerbose(bounded, shown, 0)
	return info
}

// inRows gives each operation the row of the picture in which it is drawn: a
// client has a row, and more than one when its operations overlap, as those do
// that were lost. An operation without an end ends behind all others.
func inRows(ops []porcupine.Operation) []porcupine.Operation {
	type row struct {
		client int
		free   int64
	}
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var last int64
	for _, op := range ops {
		last = max(last, op.Call)
		if op.Return != forever {
			last = max(last, op.Return)
		}
	}
	var rows []row
	for i := range ops {
		op := &ops[i]
		n := 0
		for n < len(rows) && (rows[n].client != op.ClientId || rows[n].free >= op.Call) {
			n++
		}
		if n == len(rows) {
			rows = append(rows, row{client: op.ClientId})
		}
		rows[n].free = op.Return
		if op.Return == forever {
			op.Return = last + 1
		}
		op.ClientId = n
	}
	return ops
}
