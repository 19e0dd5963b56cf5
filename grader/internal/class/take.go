package class

import (
	"bytes"
	"cmp"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"distsys/grader/internal/rubric"
)

// mostStaged bounds the files of one folder that are copied.
const mostStaged = 200

// stage copies what a tree has for the labs to dir/LAB, where the grader looks
// for it: whatever folders it is packed in, whatever the case of its names and
// whatever its line ends. The other files of the same folder come along, for
// the report of what was ignored.
func (c *class) stage(t *tree, dir string) error {
	for _, r := range c.rubrics {
		to := filepath.Join(dir, r.Lab)
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		for name, e := range labFiles(r, c.rubrics, t.entries) {
			text, err := e.read()
			if err != nil {
				return err
			}
			text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
			if err := os.WriteFile(filepath.Join(to, name), text, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// labFiles returns the files of the folder that most likely holds the lab, by
// the names they should have.
func labFiles(r *rubric.Rubric, all []*rubric.Rubric, entries []entry) map[string]entry {
	folders := map[string]map[string]entry{}
	for _, e := range entries {
		dir, name := path.Split(e.path)
		if folders[dir] == nil {
			folders[dir] = map[string]entry{}
		}
		name = canonical(r, name)
		if old, ok := folders[dir][name]; ok && path.Base(old.path) == name {
			continue // The file of exactly that name counts.
		}
		if len(folders[dir]) < mostStaged || slices.Contains(r.Files, name) {
			folders[dir][name] = e
		}
	}
	best, most := "", 0
	for dir, files := range folders {
		if n := likely(r, all, dir, files); n > most || n == most && n > 0 && shallower(dir, best) {
			best, most = dir, n
		}
	}
	return folders[best]
}

// canonical returns the name as the rubric writes it, if it names it.
func canonical(r *rubric.Rubric, name string) string {
	for _, f := range r.Files {
		if strings.EqualFold(f, name) {
			return f
		}
	}
	return name
}

// likely says how much a folder looks like the lab's; 0 is not at all. One that
// has the lab's name does, one that has another lab's does not, and otherwise
// the number of the lab's files counts.
func likely(r *rubric.Rubric, all []*rubric.Rubric, dir string, files map[string]entry) int {
	n := 0
	for _, f := range r.Files {
		if _, ok := files[f]; ok {
			n++
		}
	}
	base := strings.ToLower(path.Base(strings.TrimSuffix(dir, "/")))
	for _, other := range all {
		if !named(base, other.Lab) {
			continue
		}
		if other == r && n > 0 {
			return n + len(r.Files)
		}
		return 0
	}
	return n
}

// named reports whether a folder has a lab's name: lab4-raft, or lab4.
func named(base, lab string) bool {
	short, _, _ := strings.Cut(lab, "-")
	return base == strings.ToLower(lab) || base == strings.ToLower(short)
}

// shallower orders folders, those nearest to the top first.
func shallower(a, b string) bool {
	return cmp.Or(cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")), strings.Compare(a, b)) < 0
}
