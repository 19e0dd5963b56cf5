package report

import (
	"io"

	"distsys/grader/internal/result"
)

// mostGradescope bounds one message, in bytes.
const mostGradescope = 16 << 10

// A gradescopeReport is the results.json of a Gradescope autograder. Gradescope
// shows text as it is unless a format is named, and adds up the tests' scores.
type gradescopeReport struct {
	ExecutionTime    float64          `json:"execution_time"`
	Output           string           `json:"output,omitempty"`
	OutputFormat     string           `json:"output_format"`
	TestOutputFormat string           `json:"test_output_format"`
	TestNameFormat   string           `json:"test_name_format"`
	Visibility       string           `json:"visibility"`
	StdoutVisibility string           `json:"stdout_visibility"`
	Tests            []gradescopeTest `json:"tests"`
}

type gradescopeTest struct {
	Score      result.Points `json:"score"`
	MaxScore   result.Points `json:"max_score"`
	Status     string        `json:"status"`
	Name       string        `json:"name"`
	Number     string        `json:"number"`
	Output     string        `json:"output"`
	Tags       []string      `json:"tags"`
	Visibility string        `json:"visibility,omitempty"`
}

// Gradescope writes a report as results.json for Gradescope.
func Gradescope(w io.Writer, r *result.Report) error {
	out := gradescopeReport{
		OutputFormat: "text", TestOutputFormat: "text", TestNameFormat: "text",
		Visibility: "visible", StdoutVisibility: "hidden", Tests: []gradescopeTest{},
	}
	for _, note := range r.Notes {
		out.Output += "note: " + oneLine(note) + "\n"
	}
	for i := range r.Labs {
		l := &r.Labs[i]
		for _, note := range l.Notes {
			out.Output += "note: " + oneLine(note) + "\n"
		}
		for _, p := range l.Parts {
			for _, t := range p.Tests {
				if t.LeftOut {
					continue
				}
				out.ExecutionTime += t.Seconds
				out.Tests = append(out.Tests, gradescopeOf(l, &p, t))
			}
		}
	}
	out.Output = clip(out.Output, mostGradescope)
	return JSON(w, out)
}

func gradescopeOf(l *result.Lab, p *result.Part, t result.Test) gradescopeTest {
	g := gradescopeTest{
		Score: t.Points, MaxScore: t.Max, Status: "failed", Name: t.Name, Number: p.ID,
		Output: string(t.Status), Tags: []string{l.Lab, p.ID},
	}
	if t.Status == result.Pass {
		g.Status = "passed"
	}
	if t.Hidden {
		g.Visibility = "after_published"
	}
	if t.Message != "" {
		g.Output += "\n" + clip(safe(t.Message), mostGradescope)
	}
	return g
}
