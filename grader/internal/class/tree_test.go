package class

import (
	"archive/zip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"distsys/grader/internal/rubric"
	"distsys/grader/internal/shard"
	"distsys/grader/internal/submission"
)

// zipOf writes a zip file of files, all of them with the same text.
func zipOf(t *testing.T, text []byte, names ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.zip")
	f, err := os.Create(name)
	require.NoError(t, err)
	z := zip.NewWriter(f)
	for _, name := range names {
		w, err := z.Create(name)
		require.NoError(t, err)
		_, err = w.Write(text)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	require.NoError(t, f.Close())
	return name
}

func paths(t *tree) []string {
	var names []string
	for _, e := range t.entries {
		names = append(names, e.path)
	}
	slices.Sort(names)
	return names
}

// Names that lead out of a zip file, and what computers add to it, are not
// there.
func TestZipNames(t *testing.T) {
	tree, err := openTree(zipOf(t, nil, "lab1/a.go", "../up.go", "/etc/abs.go", `win\b.go`, "__MACOSX/lab1/._a.go", "dir/", "a/../../c.go", "x/.git/config"))
	require.NoError(t, err)
	defer tree.close()
	require.Equal(t, []string{"lab1/a.go", "win/b.go"}, paths(tree))
}

// A zip bomb is unpacked no further than to see that it is too large.
func TestZipBomb(t *testing.T) {
	tree, err := openTree(zipOf(t, make([]byte, 64<<20), "a.go"))
	require.NoError(t, err)
	defer tree.close()
	text, err := tree.entries[0].read()
	require.NoError(t, err)
	require.Len(t, text, submission.MaxFile+1)

	names := make([]string, mostEntries+1)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	_, err = openTree(zipOf(t, nil, names...))
	require.ErrorIs(t, err, errTooMany)
}

// Links in a folder are not followed, nor is .git looked into.
func TestFolderLinks(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".git"), 0o755))
	for _, name := range []string{"a.go", ".git/config"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "link.go")))
	require.NoError(t, os.Symlink("/etc", filepath.Join(dir, "etc")))
	tree, err := openTree(dir)
	require.NoError(t, err)
	defer tree.close()
	require.Equal(t, []string{"a.go"}, paths(tree))
}

// A lab's files are found in whatever folder they are.
func TestLabFiles(t *testing.T) {
	one := &rubric.Rubric{Lab: "lab1-one", Files: []string{"a.go", "b.go"}}
	two := &rubric.Rubric{Lab: "lab2-two", Files: []string{"a.go", "c.go"}}
	for _, test := range []struct {
		name     string
		entries  []string
		one, two string // the path of a.go that is taken
	}{
		{"in place", []string{"lab1-one/a.go", "lab1-one/b.go", "lab2-two/a.go", "lab2-two/c.go"}, "lab1-one/a.go", "lab2-two/a.go"},
		{"nested, other case", []string{"x/LAB1-One/A.go", "x/LAB1-One/B.GO", "x/lab2/a.go"}, "x/LAB1-One/A.go", "x/lab2/a.go"},
		{"no folder", []string{"a.go", "b.go"}, "a.go", "a.go"},
		{"the folder of the lab, though another has more", []string{"old/a.go", "old/b.go", "lab1/a.go"}, "lab1/a.go", "old/a.go"},
		{"both cases", []string{"lab1/A.go", "lab1/a.go"}, "lab1/a.go", ""},
		{"nothing", []string{"essay.txt"}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var entries []entry
			for _, p := range test.entries {
				entries = append(entries, entry{path: p})
			}
			for range 20 { // whatever the order of a map
				require.Equal(t, test.one, labFiles(one, []*rubric.Rubric{one, two}, entries)["a.go"].path)
				require.Equal(t, test.two, labFiles(two, []*rubric.Rubric{one, two}, entries)["a.go"].path)
			}
		})
	}
}

// A roster tells whose a submission is by the longest match.
func TestAssign(t *testing.T) {
	students := []Student{
		{ID: "1", keys: []string{words("ada"), words("Ada L")}},
		{ID: "2", keys: []string{words("ada-l-2"), words("")}},
		{ID: "3", keys: []string{words("Grace"), words("g@example.org")}},
	}
	for entry, want := range map[string]string{"ada.zip": "1", "ADA_L": "1", "lab4-ada-l-2": "2", "g@example.org_late": "3", "Grace Hopper": "3"} {
		all := slices.Clone(students)
		require.NoError(t, assign(all, entry))
		for _, s := range all {
			require.Equal(t, s.ID == want, len(s.Submissions) == 1, "%s: %s", entry, s.ID)
		}
	}
	require.ErrorContains(t, assign(students, "adalbert"), "No student of the roster fits")
	require.ErrorContains(t, assign(students, "ada and grace"), "More than one")
}

func TestPart(t *testing.T) {
	students := []Student{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	require.Equal(t, []string{"a", "c"}, ids(part(students, shard.Shard{Index: 1, Of: 2})))
	require.Equal(t, []string{"a", "b", "c"}, ids(part(students, shard.Shard{})))
}

// A file appears under its name only when it is complete.
func TestWriteWhole(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "x")
	require.NoError(t, writeWhole(name, []byte("one")))
	require.NoError(t, writeWhole(name, []byte("two")))
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "two", string(text))
	left, err := fs.Glob(os.DirFS(dir), "*")
	require.NoError(t, err)
	require.Equal(t, []string{"x"}, left)
}
