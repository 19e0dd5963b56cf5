package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"distsys/grader/internal/bundle"
	"distsys/grader/internal/workspace"
)

// bundleCommand returns the verb that packs the course for other graders.
func bundleCommand() *cobra.Command {
	var gradescope, classroom50 string
	var dirty bool
	cmd := &cobra.Command{
		Use:   "bundle (--gradescope FILE | --classroom50 DIR) [LAB...]",
		Short: "Pack labs as an autograder for Gradescope or Classroom 50",
		Long: `Bundle packs labs, their tests and the grader as others want it: the zip file
that Gradescope takes as an autograder (with hidden tests, if there are any), or
the folder that Classroom 50 takes for an assignment.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (gradescope == "") == (classroom50 == "") {
				return errors.New("bundle needs --gradescope FILE or --classroom50 DIR")
			}
			w, err := workspace.Find(".")
			if err != nil {
				return err
			}
			labs, err := w.Select(args)
			if err != nil {
				return err
			}
			write, out := bundle.Gradescope, gradescope
			if classroom50 != "" {
				write, out = bundle.Classroom50, classroom50
			}
			if err := write(cmd.Context(), w, labs, dirty, out); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "wrote", out)
			return err
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&gradescope, "gradescope", "", "write Gradescope's autograder to `FILE`, a zip file")
	flags.StringVar(&classroom50, "classroom50", "", "write Classroom 50's autograder to `DIR`")
	flags.BoolVar(&dirty, "dirty", false, "pack changes that are not committed")
	return cmd
}
