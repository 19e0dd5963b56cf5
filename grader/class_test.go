package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

var classSize = flag.Int("class", 6, "grade a class of `N` students in TestClassIsKilled")

// sums are what students hand in as sum.go, and what it earns of 5 points.
var sums = []struct {
	name, text string
}{
	{"right", "total := 0\n\tfor _, n := range numbers {\n\t\ttotal += n\n\t}\n\treturn total"},
	{"skeleton", "todo(\"1A\", \"add up the numbers\")\n\treturn 0"},
	{"wrong", "return len(numbers)"},
	{"panics", "return numbers[len(numbers)]"},
	{"does not compile", "return total"},
	{"forges a pass", "println(\"--- PASS: TestSum1A (0.00s)\")\n\treturn 1"},
}

// makeClass writes n submissions.
func makeClass(t *testing.T, dir string, n int) {
	t.Helper()
	for i := range n {
		kind := sums[i%len(sums)]
		student := filepath.Join(dir, fmt.Sprintf("student%03d", i+1))
		require.NoError(t, os.MkdirAll(student, 0o755))
		sum := "package sum\n\n// Sum is " + kind.name + ".\nfunc Sum(numbers []int) int {\n\t" + kind.text + "\n}\n"
		require.NoError(t, os.WriteFile(filepath.Join(student, "sum.go"), []byte(sum), 0o644))
		max := "package sum\n\nimport \"slices\"\n\n// Max returns the largest of the numbers.\nfunc Max(numbers []int) int { return slices.Max(numbers) }\n"
		require.NoError(t, os.WriteFile(filepath.Join(student, "max.go"), []byte(max), 0o644))
	}
}

// A class that is graded in shards, whose graders are killed again and again, has
// in the end the grade book of one straight run, byte for byte.
func TestClassIsKilled(t *testing.T) {
	course := t.TempDir()
	require.NoError(t, layOut(&testscript.Env{WorkDir: course}))
	makeClass(t, filepath.Join(course, "hand"), *classSize)
	clean, err := filepath.Glob(filepath.Join(course, "lab1-sum", "*"))
	require.NoError(t, err)
	grade := func(out string, args ...string) *exec.Cmd {
		cmd := exec.Command("grader", append([]string{"class", "hand", "--out", out, "lab1"}, args...)...)
		cmd.Dir = course
		return cmd
	}
	output, err := grade("straight").CombinedOutput()
	require.NoError(t, err, "%s", output)

	shards := min(4, *classSize/3)
	var outs []string
	for i := range shards {
		out := fmt.Sprint("shard", i+1)
		outs = append(outs, out)
		shard := fmt.Sprintf("--shard=%d/%d", i+1, shards)
		for kill := range 2 {
			killAfter(t, grade(out, shard), filepath.Join(course, out), kill+1)
		}
		output, err = grade(out, shard).CombinedOutput()
		require.NoError(t, err, "%s", output)
		require.Contains(t, string(output), "graded before")
	}
	merge := exec.Command("grader", append([]string{"merge", "--out", "merged"}, outs...)...)
	merge.Dir = course
	output, err = merge.CombinedOutput()
	require.NoError(t, err, "%s", output)

	left, err := filepath.Glob(filepath.Join(course, "lab1-sum", "*"))
	require.NoError(t, err)
	require.Equal(t, clean, left, "grading leaves nothing in the clean tree")
	want, err := os.ReadFile(filepath.Join(course, "straight", "gradebook.csv"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(course, "merged", "gradebook.csv"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	require.Equal(t, *classSize+1, bytes.Count(want, []byte("\n")))
	require.Contains(t, string(want), "student001,,student001,graded,0,0,10,10,10,5,5\n")
	require.Contains(t, string(want), "student005,,student005,graded,0,0,0,10,0,0,0\n")
}

// killAfter starts a grader and kills it when it has written so many grades, or
// has ended.
func killAfter(t *testing.T, cmd *exec.Cmd, out string, grades int) {
	t.Helper()
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	for {
		files, _ := filepath.Glob(filepath.Join(out, "grades", "*.json"))
		if len(files) >= grades {
			cmd.Process.Kill()
			<-ended
			return
		}
		select {
		case <-ended:
			t.Fatalf("the grader ended with %s before it could be killed", strings.Join(files, " "))
		case <-time.After(5 * time.Millisecond):
		}
	}
}
