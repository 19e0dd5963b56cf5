package simtest_test

import (
	"errors"
	"regexp"
	"testing"

	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// What an assertion of testify's says comes first, then what it found and the
// line of the test; nothing of the kit. This is what students read most often.
func TestAssertionsAreReadable(t *testing.T) {
	line := regexp.MustCompile(`\.go:\d+`)
	for _, test := range []struct {
		name   string
		assert func(w *simtest.World)
		want   string
	}{
		{"with a message", func(w *simtest.World) {
			require.NoError(w, errors.New("too old"), "Write by %s\nrule: a token is good", "a")
		},
			"Write by a\nrule: a token is good\n  Received unexpected error:\n  too old\n    assertion_test.go:N"},
		{"without a message", func(w *simtest.World) {
			err := errors.New("too old")
			require.NoError(w, err)
		}, "Received unexpected error:\n  too old\n    assertion_test.go:N\n        err := errors.New(\"too old\")\n        require.NoError(w, err)"},
		{"two values", func(w *simtest.World) { require.Equal(w, 1, 2, "how often") },
			"how often\n  Not equal:\n  expected: 1\n  actual  : 2\n    assertion_test.go:N"},
		{"not testify's", func(w *simtest.World) { w.Errorf("one\n\ttwo") }, "one\n\ttwo"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := simtest.Try(t, 1, test.assert)
			require.Equal(t, simtest.Fail, r.Status)
			require.Equal(t, test.want, line.ReplaceAllString(r.Failures[0].Message, ".go:N"))
		})
	}
}
