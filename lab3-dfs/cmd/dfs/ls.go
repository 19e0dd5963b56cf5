package main

import (
	"cmp"
	"fmt"
	"slices"

	dfs "distsys/lab3-dfs"
)

// ls lists files, and what is in directories.
func (s *shell) ls(args []string) {
	if len(args) == 0 {
		args = []string{"."}
	}
	t := &lister{shell: s, repl: 3, size: 10}
	s.each(args, func(info dfs.FileInfo) {
		if info.IsDir && !s.opts["d"] {
			t.dir(info)
		} else {
			t.lines([]dfs.FileInfo{info})
		}
	})
}

// A lister prints entries. Its columns grow wider when they must, never narrower.
type lister struct {
	*shell
	repl, size int // widths
}

// dir lists what is in a directory.
func (l *lister) dir(info dfs.FileInfo) {
	entries, err := l.list(info.Path)
	if err != nil {
		l.fail(info.Path, err)
		return
	}
	l.sort(entries)
	if !l.opts["R"] {
		if len(entries) > 0 && !l.opts["C"] {
			fmt.Fprintf(l.out, "Found %d items\n", len(entries))
		}
		l.lines(entries)
		return
	}
	l.widen(entries)
	for _, e := range entries {
		l.line(e)
		if e.IsDir {
			l.dir(e)
		}
	}
}

// sort puts entries into the order that the options ask for: by name, by time
// (newest first) or by size (largest first).
func (l *lister) sort(entries []dfs.FileInfo) {
	slices.SortStableFunc(entries, func(a, b dfs.FileInfo) int {
		order := cmp.Compare(a.Path, b.Path)
		switch {
		case l.opts["t"]:
			order = b.ModTime.Compare(a.ModTime)
		case l.opts["S"]:
			order = cmp.Compare(b.Size, a.Size)
		}
		if l.opts["r"] {
			return -order
		}
		return order
	})
}

func (l *lister) lines(entries []dfs.FileInfo) {
	l.widen(entries)
	for _, e := range entries {
		l.line(e)
	}
}

func (l *lister) widen(entries []dfs.FileInfo) {
	for _, e := range entries {
		l.repl = max(l.repl, len(fmt.Sprint(e.Replication)))
		l.size = max(l.size, len(fmt.Sprint(e.Size)))
	}
}

func (l *lister) line(e dfs.FileInfo) {
	if l.opts["C"] {
		fmt.Fprintln(l.out, e.Path)
		return
	}
	repl := "-"
	if !e.IsDir {
		repl = fmt.Sprint(e.Replication)
	}
	fmt.Fprintf(l.out, "%s %*s %s %s %*s %s %s\n", permissions(e), l.repl, repl, owner, group, l.size, l.shell.size(e.Size), modTime(e, "2006-01-02 15:04", false), e.Path)
}

// permissions are always the same: nobody is kept from anything.
func permissions(e dfs.FileInfo) string {
	if e.IsDir {
		return "drwxr-xr-x"
	}
	return "-rw-r--r--"
}

// modTime formats the time of the last change, local or in UTC.
func modTime(e dfs.FileInfo, layout string, utc bool) string {
	t := e.ModTime
	if t.IsZero() { // the root of a new store
		t = epoch
	}
	if utc {
		return t.UTC().Format(layout)
	}
	return t.Local().Format(layout)
}
