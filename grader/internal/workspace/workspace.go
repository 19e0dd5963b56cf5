// Package workspace finds things in the repository: its root, its labs, their
// reference solutions, and the overlays that lay one source over another.
package workspace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"distsys/grader/internal/rubric"
)

// A Workspace is a tree of labs.
type Workspace struct {
	Root string   // absolute path of the folder with go.mod
	Labs []string // folders with a rubric, in order
}

// Find returns the workspace that dir is in.
func Find(dir string) (*Workspace, error) {
	root, err := moduleRoot(dir)
	if err != nil {
		return nil, err
	}
	rubrics, err := filepath.Glob(filepath.Join(root, "lab*", rubric.FileName))
	if err != nil {
		return nil, err
	}
	w := &Workspace{Root: root}
	for _, path := range rubrics {
		w.Labs = append(w.Labs, filepath.Base(filepath.Dir(path)))
	}
	return w, nil
}

func moduleRoot(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", errors.New("no go.mod here or above: run this in the course's repository")
		}
	}
}

// Select returns the labs that args name, or all labs. A lab is named by its
// folder, with or without a path, or by the folder's name up to the hyphen.
func (w *Workspace) Select(args []string) ([]string, error) {
	if len(w.Labs) == 0 {
		return nil, fmt.Errorf("no lab in %s: no folder lab*/%s", w.Root, rubric.FileName)
	}
	if len(args) == 0 {
		return w.Labs, nil
	}
	var labs []string
	seen := map[string]bool{}
	for _, arg := range args {
		lab, err := w.lab(arg)
		if err != nil {
			return nil, err
		}
		if !seen[lab] {
			labs = append(labs, lab)
		}
		seen[lab] = true
	}
	return labs, nil
}

func (w *Workspace) lab(arg string) (string, error) {
	path, err := filepath.Abs(arg)
	if err != nil {
		return "", err
	}
	name := filepath.Base(path)
	for _, lab := range w.Labs {
		short, _, _ := strings.Cut(lab, "-")
		if name == lab || name == short {
			return lab, nil
		}
	}
	return "", fmt.Errorf("there is no lab %q; the labs are %s", arg, strings.Join(w.Labs, ", "))
}

// Dir returns the folder of a lab.
func (w *Workspace) Dir(lab string) string { return filepath.Join(w.Root, lab) }

// ReferenceDir returns the folder of a lab's reference solution.
func (w *Workspace) ReferenceDir(lab string) string {
	return filepath.Join(w.Root, "solutions", lab)
}

// Sources returns the names of the Go files in dir, tests left out.
func Sources(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name := e.Name(); !e.IsDir() && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			names = append(names, name)
		}
	}
	return names, nil
}
