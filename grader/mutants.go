package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/spf13/cobra"

	"distsys/grader/internal/mutants"
	"distsys/grader/internal/report"
	"distsys/grader/internal/shard"
	"distsys/grader/internal/workspace"
)

// mutantsFlags are the flags of the verb mutants.
type mutantsFlags struct {
	named   bool
	once    bool
	bug     string
	seeds   int
	jobs    int
	json    string
	shard   string
	refresh bool

	bugs *regexp.Regexp // bug, compiled
	part shard.Shard    // shard, parsed
}

// mutantsCommand returns the verb that tests the tests.
func mutantsCommand() *cobra.Command {
	var f mutantsFlags
	cmd := &cobra.Command{
		Use:   "mutants [LAB...]",
		Short: "Plant known bugs in the reference solutions; which tests catch them?",
		Long: `Mutants plants each bug of solutions/LAB/mutants in the reference solution of
the LAB, one at a time, runs the graded tests, and says which of them catch it.
A test catches a bug when it does anything but pass. The tests must pass when
there is no bug.

With every test against every bug this takes hours. --once shows the same of
the bugs - each is caught by the tests that its patch names - and of the tests:
each catches a bug, or is listed as one that catches none.

It exits with status 0 when every bug is caught by each test that its patch
names, 1 when one is not or a patch is wrong (the others are tried all the
same), and 2 when it could not do it, as when a test fails without any bug.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			w, err := workspace.Find(".")
			if err != nil {
				return err
			}
			labs, err := w.Select(args)
			if err != nil {
				return err
			}
			if f.refresh {
				return f.rewrite(w, labs, cmd.OutOrStdout())
			}
			return f.try(cmd.Context(), w, labs, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.named, "named", false, "run only the tests that must catch a bug, as its patch says")
	flags.BoolVar(&f.once, "once", false, "run those, and each other test only until it has caught one bug")
	flags.StringVar(&f.bug, "bug", "", "plant only the bugs whose name matches `REGEXP`")
	flags.StringVar(&f.shard, "shard", "", "plant only part `I/N` of the bugs")
	flags.IntVar(&f.seeds, "seeds", 0, "run each test under the seeds 1 to `N` (default: as the rubric says)")
	flags.IntVar(&f.jobs, "jobs", 0, "run `N` tests at once (default: one per processor)")
	flags.StringVar(&f.json, "json", "", "write the result as JSON to `FILE` (- for standard output)")
	flags.BoolVar(&f.refresh, "refresh", false, "run nothing; rewrite patches whose line numbers have drifted")
	for _, other := range []string{"named", "once", "seeds", "jobs", "json", "shard"} {
		cmd.MarkFlagsMutuallyExclusive("refresh", other)
	}
	cmd.MarkFlagsMutuallyExclusive("named", "once")
	return cmd
}

// check looks for values that no flag parser refuses.
func (f *mutantsFlags) check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	switch {
	case changed("seeds") && f.seeds < 1:
		return errors.New("--seeds must be at least 1")
	case changed("jobs") && f.jobs < 1:
		return errors.New("--jobs must be at least 1")
	}
	var err error
	if f.shard != "" {
		if f.part, err = shard.Parse(f.shard); err != nil {
			return err
		}
	}
	if f.bug == "" {
		return nil
	}
	if f.bugs, err = regexp.Compile(f.bug); err != nil {
		return fmt.Errorf("--bug: %w", err)
	}
	return nil
}

func (f *mutantsFlags) try(ctx context.Context, w *workspace.Workspace, labs []string, stdout, stderr io.Writer) error {
	file, err := openJSON(f.json, stdout)
	if err != nil {
		return err
	}
	defer file.Close()
	cols, live := columns(stderr)
	progress := report.NewProgress(stderr, live, cols)
	r, err := mutants.Try(ctx, w, mutants.Options{
		Labs: labs, Bugs: f.bugs, Shard: f.part, Named: f.named, Once: f.once, Seeds: f.seeds, Jobs: f.jobs, Progress: progress,
	})
	progress.Stop()
	if err != nil {
		return err
	}
	if err := report.JSON(file, r); err != nil {
		return err
	}
	if f.json == "-" {
		stdout = stderr
	}
	cols, _ = columns(stdout)
	if err := mutants.Terminal(stdout, r, cols); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	switch n := r.Faults(); n {
	case 0:
		return nil
	case 1:
		return shortfall{errors.New("1 planted bug is not caught as its patch says, or its patch is wrong")}
	default:
		return shortfall{fmt.Errorf("%d planted bugs are not caught as their patches say, or their patches are wrong", n)}
	}
}

// rewrite brings the patches up to date.
func (f *mutantsFlags) rewrite(w *workspace.Workspace, labs []string, stdout io.Writer) error {
	var errs []error
	n := 0
	for _, lab := range labs {
		written, wrong, err := mutants.Refresh(w, lab, f.bugs)
		if err != nil {
			return err
		}
		for _, path := range written {
			fmt.Fprintln(stdout, "wrote", path)
		}
		n += len(written)
		errs = append(errs, wrong...)
	}
	if len(errs) > 0 {
		return shortfall{errors.Join(errs...)}
	}
	if n == 0 {
		fmt.Fprintln(stdout, "all patches are up to date")
	}
	return nil
}
