package main

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"

	dfs "distsys/lab3-dfs"
)

// defaultMaster is where the master listens.
const defaultMaster = "127.0.0.1:9000"

// A general holds the generic options.
type general struct {
	master string
	cfg    dfs.Config
}

// parseGeneral takes the generic options from the front of a command line.
func parseGeneral(args []string) (*general, []string, error) {
	g := &general{master: cmp.Or(os.Getenv("DFS_MASTER"), defaultMaster)}
	for len(args) > 0 && (args[0] == "-fs" || args[0] == "-D") {
		if len(args) < 2 {
			return nil, nil, usageError{args[0] + " needs a value. See dfs help"}
		}
		if args[0] == "-fs" {
			g.master = strings.TrimSuffix(strings.TrimPrefix(args[1], "hdfs://"), "/")
		} else if err := g.define(args[1]); err != nil {
			return nil, nil, err
		}
		args = args[2:]
	}
	return g, args, nil
}

// define sets a property: dfs.blocksize=1048576.
func (g *general) define(property string) error {
	name, value, _ := strings.Cut(property, "=")
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 1 {
		return usageError{fmt.Sprintf("-D %s: %q is not a positive number", property, value)}
	}
	switch name {
	case "dfs.blocksize":
		if n%dfs.BlockSize != 0 {
			return usageError{fmt.Sprintf("-D %s: not a multiple of %d", property, dfs.BlockSize)}
		}
		g.cfg.ChunkSize = n
	case "dfs.replication":
		g.cfg.Replication = int(n)
	default:
		return usageError{fmt.Sprintf("-D %s: there are dfs.blocksize and dfs.replication", property)}
	}
	return nil
}
