package mutants

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/internal/result"
	"distsys/grader/internal/runner"
)

// A bug that makes everything hang costs three tests, and those that must
// catch it.
func TestPatience(t *testing.T) {
	hang := runner.Result{Status: result.Timeout}
	spin := runner.Result{Status: result.Stuck, CPU: 2 * hangTime}
	fail := runner.Result{Status: result.Fail, CPU: time.Second}
	slow := runner.Result{Status: result.Pass, CPU: 2 * hangTime}
	for _, test := range []struct {
		name  string
		first int
		ends  []runner.Result // of the tests, in order
		want  int             // after how many it stops; 0 is never
	}{
		{"hangs", 1, []runner.Result{hang, fail, spin, hang, hang}, 4},
		{"named tests hang", 4, []runner.Result{hang, hang, hang, fail, hang}, 4},
		{"hangs twice", 1, []runner.Result{hang, spin, fail, fail}, 0},
		{"slow tests", 0, []runner.Result{slow, slow, slow, slow}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			stopped := 0
			ended := 0
			p := &patience{first: test.first, waiting: test.first, stop: func() {
				if stopped == 0 {
					stopped = ended
				}
			}}
			for i, r := range test.ends {
				ended++
				p.Ended(i, r)
			}
			require.Equal(t, test.want, stopped)
		})
	}
}

func TestNamedFirst(t *testing.T) {
	sorted, named := namedFirst(tests("TestA", "TestB", "TestC"), []string{"TestC", "TestB"})
	require.Equal(t, tests("TestB", "TestC", "TestA"), sorted)
	require.Equal(t, 2, named)
}
