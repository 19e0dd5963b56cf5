package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"distsys/grader/internal/result"
)

func failed(tests ...result.Test) *result.Report {
	r := &result.Report{Labs: []result.Lab{{Lab: "lab4-raft", Parts: []result.Part{{ID: "4A", Tests: tests}}}}}
	r.Total()
	return r
}

// An annotation is at the student's own line, and one stands for all tests that
// failed in the same way.
func TestAnnotations(t *testing.T) {
	message := "next: TODO(4A): New\n    New  raft.go:139\n    startCluster  cluster_test.go:96"
	var b strings.Builder
	require.NoError(t, Annotations(&b, failed(
		result.Test{Name: "TestA4A", Status: result.Fail, Message: message},
		result.Test{Name: "TestB4A", Status: result.Fail, Message: message},
		result.Test{Name: "TestC4A", Status: result.Pass},
		result.Test{Name: "TestD4A", Status: result.BuildError, Message: "lab4-raft/log.go:7:2: undefined: x, y"},
		result.Test{Name: "TestE4A", Status: result.Crash, Message: "/usr/lib/go/src/net/net.go:5\n100 %"},
		result.Test{Name: "TestF4A", Status: result.Fail, Message: "see raft_test.go:3"},
	)))
	require.Equal(t, `::error file=lab4-raft/raft.go,line=139,title=fail%3A TestA4A and 1 more::next: TODO(4A): New%0A    New  raft.go:139%0A    startCluster  cluster_test.go:96
::error file=lab4-raft/log.go,line=7,title=build-error%3A TestD4A::lab4-raft/log.go:7:2: undefined: x, y
::error title=crash%3A TestE4A::/usr/lib/go/src/net/net.go:5%0A100 %25
::error file=lab4-raft/raft_test.go,line=3,title=fail%3A TestF4A::see raft_test.go:3
`, b.String())
}

// What a student prints cannot become a command of its own.
func TestAnnotationsAreOneLine(t *testing.T) {
	var b strings.Builder
	require.NoError(t, Annotations(&b, failed(result.Test{
		Name: "TestA4A", Status: result.Fail, Message: "a\n::warning::b\r::set-output::c\x1b[2K\u2028::error::d",
	})))
	require.Equal(t, 1, strings.Count(b.String(), "\n"))
	require.True(t, strings.HasPrefix(b.String(), "::error title="))
}

// GitHub shows ten annotations of a step.
func TestAnnotationsAreFew(t *testing.T) {
	var tests []result.Test
	for i := range 20 {
		tests = append(tests, result.Test{Name: "TestA4A", Status: result.Fail, Message: strings.Repeat("x", i+1)})
	}
	var b strings.Builder
	require.NoError(t, Annotations(&b, failed(tests...)))
	require.Equal(t, mostAnnotations, strings.Count(b.String(), "\n"))
}
