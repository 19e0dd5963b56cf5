package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"distsys/grader/internal/result"
	"distsys/grader/internal/rubric"
)

// A judge decides what became of a test.
type judge struct {
	test    string
	dir     string // the lab's folder
	race    bool   // built with the race detector
	verdict *verdict
	ending  ending
	output  string
	limits  Limits
}

func (j *judge) result() Result {
	r := Result{
		SeedsRun: len(j.verdict.begun), SeedsFailed: j.verdict.failed(),
		Elapsed: j.ending.elapsed, CPU: j.ending.cpu, Memory: j.ending.memory,
	}
	var message string
	r.Status, message = j.judge()
	if j.race { // The kit does not tell how it was built.
		message = strings.Replace(message, "run it again: go test ./", "run it again: go test -race ./", 1)
	}
	r.Message = clean(message)
	if r.Status != result.Pass {
		r.Output = j.output
	}
	return r
}

// judge gives a pass only when the kit says so and nothing speaks against it.
func (j *judge) judge() (result.Status, string) {
	switch j.ending.cause {
	case interrupted:
		return result.NotRun, "interrupted"
	case overMemory:
		return result.Crash, fmt.Sprintf("memory limit of %v exceeded%s", rubric.Size(j.limits.Memory), j.during())
	case overOutput:
		return result.Crash, fmt.Sprintf("printed more than %v%s", rubric.Size(floodFactor*j.limits.Output), j.during())
	case overScratch:
		return result.Crash, fmt.Sprintf("wrote more than %v of temporary files%s", rubric.Size(mostScratch), j.during())
	case overProcesses:
		return result.Crash, fmt.Sprintf("started more than %d processes%s", mostProcesses, j.during())
	case overTime:
		return j.unlessStuck(result.Timeout, j.timeout())
	}
	switch {
	case j.verdict.odd != "":
		return result.Crash, j.verdict.odd
	case j.verdict.final == "":
		return j.unlessStuck(result.Crash, j.crash())
	case !j.verdict.passed():
		return j.failure()
	case j.ending.exit != 0:
		return result.Fail, j.afterwards()
	}
	return result.Pass, ""
}

// unlessStuck prefers the kit's diagnosis of a world that is stuck: it ends
// the process when a busy loop cannot be stopped.
func (j *judge) unlessStuck(status result.Status, message string) (result.Status, string) {
	if l, ok := j.verdict.worst("stuck"); ok {
		return result.Stuck, l.Message
	}
	return status, message
}

// failure is for a test that ended, and not with a pass.
func (j *judge) failure() (result.Status, string) {
	race := raceReport(j.output, j.dir)
	l, ok := j.verdict.worst("")
	if !ok {
		message := "the test failed outside its worlds"
		if race != "" {
			return result.Fail, message + "\n" + race
		}
		return result.Fail, message + j.withOutput()
	}
	message := l.Message + j.others(l.Seed)
	if l.Seed == 0 && !strings.HasPrefix(l.Message, "next: ") { // in real time: the kit has no message of its own
		message += j.withOutput()
	}
	if race != "" {
		message = withRace(message, race)
	}
	switch l.Status {
	case "stuck":
		return result.Stuck, message
	case "panic":
		return result.Crash, message
	}
	return result.Fail, message
}

// others names the seeds that failed besides the one whose message is shown.
func (j *judge) others(shown uint64) string {
	var others []string
	for _, seed := range j.verdict.failed() {
		if seed != shown {
			others = append(others, fmt.Sprint(seed))
		}
	}
	message, _ := j.verdict.worst("")
	if len(others) == 0 || strings.HasPrefix(message.Message, "next: ") {
		return ""
	}
	return "\nalso failed: seed " + strings.Join(others, ", ")
}

// afterwards is for a process that failed although the test had passed.
func (j *judge) afterwards() string {
	if race := raceReport(j.output, j.dir); race != "" {
		return "found after the test: " + race
	}
	return fmt.Sprintf("the test passed, but then %s%s", j.howEnded(), j.withOutput())
}

func (j *judge) timeout() string {
	message := fmt.Sprintf("time limit of %v exceeded%s", j.limits.Time, j.during())
	if at := whereStopped(j.output, j.dir); at != "" {
		message += "\nwhen it was stopped, the code was\n" + at
	}
	return message
}

func (j *judge) crash() string {
	if what := crashReport(j.output, j.dir); what != "" {
		return what + j.during()
	}
	if len(j.verdict.planned) == 0 && j.ending.exit == 0 {
		return j.howEnded() + " before the test began (os.Exit?)" + j.withOutput()
	}
	hint := ""
	if j.ending.exit == 0 {
		hint = " (os.Exit?)"
	}
	return j.howEnded() + " before the test finished" + hint + j.during() + j.withOutput()
}

func (j *judge) howEnded() string {
	if j.ending.signal != 0 {
		return fmt.Sprintf("the process was ended by the system (%v)", j.ending.signal)
	}
	return fmt.Sprintf("the process exited with status %d", j.ending.exit)
}

// during names the seeds that were running at the end.
func (j *judge) during() string {
	running := j.verdict.running()
	switch {
	case len(running) == 0 || running[0] == 0:
		return ""
	case len(running) == 1:
		return fmt.Sprintf("\nwhile seed %d was running", running[0])
	}
	return "\nwhile these seeds were running: " + strings.Trim(fmt.Sprint(running), "[]")
}

// mostOutput is how many of the last lines that were printed a message shows.
const mostOutput = 15

// withOutput gives the last lines that were printed.
func (j *judge) withOutput() string {
	lines := strings.Split(strings.TrimSpace(j.output), "\n")
	if lines[0] == "" {
		return ""
	}
	return "\nits last output:\n" + strings.Join(lines[max(0, len(lines)-mostOutput):], "\n")
}

// keep writes down the output of a process that did not live to leave a log,
// or that the race detector has written to, when there is more than the
// message shows.
func (j *judge) keep(r *Result, logDir string) {
	ended := j.verdict.final == "" && (r.Status == result.Crash || r.Status == result.Timeout)
	raced := j.race && strings.Contains(j.output, raceHeader)
	if logDir == "" || !ended && !raced || strings.Contains(r.Message, strings.TrimSpace(j.output)) {
		return
	}
	path := filepath.Join(logDir, j.test+"-output.txt")
	if os.MkdirAll(logDir, 0o755) == nil && writeNew(path, j.output) == nil {
		r.Log = path
	}
}

// writeNew writes a file that was not there: it follows no link that the test
// may have put in its place.
func writeNew(path, text string) error {
	os.Remove(path)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
