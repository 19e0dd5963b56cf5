package class

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"distsys/grader/internal/submission"
)

// mostEntries bounds the files of a submission that are looked at.
const mostEntries = 20_000

// A tree is the files of a submission, wherever they are kept. It gives no file
// that is a link, and no name that leads out of it.
type tree struct {
	entries []entry
	close   func() error
}

type entry struct {
	path string // with slashes
	open func() (io.ReadCloser, error)
}

// read returns the first bytes of a file: enough to see that it is too large.
func (e entry) read() ([]byte, error) {
	r, err := e.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, submission.MaxFile+1))
}

// openTree opens a folder or a zip file.
func openTree(name string) (*tree, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return openFolder(name)
	}
	return openZip(name)
}

var errTooMany = fmt.Errorf("more than %d files", mostEntries)

func openFolder(dir string) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	t := &tree{close: root.Close}
	seen := 0
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if seen++; seen > mostEntries {
			return errTooMany
		}
		switch {
		case err != nil:
			return nil // What cannot be read is not there.
		case d.IsDir() && litter(name):
			return fs.SkipDir
		case d.Type().IsRegular():
			t.entries = append(t.entries, entry{name, func() (io.ReadCloser, error) { return root.Open(name) }})
		}
		return nil
	})
	if err != nil {
		root.Close()
		return nil, err
	}
	return t, nil
}

// litter reports whether a folder is one that nobody meant to submit.
func litter(name string) bool {
	base := path.Base(name)
	return base == ".git" || base == "__MACOSX" || base == "node_modules"
}

// openZip opens a zip file. Whatever sizes it claims, no more than is needed is
// unpacked.
func openZip(name string) (*tree, error) {
	r, err := zip.OpenReader(name)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("not a zip file that can be read: %w", err)
	}
	if len(r.File) > mostEntries {
		r.Close()
		return nil, errTooMany
	}
	t := &tree{close: r.Close}
	for _, f := range r.File {
		name := strings.ReplaceAll(f.Name, `\`, "/") // as some programs on Windows write it
		if !f.Mode().IsRegular() || strings.HasSuffix(name, "/") || !filepath.IsLocal(name) || inLitter(name) {
			continue
		}
		t.entries = append(t.entries, entry{path.Clean(name), f.Open})
	}
	return t, nil
}

func inLitter(name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if litter(dir) {
			return true
		}
	}
	return false
}
