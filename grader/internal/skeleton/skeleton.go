// Package skeleton makes a lab's student files from its reference solution.
//
// A reference file in solutions/<lab> marks what students must write:
//
//	// TODO(4A): grant at most one vote a term (§5.2).
//	// BEGIN SOLUTION
//	...
//	// END SOLUTION
//	// STUB: todo("4A", "grant at most one vote a term")
//
// In the student's file the lines from BEGIN to END are cut, and the code of
// the STUB lines that follow directly, one or several, takes their place. A
// region belongs to the part of the nearest TODO in the comment directly above
// it, or to the part named by the marker itself: // BEGIN SOLUTION 4A. Markers
// stand alone on their lines; regions do not nest. One region may follow another
// directly, even in the middle of a function that both belong to.
//
// The lines outside regions must compile with the stubs and with the solutions.
// Imports look after themselves: one that nothing in the student's file uses is
// removed. None is ever added, so a stub that needs a package which the solution
// does not use says so in the import block:
//
//	import (
//		"sync"
//		// BEGIN SOLUTION
//		// END SOLUTION
//		// STUB: "errors"
//	)
//
// A region in an import block needs no part: both its sides are put in, and
// what is not used is removed.
//
// Only Go files are taken from the solution, never its tests, its mutants or
// its testdata. A file without a region is given to students as it is.
package skeleton

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// Generate returns the student files of a lab: what solutions/<lab> under root
// says they should be. Keys are paths inside the lab folder, with slashes.
func Generate(root, lab string) (map[string][]byte, error) {
	return GenerateParts(root, lab, nil)
}

// GenerateParts is [Generate] for a student who has solved some parts: regions
// of these parts keep their solutions. It fails when no region belongs to a
// part that is named.
func GenerateParts(root, lab string, solved []string) (map[string][]byte, error) {
	reference, err := Reference(root, lab)
	if err != nil {
		return nil, err
	}
	parts, err := partsOf(lab, reference)
	if err != nil {
		return nil, err
	}
	for _, part := range solved {
		if !slices.Contains(parts, part) {
			return nil, fmt.Errorf("no region of solutions/%s belongs to part %s: its parts are %s", lab, part, strings.Join(parts, ", "))
		}
	}
	files := make(map[string][]byte, len(reference))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(reference)) {
		f := file{name: solutionPath(lab, name), src: reference[name], siblings: siblings(reference, name)}
		files[name], err = f.skeleton(solved)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return files, nil
}

// Parts returns the parts that a lab's regions belong to, sorted.
func Parts(root, lab string) ([]string, error) {
	reference, err := Reference(root, lab)
	if err != nil {
		return nil, err
	}
	return partsOf(lab, reference)
}

// LabRegions returns the regions of all files of a lab, sorted by file and
// line. The File of each is its path inside the lab folder.
func LabRegions(root, lab string) ([]Region, error) {
	reference, err := Reference(root, lab)
	if err != nil {
		return nil, err
	}
	return regionsOf(lab, reference)
}

func regionsOf(lab string, reference map[string][]byte) ([]Region, error) {
	var all []Region
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(reference)) {
		regions, err := Regions(solutionPath(lab, name), reference[name])
		errs = append(errs, err)
		for _, r := range regions {
			r.File = name
			all = append(all, r)
		}
	}
	return all, errors.Join(errs...)
}

func partsOf(lab string, reference map[string][]byte) ([]string, error) {
	regions, err := regionsOf(lab, reference)
	if err != nil {
		return nil, err
	}
	var parts []string
	for _, r := range regions {
		if r.Part != "" {
			parts = append(parts, r.Part)
		}
	}
	slices.Sort(parts)
	return slices.Compact(parts), nil
}

// Labs returns the names of all labs that have a solution under root, sorted.
func Labs(root string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(root, "solutions"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no folder solutions in %s: only the course's own repository can make student files", root)
	}
	if err != nil {
		return nil, fmt.Errorf("listing the labs: %w", err)
	}
	var labs []string
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), "lab") {
			labs = append(labs, e.Name())
		}
	}
	return labs, nil
}

