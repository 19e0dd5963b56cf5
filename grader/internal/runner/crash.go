package runner

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	crashLine     = regexp.MustCompile(`^(panic: |fatal error: |unexpected fault address )`)
	goroutineLine = regexp.MustCompile(`^goroutine \d+.*\[.*\]:$`)
	frameLine     = regexp.MustCompile(`^(?:\t| {6})(.+\.go):(\d+)( \+0x[0-9a-f]+)?( fp=.*)?$`) // the race detector indents by blanks
)

// runtimeStack heads the trace of the runtime's own stack, as when there is no
// memory left. That of the goroutine comes behind it.
const runtimeStack = "runtime stack:"

const mostPanicLines = 6

// crashReport finds a Go program's last words in what it printed, and where in
// the lab's own code they were caused. It returns "" when there are none.
func crashReport(output, labDir string) string {
	lines := strings.Split(output, "\n")
	for i, line := range lines {
		if !crashLine.MatchString(line) {
			continue
		}
		end := i
		for end < len(lines) && lines[end] != "" {
			end++
		}
		if end+1 >= len(lines) || !goroutineLine.MatchString(lines[end+1]) && lines[end+1] != runtimeStack {
			continue // The program printed that line itself.
		}
		report := strings.Join(lines[i:min(end, i+mostPanicLines)], "\n")
		first, rest, _ := strings.Cut(strings.Join(lines[end+1:], "\n"), "\n\n")
		if lines[end+1] == runtimeStack {
			first, _, _ = strings.Cut(rest, "\n\n")
		}
		if own := ownFrames(first, labDir); own != nil {
			report += "\n" + listed("at ", own)
		}
		return report
	}
	return ""
}

// whereStopped finds the lab's own code in a dump of all goroutines. It
// prefers a goroutine that was not waiting.
func whereStopped(output, labDir string) string {
	waiting := ""
	for block := range strings.SplitSeq(output, "\n\n") {
		own := ownFrames(block, labDir)
		if own == nil {
			continue
		}
		if strings.Contains(block, " [runn") { // running, runnable
			return listed("at ", own)
		}
		if waiting == "" {
			waiting = listed("at ", own)
		}
	}
	return waiting
}

const mostFrames = 4

// ownFrames returns the frames of one goroutine's trace that are in the lab's
// folder, the innermost first. Those of tests are there for want of others.
func ownFrames(trace, labDir string) []string {
	var own, tests []string
	lines := strings.Split(trace, "\n")
	for i, line := range lines {
		m := frameLine.FindStringSubmatch(line)
		if m == nil || i == 0 || filepath.Dir(m[1]) != labDir {
			continue
		}
		at := fmt.Sprintf("%s:%s, in %s", filepath.Join(filepath.Base(labDir), filepath.Base(m[1])), m[2], function(lines[i-1]))
		if strings.HasSuffix(m[1], "_test.go") {
			tests = append(tests, at)
		} else {
			own = append(own, at)
		}
	}
	if own == nil {
		own = tests
	}
	return own[:min(len(own), mostFrames)]
}

// listed puts frames below each other, behind a word.
func listed(word string, frames []string) string {
	return word + strings.Join(frames, "\n"+strings.Repeat(" ", len(word)))
}

// function cuts the folder and the arguments off a line of a trace such as
// "distsys/lab4-raft.(*Raft).Propose(0xc000010000, ...)".
func function(line string) string {
	line, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "created by "), " in goroutine ")
	line = line[strings.LastIndex(line, "/")+1:]
	if cut := strings.LastIndexByte(line, '('); cut > 0 && strings.HasSuffix(line, ")") {
		line = line[:cut]
	}
	return line
}
