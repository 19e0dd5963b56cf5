package runner

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCrashReport(t *testing.T) {
	for _, test := range []struct{ name, output, want string }{
		{"nothing", "hello\nFAIL\n", ""},
		{"a printed panic", "panic: I only print\nhello\n", ""},
		{"own code", `--- FAIL: TestX (0.00s)
panic: runtime error: index out of range [3] with length 2

goroutine 34 [running, synctest bubble 3]:
panic({0x1, 0x2})
	/usr/lib/go/src/runtime/panic.go:860 +0x13a
course/lab9-demo.(*Node).append(0xc000010000, {0x1, 0x2})
	/w/lab9-demo/log.go:57 +0x1c
course/lab9-demo.(*Node).Handle(0xc000010000)
	/w/lab9-demo/node.go:12 +0x2
course/lab9-demo_test.try(...)
	/w/lab9-demo/node_test.go:9
created by course/lab9-demo.New in goroutine 7
	/w/lab9-demo/node.go:99 +0x2

goroutine 35 [select]:
course/lab9-demo.(*Node).run(0xc000010000)
	/w/lab9-demo/node.go:44 +0x2
`, `panic: runtime error: index out of range [3] with length 2
at lab9-demo/log.go:57, in lab9-demo.(*Node).append
   lab9-demo/node.go:12, in lab9-demo.(*Node).Handle
   lab9-demo/node.go:99, in lab9-demo.New`},
		{"no memory", `runtime: out of memory: cannot allocate 4294967296-byte block (3899392 in use)
fatal error: out of memory

runtime stack:
runtime.throw({0x1, 0x2})
	/usr/lib/go/src/runtime/panic.go:1229 +0x48

goroutine 34 [running, synctest bubble 3]:
course/lab9-demo.New()
	/w/lab9-demo/log.go:57 +0x1c
`, `fatal error: out of memory
at lab9-demo/log.go:57, in lab9-demo.New`},
		{"only a test", `fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive]:
course/lab9-demo_test.TestX.func1()
	/w/lab9-demo/node_test.go:9 +0x2
`, `fatal error: all goroutines are asleep - deadlock!
at lab9-demo/node_test.go:9, in lab9-demo_test.TestX.func1`},
		{"a library", `panic: boom
	more of it
[signal SIGSEGV: segmentation violation]

goroutine 1 [running]:
fmt.Println()
	/usr/lib/go/src/fmt/print.go:9 +0x2
`, "panic: boom\n\tmore of it\n[signal SIGSEGV: segmentation violation]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, crashReport(test.output, "/w/lab9-demo"))
		})
	}
}

// A goroutine that runs says more about a timeout than those that wait.
func TestWhereStopped(t *testing.T) {
	const dump = `SIGQUIT: quit

goroutine 1 [chan receive]:
course/lab9-demo.wait()
	/w/lab9-demo/wait.go:1 +0x2

goroutine 2 [runnable]:
course/lab9-demo.spin()
	/w/lab9-demo/spin.go:2 +0x2
`
	require.Equal(t, "at lab9-demo/spin.go:2, in lab9-demo.spin", whereStopped(dump, "/w/lab9-demo"))
	require.Empty(t, whereStopped(dump, "/w/lab8"))
}
