package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"distsys/grader/internal/publish"
	"distsys/grader/internal/skeleton"
	"distsys/grader/internal/workspace"
)

// publishCommand returns the verb that makes the students' repository.
func publishCommand() *cobra.Command {
	var o publish.Options
	var starter, solution string
	cmd := &cobra.Command{
		Use:   "publish --out DIR [LAB...]",
		Short: "Make the starter repository, with a hidden solution branch",
		Long: `Publish writes a git repository to DIR. Its branch main is the starter, for
students: skeletons, tests, handouts, the grader. Its branch solution is the
starter with the reference solutions in place. Naming LABs publishes only these;
publishing again to the same DIR adds a commit to each branch that changed.

Students must never get at the branch solution. --push-starter sends main alone
to the repository that students copy; --push-solution sends both branches to
another one, for staff; a new DIR goes on with the history there.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := workspace.Find(".")
			if err != nil {
				return err
			}
			if _, err := skeleton.Labs(w.Root); err != nil {
				return err
			}
			if o.Labs, err = w.Select(args); err != nil {
				return err
			}
			if o.Out == "" {
				return errors.New("publish needs --out DIR")
			}
			o.From = solution
			p, err := publish.Publish(cmd.Context(), w, o)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %d files\n  main      %s\n  solution  %s\n",
				o.Out, strings.Join(o.Labs, ", "), p.Files, changed(p.Starter), changed(p.Solution))
			return publish.Push(cmd.Context(), o.Out, starter, solution)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.Out, "out", "", "write the repository to `DIR`")
	flags.BoolVar(&o.Dirty, "dirty", false, "publish changes that are not committed")
	flags.StringVar(&starter, "push-starter", "", "push main to the repository at `URL`")
	flags.StringVar(&solution, "push-solution", "", "push main and solution to the repository at `URL`")
	return cmd
}

func changed(branch bool) string {
	if branch {
		return "new commit"
	}
	return "unchanged"
}
