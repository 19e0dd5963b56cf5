// Package solutions holds the reference solution of each lab and its planted
// bugs. Its tests hold everything together: skeletons earn nothing, solutions
// earn everything, a student who has done a part earns that part, and every
// planted bug is caught. They use the grader as its users do, by its command
// line.
package solutions

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var grader string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "distsys-solutions-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	grader = filepath.Join(dir, "grader")
	build := exec.Command("go", "build", "-o", grader, "./grader")
	build.Dir = ".."
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return 1
	}
	return m.Run()
}

// A report is the part of the grader's JSON that these tests look at.
type report struct {
	Points, Max float64
	Labs        []struct {
		Lab         string
		Points, Max float64
		Parts       []struct {
			ID          string
			Points, Max float64
			Tests       []struct{ Name, Status, Message string }
		}
	}
}

// grade runs the grader with args and reads its JSON.
func grade(t *testing.T, args ...string) report {
	t.Helper()
	file := filepath.Join(t.TempDir(), "result.json")
	command(t, append(args, "--json", file)...)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var r report
	require.NoError(t, json.Unmarshal(data, &r))
	require.NotZero(t, r.Max)
	return r
}

func command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(grader, args...)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "grader %s:\n%s", strings.Join(args, " "), out)
	return string(out)
}

// Proves that the reference solutions earn every point.
func TestSolutionsEarnEverything(t *testing.T) {
	r := grade(t, "--solutions")
	for _, lab := range r.Labs {
		for _, part := range lab.Parts {
			for _, test := range part.Tests {
				require.Equal(t, "pass", test.Status, "%s:\n%s", test.Name, test.Message)
			}
		}
	}
	require.Equal(t, r.Max, r.Points)
}

// Proves that the skeletons earn nothing, and that every test says what is to
// be done next.
func TestSkeletonsEarnNothing(t *testing.T) {
	command(t, "skeleton", "--check")
	r := grade(t)
	require.Zero(t, r.Points)
	for _, lab := range r.Labs {
		for _, part := range lab.Parts {
			for _, test := range part.Tests {
				require.Equal(t, "fail", test.Status, "%s:\n%s", test.Name, test.Message)
				require.Contains(t, test.Message, "next: TODO(", "%s", test.Name)
			}
		}
	}
}

// Proves that a student who works part by part is served at each stage: what
// is done earns its points, and the next part's tests all say what is to be
// done there.
func TestStages(t *testing.T) {
	stages := map[string][]string{"lab1-sockets": {"1A", "1B", "1C", "1D"}, "lab2-rpc": {"2A", "2B", "2C", "2D"}, "lab3-dfs": {"3A", "3B", "3C", "3D"}, "lab4-raft": {"4A", "4B", "4C", "4D", "4E"}}
	for lab, parts := range stages {
		for n := 1; n < len(parts); n++ {
			t.Run(lab+"/"+parts[n-1], func(t *testing.T) {
				dir := t.TempDir()
				command(t, "skeleton", lab, "--solved", strings.Join(parts[:n], ","), "--out", dir)
				r := grade(t, "--submission", dir, lab)
				for i, part := range r.Labs[0].Parts {
					for _, test := range part.Tests {
						switch {
						case i < n:
							require.Equal(t, "pass", test.Status, "%s, with %v solved:\n%s", test.Name, parts[:n], test.Message)
						case i == n:
							require.Contains(t, test.Message, "next: TODO("+parts[n]+")", "%s, with %v solved", test.Name, parts[:n])
						default:
							require.NotEqual(t, "pass", test.Status, "%s, with %v solved", test.Name, parts[:n])
						}
					}
				}
			})
		}
	}
}

var bugs = flag.String("bugs", "1/4", "plant part `I/N` of the planted bugs")

// Proves that planted bugs are caught by each test that their patches name: a
// quarter of them, always the same, because each has to be built (-bugs 1/1
// plants all). It takes twice the default seeds: goroutines are scheduled anew
// in each run, and this test must not depend on that. The whole matrix, all
// tests against all bugs with the default seeds, is: go run ./grader mutants.
func TestPlantedBugsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("builds planted bugs: left out by -short")
	}
	cmd := exec.Command(grader, "mutants", "--named", "--seeds", "10", "--shard", *bugs)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
