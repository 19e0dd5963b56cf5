package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path"
	"slices"
	"strings"
	"time"

	dfs "distsys/lab3-dfs"
	"distsys/lab3-dfs/webhdfs"
)

// Who owns everything, as the gateway shows it.
const (
	owner = webhdfs.Owner
	group = webhdfs.Group
)

// patience is how long the shell waits for the master.
const patience = time.Minute

// A command is one of the shell's, such as -ls.
type command struct {
	name     string
	usage    string
	help     string
	options  []string
	min, max int // arguments; max 0: any number
	run      func(s *shell, args []string)
}

// commands are made in init: help needs them.
var commands []command

func init() {
	commands = []command{
		{"ls", "[-C] [-d] [-h] [-R] [-t] [-S] [-r] [-u] [<path> ...]", "list directories and files", []string{"C", "d", "h", "R", "t", "S", "r", "u"}, 0, 0, (*shell).ls},
		{"mkdir", "[-p] <path> ...", "make directories; -p: with their parents, and never mind those that are there", []string{"p"}, 1, 0, (*shell).mkdir},
		{"put", "[-f] [-d] <localsrc> ... <dst>", "copy files and folders into the store; -f: over what is there", []string{"f", "d"}, 1, 0, (*shell).put},
		{"get", "[-f] [-p] [-ignoreCrc] <src> ... <localdst>", "copy files and directories out of the store; -p: keep the times", []string{"f", "p", "ignoreCrc", "crc"}, 1, 0, (*shell).get},
		{"cat", "[-ignoreCrc] <src> ...", "show files", []string{"ignoreCrc"}, 1, 0, (*shell).cat},
		{"rm", "[-f] [-r|-R] [-skipTrash] <src> ...", "remove files; -r: directories, too; there is no trash", []string{"f", "r", "R", "skipTrash", "safely"}, 1, 0, (*shell).rm},
		{"mv", "<src> ... <dst>", "rename, or move into a directory", nil, 2, 0, (*shell).mv},
		{"du", "[-s] [-h] [-v] [-x] <path> ...", "show how many bytes files have, and take with all their copies", []string{"s", "h", "v", "x"}, 0, 0, (*shell).du},
		{"stat", "[format] <path> ...", "show %b bytes, %F kind, %n name, %o chunk size, %r copies, %y and %Y time, %a %A permissions, %u %g owner", nil, 1, 0, (*shell).stat},
	}
}

// A shell runs one command.
type shell struct {
	ctx context.Context
	*general
	store *dfs.Client
	name  string          // of the command
	opts  map[string]bool // that are set
	in    io.Reader
	out   io.Writer
	errs  io.Writer
	fails int
}

func runShell(ctx context.Context, g *general, name string, args []string, in io.Reader, out, errOut io.Writer) int {
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == name })
	if i < 0 {
		return status(usageError{fmt.Sprintf("-%s: Unknown command. See dfs help", name)}, errOut)
	}
	c := commands[i]
	opts, args, err := c.parse(args)
	if err != nil {
		return status(usageError{fmt.Sprintf("-%s: %v\nUsage: dfs [generic options] -%s %s", name, err, name, c.usage)}, errOut)
	}
	s := &shell{ctx: ctx, general: g, store: dfs.NewClient(g.master, g.cfg), name: name, opts: opts, in: in, out: out, errs: errOut}
	defer func() { s.store.Close() }()
	c.run(s, args)
	if s.fails > 0 {
		return exitFail
	}
	return exitOK
}

// parse takes the options from the front of the arguments. Two hyphens end them.
func (c *command) parse(args []string) (map[string]bool, []string, error) {
	opts := map[string]bool{}
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		name := args[0][1:]
		args = args[1:]
		if name == "-" {
			break
		}
		if !slices.Contains(c.options, name) {
			return nil, nil, fmt.Errorf("Illegal option -%s", name)
		}
		opts[name] = true
	}
	if len(args) < c.min {
		return nil, nil, fmt.Errorf("Not enough arguments: expected %d but got %d", c.min, len(args))
	}
	return opts, args, nil
}

