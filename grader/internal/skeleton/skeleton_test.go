package skeleton

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata")

// fixture is a txtar file: files of a solution under lab/, the student files
// that they make under want/, or else the errors in want-error.
type fixture struct {
	root   string
	solved []string
	want   map[string][]byte
	errors string
}

func loadFixture(t *testing.T, ar *txtar.Archive) fixture {
	f := fixture{root: t.TempDir(), want: map[string][]byte{}}
	for line := range strings.Lines(string(ar.Comment)) {
		if parts, ok := strings.CutPrefix(line, "solved:"); ok {
			f.solved = strings.Fields(parts)
		}
	}
	for _, file := range ar.Files {
		if name, ok := strings.CutPrefix(file.Name, "want/"); ok {
			f.want[name] = file.Data
			continue
		}
		if file.Name == "want-error" {
			f.errors = string(file.Data)
			continue
		}
		write(t, filepath.Join(f.root, "solutions", filepath.FromSlash(file.Name)), string(file.Data))
	}
	return f
}

func write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
}

func fixtures(t *testing.T) []string {
	names, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	return names
}

func TestGenerate(t *testing.T) {
	for _, name := range fixtures(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			require.NoError(t, err)
			f := loadFixture(t, ar)
			got, err := GenerateParts(f.root, "lab", f.solved)
			message := ""
			if err != nil {
				message = err.Error() + "\n"
			}
			if *update {
				rewrite(t, name, ar, got, message)
				return
			}
			require.Equal(t, f.errors, message)
			require.Equal(t, texts(f.want), texts(got))
		})
	}
}

func rewrite(t *testing.T, name string, ar *txtar.Archive, got map[string][]byte, message string) {
	ar.Files = slices.DeleteFunc(ar.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, "want") })
	for _, file := range slices.Sorted(maps.Keys(got)) {
		ar.Files = append(ar.Files, txtar.File{Name: "want/" + file, Data: got[file]})
	}
	if message != "" {
		ar.Files = append(ar.Files, txtar.File{Name: "want-error", Data: []byte(message)})
	}
	require.NoError(t, os.WriteFile(name, txtar.Format(ar), 0o644))
}

func texts(files map[string][]byte) map[string]string {
	m := map[string]string{}
	for name, text := range files {
		m[name] = string(text)
	}
	return m
}

// TestGenerateIsIdempotent proves that a skeleton is nothing but given files:
// it makes itself again.
func TestGenerateIsIdempotent(t *testing.T) {
	for _, name := range fixtures(t) {
		ar, err := txtar.ParseFile(name)
		require.NoError(t, err)
		f := loadFixture(t, ar)
		if len(f.want) == 0 {
			continue
		}
		again := t.TempDir()
		for file, text := range f.want {
			write(t, filepath.Join(again, "solutions", "lab", file), string(text))
		}
		got, err := Generate(again, "lab")
		require.NoError(t, err, name)
		require.Equal(t, texts(f.want), texts(got), name)
	}
}

