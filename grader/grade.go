package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"distsys/grader/internal/grading"
	"distsys/grader/internal/report"
	"distsys/grader/internal/result"
	"distsys/grader/internal/workspace"
)

// gradeFlags are the flags of the verb grade.
type gradeFlags struct {
	solutions  bool
	submission string
	seeds      int
	seed       uint64
	secret     string
	run        string
	race       bool
	min        float64
	jobs       int
	logs       string
	outputs    outputs
}

// gradeCommand returns the verb that gives points.
func gradeCommand() *cobra.Command {
	var f gradeFlags
	cmd := &cobra.Command{
		Use:   "grade [LAB...]",
		Short: "Grade labs: in this tree, the reference solutions, or a submission",
		Long: `Grade builds the tests of each LAB (all labs by default; lab4-raft, ./lab4-raft
and lab4 mean the same), runs every test in a process of its own under several
seeds, and gives the points that rubric.yaml lists.

It exits with status 0 when it could grade, whatever the score, 1 when the score
is below --min, and 2 when it could not grade.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return f.grade(cmd.Context(), args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.solutions, "solutions", false, "grade the reference solutions")
	flags.StringVar(&f.submission, "submission", "", "grade the student files in `DIR`/LAB (or DIR), all else from this tree")
	flags.StringVar(&f.run, "run", "", "run only the tests whose name matches `REGEXP`")
	flags.IntVar(&f.seeds, "seeds", 0, "run each test under the seeds 1 to `N` (default: as the rubric says)")
	flags.Uint64Var(&f.seed, "seed", 0, "run each test under the seed `N` only")
	flags.StringVar(&f.secret, "seed-secret", "", "derive the seeds from the secret in `FILE` (default: from DISTSYS_SEED_SECRET, if that is set)")
	flags.BoolVar(&f.race, "race", false, "build with the race detector")
	flags.IntVar(&f.jobs, "jobs", 0, "run `N` tests at once (default: one per processor)")
	flags.StringVar(&f.logs, "logs", "", "keep the logs of failed tests in `DIR` (default: a temporary folder)")
	flags.Float64Var(&f.min, "min", 0, "exit with status 1 when below `PERCENT` of the points")
	f.outputs.flags(cmd)
	cmd.MarkFlagsMutuallyExclusive("solutions", "submission")
	cmd.MarkFlagsMutuallyExclusive("seeds", "seed")
	cmd.MarkFlagsMutuallyExclusive("seed-secret", "seed")
	return cmd
}

// check looks for values that no flag parser refuses.
func (f *gradeFlags) check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	switch {
	case changed("seeds") && f.seeds < 1:
		return errors.New("--seeds must be at least 1")
	case changed("seed") && f.seed == 0:
		return errors.New("--seed must be at least 1: seeds count from 1")
	case changed("jobs") && f.jobs < 1:
		return errors.New("--jobs must be at least 1")
	case f.min < 0 || f.min > 100:
		return errors.New("--min is a percentage, from 0 to 100")
	}
	return nil
}

func (f *gradeFlags) grade(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, w, err := f.options(args)
	if err != nil {
		return err
	}
	defer removeEmpty(o.LogDir)
	defer f.outputs.close()
	if err := f.outputs.open(stdout); err != nil {
		return err
	}
	r, err := f.watch(ctx, w, o, stderr)
	if err != nil {
		return err
	}
	if !removeEmpty(o.LogDir) {
		fmt.Fprintf(stderr, "logs of failed tests: %s\n\n", o.LogDir)
	}
	if err := f.outputs.write(r); err != nil {
		return err
	}
	if f.outputs.takeStdout() {
		stdout = stderr
	}
	if err := terminal(stdout).Write(stdout, r); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return f.judge(r)
}

// options turns flags into what the machinery takes.
func (f *gradeFlags) options(args []string) (grading.Options, *workspace.Workspace, error) {
	o := grading.Options{
		Reference: f.solutions, Submission: f.submission,
		Seeds: f.seeds, Seed: f.seed, Race: f.race, Jobs: f.jobs, LogDir: f.logs,
	}
	w, err := workspace.Find(".")
	if err != nil {
		return o, nil, err
	}
	if o.Labs, err = w.Select(args); err != nil {
		return o, nil, err
	}
	if f.run != "" {
		if o.Run, err = regexp.Compile(f.run); err != nil {
			return o, nil, fmt.Errorf("--run: %w", err)
		}
	}
	if o.Secret, err = seedSecret(f.secret); err != nil {
		return o, nil, err
	}
	if o.LogDir == "" {
		o.LogDir, err = os.MkdirTemp("", "distsys-logs-")
	} else {
		o.LogDir, err = filepath.Abs(o.LogDir)
	}
	return o, w, err
}

// seedSecret reads the secret that seeds derive from: out of a file, or out of
// the environment, where a workflow has it. It never is in a command line.
func seedSecret(file string) (string, error) {
	if file == "" {
		return os.Getenv("DISTSYS_SEED_SECRET"), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("--seed-secret: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("--seed-secret: %s is empty", file)
	}
	return secret, nil
}

// watch grades, and shows how far it has come.
func (f *gradeFlags) watch(ctx context.Context, w *workspace.Workspace, o grading.Options, stderr io.Writer) (*result.Report, error) {
	cols, live := columns(stderr)
	progress := report.NewProgress(stderr, live, cols)
	defer progress.Stop()
	o.Progress = progress
	return grading.Grade(ctx, w, o)
}

// judge compares the score with --min.
func (f *gradeFlags) judge(r *result.Report) error {
	points, most := r.Asked()
	percent := 100 * float64(points) / float64(most)
	if percent < f.min {
		return shortfall{fmt.Errorf("%v of %v points are %.1f %%, below --min %v", points, most, percent, f.min)}
	}
	return nil
}

// openJSON opens what the JSON result is written to. It does so before the
// work, so that a bad name costs no time.
func openJSON(name string, stdout io.Writer) (io.WriteCloser, error) {
	switch name {
	case "":
		return keepOpen{io.Discard}, nil
	case "-":
		return keepOpen{stdout}, nil
	}
	return os.Create(name)
}

// keepOpen is a WriteCloser that is somebody else's to close.
type keepOpen struct{ io.Writer }

// Close does nothing.
func (keepOpen) Close() error { return nil }

// terminal returns the form of a report that fits w.
func terminal(w io.Writer) report.Terminal {
	cols, live := columns(w)
	if !live {
		return report.Terminal{}
	}
	return report.Terminal{Width: cols, Color: os.Getenv("NO_COLOR") == ""}
}

// columns returns the width of a terminal, and whether w is one.
func columns(w io.Writer) (int, bool) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0, false
	}
	cols, _, err := term.GetSize(int(file.Fd()))
	return cols, err == nil && cols > 0
}

// removeEmpty removes the empty folders in dir, and dir itself when nothing is
// left in it. It reports whether dir is gone.
func removeEmpty(dir string) bool {
	var folders []string
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			folders = append(folders, path)
		}
		return nil
	})
	for i := len(folders) - 1; i >= 0; i-- {
		os.Remove(folders[i]) // Fails when it is not empty.
	}
	_, err := os.Lstat(dir)
	return errors.Is(err, fs.ErrNotExist)
}
