package lincheck

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// reject fails the world: part is not linearizable.
func (r *Recorder) reject(s *search, part []porcupine.Operation) {
	e := s.explain(part, r.Budget)
	if e == nil { // Judged by the rest of a budget, and now by a whole one: cannot be.
		panic("lincheck: one part was judged in two ways")
	}
	r.w.Errorf("%s%s", e.render(s, len(part)), r.picture(s, part, e))
}

// giveUp fails the world: the budget ran out on part. If a shorter history
// already is not linearizable, this one is not.
func (r *Recorder) giveUp(s *search, part []porcupine.Operation) {
	budget := r.Budget
	budget.Steps, budget.Bytes = budget.Steps/8, budget.Bytes/8
	if e := s.explain(part, budget); e != nil {
		r.w.Errorf("%s%s", e.render(s, len(part)), r.picture(s, part, e))
		return
	}
	lost := 0
	for _, op := range part {
		if op.Return == forever {
			lost++
		}
	}
	r.w.Errorf("linearizable or not: unknown, and that counts as a failure. "+
		"The search was given up after %d steps and %d MiB, with %d operations on the same data, %d of them lost and up to %d at a time, "+
		"before it found an order that explains all answers or showed that there is none. "+
		"A history of right answers takes few more steps than it has operations, unless many are lost or under way at the same time.",
		r.Budget.Steps-max(0, s.left.Steps), (r.Budget.Bytes-max(0, s.left.Bytes))>>20, len(part), lost, overlap(part))
}

// overlap returns how many operations were under way at the same time at most,
// without those that were lost.
func overlap(part []porcupine.Operation) int {
	most := 0
	for _, a := range part {
		n := 0
		for _, b := range part {
			if b.Return != forever && b.Call <= a.Call && a.Call <= b.Return {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// picture writes porcupine's picture beside the world's log, and returns a
// line that names it.
func (r *Recorder) picture(s *search, part []porcupine.Operation, e *explanation) string {
	suffix := "-history.html"
	if r.runs > 1 {
		suffix = fmt.Sprintf("-history%d.html", r.runs)
	}
	path, err := r.w.File(suffix)
	if err == nil {
		err = s.draw(part, e, path)
	}
	if err != nil {
		return "the picture was not written: " + err.Error()
	}
	return "picture, for a browser: " + path
}
