// Package rubric reads rubric.yaml, the one place where a lab's points stand.
//
//	lab: lab4-raft
//	title: Raft
//	total: 85
//	files: [election.go, replication.go]
//	imports: [sync, time]
//	limits: {time: 60s, memory: 1GiB, output: 1MiB}
//	parts:
//	  - id: 4A
//	    title: Election
//	    tests:
//	      - {name: TestInitialElection4A, points: 3}
//	      - {name: TestChurn4A, points: 2, race: true}
//	      - {name: TestNobodyKnows4A, points: 1, hidden: true}
//	ungraded:
//	  - {name: TestInterop, reason: needs redis-cli}
//
// Decoding is strict: every mistake is an [Error] with the file and the line.
package rubric

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// FileName is the name of the rubric in a lab's folder.
const FileName = "rubric.yaml"

// A Rubric says how a lab is graded.
type Rubric struct {
	Lab      string     `yaml:"lab"`      // folder of the lab
	Title    string     `yaml:"title"`    // for people
	Total    Points     `yaml:"total"`    // what the points of all tests add up to
	Files    []string   `yaml:"files"`    // what a student submits
	Imports  []string   `yaml:"imports"`  // what those files may import; see [Rubric.Allowed]
	Race     Flag       `yaml:"race"`     // run all tests with the race detector
	Seeds    Count      `yaml:"seeds"`    // seeds a test, by default 5
	Limits   Limits     `yaml:"limits"`   // what one test may use
	Parts    []Part     `yaml:"parts"`    // in the order of the handout
	Ungraded []Ungraded `yaml:"ungraded"` // tests of the lab that earn no points

	// Unlisted are the lab's tests that the rubric does not know. In the
	// course's own tree that is a mistake; a student may well have added tests.
	Unlisted []*Error `yaml:"-"`

	// HiddenHere says that hidden tests can be run: the tree has the solutions.
	HiddenHere bool `yaml:"-"`
}

// A Part groups tests.
type Part struct {
	ID    string `yaml:"id"` // such as 4A: the names of its tests end in it
	Title string `yaml:"title"`
	Tests []Test `yaml:"tests"`
}

// A Test earns its points whole or not at all.
type Test struct {
	Name   string `yaml:"name"`
	Points Points `yaml:"points"`
	Race   Flag   `yaml:"race"`   // run it with the race detector
	Hidden Flag   `yaml:"hidden"` // it is in [HiddenFile], which students do not get
}

// Ungraded names a test that is in no part, and says why.
type Ungraded struct {
	Name   string `yaml:"name"`
	Reason string `yaml:"reason"`
}

// Limits bound one test, run under the rubric's number of seeds.
type Limits struct {
	Time   Duration `yaml:"time"`   // real time, by default 60s
	Memory Size     `yaml:"memory"` // resident memory, by default 1GiB
	Output Size     `yaml:"output"` // printed bytes that are kept, by default 1MiB
}

// Points returns what the part's tests add up to.
func (p *Part) Points() Points {
	var sum Points
	for _, t := range p.Tests {
		sum += t.Points
	}
	return sum
}

// Tests returns the tests of all parts, in their order.
func (r *Rubric) Tests() []Test {
	var all []Test
	for i := range r.Parts {
		all = append(all, r.Parts[i].Tests...)
	}
	return all
}

// HiddenFile is the name of the file, in the lab's folder of solutions, whose
// tests students do not get.
const HiddenFile = "hidden_test.go"

// hiddenDir returns the folder in which the hidden tests of the lab in dir are.
func hiddenDir(dir string) string {
	return filepath.Join(filepath.Dir(dir), "solutions", filepath.Base(dir))
}

// Load reads the rubric of the lab in dir and checks it against the lab's
// tests, and those in [HiddenFile]. In a tree without the solutions, which is
// a student's, there are none of the latter. An error holds every mistake
// found, as an [Error] each.
func Load(dir string) (*Rubric, error) {
	data, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		return nil, err
	}
	shown := filepath.Join(filepath.Base(dir), FileName)
	r, file, err := decode(shown, data)
	if err != nil {
		return nil, err
	}
	declared, err := testsIn(dir)
	if err != nil {
		return nil, err
	}
	hidden, err := hiddenTests(dir)
	if err != nil {
		return nil, err
	}
	_, err = os.Stat(hiddenDir(dir))
	c := checker{
		rubric: r, shown: shown, file: file, folder: filepath.Base(dir),
		declared: append(declared, hidden...), hidden: err == nil,
	}
	r.HiddenHere = c.hidden
	return r, c.check()
}

func decode(shown string, data []byte) (*Rubric, *ast.File, error) {
	r := &Rubric{Seeds: 5, Limits: Limits{
		Time: Duration(time.Minute), Memory: 1 << 30, Output: 1 << 20,
	}}
	file, err := parser.ParseBytes(data, 0)
	if err == nil {
		err = yaml.UnmarshalWithOptions(data, r, yaml.Strict())
	}
	if err != nil {
		return nil, nil, positioned(shown, err)
	}
	if n := len(file.Docs); n > 1 {
		return nil, nil, &Error{File: shown, Line: file.Docs[1].GetToken().Position.Line, Text: "a rubric is one YAML document"}
	}
	return r, file, nil
}

// positioned turns an error of the YAML library into ours.
func positioned(shown string, err error) error {
	if own := (*Error)(nil); errors.As(err, &own) {
		own.File = shown
		return own
	}
	e := &Error{File: shown, Text: err.Error()}
	if ye := yaml.Error(nil); errors.As(err, &ye) {
		e.Text = ye.GetMessage()
		if tk := ye.GetToken(); tk != nil {
			e.Line = tk.Position.Line
		}
	}
	return e
}
