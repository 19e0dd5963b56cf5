package runner

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"distsys/grader/internal/workspace"
)

var spec = Spec{
	Root: "/w", Lab: "lab9-demo",
	Overlay: workspace.Overlay{Replace: map[string]string{
		"/w/lab9-demo/a.go": "/w/solutions/lab9-demo/a.go",
		"/w/lab9-demo/b.go": "/tmp/grade/b.go",
		"/w/lab9-demo/c.go": "",
	}},
}

// The student's mistakes are shown in the student's own files.
func TestBuildError(t *testing.T) {
	for _, test := range []struct{ name, output, want string }{
		{"compiler", `# course/lab9-demo
./solutions/lab9-demo/a.go:3:4: undefined: panik
../tmp/grade/b.go:5:6: x redeclared in this block
	solutions/lab9-demo/a.go:2:6: other declaration of x
/tmp/grade/b.go:9:9: too many errors
`, `lab9-demo/a.go:3:4: undefined: panik
lab9-demo/b.go:5:6: x redeclared in this block
	lab9-demo/a.go:2:6: other declaration of x
lab9-demo/b.go:9:9: too many errors`},
		{"compiler, in a test", "# course/lab9-demo_test\n./lab9-demo/a_test.go:9:2: undefined: demo.New\n", "lab9-demo/a_test.go:9:2: undefined: demo.New"},
		{"linker", "# course/lab9-demo\nlab9-demo/a.go:2:5: symbol too large (35184372088832 bytes > 2000000000 bytes)\n", "lab9-demo/a.go:2:5: symbol too large (35184372088832 bytes > 2000000000 bytes)"},
		{"no such package", "# course/lab9-demo\nlab9-demo/a.go:2:8: package nosuch is not in std\nFAIL\tcourse/lab9-demo [setup failed]\nFAIL\n", "lab9-demo/a.go:2:8: package nosuch is not in std"},
		{"two packages", "# course/lab9-demo\nfound packages demo (a.go) and x (b.go) in /w/lab9-demo\nFAIL\tcourse/lab9-demo [setup failed]\n", "found packages demo (a.go) and x (b.go) in lab9-demo"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := buildFailure(spec, test.output)
			require.IsType(t, &BuildError{}, err)
			require.EqualError(t, err, test.want)
		})
	}
}

// What is wrong with the machine must not cost a student points.
func TestCannotBuild(t *testing.T) {
	for _, output := range []string{
		"go: -race requires cgo; enable cgo by setting CGO_ENABLED=1\n",
		"go: downloading github.com/x/y v1.0.0\n",
		"# course/lab9-demo\nlab9-demo/a_test.go:5:2: github.com/x/y@v1.0.0: Get \"https://proxy.golang.org\": dial tcp: no route to host\nFAIL\tcourse/lab9-demo [setup failed]\n",
		"# course/lab9-demo.test\n/usr/lib/go/link: write /tmp/x: no space left on device\n",
		"# course/lab9-demo\ncompile: signal: killed\n",
		"",
	} {
		err := buildFailure(spec, output)
		require.NotErrorAs(t, err, new(*BuildError), output)
		require.ErrorContains(t, err, "cannot build lab9-demo")
	}
}

func TestBuildErrorIsShort(t *testing.T) {
	err := &BuildError{Lines: strings.Split(strings.Repeat("x\n", 24)+"x", "\n")}
	require.Equal(t, strings.Repeat("x\n", 10)+"and 15 more lines", err.Error())
	require.Len(t, err.Lines, 25)
}
