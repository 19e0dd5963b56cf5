package solutions

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Proves that the workflow that grades a class works up to its grade book: its
// own commands fetch the submissions of a roster, grade them in two shards and
// merge them. The repositories are folders here, and gh is not asked.
func TestClassWorkflow(t *testing.T) {
	if testing.Short() {
		t.Skip("grades a class: left out by -short")
	}
	temp := t.TempDir()
	ada := filepath.Join(temp, "origin", "ada")
	command(t, "skeleton", "lab4-raft", "--out", ada)
	for _, args := range [][]string{
		{"init", "--quiet", "."}, {"add", "-A"},
		{"-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", "skeleton"},
	} {
		execute(t, ada, nil, "git", args...)
	}
	roster := "id,name,repository\nada,\"Lovelace, Ada\"," + ada + "\nbob,Bob," + filepath.Join(temp, "nowhere") + "\n"
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	workflow := filepath.Join(root, ".github", "workflows", "class.yml")
	for _, shard := range []string{"1", "2"} {
		work := filepath.Join(temp, "machine"+shard)
		require.NoError(t, os.MkdirAll(work, 0o755))
		out := runJob(t, workflow, "grade", root, []string{
			"RUNNER_TEMP=" + work, "ROSTER=" + roster, "LAB=lab4", "DUE=2100-01-01T00:00:00Z", "LATE=10", "SHARD=" + shard + "/2",
		})
		require.Contains(t, out, "bob: "+filepath.Join(temp, "nowhere")+" cannot be cloned")
		require.NoError(t, os.MkdirAll(filepath.Join(temp, "shards"), 0o755))
		require.NoError(t, os.Rename(filepath.Join(work, "shard"), filepath.Join(temp, "shards", "shard-"+shard)))
	}
	runJob(t, workflow, "merge", root, []string{"RUNNER_TEMP=" + temp})
	book := read(t, filepath.Join(temp, "class", "gradebook.csv"))
	require.Contains(t, book, "\nada,\"Lovelace, Ada\",ada,graded,0,0,0,")
	require.Contains(t, book, "\nbob,Bob,,nothing was handed in,0,0,0,")
}

// Proves that a roster that is wrong is refused, and that a class of which
// nothing can be fetched is no class of zeros.
func TestFetchClass(t *testing.T) {
	for roster, want := range map[string]string{
		"name,repository\nada,x\n":         "the roster has no column id",
		"id,repository\n../x,/y\n":         "'../x' cannot be the name of a folder",
		"id,repository\nada,/no/such/repo": "0 cloned",
	} {
		file := filepath.Join(t.TempDir(), "roster.csv")
		require.NoError(t, os.WriteFile(file, []byte(roster), 0o644))
		cmd := exec.Command("bash", "../.github/fetch-class", file, filepath.Join(t.TempDir(), "submissions"))
		out, err := cmd.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), want)
	}
}

// Proves that the workflow that publishes does so by its own commands: to two
// repositories, and again with nothing new.
func TestPublishWorkflow(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the grader again: left out by -short")
	}
	temp := t.TempDir()
	course := filepath.Join(temp, "course")
	execute(t, "..", nil, "git", "clone", "--quiet", ".", course)
	for _, name := range []string{"starter.git", "solution.git"} {
		execute(t, temp, nil, "git", "init", "--quiet", "--bare", name)
	}
	for _, want := range []string{"new commit", "unchanged"} {
		require.NoError(t, os.RemoveAll(filepath.Join(temp, "labs")))
		out := runJob(t, filepath.Join(course, ".github", "workflows", "publish.yml"), "publish", course, []string{
			"RUNNER_TEMP=" + temp, "LABS=lab4-raft", "PUSH=true",
			"STARTER_URL=" + filepath.Join(temp, "starter.git"), "SOLUTION_URL=" + filepath.Join(temp, "solution.git"),
		})
		require.Contains(t, out, "main      "+want)
		require.Contains(t, out, "solution  "+want)
	}
	require.Equal(t, "main", branches(t, filepath.Join(temp, "starter.git")))
	require.Equal(t, "main solution", branches(t, filepath.Join(temp, "solution.git")))
}

func branches(t *testing.T, repository string) string {
	t.Helper()
	out := execute(t, repository, nil, "git", "for-each-ref", "--format=%(refname:short)", "refs/heads")
	return strings.Join(strings.Fields(out), " ")
}
