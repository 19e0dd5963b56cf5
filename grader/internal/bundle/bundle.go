// Package bundle packs the course for graders that are run by others: the zip
// file that Gradescope takes, and the folder that Classroom 50 takes. Each
// holds the starter, and a script that runs its grader on a submission.
package bundle

import (
	"archive/zip"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"distsys/grader/internal/publish"
	"distsys/grader/internal/workspace"
)

//go:embed gradescope classroom50
var scripts embed.FS

// A packed file.
type file struct {
	text       []byte
	executable bool
}

// Gradescope writes the zip file of an autograder for labs. Hidden tests are in
// it: students do not get to see it.
func Gradescope(ctx context.Context, w *workspace.Workspace, labs []string, dirty bool, out string) error {
	files, err := pack(ctx, w, labs, dirty, "gradescope")
	if err != nil {
		return err
	}
	if err := addHidden(files, w, labs); err != nil {
		return err
	}
	return writeZip(out, files)
}

// Classroom50 writes the folder of an assignment's autograder. Classroom 50
// publishes it, so hidden tests are not in it.
func Classroom50(ctx context.Context, w *workspace.Workspace, labs []string, dirty bool, out string) error {
	files, err := pack(ctx, w, labs, dirty, "classroom50")
	if err != nil {
		return err
	}
	version := strings.TrimPrefix(goLine(string(files["course/go.mod"].text)), "go ")
	files["runtime.json"] = file{text: fmt.Appendf(nil, "{\"runs-on\": \"ubuntu-latest\", \"go\": %q}\n", version)}
	return writeFolder(out, files)
}

func goLine(gomod string) string {
	for line := range strings.Lines(gomod) {
		if strings.HasPrefix(line, "go ") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// pack returns the starter, the names of the labs and the scripts of a kind.
func pack(ctx context.Context, w *workspace.Workspace, labs []string, dirty bool, kind string) (map[string]file, error) {
	files := map[string]file{"labs": {text: []byte(strings.Join(labs, "\n") + "\n")}}
	err := publish.Starter(ctx, w, labs, dirty, func(name string, text []byte, executable bool) {
		files[path.Join("course", name)] = file{text, executable}
	})
	if err != nil {
		return nil, err
	}
	return files, fs.WalkDir(scripts, kind, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := scripts.ReadFile(name)
		files[path.Base(name)] = file{text, path.Ext(name) != ".py"}
		return err
	})
}

// hiddenTests is the name of a lab's hidden tests, beside its solution.
const hiddenTests = "hidden_test.go"

func addHidden(files map[string]file, w *workspace.Workspace, labs []string) error {
	for _, lab := range labs {
		text, err := os.ReadFile(filepath.Join(w.ReferenceDir(lab), hiddenTests))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return err
		}
		files[path.Join("course/solutions", lab, hiddenTests)] = file{text: text}
	}
	return nil
}

func writeZip(out string, files map[string]file) error {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.SetMode(files[name].mode())
		w, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := w.Write(files[name].text); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}

func (f file) mode() fs.FileMode {
	if f.executable {
		return 0o755
	}
	return 0o644
}

// writeFolder writes files to a folder that is new or empty.
func writeFolder(out string, files map[string]file) error {
	if entries, err := os.ReadDir(out); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty", out)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		at := filepath.Join(out, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at, files[name].text, files[name].mode()); err != nil {
			return err
		}
	}
	return nil
}
