package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"distsys/grader/internal/result"
)

// mostJUnit bounds one message, in bytes.
const mostJUnit = 64 << 10

// JUnit writes a report as JUnit XML: a suite for each part, failed checks and
// stuck worlds as failures, all else that went wrong as errors.
func JUnit(w io.Writer, r *result.Report) error {
	suites := junit.Testsuites{Name: "distsys"}
	seconds := 0.0
	for i := range r.Labs {
		l := &r.Labs[i]
		for j := range l.Parts {
			s, took := junitSuite(l, &l.Parts[j])
			s.ID = len(suites.Suites)
			suites.AddSuite(s)
			seconds += took
		}
	}
	suites.Time = fmt.Sprintf("%.3f", seconds)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	return suites.WriteXML(w)
}

func junitSuite(l *result.Lab, p *result.Part) (junit.Testsuite, float64) {
	s := junit.Testsuite{Name: xmlText(l.Lab + " " + p.ID + " " + p.Title), Package: l.Lab}
	s.AddProperty("points", fmt.Sprint(p.Points))
	s.AddProperty("max", fmt.Sprint(p.Max))
	seconds := 0.0
	for _, t := range p.Tests {
		s.AddTestcase(junitCase(l, t))
		seconds += t.Seconds
	}
	s.Time = fmt.Sprintf("%.3f", seconds)
	return s, seconds
}

func junitCase(l *result.Lab, t result.Test) junit.Testcase {
	c := junit.Testcase{Name: t.Name, Classname: l.Lab, Time: fmt.Sprintf("%.3f", t.Seconds), Status: string(t.Status)}
	if t.Status == result.Pass {
		return c
	}
	message := xmlText(t.Message)
	head, _, _ := strings.Cut(message, "\n")
	outcome := &junit.Result{Message: clip(head, 200), Type: string(t.Status), Data: quoted(clip(message, mostJUnit))}
	switch t.Status {
	case result.NotRun:
		c.Skipped = outcome
	case result.Fail, result.Stuck:
		c.Failure = outcome
	default:
		c.Error = outcome
	}
	return c
}

// xmlText replaces what XML cannot hold even in the form of a reference.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == 0xfffe || r == 0xffff {
			return '\uFFFD'
		}
		return r
	}, safe(s))
}
