// Package submission takes a student's files from a folder that is not to be
// trusted. Only the files that the rubric names are taken, as copies, and only
// when they are regular files of a sensible size. Their source is checked for
// what the course does not allow.
package submission

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"distsys/grader/internal/rubric"
)

// MaxFile is the size above which a file is refused, in bytes.
const MaxFile = 1 << 20

// A Submission is what was taken for one lab.
type Submission struct {
	Files    map[string]string // name in the lab's folder to the path of the copy
	Problems []Problem         // why the lab cannot be built; empty when all is well
	Ignored  []string          // what was left, and why
}

// A Problem is something in a submission that the student must change.
type Problem struct {
	File string // relative to the root of the repository
	Line int    // 0 when it is the file as a whole
	Text string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.File, p.Text)
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// Take copies the files that the rubric names from dir/LAB, or from dir itself
// when it has no such folder, to staging. LabDir is the lab in the clean tree.
func Take(r *rubric.Rubric, dir, labDir, staging string) (*Submission, error) {
	from, err := folder(dir, r.Lab)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(staging, 0o755); err != nil {
		return nil, err
	}
	s := &Submission{Files: map[string]string{}}
	found := 0
	for _, name := range r.Files {
		shown := filepath.Join(r.Lab, name)
		src, err := read(from, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			s.Problems = append(s.Problems, Problem{r.Lab, 0, name + " is missing from the submission"})
			continue
		case err != nil:
			s.Problems = append(s.Problems, Problem{shown, 0, err.Error()})
			found++
			continue
		}
		found++
		s.Problems = append(s.Problems, Check(r, shown, src)...)
		copied := filepath.Join(staging, name)
		if err := os.WriteFile(copied, src, 0o644); err != nil {
			return nil, err
		}
		s.Files[name] = copied
	}
	if found == 0 {
		s.Problems = []Problem{{r.Lab, 0, "nothing was submitted: expected " + listed(r.Files)}}
	}
	s.Ignored = ignored(r, from, labDir)
	if from != dir {
		s.Ignored = append(ignoredAbove(dir, filepath.Dir(labDir)), s.Ignored...)
	}
	return s, nil
}

// Own checks the student files of the lab in labDir, in place.
func Own(r *rubric.Rubric, labDir string) []Problem {
	var problems []Problem
	for _, name := range r.Files {
		src, err := read(labDir, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			problems = append(problems, Problem{r.Lab, 0, name + " is missing"})
		case err != nil:
			problems = append(problems, Problem{filepath.Join(r.Lab, name), 0, err.Error()})
		default:
			problems = append(problems, Check(r, filepath.Join(r.Lab, name), src)...)
		}
	}
	return problems
}

// folder returns dir/lab when it is a folder, else dir.
func folder(dir, lab string) (string, error) {
	info, err := os.Lstat(filepath.Join(dir, lab))
	if err == nil && info.IsDir() {
		return filepath.Join(dir, lab), nil
	}
	info, err = os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", dir)
	}
	return dir, err
}

// read returns the contents of a regular file of at most MaxFile bytes. It
// follows no link: the file is opened first and compared with what Lstat saw.
func read(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := acceptable(info); err != nil {
		return nil, err
	}
	// It does not wait for the other end of a pipe, should it have become one.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if opened, err := f.Stat(); err != nil || !os.SameFile(info, opened) {
		return nil, errors.New("changed while it was read")
	}
	src, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(src) > MaxFile {
		err = tooLarge(int64(len(src)))
	}
	return src, err
}

func acceptable(info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return errors.New("is a symbolic link; submit the file itself")
	case !info.Mode().IsRegular():
		return errors.New("is not a regular file")
	case info.Size() > MaxFile:
		return tooLarge(info.Size())
	}
	return nil
}

func tooLarge(size int64) error {
	return fmt.Errorf("is too large: %d bytes, and at most %d are accepted", size, MaxFile)
}

// mostIgnored bounds the report of ignored files.
const mostIgnored = 20

// ignored says what in the folder was left, unless it equals the clean tree.
func ignored(r *rubric.Rubric, from, labDir string) []string {
	entries, err := os.ReadDir(from)
	if err != nil {
		return []string{err.Error()}
	}
	var notes []string
	for _, e := range entries {
		if slices.Contains(r.Files, e.Name()) || same(from, labDir, e) {
			continue
		}
		if why := whyIgnored(e.Name()); why != "" {
			notes = append(notes, fmt.Sprintf("ignored %s: %s", filepath.Join(r.Lab, e.Name()), why))
		}
	}
	if more := len(notes) - mostIgnored; more > 0 {
		notes = append(notes[:mostIgnored], fmt.Sprintf("ignored %d more files", more))
	}
	return notes
}

// ignoredAbove says what was left at the root of the repository, and could
// have mattered.
func ignoredAbove(dir, root string) []string {
	var notes []string
	for _, name := range []string{"go.mod", "go.sum", "go.work"} {
		theirs, err := read(dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if ours, _ := read(root, name); err != nil || !bytes.Equal(ours, theirs) {
			notes = append(notes, fmt.Sprintf("ignored %s: it comes from the course's tree", name))
		}
	}
	return notes
}

// same reports whether an entry of the submission is the clean tree's own.
func same(from, labDir string, e fs.DirEntry) bool {
	theirs, err := read(from, e.Name())
	if err != nil {
		return false
	}
	ours, err := read(labDir, e.Name())
	return err == nil && bytes.Equal(theirs, ours)
}

// whyIgnored says why a file that could have mattered does not, or "".
func whyIgnored(name string) string {
	switch ext := filepath.Ext(name); {
	case len(name) > len("_test.go") && name[len(name)-len("_test.go"):] == "_test.go":
		return "tests come from the course's tree"
	case name == rubric.FileName, name == "go.mod", name == "go.sum", name == "go.work", name == "vendor":
		return "it comes from the course's tree"
	case ext == ".go":
		return "the rubric does not name it"
	case slices.Contains([]string{".s", ".S", ".c", ".h", ".cc", ".cpp", ".m", ".syso", ".a", ".so", ".swig"}, ext):
		return "only Go is accepted"
	}
	return ""
}

func listed(names []string) string {
	text := ""
	for i, n := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			text += " and "
		default:
			text += ", "
		}
		text += n
	}
	return text
}
