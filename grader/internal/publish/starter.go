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

// Files are the files of a tree by their paths, with slashes.
type Files map[string]File

// A File is a plain file.
type File struct {
	Text       []byte
	Executable bool
}

// add puts plain files below a folder. Those that replace others keep their
// mode.
func (f Files) add(dir string, texts map[string][]byte) {
	for name, text := range texts {
		at := path.Join(dir, name)
		f[at] = File{Text: text, Executable: f[at].Executable}
	}
}

// overlayDir holds what is the starter's alone.
const overlayDir = ".github/starter/"

// makeStarter returns the tree of the starter.
func makeStarter(w *workspace.Workspace, labs []string, course Files) (Files, error) {
	starter := Files{}
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

const labsMark = "<!-- labs -->"

// renderMarkdown cuts what is for staff and fills in the table of labs.
func (f Files) renderMarkdown(w *workspace.Workspace, labs []string) error {
	table, err := labTable(w, labs)
	if err != nil {
		return err
	}
	for name, file := range f {
		if path.Ext(name) != ".md" {
			continue
		}
		text := strings.Replace(cutStaff(string(file.Text)), labsMark+"\n", table, 1)
		file.Text = []byte(text)
		f[name] = file
	}
	return nil
}

// cutStaff removes the sections that are for staff, up to the next heading of
// the same or a higher level.
func cutStaff(text string) string {
	var out strings.Builder
	cut, fenced := 0, false // the level of the heading that is being cut; in a block of code
	for line := range strings.Lines(text) {
		fenced = fenced != strings.HasPrefix(line, "```")
		if level := headingLevel(line); level > 0 && !fenced {
			if level <= cut {
				cut = 0
			}
			if strings.TrimSpace(line[level:]) == "For staff" {
				cut = level
			}
		}
		if cut == 0 {
			out.WriteString(line)
		}
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// headingLevel returns the number of # signs that begin a heading, or 0.
func headingLevel(line string) int {
	level := len(line) - len(strings.TrimLeft(line, "#"))
	if level > 0 && strings.HasPrefix(line[level:], " ") {
		return level
	}
	return 0
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
