// Package result is the model of a grade. Every report is an encoder of it.
package result

// Version is the version of the JSON form of a [Report].
const Version = 1

// Points are whole or halves: both are exact, in Go and in JSON.
type Points float64

// A Status says what became of a test.
type Status string

// The statuses. Only Pass earns points.
const (
	Pass       Status = "pass"
	Fail       Status = "fail"        // a check failed
	Crash      Status = "crash"       // the process ended before the test did: panic, exit, memory, output
	Timeout    Status = "timeout"     // the time limit was exceeded
	Stuck      Status = "stuck"       // virtual time could not move: a lock held while waiting, or a busy loop
	BuildError Status = "build-error" // the lab did not compile, or was not accepted
	NotRun     Status = "not-run"     // left out by a flag, or interrupted
)

// A Report is the grade of one tree or submission.
type Report struct {
	Version int      `json:"version"`
	Points  Points   `json:"points"`
	Max     Points   `json:"max"`
	Notes   []string `json:"notes,omitempty"` // what the machine could not do for the grade
	Labs    []Lab    `json:"labs"`
}

// A Lab is the grade of one lab.
type Lab struct {
	Lab    string   `json:"lab"`
	Title  string   `json:"title"`
	Points Points   `json:"points"`
	Max    Points   `json:"max"`
	Notes  []string `json:"notes,omitempty"` // what was ignored, and why
	Parts  []Part   `json:"parts"`
}

// A Part is the grade of one part of a lab.
type Part struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Points Points `json:"points"`
	Max    Points `json:"max"`
	Tests  []Test `json:"tests"`
}

// A Test is the outcome of one test.
type Test struct {
	Name        string   `json:"name"`
	Hidden      bool     `json:"hidden,omitempty"` // students do not have it
	Status      Status   `json:"status"`
	Points      Points   `json:"points"`
	Max         Points   `json:"max"`
	SeedsRun    int      `json:"seeds_run"`    // seeds that were begun
	SeedsFailed []uint64 `json:"seeds_failed"` // seeds that were begun and did not pass
	Seconds     float64  `json:"seconds"`      // real time
	Message     string   `json:"message"`
	Log         string   `json:"log,omitempty"` // file with the whole output, on the machine that graded

	LeftOut bool `json:"-"` // by --run, or as a hidden test in a student's tree: nobody asked for it
}

// Total fills in the points of the report, its labs and their parts.
func (r *Report) Total() {
	r.Version = Version
	r.Points, r.Max = 0, 0
	for i := range r.Labs {
		r.Labs[i].total()
		r.Points += r.Labs[i].Points
		r.Max += r.Labs[i].Max
	}
}

func (l *Lab) total() {
	l.Points, l.Max = 0, 0
	for i := range l.Parts {
		l.Parts[i].total()
		l.Points += l.Parts[i].Points
		l.Max += l.Parts[i].Max
	}
}

func (p *Part) total() {
	p.Points, p.Max = 0, 0
	for i := range p.Tests {
		t := &p.Tests[i]
		t.Points = 0
		if t.Status == Pass {
			t.Points = t.Max
		}
		p.Points += t.Points
		p.Max += t.Max
	}
}

// Tests calls f for each test, in the order of the rubric.
func (l *Lab) Tests(f func(t *Test)) {
	for i := range l.Parts {
		for j := range l.Parts[i].Tests {
			f(&l.Parts[i].Tests[j])
		}
	}
}

// Asked returns the points, and how many could be had, of the tests that were
// not left out.
func (r *Report) Asked() (points, most Points) {
	for i := range r.Labs {
		p, m := r.Labs[i].Asked()
		points, most = points+p, most+m
	}
	return points, most
}

// Asked is as [Report.Asked], for one lab.
func (l *Lab) Asked() (points, most Points) {
	for i := range l.Parts {
		p, m := l.Parts[i].Asked()
		points, most = points+p, most+m
	}
	return points, most
}

// Asked is as [Report.Asked], for one part.
func (p *Part) Asked() (points, most Points) {
	for _, t := range p.Tests {
		if !t.LeftOut {
			points, most = points+t.Points, most+t.Max
		}
	}
	return points, most
}
