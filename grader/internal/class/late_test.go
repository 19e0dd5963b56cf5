package class

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// commitAt makes a commit of a file with that text.
func commitAt(t *testing.T, dir, text string, at time.Time) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.go"), []byte(text), 0o644))
	for _, args := range [][]string{{"init", "--quiet", "--initial-branch=main", "."}, {"add", "-A"}, {"commit", "--quiet", "-m", text}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		date := at.Format(time.RFC3339)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org",
			"GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.org", "GIT_COMMITTER_DATE="+date)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// Which commits count, by the dates of two commits: the first an hour before the
// time that is due, the second 30 hours after it.
func TestLatePolicyCommits(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	due := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	commitAt(t, dir, "early", due.Add(-time.Hour))
	commitAt(t, dir, "late", due.Add(30*time.Hour))
	g, err := openClone(t.Context(), dir, filepath.Join(t.TempDir(), "fresh"))
	require.NoError(t, err)
	for _, test := range []struct {
		name   string
		policy LatePolicy
		want   []string
	}{
		{"in time", LatePolicy{Due: due}, []string{"early"}},
		{"with a penalty", LatePolicy{Due: due, Percent: 10}, []string{"late"}},
		{"the better one", LatePolicy{Due: due, Percent: 10, Best: true}, []string{"early", "late"}},
		{"all in time", LatePolicy{Due: due.Add(48 * time.Hour), Percent: 10, Best: true}, []string{"late"}},
		{"all late", LatePolicy{Due: due.Add(-48 * time.Hour), Percent: 10, Best: true}, []string{"late"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			commits, err := test.policy.commits(t.Context(), g)
			require.NoError(t, err)
			var texts []string
			for _, c := range commits {
				tree, err := g.tree(t.Context(), c.id)
				require.NoError(t, err)
				text, err := tree.entries[0].read()
				require.NoError(t, err)
				texts = append(texts, string(text))
			}
			require.Equal(t, test.want, texts)
		})
	}
	_, err = LatePolicy{Due: due.Add(-48 * time.Hour)}.commits(t.Context(), g)
	require.EqualError(t, err, "no commit before 2026-11-18T12:00:00Z; the last one is of 2026-11-21T18:00:00Z")
}

// A day counts as soon as it begins, and nobody loses more than everything.
func TestLatePolicyPenalty(t *testing.T) {
	p := LatePolicy{Due: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), Percent: 30}
	for late, want := range map[time.Duration]float64{
		-time.Hour: 0, 0: 0, time.Second: 30, 24 * time.Hour: 30, 24*time.Hour + 1: 60, 400 * time.Hour: 100,
	} {
		require.Equal(t, want, p.penalty(p.Due.Add(late)), "%v", late)
	}
}
