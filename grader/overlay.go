package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"distsys/grader/internal/rubric"
	"distsys/grader/internal/submission"
	"distsys/grader/internal/workspace"
)

// overlayCommand returns the verb that writes an overlay for the go command.
func overlayCommand() *cobra.Command {
	var submitted string
	var solutions bool
	cmd := &cobra.Command{
		Use:   "overlay LAB",
		Short: "Print the name of a file for go test -overlay",
		Long: `Overlay lays the reference solution, or a submission, over a lab for the go
command, writes that down in a file, and prints the file's name:

	go test -overlay "$(go run ./grader overlay lab4-raft)" ./lab4-raft -seeds 1000

No file of the lab is touched.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := workspace.Find(".")
			if err != nil {
				return err
			}
			labs, err := w.Select(args)
			if err != nil {
				return err
			}
			path, err := writeOverlay(w, labs[0], submitted)
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), path)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&solutions, "solutions", false, "lay the reference solution over the lab (the default)")
	cmd.Flags().StringVar(&submitted, "submission", "", "lay the student files in `DIR` over the lab")
	cmd.MarkFlagsMutuallyExclusive("solutions", "submission")
	return cmd
}

// writeOverlay writes the overlay to a place that stays the same for this
// repository, lab and source.
func writeOverlay(w *workspace.Workspace, lab, submitted string) (string, error) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\n%s", w.Root, submitted)
	dir := filepath.Join(os.TempDir(), "distsys-overlay", fmt.Sprintf("%s-%x", lab, h.Sum64()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	o, err := source(w, lab, submitted, dir)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, o.WriteFile(path)
}

func source(w *workspace.Workspace, lab, submitted, dir string) (workspace.Overlay, error) {
	if submitted == "" {
		return w.LayReference(lab)
	}
	r, err := rubric.Load(w.Dir(lab))
	if err != nil {
		return workspace.Overlay{}, err
	}
	s, err := submission.Take(r, submitted, w.Dir(lab), filepath.Join(dir, "files"))
	if err != nil {
		return workspace.Overlay{}, err
	}
	var problems []error
	for _, p := range s.Problems {
		problems = append(problems, errors.New(p.String()))
	}
	return w.Lay(lab, s.Files), errors.Join(problems...)
}
