package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"distsys/grader/internal/class"
	"distsys/grader/internal/shard"
	"distsys/grader/internal/workspace"
)

// classFlags are the flags of the verb class that need a look.
type classFlags struct {
	class.Options
	shard, due, secret string
}

// classCommand returns the verb that grades many submissions.
func classCommand() *cobra.Command {
	var f classFlags
	cmd := &cobra.Command{
		Use:   "class SUBMISSIONS --out DIR [LAB...]",
		Short: "Grade the submissions of a whole class",
		Long: `Class grades every submission in the folder SUBMISSIONS on this clean tree: a
folder, a zip file or a git clone each, named for its student. The files that
the rubrics name are found in it whatever folders it has, whatever the case of
its names and its line ends.

DIR gets gradebook.csv, a file of feedback for each student, and the grades as
JSON. Stop it at any time: the same command goes on from there, and grades anew
whose files, or the tests, have changed.

--roster names a CSV file of the students, whose first row names its columns:
id, and perhaps name. A submission belongs to the student of whom some column
stands in its name. Students who handed in nothing get 0.

--shard i/n grades every n-th student, beginning with the i-th: one part on each
of n machines. The verb merge joins the parts.

--due looks at the dates of git commits: the last commit up to then counts. With
--late, the last commit of all does, less a penalty for each day begun. With
--best as well, whichever of the two earns more. A date is what the student's
computer wrote into the commit.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.Submissions, f.Progress = args[0], cmd.ErrOrStderr()
			if err := f.parse(); err != nil {
				return err
			}
			w, err := workspace.Find(".")
			if err != nil {
				return err
			}
			if f.Grading.Labs, err = w.Select(args[1:]); err != nil {
				return err
			}
			if err := class.Grade(cmd.Context(), w, f.Options); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s/gradebook.csv\n", f.Out)
			return err
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.Out, "out", "", "write grades, feedback and grade book to `DIR`")
	flags.StringVar(&f.Roster, "roster", "", "the students, a CSV `FILE`")
	flags.StringVar(&f.shard, "shard", "", "grade part `I/N` of the class")
	flags.IntVar(&f.Jobs, "jobs", 0, "grade `N` submissions at once (default: one per processor)")
	flags.IntVar(&f.Grading.Seeds, "seeds", 0, "run each test under the seeds 1 to `N` (default: as the rubric says)")
	flags.StringVar(&f.secret, "seed-secret", "", "derive the seeds from the secret in `FILE` (default: from DISTSYS_SEED_SECRET, if that is set)")
	flags.StringVar(&f.due, "due", "", "the last commit up to `TIME` counts (2026-11-20T23:59:00+01:00)")
	flags.Float64Var(&f.Late.Percent, "late", 0, "a later commit counts, less `PERCENT` of its points a day")
	flags.BoolVar(&f.Late.Best, "best", false, "the better of the last commit in time and the last of all counts")
	return cmd
}

// parse turns texts into values, and looks for those that make no sense.
func (f *classFlags) parse() (err error) {
	if f.Out == "" {
		return errors.New("class needs --out DIR")
	}
	if f.shard != "" {
		if f.Shard, err = shard.Parse(f.shard); err != nil {
			return err
		}
	}
	if f.Late.Due, err = dueTime(f.due); err != nil {
		return err
	}
	switch {
	case f.due == "" && (f.Late.Best || f.Late.Percent != 0):
		return errors.New("--late and --best need --due")
	case f.Late.Percent < 0 || f.Late.Percent > 100:
		return errors.New("--late is a percentage, from 0 to 100")
	}
	f.Grading.Secret, err = seedSecret(f.secret)
	return err
}

func dueTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("--due: %q is no time with its zone, as 2026-11-20T23:59:00+01:00", text)
	}
	return t, nil
}
