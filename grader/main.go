// Grader grades the labs of this course, and keeps its repository in order.
//
//	go run ./grader [LAB...]               grade the labs in this tree
//	go run ./grader --solutions [LAB...]   grade the reference solutions
//	go run ./grader help                   all verbs and flags
//
// It exits with status 0 when it could do what it was asked, 1 when the score
// is below --min or a planted bug is not caught, and 2 when it could not do it.
// (go run turns every status but 0 into 1: where it matters, go build the
// grader first.)
//
// It runs on Linux and macOS. Windows is not supported, WSL is.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

// run is main, without the exit.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // A second Ctrl-C ends us at once.
	err := rootCommand().ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "grader:", err)
	if errors.As(err, new(shortfall)) {
		return 1
	}
	return 2
}

// A shortfall is an error of what was looked at. The grader itself did what it
// was asked.
type shortfall struct{ error }

// rootCommand returns the command line. Without a verb it grades.
func rootCommand() *cobra.Command {
	root := gradeCommand()
	root.Use = "grader [LAB...]"
	root.Long += "\n\nThis is the verb grade, which need not be written."
	root.Args = cobra.ArbitraryArgs
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(gradeCommand(), bundleCommand(), classCommand(), mergeCommand(), mutantsCommand(), overlayCommand(), publishCommand(), skeletonCommand())
	return root
}
