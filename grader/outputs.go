package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"distsys/grader/internal/report"
	"distsys/grader/internal/result"
)

// An encoder writes a report in one format.
type encoder func(w io.Writer, r *result.Report) error

// An output is a file that a report goes to.
type output struct {
	name   string // as given: a file, "-" for standard output, "" for none
	encode encoder
	file   io.WriteCloser
}

// outputs are the reports that the flags of grade ask for, besides the one on
// the terminal.
type outputs struct {
	files     []*output
	classroom bool
}

// flags defines a flag for each format.
func (o *outputs) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	add := func(name, usage string, encode encoder) {
		out := &output{encode: encode}
		o.files = append(o.files, out)
		flags.StringVar(&out.name, name, "", "write "+usage+" to `FILE` (- for standard output)")
	}
	add("json", "the result as JSON", func(w io.Writer, r *result.Report) error { return report.JSON(w, r) })
	add("junit", "JUnit XML", report.JUnit)
	add("markdown", "Markdown, for a job summary", report.Markdown)
	add("annotations", "GitHub annotations, at the lines that failed,", report.Annotations)
	add("gradescope", "Gradescope's results.json", report.Gradescope)
	add("classroom50", "Classroom 50's result.json", func(w io.Writer, r *result.Report) error {
		return report.Classroom50(w, r, os.Getenv, time.Now())
	})
	flags.BoolVar(&o.classroom, "classroom", false, "hand the result to autograding-grading-reporter, by GITHUB_ENV and GITHUB_OUTPUT")
}

// open opens what was asked for. It does so before the work, so that a bad
// name costs no time.
func (o *outputs) open(stdout io.Writer) error {
	if o.classroom {
		for _, name := range []string{"GITHUB_ENV", "GITHUB_OUTPUT"} {
			if os.Getenv(name) == "" {
				return fmt.Errorf("--classroom is for a step of a GitHub workflow: %s is not set", name)
			}
		}
	}
	toStdout := 0
	for _, out := range o.files {
		switch out.name {
		case "":
		case "-":
			toStdout++
			out.file = keepOpen{stdout}
		default:
			f, err := os.Create(out.name)
			if err != nil {
				return err
			}
			out.file = f
		}
	}
	if toStdout > 1 {
		return errors.New("only one report can go to standard output")
	}
	return nil
}

// takeStdout reports whether standard output is taken by one of the formats.
func (o *outputs) takeStdout() bool {
	for _, out := range o.files {
		if out.name == "-" {
			return true
		}
	}
	return false
}

// write writes all reports. One that cannot be written does not keep the
// others from it.
func (o *outputs) write(r *result.Report) error {
	var errs []error
	for _, out := range o.files {
		if out.file != nil {
			errs = append(errs, out.encode(out.file, r), out.file.Close())
			out.file = nil
		}
	}
	if o.classroom {
		errs = append(errs, writeClassroom(r))
	}
	return errors.Join(errs...)
}

// close closes what was not written to.
func (o *outputs) close() {
	for _, out := range o.files {
		if out.file != nil {
			out.file.Close()
		}
	}
}

// writeClassroom appends to the files that GitHub reads after the step.
func writeClassroom(r *result.Report) error {
	env, err := appendTo(os.Getenv("GITHUB_ENV"))
	if err != nil {
		return err
	}
	defer env.Close()
	out, err := appendTo(os.Getenv("GITHUB_OUTPUT"))
	if err != nil {
		return err
	}
	defer out.Close()
	return report.Classroom(env, out, r)
}

func appendTo(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
}
