package publish

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"distsys/grader/internal/rubric"
	"distsys/grader/internal/skeleton"
	"distsys/grader/internal/workspace"
)

// files are the files of a tree by their paths, with slashes.
type files map[string]file

type file struct {
	text       []byte
	executable bool
}

// add puts plain files below a folder. Those that replace others keep their
// mode.
func (f files) add(dir string, texts map[string][]byte) {
	for name, text := range texts {
		at := path.Join(dir, name)
		f[at] = file{text: text, executable: f[at].executable}
	}
}

// overlayDir holds what is the starter's alone.
const overlayDir = ".github/starter/"

// makeStarter returns the tree of the starter.
func makeStarter(w *workspace.Workspace, labs []string, course files) (files, error) {
	starter := files{}
	for name, f := range course {
		if forStudents(name, w.Labs, labs) {
			starter[name] = f
		}
	}
	for name, f := range course {
		if below, ok := strings.CutPrefix(name, overlayDir); ok {
			starter[below] = f
		}
	}
	for _, lab := range labs {
		texts, err := skeleton.Generate(w.Root, lab)
		if err != nil {
			return nil, err
		}
		starter.add(lab, texts)
	}
	return starter, starter.renderMarkdown(w, labs)
}

// forStudents reports whether a file of the course's repository is in the
// starter as it is.
func forStudents(name string, all, labs []string) bool {
	top, rest, _ := strings.Cut(name, "/")
	switch top {
	case "solutions", ".ci", ".github", "README.md":
		return false
	case "grader":
		return !strings.HasSuffix(name, "_test.go") && !strings.Contains("/"+rest, "/testdata/")
	}
	return !slices.Contains(all, top) || slices.Contains(labs, top)
}

const (
	staffMark    = "<!-- staff -->"
	staffEndMark = "<!-- end of staff -->"
	labsMark     = "<!-- labs -->"
)

// renderMarkdown cuts what is for staff and fills in the table of labs.
func (f files) renderMarkdown(w *workspace.Workspace, labs []string) error {
	table, err := labTable(w, labs)
	if err != nil {
		return err
	}
	for name, file := range f {
		if path.Ext(name) != ".md" {
			continue
		}
		text, err := cutStaff(string(file.text))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		file.text = []byte(strings.Replace(text, labsMark+"\n", table, 1))
		f[name] = file
	}
	return nil
}

// cutStaff removes what stands between the marks, and the marks.
func cutStaff(text string) (string, error) {
	var out strings.Builder
	begun := 0
	for n, line := range strings.SplitAfter(text, "\n") {
		switch mark := strings.TrimSpace(line); {
		case mark == staffMark && begun == 0:
			begun = n + 1
		case mark == staffEndMark && begun > 0:
			begun = 0
		case mark == staffMark || mark == staffEndMark:
			return "", fmt.Errorf("line %d: %s without its other half", n+1, mark)
		case begun == 0:
			out.WriteString(line)
		}
	}
	if begun > 0 {
		return "", fmt.Errorf("line %d: %s is never ended", begun, staffMark)
	}
	return strings.TrimRight(out.String(), "\n") + "\n", nil
}

// labTable lists the labs as a Markdown table.
func labTable(w *workspace.Workspace, labs []string) (string, error) {
	var b strings.Builder
	b.WriteString("| lab | | points |\n|---|---|---|\n")
	for _, lab := range labs {
		r, err := rubric.Load(w.Dir(lab))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| [%s](%[1]s/README.md) | %s | %v |\n", lab, r.Title, r.Total)
	}
	return b.String(), nil
}