// fail tells of an error about a path and goes on.
func (s *shell) fail(name string, err error) {
	s.fails++
	fmt.Fprintf(s.errs, "%s: `%s': %s\n", s.name, name, reason(err))
}

var reasons = []struct {
	err  error
	text string
}{
	{fs.ErrNotExist, "No such file or directory"}, {fs.ErrExist, "File exists"}, {dfs.ErrNotDir, "Is not a directory"},
	{dfs.ErrIsDir, "Is a directory"}, {dfs.ErrNotEmpty, "Directory is not empty"}, {fs.ErrPermission, "Permission denied"},
	{dfs.ErrNoSpace, "No space left on device"},
}

// reason gives an error in the words that people know.
func reason(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.text
		}
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	switch {
	case errors.Is(err, fs.ErrInvalid):
		return "Invalid path: names are at most 255 bytes of UTF-8, and neither . nor .."
	case errors.Is(err, context.DeadlineExceeded):
		return "the master does not answer: " + err.Error()
	}
	return err.Error()
}

// ask returns a context for a question to the master.
func (s *shell) ask() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, patience)
}

// remote makes a path of the store absolute. A trailing slash does not count.
func remote(name string) string {
	if rest, ok := strings.CutPrefix(name, "hdfs://"); ok {
		_, after, _ := strings.Cut(rest, "/")
		name = "/" + after
	}
	if !strings.HasPrefix(name, "/") {
		name = "/user/" + userName() + "/" + name
		name = strings.TrimSuffix(name, "/.")
	}
	if len(name) > 1 {
		name = strings.TrimRight(name, "/")
	}
	if name == "" {
		return "/"
	}
	return name
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "nobody"
}

func (s *shell) stats(name string) (dfs.FileInfo, error) {
	ctx, cancel := s.ask()
	defer cancel()
	return s.store.Stat(ctx, name)
}

func (s *shell) list(name string) ([]dfs.FileInfo, error) {
	ctx, cancel := s.ask()
	defer cancel()
	return webhdfs.List(ctx, s.store, name)
}

// each calls f for what each argument names, with patterns expanded, and tells of
// arguments that name nothing.
func (s *shell) each(args []string, f func(info dfs.FileInfo)) {
	for _, arg := range args {
		found, err := s.expand(remote(arg))
		if err != nil {
			s.fail(arg, err)
		}
		for _, info := range found {
			f(info)
		}
	}
}

// expand returns what a path or pattern names.
func (s *shell) expand(pattern string) ([]dfs.FileInfo, error) {
	if !strings.ContainsAny(pattern, `*?[\`) {
		info, err := s.stats(pattern)
		if err != nil {
			return nil, err
		}
		return []dfs.FileInfo{info}, nil
	}
	if info, err := s.stats(pattern); err == nil { // a name may look like a pattern
		return []dfs.FileInfo{info}, nil
	}
	root, err := s.stats("/")
	if err != nil {
		return nil, err
	}
	found := []dfs.FileInfo{root}
	for part := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		if found, err = s.match(found, part); err != nil {
			return nil, err
		}
	}
	if len(found) == 0 {
		return nil, fs.ErrNotExist
	}
	return found, nil
}

// match returns what in the directories matches one element of a pattern.
func (s *shell) match(dirs []dfs.FileInfo, part string) (found []dfs.FileInfo, err error) {
	for _, dir := range dirs {
		if !dir.IsDir {
			continue
		}
		entries, err := s.list(dir.Path)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			ok, err := path.Match(part, path.Base(e.Path))
			if err != nil {
				return nil, fmt.Errorf("%q is no pattern", part)
			}
			if ok {
				found = append(found, e)
			}
		}
	}
	return found, nil
}

// human writes a number of bytes with a prefix, as Hadoop does: 1.5 K.
func human(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprint(n)
	}
	f, i := float64(n)/1024, 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if f == float64(int64(f)) {
		return fmt.Sprintf("%d %c", int64(f), units[i])
	}
	return fmt.Sprintf("%.1f %c", f, units[i])
}

// size writes a number of bytes as -h wants it.
func (s *shell) size(n int64) string {
	if s.opts["h"] {
		return human(n)
	}
	return fmt.Sprint(n)
}

// isLocalDir reports whether a local path is a folder.
func isLocalDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}
