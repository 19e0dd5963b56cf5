package simtest

import "fmt"

func Render(r *Result) string { return r.render() }

func WriteLog(r *Result, dir string) string {
	old := *logFlag
	defer func() { *logFlag = old }()
	*logFlag = dir
	r.writeLog()
	return r.Log
}

func HeldByMe() string { return fmt.Sprint(heldLocks(false)[current().id]) }

func UnderTest(stack string) string {
	g, _ := parseGoroutine(stack)
	return g.underTest()
}

// SplitDump returns how many goroutines of a dump are in a bubble, and whether
// another may be.
func SplitDump(dump string, bubble int) (own int, astray bool) {
	all, astray := splitDump([]byte(dump), bubble)
	return len(all), astray
}

// Spins reports whether a goroutine of the world still burns CPU time.
func Spins(r *Result) bool { return r.spins }