// TestFixturesVet compiles the solutions and the skeletons of all fixtures, so
// that no golden freezes a mistake in.
func TestFixturesVet(t *testing.T) {
	if testing.Short() {
		t.Skip("runs go vet")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module fixture\n\ngo 1.26\n")
	for _, name := range fixtures(t) {
		ar, err := txtar.ParseFile(name)
		require.NoError(t, err)
		f := loadFixture(t, ar)
		if len(f.want) == 0 {
			continue
		}
		reference, err := Reference(f.root, "lab")
		require.NoError(t, err)
		base := strings.TrimSuffix(filepath.Base(name), ".txtar")
		for file := range f.want {
			write(t, filepath.Join(dir, base, "solution", file), string(reference[file]))
			write(t, filepath.Join(dir, base, "skeleton", file), string(f.want[file]))
		}
	}
	vet := exec.Command("go", "vet", "./...")
	vet.Dir = dir
	out, err := vet.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestRegions(t *testing.T) {
	src := `package a

func f() {
	// TODO(4A): do this,
	// and that.
	// BEGIN SOLUTION
	one()

	two()
	// END SOLUTION
	// STUB: three()
	// BEGIN SOLUTION 4B
	// END SOLUTION

	// TODO(4A): this.
	// TODO(4C): that.
	// BEGIN SOLUTION 4A
	// END SOLUTION
}
`
	want := []Region{
		{File: "a.go", Part: "4A", Begin: 6, End: 10, Solution: []string{"\tone()", "", "\ttwo()"}, Stub: []string{"\tthree()"}},
		{File: "a.go", Part: "4B", Begin: 12, End: 13, Solution: []string{}},
		{File: "a.go", Part: "4A", Begin: 17, End: 18, Solution: []string{}},
	}
	got, err := Regions("a.go", []byte(src))
	require.NoError(t, err)
	require.Equal(t, want, got)

	got, err = Regions("a.go", []byte(strings.ReplaceAll(src, "\n", "\r\n")))
	require.NoError(t, err, "CRLF")
	require.Equal(t, want, got, "CRLF")

	got, err = Regions("a.go", []byte(strings.Replace(src, "func", "//line other.go:100\nfunc", 1)))
	require.NoError(t, err)
	require.Equal(t, 7, got[0].Begin, "a line directive changes nothing")
}

const solution = `package a

import "errors"

func f() error {
	// TODO(1A): f.
	// BEGIN SOLUTION
	return errors.New("f")
	// END SOLUTION
	// STUB: return nil
}
`

const student = `package a

func f() error {
	// TODO(1A): f.
	return nil
}
`

func newRoot(t *testing.T) string {
	root := t.TempDir()
	write(t, filepath.Join(root, "solutions/lab1/a.go"), solution)
	write(t, filepath.Join(root, "solutions/lab1/cmd/p/main.go"), "package main\n")
	write(t, filepath.Join(root, "solutions/solutions_test.go"), "package solutions\n")
	return root
}

func TestWriteAndCheck(t *testing.T) {
	root := newRoot(t)
	labs, err := Labs(root)
	require.NoError(t, err)
	require.Equal(t, []string{"lab1"}, labs)

	differences, err := Check(root, "lab1")
	require.NoError(t, err)
	require.Equal(t, "[lab1/a.go: missing lab1/cmd/p/main.go: missing]", fmt.Sprint(differences))

	written, err := Write(root, "lab1")
	require.NoError(t, err)
	require.Equal(t, []string{"lab1/a.go", "lab1/cmd/p/main.go"}, written)
	text, err := os.ReadFile(filepath.Join(root, "lab1/a.go"))
	require.NoError(t, err)
	require.Equal(t, student, string(text))

	for _, given := range []string{"README.md", "rubric.yaml", "a_test.go", "testdata/x.go", "cmd/p/main_test.go"} {
		write(t, filepath.Join(root, "lab1", given), "package x\n")
	}
	write(t, filepath.Join(root, "lab1/a.go"), strings.ReplaceAll(student, "\n", "\r\n"))
	written, err = Write(root, "lab1")
	require.NoError(t, err)
	require.Empty(t, written)

	write(t, filepath.Join(root, "lab1/a.go"), strings.Replace(student, "nil", "err", 1))
	write(t, filepath.Join(root, "lab1/old.go"), "package a\n")
	differences, err = Check(root, "lab1")
	require.NoError(t, err)
	require.Len(t, differences, 2)
	require.Equal(t, `lab1/a.go: out of date
--- lab1/a.go (now)
+++ lab1/a.go (from the solution)
@@ -2,5 +2,5 @@
 
 func f() error {
 	// TODO(1A): f.
-	return err
+	return nil
 }`, differences[0].String())

	const extra = "lab1/old.go: not in the solution: delete it, or add it to solutions/lab1"
	require.Equal(t, extra, differences[1].String())
	written, err = Write(root, "lab1")
	require.EqualError(t, err, extra)
	require.Equal(t, []string{"lab1/a.go"}, written, "the rest is brought up to date")
	require.FileExists(t, filepath.Join(root, "lab1/old.go"))
}

func TestShortDiff(t *testing.T) {
	var new strings.Builder
	for i := range 100 {
		fmt.Fprintln(&new, i)
	}
	got := shortDiff("a.go", nil, []byte(new.String()))
	require.Equal(t, 21, strings.Count(got, "\n")+1)
	require.True(t, strings.HasSuffix(got, "\n+16\n... and 83 more lines"), got)
}

func TestWriteStaysInItsFolder(t *testing.T) {
	root := newRoot(t)
	outside := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "lab1"), 0o755))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "lab1/cmd")))
	_, err := Write(root, "lab1")
	require.ErrorContains(t, err, "writing the student files")
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestUnknownLab(t *testing.T) {
	root := newRoot(t)
	for lab, message := range map[string]string{
		"lab9":     `no solution for "lab9": there is no folder solutions/lab9`,
		"../lab1":  `"../lab1" is not the name of a lab`,
		"lab1/cmd": `"lab1/cmd" is not the name of a lab`,
		".":        `"." is not the name of a lab`,
		"":         `"" is not the name of a lab`,
	} {
		_, err := Generate(root, lab)
		require.EqualError(t, err, message)
	}
	_, err := GenerateParts(root, "lab1", []string{"1B"})
	require.EqualError(t, err, "no region of solutions/lab1 belongs to part 1B: its parts are 1A")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "solutions/lab2"), 0o755))
	_, err = Generate(root, "lab2")
	require.EqualError(t, err, "no Go file in solutions/lab2")
	_, err = Labs(t.TempDir())
	require.ErrorContains(t, err, "there is no folder solutions in ")
}
