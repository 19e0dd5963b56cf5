package grading

import (
	"math"

	"distsys/grader/internal/result"
	"distsys/grader/internal/rubric"
)

// report gives the points.
func (g *grader) report() *result.Report {
	report := &result.Report{}
	for _, l := range g.labs {
		graded := result.Lab{Lab: l.rubric.Lab, Title: l.rubric.Title, Notes: l.notes}
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
	out := result.Test{Name: t.Name, Max: result.Points(t.Points), Status: result.NotRun, SeedsFailed: []uint64{}}
	r, ran := l.results[t.Name]
	switch {
	case !g.asked(t.Name):
		out.LeftOut = true
		out.Message = "left out by --run"
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
