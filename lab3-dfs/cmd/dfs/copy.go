package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	dfs "distsys/lab3-dfs"
	"distsys/lab3-dfs/webhdfs"
)

// put copies files and folders into the store.
func (s *shell) put(args []string) {
	dst := "."
	if len(args) > 1 {
		dst, args = args[len(args)-1], args[:len(args)-1]
	}
	to, err := s.stats(remote(dst))
	isDir := err == nil && to.IsDir
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		s.fail(dst, err)
		return
	case len(args) > 1 && err == nil && !isDir:
		s.fail(dst, dfs.ErrNotDir)
		return
	case len(args) > 1 && err != nil:
		s.fail(dst, err)
		return
	}
	for _, src := range args {
		name := remote(dst)
		switch {
		case src == "-" && isDir:
			s.fail(dst, dfs.ErrIsDir)
			continue
		case isDir:
			name = path.Join(name, filepath.Base(src))
		}
		if src == "-" {
			s.putFrom(name, s.in)
		} else {
			s.putTree(src, name)
		}
	}
}

// putTree copies a local file, or a folder with all that is in it.
func (s *shell) putTree(src, name string) {
	info, err := os.Stat(src)
	if err != nil {
		s.fail(src, err)
		return
	}
	if !info.IsDir() {
		s.putFile(src, name)
		return
	}
	entries, err := os.ReadDir(src)
	if err != nil {
		s.fail(src, err)
		return
	}
	ctx, cancel := s.ask()
	defer cancel()
	if err := s.store.MkdirAll(ctx, name); err != nil {
		s.fail(name, err)
		return
	}
	for _, e := range entries {
		s.putTree(filepath.Join(src, e.Name()), path.Join(name, e.Name()))
	}
}

func (s *shell) putFile(src, name string) {
	f, err := os.Open(src)
	if err != nil {
		s.fail(src, err)
		return
	}
	defer f.Close()
	s.putFrom(name, f)
}

// putFrom makes a file of what is read. Nobody sees it before it is whole.
func (s *shell) putFrom(name string, from io.Reader) {
	info, err := s.stats(name)
	switch {
	case err == nil && info.IsDir:
		s.fail(name, dfs.ErrIsDir)
	case err == nil && !s.opts["f"]:
		s.fail(name, fs.ErrExist)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		s.fail(name, err)
	default:
		if err := s.putWhole(name, from); err != nil {
			s.fail(name, err)
		}
	}
}

// putWhole writes the file in chunks of the size that the store has.
func (s *shell) putWhole(name string, from io.Reader) error {
	err := webhdfs.Put(s.ctx, s.store, s.cfg, name, from, s.opts["f"])
	var size *webhdfs.ChunkSizeError
	if !errors.As(err, &size) {
		return err
	}
	s.cfg.ChunkSize = size.Store
	s.store.Close()
	s.store = dfs.NewClient(s.master, s.cfg)
	return webhdfs.Put(s.ctx, s.store, s.cfg, name, from, s.opts["f"])
}

// get copies files and directories out of the store.
func (s *shell) get(args []string) {
	dst := "."
	if len(args) > 1 {
		dst, args = args[len(args)-1], args[:len(args)-1]
	}
	isDir := isLocalDir(dst)
	if len(args) > 1 && !isDir {
		s.fail(dst, dfs.ErrNotDir)
		return
	}
	s.each(args, func(info dfs.FileInfo) {
		name := dst
		if isDir && path.Base(info.Path) != "/" {
			name = filepath.Join(dst, path.Base(info.Path))
		}
		s.getTree(info, name)
	})
}

func (s *shell) getTree(info dfs.FileInfo, name string) {
	if !info.IsDir {
		s.getFile(info, name)
		return
	}
	entries, err := s.list(info.Path)
	if err == nil {
		err = os.MkdirAll(name, 0o755)
	}
	if err != nil {
		s.fail(info.Path, err)
		return
	}
	for _, e := range entries {
		s.getTree(e, filepath.Join(name, path.Base(e.Path)))
	}
}

// getFile copies one file. Under its name there is never a part of it.
func (s *shell) getFile(info dfs.FileInfo, name string) {
	if _, err := os.Lstat(name); err == nil && !s.opts["f"] {
		s.fail(name, fs.ErrExist)
		return
	}
	temp, err := os.CreateTemp(filepath.Dir(name), "._COPYING_.*")
	if err != nil {
		s.fail(name, err)
		return
	}
	defer os.Remove(temp.Name())
	err = errors.Join(s.copyOut(temp, info.Path), temp.Chmod(0o644), temp.Close())
	if err == nil && s.opts["p"] {
		err = os.Chtimes(temp.Name(), info.ModTime, info.ModTime)
	}
	if err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		s.fail(info.Path, err)
	}
}

// copyOut writes a file of the store to w.
func (s *shell) copyOut(w io.Writer, name string) error {
	r, err := s.store.Open(s.ctx, name)
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(w, r)
	if err == nil && n != r.Size() {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// cat writes files to standard output.
func (s *shell) cat(args []string) {
	s.each(args, func(info dfs.FileInfo) {
		if info.IsDir {
			s.fail(info.Path, dfs.ErrIsDir)
			return
		}
		if err := s.copyOut(s.out, info.Path); err != nil {
			s.fail(info.Path, err)
		}
	})
}
