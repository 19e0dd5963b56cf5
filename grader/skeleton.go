package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"distsys/grader/internal/skeleton"
	"distsys/grader/internal/workspace"
)

// skeletonCommand returns the verb that makes student files from solutions.
func skeletonCommand() *cobra.Command {
	var check bool
	var staged stage
	cmd := &cobra.Command{
		Use:   "skeleton [LAB...]",
		Short: "Make the student files from the reference solutions",
		Long: `Skeleton makes the student files of each lab from solutions/LAB: what is marked
as a solution is cut, and the stub that follows it takes its place. It writes
nothing outside the lab folders and deletes nothing.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			labs, err := solvedLabs(args)
			if err != nil {
				return err
			}
			switch {
			case check:
				return checkSkeletons(cmd.OutOrStdout(), labs)
			case staged.out != "":
				return staged.write(cmd.OutOrStdout(), labs)
			case len(staged.solved) > 0:
				return errors.New("--solved needs --out DIR: the lab folders have no solutions in them")
			}
			return writeSkeletons(cmd.OutOrStdout(), labs)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&check, "check", false, "write nothing; fail when a student file is out of date")
	flags.StringSliceVar(&staged.solved, "solved", nil, "keep the solutions of these parts, as 4A,4B (with --out and one LAB)")
	flags.StringVar(&staged.out, "out", "", "write to DIR/LAB instead of the lab folders")
	for _, staff := range []string{"solved", "out"} {
		if err := flags.MarkHidden(staff); err != nil {
			panic(err)
		}
	}
	cmd.MarkFlagsMutuallyExclusive("check", "out")
	return cmd
}

// solvedLabs returns a workspace of the labs that have a solution, of which
// those named by args are left if there are any.
func solvedLabs(args []string) (*workspace.Workspace, error) {
	w, err := workspace.Find(".")
	if err != nil {
		return nil, err
	}
	// A new lab has a solution before it has anything else.
	if w.Labs, err = skeleton.Labs(w.Root); err != nil {
		return nil, err
	}
	w.Labs, err = w.Select(args)
	return w, err
}

func checkSkeletons(stdout io.Writer, w *workspace.Workspace) error {
	stale := 0
	for _, lab := range w.Labs {
		differences, err := skeleton.Check(w.Root, lab)
		if err != nil {
			return err
		}
		for _, d := range differences {
			fmt.Fprintln(stdout, d)
		}
		stale += len(differences)
	}
	if stale > 0 {
		return fmt.Errorf("student files that are not what the solutions make them: %d\nrun: go run ./grader skeleton", stale)
	}
	fmt.Fprintln(stdout, "student files are up to date:", strings.Join(w.Labs, ", "))
	return nil
}

func writeSkeletons(stdout io.Writer, w *workspace.Workspace) error {
	var errs []error
	for _, lab := range w.Labs {
		written, err := skeleton.Write(w.Root, lab)
		errs = append(errs, err)
		for _, name := range written {
			fmt.Fprintln(stdout, "wrote", name)
		}
		if err == nil && len(written) == 0 {
			fmt.Fprintln(stdout, lab, "is up to date")
		}
	}
	return errors.Join(errs...)
}

// stage is a student's way through a lab, written somewhere else.
type stage struct {
	solved []string // parts, "4A"
	out    string   // folder
}

func (s stage) write(stdout io.Writer, w *workspace.Workspace) error {
	if len(s.solved) > 0 && len(w.Labs) != 1 {
		return errors.New("--solved needs exactly one LAB")
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	if abs, err := filepath.Abs(s.out); err != nil || abs == w.Root {
		return fmt.Errorf("--out %s: that is where the lab folders are, and solutions must not get into them", s.out)
	}
	for _, lab := range w.Labs {
		files, err := skeleton.GenerateParts(w.Root, lab, s.solved)
		if err != nil {
			return err
		}
		below := make(map[string][]byte, len(files))
		for name, text := range files {
			below[path.Join(lab, name)] = text
		}
		written, err := skeleton.WriteFiles(s.out, below)
		for _, name := range written {
			fmt.Fprintln(stdout, "wrote", path.Join(s.out, name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
