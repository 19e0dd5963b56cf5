package mutants

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"distsys/grader/internal/patch"
	"distsys/grader/internal/workspace"
)

// folder is where the planted bugs of a lab are, below its reference solution.
const folder = "mutants"

// A corpus is the planted bugs of a lab, and the solution they are planted in.
type corpus struct {
	root    string // of the repository
	dir     string // of the patches
	files   map[string][]byte
	mutants []patch.Mutant
	errors  []string // files that are no patches
}

// readCorpus reads the bugs whose name matches; nil is all.
func readCorpus(w *workspace.Workspace, lab string, bugs *regexp.Regexp) (*corpus, error) {
	c := &corpus{root: w.Root, dir: filepath.Join(w.ReferenceDir(lab), folder), files: map[string][]byte{}}
	names, err := workspace.Sources(w.ReferenceDir(lab))
	if err != nil {
		return nil, fmt.Errorf("the reference solution: %w", err)
	}
	for _, name := range names {
		if c.files[name], err = os.ReadFile(filepath.Join(w.ReferenceDir(lab), name)); err != nil {
			return nil, err
		}
	}
	c.mutants, err = patch.Load(c.dir)
	for _, err := range each(err) {
		c.errors = append(c.errors, c.shorten(err).Error())
	}
	if bugs != nil {
		c.mutants = slices.DeleteFunc(c.mutants, func(m patch.Mutant) bool { return !bugs.MatchString(m.Name) })
		c.errors = slices.DeleteFunc(c.errors, func(text string) bool { return !bugs.MatchString(fileOf(text)) })
	}
	return c, nil
}

// fileOf returns the name of the file that an error begins with.
func fileOf(text string) string {
	path, _, _ := strings.Cut(text, ":")
	return strings.TrimSuffix(filepath.Base(path), ".patch")
}

// each splits what errors.Join has joined.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err != nil {
		return []error{err}
	}
	return nil
}

// shorten makes the paths in an error relative to the repository.
func (c *corpus) shorten(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), c.root+string(filepath.Separator), ""))
}

// path returns where the patch is, relative to the repository.
func (c *corpus) path(m patch.Mutant) string {
	return filepath.Join("solutions", filepath.Base(filepath.Dir(c.dir)), folder, m.Name+".patch")
}

// Refresh rewrites the patches of a lab's bugs whose line numbers or context
// are no longer those of the reference. It returns the paths of those, and what
// is wrong with patches that cannot be made anew.
func Refresh(w *workspace.Workspace, lab string, bugs *regexp.Regexp) (written []string, wrong []error, err error) {
	c, err := readCorpus(w, lab, bugs)
	if err != nil {
		return nil, nil, err
	}
	for _, text := range c.errors {
		wrong = append(wrong, errors.New(text))
	}
	for _, m := range c.mutants {
		fresh, err := patch.Refresh(m, c.files)
		if err != nil {
			wrong = append(wrong, c.shorten(err))
			continue
		}
		changed, err := rewrite(filepath.Join(c.root, c.path(m)), fresh)
		if err != nil {
			return written, wrong, err
		}
		if changed {
			written = append(written, c.path(m))
		}
	}
	return written, wrong, nil
}

// rewrite gives a file another text, if it is another.
func rewrite(path string, text []byte) (changed bool, err error) {
	old, err := os.ReadFile(path)
	if err != nil || bytes.Equal(old, text) {
		return false, err
	}
	return true, os.WriteFile(path, text, 0o644)
}
