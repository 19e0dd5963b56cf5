package grading

import (
	"fmt"
	"math"

	"distsys/grader/internal/result"
	"distsys/grader/internal/rubric"
	"distsys/grader/internal/runner"
)

// report gives the points.
func (g *grader) report() *result.Report {
	report := &result.Report{}
	if g.options.Submission != "" && !runner.Isolated() {
		report.Notes = append(report.Notes, "no network namespace on this machine: the tests could reach the network")
	}
	for _, l := range g.labs {
		graded := result.Lab{Lab: l.rubric.Lab, Title: l.rubric.Title, Notes: l.notes}
		if note := withoutHidden(l.rubric); note != "" {
			graded.Notes = append(graded.Notes, note)
		}
		for _, p := range l.rubric.Parts {
			part := result.Part{ID: p.ID, Title: p.Title}
			for _, t := range p.Tests {
				part.Tests = append(part.Tests, g.outcome(l, t))
			}
			graded.Parts = append(graded.Parts, part)
		}
		report.Labs = append(report.Labs, graded)
	}
	report.Total()
	return report
}

func (g *grader) outcome(l *lab, t rubric.Test) result.Test {
	out := result.Test{Name: t.Name, Hidden: bool(t.Hidden), Max: result.Points(t.Points), Status: result.NotRun, SeedsFailed: []uint64{}}
	r, ran := l.results[t.Name]
	switch {
	case !g.asked(l.rubric, t):
		out.LeftOut = true
		out.Message = "left out by --run"
		if bool(t.Hidden) && !l.rubric.HiddenHere {
			out.Message = "a hidden test: it runs when the course grades"
		}
	case l.refusal != "":
		out.Status = result.BuildError
		out.Message = l.refusal
	case !ran:
		out.Message = "interrupted"
	default:
		out.Status, out.Message, out.Log = r.Status, r.Message, r.Log
		out.SeedsRun, out.SeedsFailed = r.SeedsRun, r.SeedsFailed
		out.Seconds = math.Round(r.Elapsed.Seconds()*1000) / 1000
	}
	return out
}

// withoutHidden says which points cannot be had in a student's tree.
func withoutHidden(r *rubric.Rubric) string {
	var n int
	var points rubric.Points
	for _, t := range r.Tests() {
		if bool(t.Hidden) && !r.HiddenHere {
			n++
			points += t.Points
		}
	}
	switch n {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("1 hidden test, worth %v, runs when the course grades", points)
	}
	return fmt.Sprintf("%d hidden tests, worth %v, run when the course grades", n, points)
}
