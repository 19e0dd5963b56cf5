package mutants

import (
	"math"
	"slices"
	"strings"
	"time"

	"distsys/grader/internal/patch"
	"distsys/grader/internal/result"
	"distsys/grader/internal/rubric"
)

// Version is the version of the JSON form of a [Report].
const Version = 1

// A Status says what became of a planted bug.
type Status string

// The statuses. A lab's tests and patches are in order when all are Caught.
const (
	Caught     Status = "caught"       // by each test that its patch names
	NotByNamed Status = "not-by-named" // by some test, but not by each that its patch names
	Missed     Status = "missed"       // by no test that was run
	BuildError Status = "build-error"  // planted, the lab does not compile
	PatchError Status = "patch-error"  // the patch does not apply, or names a test that is not there
	NotRun     Status = "not-run"      // interrupted
)

// A Report says which tests catch which bugs: the kill matrix.
type Report struct {
	Version int   `json:"version"`
	Labs    []Lab `json:"labs"`
}

// A Lab is the report on the bugs of one lab.
type Lab struct {
	Lab    string   `json:"lab"`
	Bugs   []Bug    `json:"bugs"`
	Errors []string `json:"errors,omitempty"` // of files that should be patches

	// Complete says that every bug was tried with every test, or each test
	// until it had caught one. Only then is known which tests no bug needs.
	Complete        bool     `json:"complete"`
	Once            bool     `json:"once,omitempty"`    // a test that no patch names was tried until it had caught one
	TestsWithoutBug []string `json:"tests_without_bug"` // that catch no bug
}

// A Bug is what became of one planted bug.
type Bug struct {
	Name     string   `json:"name"`
	Bug      string   `json:"bug"` // what is wrong, in one line
	Heading  string   `json:"heading"`
	Named    []string `json:"named"`               // tests that must catch it
	CaughtBy []string `json:"caught_by"`           // in the order of the rubric
	CutShort bool     `json:"cut_short,omitempty"` // it made tests hang, so that some were left out
	Status   Status   `json:"status"`
	Message  string   `json:"message,omitempty"` // of an error
	Seconds  float64  `json:"seconds"`           // real time, other bugs at the same time
}

// settle says what became of a bug from what became of those tests that were
// to be run.
func (b *Bug) settle(tests []rubric.Test, statuses map[string]result.Status) {
	for _, t := range tests {
		switch status, asked := statuses[t.Name]; {
		case !asked || status == result.Pass:
		case status == result.NotRun:
			b.CutShort = true
		default:
			b.CaughtBy = append(b.CaughtBy, t.Name)
		}
	}
	switch {
	case len(b.CaughtBy) == 0:
		b.Status = Missed
	case len(b.NamedThatMiss()) > 0:
		b.Status = NotByNamed
	default:
		b.Status = Caught
	}
}

// NamedThatMiss returns the named tests that do not catch the bug.
func (b *Bug) NamedThatMiss() []string { return without(b.Named, b.CaughtBy) }

// NamedThatCatch returns the named tests that catch the bug.
func (b *Bug) NamedThatCatch() []string { return without(b.Named, b.NamedThatMiss()) }

// Others returns the tests that catch the bug without being named.
func (b *Bug) Others() []string { return without(b.CaughtBy, b.Named) }

func without(names, left []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(left, name) })
}

// with returns the bugs that have one of the statuses.
func (l *Lab) with(statuses ...Status) []Bug {
	return slices.DeleteFunc(slices.Clone(l.Bugs), func(b Bug) bool { return !slices.Contains(statuses, b.Status) })
}

// under returns the bugs with the heading.
func (l *Lab) under(heading string) []Bug {
	return slices.DeleteFunc(slices.Clone(l.Bugs), func(b Bug) bool { return b.Heading != heading })
}

// Faults returns how many bugs are not caught by each test that their patch
// names, or are no bugs.
func (r *Report) Faults() int {
	n := 0
	for i := range r.Labs {
		l := &r.Labs[i]
		n += len(l.Bugs) - len(l.with(Caught)) + len(l.Errors)
	}
	return n
}

// withoutBug returns the tests that catch no bug.
func (l *Lab) withoutBug(tests []rubric.Test) []string {
	names := []string{}
	for _, t := range tests {
		if !slices.ContainsFunc(l.Bugs, func(b Bug) bool { return slices.Contains(b.CaughtBy, t.Name) }) {
			names = append(names, t.Name)
		}
	}
	return names
}

// soleCatchers returns the tests that are the only ones to catch some bug, and
// those bugs.
func (l *Lab) soleCatchers() (tests []string, bugs map[string][]string) {
	bugs = map[string][]string{}
	for _, b := range l.Bugs {
		if len(b.CaughtBy) != 1 {
			continue
		}
		test := b.CaughtBy[0]
		if bugs[test] == nil {
			tests = append(tests, test)
		}
		bugs[test] = append(bugs[test], b.Name)
	}
	return tests, bugs
}

// missingHeadings returns the headings that no bug of the lab is under.
func (l *Lab) missingHeadings() []string {
	var missing []string
	for _, h := range patch.Headings {
		if concerns(h, l.Lab) && !slices.ContainsFunc(l.Bugs, func(b Bug) bool { return b.Heading == h }) {
			missing = append(missing, h)
		}
	}
	return missing
}

// concerns reports whether a heading is about a lab: "Raft - votes" is about
// lab4-raft, and "Locks" is about every lab.
func concerns(heading, lab string) bool {
	subject, _, _ := strings.Cut(heading, " - ")
	return subject == "Locks" || strings.HasSuffix(lab, "-"+strings.ToLower(subject))
}

// report gathers the outcomes.
func (t *trial) report() *Report {
	r := &Report{Version: Version}
	for _, l := range t.labs {
		out := Lab{Lab: l.rubric.Lab, Bugs: []Bug{}, Errors: l.errors, Once: t.options.Once, TestsWithoutBug: []string{}}
		for _, p := range l.plants {
			out.Bugs = append(out.Bugs, p.outcome)
		}
		out.Complete = l.complete && len(out.with(NotRun)) == 0
		if out.Complete {
			out.TestsWithoutBug = out.withoutBug(l.rubric.Tests())
		}
		r.Labs = append(r.Labs, out)
	}
	return r
}

// seconds rounds to milliseconds.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }
