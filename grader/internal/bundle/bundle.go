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
	"distsys/grader/internal/rubric"
	"distsys/grader/internal/workspace"
)

//go:embed gradescope classroom50
var scripts embed.FS

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
	version := strings.TrimPrefix(goLine(string(files["course/go.mod"].Text)), "go ")
	files["runtime.json"] = publish.File{Text: fmt.Appendf(nil, "{\"runs-on\": \"ubuntu-latest\", \"go\": %q}\n", version)}
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
func pack(ctx context.Context, w *workspace.Workspace, labs []string, dirty bool, kind string) (publish.Files, error) {
	starter, err := publish.Starter(ctx, w, labs, dirty)
	if err != nil {
		return nil, err
	}
	files := publish.Files{"labs": {Text: []byte(strings.Join(labs, "\n") + "\n")}}
	for name, f := range starter {
		files[path.Join("course", name)] = f
	}
	return files, fs.WalkDir(scripts, kind, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := scripts.ReadFile(name)
		files[path.Base(name)] = publish.File{Text: text, Executable: path.Ext(name) != ".py"}
		return err
	})
}

func addHidden(files publish.Files, w *workspace.Workspace, labs []string) error {
	for _, lab := range labs {
		text, err := os.ReadFile(filepath.Join(w.ReferenceDir(lab), rubric.HiddenFile))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return err
		}
		files[path.Join("course/solutions", lab, rubric.HiddenFile)] = publish.File{Text: text}
	}
	return nil
}

func writeZip(out string, files publish.Files) error {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.SetMode(mode(files[name]))
		w, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := w.Write(files[name].Text); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}

func mode(f publish.File) fs.FileMode {
	if f.Executable {
		return 0o755
	}
	return 0o644
}

// writeFolder writes files to a folder that is new or empty.
func writeFolder(out string, files publish.Files) error {
	if entries, err := os.ReadDir(out); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty", out)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		at := filepath.Join(out, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at, files[name].Text, mode(files[name])); err != nil {
			return err
		}
	}
	return nil
}
