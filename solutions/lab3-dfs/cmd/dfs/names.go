package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	dfs "distsys/lab3-dfs"
)

// mkdir makes directories.
func (s *shell) mkdir(args []string) {
	for _, arg := range args {
		ctx, cancel := s.ask()
		make := s.store.Mkdir
		if s.opts["p"] {
			make = s.store.MkdirAll
		}
		if err := make(ctx, remote(arg)); err != nil {
			s.fail(arg, err)
		}
		cancel()
	}
}

// rm removes files, and directories with -r.
func (s *shell) rm(args []string) {
	if s.opts["f"] {
		args = s.existing(args)
	}
	recursive := s.opts["r"] || s.opts["R"]
	s.each(args, func(info dfs.FileInfo) {
		if info.IsDir && !recursive {
			s.fail(info.Path, dfs.ErrIsDir)
			return
		}
		ctx, cancel := s.ask()
		defer cancel()
		if err := s.store.RemoveAll(ctx, info.Path); err != nil {
			s.fail(info.Path, err)
			return
		}
		fmt.Fprintf(s.out, "Deleted %s\n", info.Path)
	})
}

// existing leaves out arguments that name nothing.
func (s *shell) existing(args []string) (some []string) {
	for _, arg := range args {
		if _, err := s.expand(remote(arg)); !errors.Is(err, fs.ErrNotExist) {
			some = append(some, arg)
		}
	}
	return some
}

// mv renames, or moves into a directory.
func (s *shell) mv(args []string) {
	dst := args[len(args)-1]
	to, err := s.stats(remote(dst))
	isDir := err == nil && to.IsDir
	if len(args) > 2 && !isDir {
		s.fail(dst, dfs.ErrNotDir)
		return
	}
	s.each(args[:len(args)-1], func(info dfs.FileInfo) {
		name := remote(dst)
		if isDir {
			name = path.Join(name, path.Base(info.Path))
		}
		ctx, cancel := s.ask()
		defer cancel()
		switch err := s.store.Rename(ctx, info.Path, name); {
		case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist), errors.Is(err, dfs.ErrNotDir):
			s.fail(name, err) // it is the destination: the source is there
		case err != nil:
			s.fail(info.Path, err)
		}
	})
}

// du shows how many bytes files have, and how many they take with all copies.
func (s *shell) du(args []string) {
	if len(args) == 0 {
		args = []string{"."}
	}
	var rows [][3]string
	if s.opts["v"] {
		rows = append(rows, [3]string{"SIZE", "DISK_SPACE_CONSUMED_WITH_ALL_REPLICAS", "FULL_PATH_NAME"})
	}
	add := func(info dfs.FileInfo) {
		length, space, err := s.usage(info)
		if err != nil {
			s.fail(info.Path, err)
			return
		}
		rows = append(rows, [3]string{s.size(length), s.size(space), info.Path})
	}
	s.each(args, func(info dfs.FileInfo) {
		if !info.IsDir || s.opts["s"] {
			add(info)
			return
		}
		entries, err := s.list(info.Path)
		if err != nil {
			s.fail(info.Path, err)
		}
		for _, e := range entries {
			add(e)
		}
	})
	s.table(rows)
}

// table prints columns, each as wide as its longest field.
func (s *shell) table(rows [][3]string) {
	var widths [2]int
	for _, r := range rows {
		widths[0], widths[1] = max(widths[0], len(r[0])), max(widths[1], len(r[1]))
	}
	for _, r := range rows {
		fmt.Fprintf(s.out, "%-*s  %-*s  %s\n", widths[0], r[0], widths[1], r[1], r[2])
	}
}

// usage adds up a file, or all files in a directory.
func (s *shell) usage(info dfs.FileInfo) (length, space int64, err error) {
	if !info.IsDir {
		return info.Size, info.Size * int64(info.Replication), nil
	}
	entries, err := s.list(info.Path)
	if err != nil {
		return 0, 0, err
	}
	for _, e := range entries {
		l, sp, err := s.usage(e)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // just removed
			return 0, 0, err
		}
		length, space = length+l, space+sp
	}
	return length, space, nil
}
