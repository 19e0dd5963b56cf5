package workspace

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"distsys/grader/internal/rubric"
)

// An Overlay lays files over others, in the form that the go command's
// -overlay flag takes.
type Overlay struct {
	// Replace maps the absolute path of a file to the absolute path of the file
	// that takes its place, or to "" when the file is to vanish.
	Replace map[string]string
}

// Lay returns an overlay that puts files over those of a lab, and the hidden
// tests beside them. Files maps names in the lab's folder to absolute paths.
func (w *Workspace) Lay(lab string, files map[string]string) Overlay {
	o := Overlay{Replace: map[string]string{}}
	w.layHidden(lab, o)
	for name, path := range files {
		if at := filepath.Join(w.Dir(lab), name); at != path {
			o.Replace[at] = path
		}
	}
	return o
}

// LayReference returns an overlay that puts the reference solution over a lab.
// Go files of the lab that are not in the solution vanish. The hidden tests are
// laid beside it.
func (w *Workspace) LayReference(lab string) (Overlay, error) {
	names, err := Sources(w.ReferenceDir(lab))
	if err != nil {
		return Overlay{}, fmt.Errorf("the reference solution: %w", err)
	}
	present, err := Sources(w.Dir(lab))
	if err != nil {
		return Overlay{}, err
	}
	o := Overlay{Replace: map[string]string{}}
	w.layHidden(lab, o)
	for _, name := range present {
		o.Replace[filepath.Join(w.Dir(lab), name)] = ""
	}
	for _, name := range names {
		o.Replace[filepath.Join(w.Dir(lab), name)] = filepath.Join(w.ReferenceDir(lab), name)
	}
	return o, nil
}

// layHidden adds the hidden tests of a lab, when there are any.
func (w *Workspace) layHidden(lab string, o Overlay) {
	path := filepath.Join(w.ReferenceDir(lab), rubric.HiddenFile)
	if _, err := os.Stat(path); err == nil {
		o.Replace[filepath.Join(w.Dir(lab), rubric.HiddenFile)] = path
	}
}

// Under returns the overlay with another on top of it.
func (o Overlay) Under(top Overlay) Overlay {
	replace := maps.Clone(o.Replace)
	maps.Copy(replace, top.Replace)
	return Overlay{Replace: replace}
}

// WriteFile writes the overlay for the go command to read.
func (o Overlay) WriteFile(path string) error {
	data, err := json.MarshalIndent(o, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
