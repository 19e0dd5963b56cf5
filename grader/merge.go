package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"distsys/grader/internal/class"
)

// mergeCommand returns the verb that joins the shards of a class.
func mergeCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "merge --out DIR SHARD...",
		Short: "Join the shards of a class to one grade book",
		Long: `Merge joins the folders that "grader class --shard i/n" wrote. It refuses shards
that were graded in different ways, and a class of which somebody is missing.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return errors.New("merge needs --out DIR")
			}
			if err := class.Merge(out, args); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s/gradebook.csv\n", out)
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "write the joined grades to `DIR`")
	return cmd
}
