package solutions

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

// publish makes the students' repository from this tree and clones it.
func publish(t *testing.T) (clone string) {
	t.Helper()
	dir := t.TempDir()
	command(t, "publish", "--dirty", "--out", filepath.Join(dir, "published"))
	clone = filepath.Join(dir, "clone")
	execute(t, dir, nil, "git", "clone", "--quiet", "published", "clone")
	return clone
}

// execute runs a command that must succeed, and returns what it prints.
func execute(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %s:\n%s", name, strings.Join(args, " "), out)
	return string(out)
}

// readReport reads the grader's JSON.
func readReport(t *testing.T, file string) (r report) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &r))
	require.NotZero(t, r.Max)
	return r
}

// Proves that a student who clones the starter has a tree that compiles, that
// the workflow's own commands grade it, and that it earns nothing yet; and that
// the branch solution earns everything.
func TestStarter(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the starter from scratch: left out by -short")
	}
	clone := publish(t)
	execute(t, clone, nil, "go", "vet", "./...")
	grep := exec.Command("git", "grep", "--extended-regexp", "^\\s*// (BEGIN|END) SOLUTION|^\\s*// STUB:", "main", "--", "lab*")
	grep.Dir = clone
	out, err := grep.CombinedOutput()
	require.Error(t, err, "the starter has marks of solutions in it:\n%s", out)

	temp := t.TempDir()
	env := []string{"RUNNER_TEMP=" + temp}
	for _, name := range []string{"GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"} {
		env = append(env, name+"="+filepath.Join(temp, name))
	}
	printed := runJob(t, filepath.Join(clone, ".github", "workflows", "grade.yml"), "grade", clone, env)
	r := readReport(t, filepath.Join(temp, "result.json"))
	require.Zero(t, r.Points)
	require.Contains(t, printed, "::error file=lab")
	require.Contains(t, read(t, filepath.Join(temp, "GITHUB_STEP_SUMMARY")), "# 0 of ")
	require.Contains(t, read(t, filepath.Join(temp, "GITHUB_OUTPUT")), "runners=lab")
	require.Contains(t, read(t, filepath.Join(temp, "GITHUB_ENV")), "_RESULTS=")

	execute(t, clone, nil, "git", "checkout", "--quiet", "--force", "solution")
	file := filepath.Join(temp, "solution.json")
	execute(t, clone, nil, filepath.Join(temp, "grader"), "--seeds", "1", "--json", file)
	r = readReport(t, file)
	require.Equal(t, r.Max, r.Points)
}

// Proves that a student's first five minutes in the starter go as its README says,
// as a terminal session: clone, run, read, write one TODO, have the first points.
func TestFirstFiveMinutes(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the starter from scratch: left out by -short")
	}
	starter := publish(t)
	testscript.Run(t, testscript.Params{
		Files: []string{"testdata/first-five-minutes.txtar"},
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, os.Environ()...)
			e.Setenv("STARTER", starter)
			return nil
		},
	})
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

// runJob runs the shell steps of a job of a workflow, one after another, as
// GitHub would, and returns what they print. Env stands for what the workflow
// takes from GitHub.
func runJob(t *testing.T, workflow, job, dir string, env []string) string {
	t.Helper()
	var w struct {
		Jobs map[string]struct {
			Steps []struct {
				Run string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, workflow)), &w))
	require.NotEmpty(t, w.Jobs[job].Steps, "%s has no job %s", workflow, job)
	var out strings.Builder
	for _, step := range w.Jobs[job].Steps {
		if step.Run != "" {
			out.WriteString(execute(t, dir, env, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.Run))
		}
	}
	require.NotEmpty(t, out.String(), "job %s of %s has no shell steps that print", job, workflow)
	return out.String()
}

// Proves that Gradescope's zip file and Classroom 50's folder, unpacked where
// those graders would, grade a submission.
func TestBundles(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the grader again: left out by -short")
	}
	submission := t.TempDir()
	command(t, "skeleton", "lab4-raft", "--out", submission)

	base := t.TempDir()
	zip := filepath.Join(base, "autograder.zip")
	command(t, "bundle", "--dirty", "--gradescope", zip, "lab4")
	source := filepath.Join(base, "source")
	execute(t, base, nil, "unzip", "-q", zip, "-d", source)
	require.NoError(t, os.Symlink(filepath.Join(submission, "lab4-raft"), filepath.Join(base, "submission")))
	env := []string{"AUTOGRADER=" + base}
	execute(t, base, env, filepath.Join(source, "setup.sh"))
	execute(t, base, env, filepath.Join(source, "run_autograder"))
	var results struct {
		Tests []struct {
			Score    float64
			MaxScore float64 `json:"max_score"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, filepath.Join(base, "results", "results.json"))), &results))
	require.NotEmpty(t, results.Tests)
	for _, test := range results.Tests {
		require.Zero(t, test.Score)
		require.NotZero(t, test.MaxScore)
	}

	folder := filepath.Join(t.TempDir(), "raft")
	command(t, "bundle", "--dirty", "--classroom50", folder, "lab4")
	checkout := filepath.Join(submission, "lab4-raft")
	execute(t, checkout, []string{
		"CLASSROOM=ds", "ASSIGNMENT=raft", "ASSIGNMENT_TYPE=individual", "OWNER=ada", "USERNAME=ada", "SUBMISSION_TAG=submit/x",
		"COMMIT_URL=https://host/c", "RELEASE_URL=https://host/r", "REVIEW_URL=https://host/v",
	}, "python3", filepath.Join(folder, "autograder.py"))
	var result struct {
		Schema string
		Score  *int
		Tests  []any
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, filepath.Join(checkout, "result.json"))), &result))
	require.Equal(t, "classroom50/result/v1", result.Schema)
	require.NotNil(t, result.Score)
	require.Zero(t, *result.Score)
	require.NotEmpty(t, result.Tests)
}
