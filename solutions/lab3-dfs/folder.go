package dfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A folder is a [Disk] on a real one.
type folder struct{ dir string }

// NewFolder returns a disk that keeps its files in a folder, which is made if it
// is not there.
func NewFolder(dir string) (Disk, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return folder{dir}, nil
}

// A folderFile is an open file. Its methods are those of [os.File], which may be
// called at the same time.
type folderFile struct{ *os.File }

// Size returns the length in bytes.
func (f folderFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// path returns where a file is, if its name is one.
func (d folder) path(op, name string) (string, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return "", pathError(op, name, fs.ErrInvalid)
	}
	return filepath.Join(d.dir, name), nil
}

func (d folder) Open(name string) (File, error) {
	return d.open("open", name, os.O_RDWR)
}

func (d folder) Create(name string) (File, error) {
	return d.open("create", name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (d folder) open(op, name string, flag int) (File, error) {
	path, err := d.path(op, name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return folderFile{f}, nil
}

func (d folder) Remove(name string) error {
	path, err := d.path("remove", name)
	if err != nil {
		return err
	}
	return os.Remove(path)
}

func (d folder) Rename(oldName, newName string) error {
	from, err := d.path("rename", oldName)
	if err != nil {
		return err
	}
	to, err := d.path("rename", newName)
	if err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (d folder) List(prefix string) ([]string, error) {
	entries, err := os.ReadDir(d.dir) // sorted
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (d folder) SyncDir() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
