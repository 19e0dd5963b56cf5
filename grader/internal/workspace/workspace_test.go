package workspace

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// course returns a workspace with two labs, the second without a solution.
func course(t *testing.T) *Workspace {
	root := t.TempDir()
	for _, name := range []string{
		"go.mod", "lab1-one/rubric.yaml", "lab1-one/a.go", "lab1-one/stray.go", "lab1-one/a_test.go",
		"lab2-two/rubric.yaml", "lab3-notyet/b.go", "solutions/lab1-one/a.go", "solutions/lab1-one/b.go",
		"solutions/lab1-one/hidden_test.go", "solutions/lab1-one/mutants/x.patch",
	} {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o644))
	}
	w, err := Find(filepath.Join(root, "solutions", "lab1-one"))
	require.NoError(t, err)
	return w
}

func TestFind(t *testing.T) {
	w := course(t)
	require.Equal(t, []string{"lab1-one", "lab2-two"}, w.Labs)
	_, err := Find("/")
	require.ErrorContains(t, err, "no go.mod here or above")
}

func TestSelect(t *testing.T) {
	w := course(t)
	for arg, want := range map[string]string{
		"lab1": "lab1-one", "lab2-two": "lab2-two", "./lab2-two/": "lab2-two", "/somewhere/lab1-one": "lab1-one",
	} {
		labs, err := w.Select([]string{arg, want})
		require.NoError(t, err)
		require.Equal(t, []string{want}, labs, arg)
	}
	labs, err := w.Select(nil)
	require.NoError(t, err)
	require.Equal(t, w.Labs, labs)
	for _, arg := range []string{"lab3-notyet", "lab", "", "la b1"} {
		_, err := w.Select([]string{arg})
		require.ErrorContains(t, err, "the labs are lab1-one, lab2-two", arg)
	}
}

// The reference takes the place of all sources; tests stay.
func TestLayReference(t *testing.T) {
	w := course(t)
	o, err := w.LayReference("lab1-one")
	require.NoError(t, err)
	lab, reference := w.Dir("lab1-one"), w.ReferenceDir("lab1-one")
	require.Equal(t, map[string]string{
		filepath.Join(lab, "a.go"):     filepath.Join(reference, "a.go"),
		filepath.Join(lab, "b.go"):     filepath.Join(reference, "b.go"),
		filepath.Join(lab, "stray.go"): "",

		filepath.Join(lab, "hidden_test.go"): filepath.Join(reference, "hidden_test.go"),
	}, o.Replace)
	_, err = w.LayReference("lab2-two")
	require.ErrorContains(t, err, "the reference solution: ")
}

func TestOverlayWriteFile(t *testing.T) {
	w := course(t)
	path := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, w.Lay("lab1-one", map[string]string{"a.go": "/tmp/a.go"}).WriteFile(path))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	lab := w.Dir("lab1-one")
	require.JSONEq(t, `{"Replace": {"`+lab+`/a.go": "/tmp/a.go", "`+lab+`/hidden_test.go": "`+w.ReferenceDir("lab1-one")+`/hidden_test.go"}}`, string(text))
}