// Reference returns the Go files of a lab's solution as they are, regions and
// all, except tests, mutants and testdata. Keys are paths inside the lab
// folder, with slashes.
func Reference(root, lab string) (map[string][]byte, error) {
	if !filepath.IsLocal(lab) || strings.ContainsAny(lab, `/\`) || lab == "." {
		return nil, fmt.Errorf("%q is not the name of a lab", lab)
	}
	files, err := goFiles(filepath.Join(root, "solutions", lab), "mutants", "testdata")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no solution for %q: there is no folder solutions/%s", lab, lab)
	}
	if err != nil {
		return nil, fmt.Errorf("reading solutions/%s: %w", lab, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no Go file in solutions/%s", lab)
	}
	return files, nil
}

// goFiles reads the Go files below dir that are not tests. It passes over
// folders with one of the names given and those the go command ignores.
func goFiles(dir string, passOver ...string) (map[string][]byte, error) {
	files := map[string][]byte{}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		ignored := name != "." && strings.ContainsAny(e.Name()[:1], "._")
		if e.IsDir() {
			if ignored || slices.Contains(passOver, e.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if ignored || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		if !e.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", name)
		}
		files[name], err = root.ReadFile(name)
		return err
	})
	return files, err
}

// siblings returns the other files of a file's package.
func siblings(files map[string][]byte, name string) [][]byte {
	var others [][]byte
	for _, other := range slices.Sorted(maps.Keys(files)) {
		if other != name && path.Dir(other) == path.Dir(name) {
			others = append(others, files[other])
		}
	}
	return others
}

func solutionPath(lab, name string) string { return path.Join("solutions", lab, name) }

// A Difference is a student file that is not what the solution says it should be.
type Difference struct {
	File string // File is the path below the repository's root, with slashes.
	What string // What says in a few words what is wrong with the file.
	Diff string // Diff is a unified diff, cut short, from the file as it is to the file as it should be.

	extra bool // the solution does not have this file
}

// String returns the difference as it is shown to staff.
func (d Difference) String() string {
	s := d.File + ": " + d.What
	if d.Diff != "" {
		s += "\n" + d.Diff
	}
	return s
}

// Check compares a lab folder with what [Generate] returns. A Go file of the
// lab folder that is neither generated nor a test is a difference too. Line
// ends do not count: git may have changed them.
func Check(root, lab string) ([]Difference, error) {
	_, differences, err := generateAndCompare(root, lab)
	return differences, err
}

func generateAndCompare(root, lab string) (map[string][]byte, []Difference, error) {
	want, err := Generate(root, lab)
	if err != nil {
		return nil, nil, err
	}
	have, err := goFiles(filepath.Join(root, lab), "testdata")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("reading %s: %w", lab, err)
	}
	return want, compare(lab, have, want), nil
}

func compare(lab string, have, want map[string][]byte) []Difference {
	names := slices.Collect(maps.Keys(have))
	names = slices.AppendSeq(names, maps.Keys(want))
	slices.Sort(names)
	var all []Difference
	for _, name := range slices.Compact(names) {
		d := Difference{File: path.Join(lab, name)}
		old, inLab := have[name]
		text, inSolution := want[name]
		switch {
		case !inSolution:
			d.What = "not in the solution: delete it, or add it to " + path.Join("solutions", lab)
			d.extra = true
		case !inLab:
			d.What = "missing"
		case !bytes.Equal(lf(old), lf(text)):
			d.What = "out of date"
			d.Diff = shortDiff(d.File, lf(old), lf(text))
		default:
			continue
		}
		all = append(all, d)
	}
	return all
}

// shortDiff returns the first lines of a unified diff.
func shortDiff(name string, old, new []byte) string {
	const most = 20
	lines := strings.SplitAfter(string(diff.Diff(name+" (now)", old, name+" (from the solution)", new)), "\n")
	lines = lines[1:] // "diff old new" repeats what the next two lines say
	if len(lines) > most+1 {
		more := len(lines) - most - 1
		lines = append(lines[:most], fmt.Sprintf("... and %d more lines\n", more))
	}
	return strings.TrimSuffix(strings.Join(lines, ""), "\n")
}

// lf returns text with Windows line ends made plain.
func lf(text []byte) []byte { return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")) }

// Write brings a lab folder up to date and returns the paths, below root, of
// the files that it wrote. It writes nothing outside the lab folder and deletes
// nothing: a Go file that the solution does not have is an error, returned
// after the others were written.
func Write(root, lab string) ([]string, error) {
	files, differences, err := generateAndCompare(root, lab)
	if err != nil {
		return nil, err
	}
	stale := map[string][]byte{}
	var extra []error
	for _, d := range differences {
		if d.extra {
			extra = append(extra, errors.New(d.String()))
			continue
		}
		stale[d.File] = files[strings.TrimPrefix(d.File, lab+"/")]
	}
	written, err := WriteFiles(root, stale)
	return written, errors.Join(append(extra, err)...)
}

// WriteFiles writes files, named by their paths below dir, and makes the
// folders they need. It returns the paths it wrote, sorted. It refuses to
// leave dir, also through a symbolic link.
func WriteFiles(dir string, files map[string][]byte) (written []string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("writing the student files: %w", err)
	}
	defer root.Close()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		err := root.MkdirAll(filepath.FromSlash(path.Dir(name)), 0o755)
		if err == nil {
			err = root.WriteFile(filepath.FromSlash(name), files[name], 0o644)
		}
		if err != nil {
			return written, fmt.Errorf("writing the student files: %w", err)
		}
		written = append(written, name)
	}
	return written, nil
}
