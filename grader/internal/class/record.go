package class

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"distsys/grader/internal/result"
	"distsys/grader/internal/workspace"
)

// What is in the folder of a class.
const (
	gradesDir    = "grades"   // a record for each student
	feedbackDir  = "feedback" // a Markdown file for each student
	logsDir      = "logs"     // of failed tests, a folder for each student
	bookFile     = "gradebook.csv"
	manifestFile = "class.json"
)

const recordVersion = 1

// A Record is the grade of one student.
type Record struct {
	Version  int       `json:"version"`
	Student  Student   `json:"student"`
	Problem  string    `json:"problem,omitempty"` // what could not be read
	Attempts []Attempt `json:"attempts"`
	Counts   int       `json:"counts"` // index of the attempt that counts
	Points   float64   `json:"points"` // after the penalty
	Max      float64   `json:"max"`
	Digest   string    `json:"digest"` // of all that the grade depends on
}

// An Attempt is one state of a student's files, and what it earns.
type Attempt struct {
	Submission string         `json:"submission"`
	Commit     string         `json:"commit,omitempty"`
	Time       string         `json:"time,omitempty"` // of the commit, RFC 3339
	LateDays   int            `json:"late_days"`
	Penalty    float64        `json:"penalty"` // percent
	Report     *result.Report `json:"report"`
}

// points returns what the attempt earns after its penalty, to the hundredth.
func (a *Attempt) points() float64 {
	return math.Round(float64(a.Report.Points)*(100-a.Penalty)) / 100
}

// judge takes in what was collected.
func (r *Record) judge(attempts []attempt, problem string) {
	r.Problem = problem
	r.Attempts = make([]Attempt, len(attempts))
	for i, a := range attempts {
		r.Attempts[i] = a.Attempt
	}
}

// most returns what the labs are worth.
func (c *class) most() (sum float64) {
	for _, r := range c.rubrics {
		sum += float64(r.Total)
	}
	return sum
}

// choose finds the attempt that counts: the one that earns most, and of equals
// the first.
func (r *Record) choose() {
	for i := range r.Attempts {
		if a := &r.Attempts[i]; i == 0 || a.points() > r.Points {
			r.Counts, r.Points = i, a.points()
		}
	}
}

// counted returns the report that counts, or nil.
func (r *Record) counted() *Attempt {
	if len(r.Attempts) == 0 {
		return nil
	}
	return &r.Attempts[r.Counts]
}

func recordFile(out, id string) string { return filepath.Join(out, gradesDir, fileName(id)+".json") }

// write puts the record where it will be found. It is there whole, or not at
// all.
func (r *Record) write(out string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return writeWhole(recordFile(out, r.Student.ID), append(data, '\n'))
}

// writeWhole writes a file that appears under its name only when it is
// complete and on the disk.
func writeWhole(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".writing-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// readRecord returns a record, or nil when there is none that can be read.
func readRecord(name string) *Record {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	r := &Record{}
	if json.Unmarshal(data, r) != nil || r.Version != recordVersion || r.Counts >= max(1, len(r.Attempts)) {
		return nil
	}
	for _, a := range r.Attempts {
		if a.Report == nil {
			return nil
		}
	}
	return r
}

// digestTree returns a digest of what all grades depend on: the labs, the
// grader and the options.
func digestTree(w *workspace.Workspace, o Options) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%v %+v %d %q", o.Grading.Labs, o.Late, o.Grading.Seeds, o.Grading.Secret)
	dirs := []string{"go.mod", "go.sum", "grader"}
	for _, lab := range o.Grading.Labs {
		dirs = append(dirs, lab, filepath.Join("solutions", lab)) // hidden tests
	}
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(w.Root, dir), func(path string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) || err == nil && !d.Type().IsRegular() {
				return nil
			}
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(w.Root, path)
			return digestFile(h, rel, path)
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func digestFile(h io.Writer, name, path string) error {
	text, err := os.ReadFile(path)
	fmt.Fprintf(h, "\x00%s\x00%d\x00%s", name, len(text), text)
	return err
}

// digestStudent returns a digest of what a grade depends on.
func digestStudent(way string, r *Record, attempts []attempt) (string, error) {
	h := sha256.New()
	about, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(h, "%s\x00%s", way, about)
	for _, a := range attempts {
		err := filepath.WalkDir(a.dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return digestFile(h, strings.TrimPrefix(path, a.dir), path)
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// withoutPaths makes the report of a lab the same on whatever machine it was made.
func withoutPaths(l *result.Lab, logs string) {
	l.Tests(func(t *result.Test) {
		t.Log = ""
		t.Message = strings.ReplaceAll(t.Message, logs, logsDir)
	})
}
