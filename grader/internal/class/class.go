// Package class grades the submissions of a whole class.
//
// A submission is a folder, a zip file or a git clone, named for its student.
// The files that the rubrics name are looked for in it, wherever they are:
// students pack them in all ways. What is found is graded on the clean tree.
//
// Each student's grade is a file of its own, which appears whole or not at all.
// So a run that was killed goes on where it was, and the shards of a class that
// were graded on several machines are joined by putting their files together.
package class

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"distsys/grader/internal/grading"
	"distsys/grader/internal/rubric"
	"distsys/grader/internal/shard"
	"distsys/grader/internal/workspace"
)

// Options says what is graded, and how.
type Options struct {
	Submissions string          // folder with an entry for each submission
	Out         string          // folder for grades, feedback and grade book
	Roster      string          // CSV file of the students; "" takes each entry for a student
	Shard       shard.Shard     // the part of the class to grade
	Jobs        int             // submissions at once; 0 is GOMAXPROCS
	Late        LatePolicy      // what the dates of git commits mean
	Grading     grading.Options // labs, seeds and the like; sources, jobs and progress are set here
	Progress    io.Writer       // is told of each student; not nil
}

// Grade grades the class, or its shard. Students whose files were graded in
// this way before are passed over. The error is about the class as a whole: a
// submission that cannot be read is no error, it is a grade of 0.
func Grade(ctx context.Context, w *workspace.Workspace, o Options) error {
	students, err := enrol(o)
	if err != nil {
		return err
	}
	if o.Out, err = filepath.Abs(o.Out); err != nil { // Tests run in other folders.
		return err
	}
	c := &class{workspace: w, options: o}
	for _, lab := range o.Grading.Labs {
		r, err := rubric.Load(w.Dir(lab))
		if err != nil {
			return err
		}
		c.rubrics = append(c.rubrics, r)
	}
	if c.way, err = digestTree(w, o); err != nil {
		return err
	}
	if c.temp, err = os.MkdirTemp("", "distsys-class-"); err != nil {
		return err
	}
	defer os.RemoveAll(c.temp)
	if err := begin(o.Out, manifest{Way: c.way, Shards: []shard.Shard{o.Shard}, Students: ids(students), Labs: columns(c.rubrics)}); err != nil {
		return err
	}
	if err := c.gradeAll(ctx, part(students, o.Shard)); err != nil {
		return err
	}
	return writeBook(o.Out)
}

// class is one run.
type class struct {
	workspace *workspace.Workspace
	options   Options
	rubrics   []*rubric.Rubric
	way       string // digest of how all submissions are graded
	temp      string
}

// gradeAll grades students, several at once.
func (c *class) gradeAll(ctx context.Context, students []Student) error {
	jobs := c.options.Jobs
	if jobs == 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	c.options.Grading.Jobs = max(1, runtime.GOMAXPROCS(0)/jobs)
	p := newProgress(c.options.Progress, len(students))
	queue := make(chan int)
	errs := make([]error, len(students))
	var group sync.WaitGroup
	for range jobs {
		group.Go(func() {
			for i := range queue {
				record, known, err := c.gradeStudent(ctx, students[i])
				if errs[i] = err; err == nil {
					p.done(record, known)
				}
			}
		})
	}
	for i := range students {
		queue <- i
	}
	close(queue)
	group.Wait()
	if ctx.Err() != nil {
		return errors.New("interrupted; the same command goes on from here")
	}
	return errors.Join(errs...)
}

// gradeStudent grades a student, or finds the grade of an earlier run.
func (c *class) gradeStudent(ctx context.Context, s Student) (r *Record, known bool, err error) {
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	dir, err := os.MkdirTemp(c.temp, "student-")
	if err != nil {
		return nil, false, err
	}
	defer os.RemoveAll(dir)
	r = &Record{Version: recordVersion, Student: s, Max: c.most()}
	attempts, problem := c.collect(ctx, s, dir)
	r.judge(attempts, problem)
	if r.Digest, err = digestStudent(c.way, r, attempts); err != nil {
		return nil, false, fmt.Errorf("%s: %w", s.ID, err)
	}
	if old := readRecord(recordFile(c.options.Out, s.ID)); old != nil && old.Digest == r.Digest {
		return old, true, writeFeedback(c.options.Out, old)
	}
	for i := range r.Attempts {
		if err := c.gradeAttempt(ctx, s, &r.Attempts[i], attempts[i].dir); err != nil {
			return nil, false, fmt.Errorf("%s: %w", s.ID, err)
		}
	}
	r.choose()
	return r, false, errors.Join(writeFeedback(c.options.Out, r), r.write(c.options.Out))
}

// gradeAttempt grades the files in dir.
func (c *class) gradeAttempt(ctx context.Context, s Student, a *Attempt, dir string) error {
	o := c.options.Grading
	o.Submission = dir
	o.Progress = silent{}
	o.LogDir = filepath.Join(c.options.Out, logsDir, fileName(s.ID))
	report, err := grading.Grade(ctx, c.workspace, o)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	for i := range report.Labs {
		withoutPaths(&report.Labs[i], o.LogDir)
	}
	a.Report = report
	return nil
}
