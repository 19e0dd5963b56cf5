// The dfs command is a store and its shell.
//
//	dfs serve -dir DIR                 # master, three chunkservers and gateway in one process, on loopback
//	dfs -mkdir -p /user/me             # and then as with hdfs dfs
//	dfs -put report.txt /user/me
//	dfs -ls -R /
//
// Each server can be a process of its own, too: dfs master, dfs chunkserver, dfs
// gateway. "dfs help" tells the rest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

func main() {
	tuneMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// tuneMemory makes garbage collections rare. Nearly all that these processes
// allocate are pieces of files, dead a moment later: with Go's usual settings they
// collect after every few of them. The limit keeps a process small all the same.
// GOGC and GOMEMLIMIT, where they are set, win.
func tuneMemory() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(400)
		debug.SetMemoryLimit(40 << 20)
	}
}

// Exit statuses, those of hdfs dfs.
const (
	exitOK    = 0
	exitFail  = 1
	exitUsage = 255
)

// run runs one command line and returns its exit status.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	general, args, err := parseGeneral(args)
	switch {
	case err != nil:
	case len(args) == 0, args[0] == "help", args[0] == "-help", args[0] == "--help", args[0] == "-h":
		help(out)
		return exitOK
	case servers[args[0]] != nil:
		err = servers[args[0]](ctx, general, args[1:], out)
	case strings.HasPrefix(args[0], "-"):
		return runShell(ctx, general, args[0][1:], args[1:], in, out, errOut)
	default:
		err = usageError{fmt.Sprintf("%s: Unknown command. See dfs help", args[0])}
	}
	return status(err, errOut)
}

// A usageError is a mistake on the command line.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// status shows an error and returns the exit status for it.
func status(err error, errOut io.Writer) int {
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintln(errOut, usage.text)
		return exitUsage
	}
	fmt.Fprintf(errOut, "dfs: %v\n", err)
	return exitFail
}

func help(out io.Writer) {
	fmt.Fprint(out, `Usage: dfs [generic options] COMMAND

The store:
  dfs serve -dir DIR           all servers in one process, on loopback
  dfs master -dir DIR          one server: its process ends when you stop it
  dfs chunkserver -dir DIR
  dfs gateway                  WebHDFS
  Each shows its options with -h.

The shell:
`)
	for _, c := range commands {
		fmt.Fprintf(out, "  dfs -%s %s\n      %s\n", c.name, c.usage, c.help)
	}
	fmt.Fprint(out, `
Paths are absolute, or relative to /user/<you>; * ? [ ] match names. "-" is standard input.

Generic options, before the command:
  -fs HOST:PORT                the master; also in the variable DFS_MASTER; by default 127.0.0.1:9000
  -D dfs.blocksize=BYTES       bytes in a chunk of a new store, the same for all its servers; by default 67108864
  -D dfs.replication=N         copies of a chunk, by default 3
`)
}
