package runner

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"distsys/grader/internal/result"
)

const (
	plan  = `{"event":"plan","test":"TestX","seeds":[1,2]}`
	start = `{"event":"start","test":"TestX","seed":1}`
	again = `{"event":"start","test":"TestX","seed":2}`
	pass1 = `{"event":"seed","test":"TestX","seed":1,"status":"pass"}`
	pass2 = `{"event":"seed","test":"TestX","seed":2,"status":"pass"}`
	fail2 = `{"event":"seed","test":"TestX","seed":2,"status":"fail","message":"two leaders"}`
	stuck = `{"event":"seed","test":"TestX","seed":1,"status":"stuck","message":"held"}`
	raced = `{"event":"seed","test":"TestX","seed":1,"status":"fail","message":"seed 1: ` + kitsRaceMessage + `\nrun it again: go test ./lab9-demo -seed 1"}`
	done  = `{"event":"done","test":"TestX","status":"pass"}`
	lost  = `{"event":"done","test":"TestX","status":"fail"}`
)

// hear returns the verdict after the process has written lines: SECRET in one
// stands for the secret.
func hear(t *testing.T, lines ...string) *verdict {
	v, err := newVerdict("TestX", []uint64{1, 2})
	require.NoError(t, err)
	text := strings.Join(lines, "\n") + "\n"
	_, err = v.w.WriteString(strings.ReplaceAll(text, "SECRET", v.secret))
	require.NoError(t, err)
	v.finish()
	return v
}

// signed puts the secret before each line.
func signed(lines ...string) []string {
	for i := range lines {
		lines[i] = "SECRET " + lines[i]
	}
	return lines
}

func TestVerdict(t *testing.T) {
	all := []string{plan, start, again, pass1, pass2, done}
	for _, test := range []struct {
		name  string
		lines []string
		pass  bool
	}{
		{"all that is needed", signed(all...), true},
		{"noise between", []string{"SECRET " + plan, "ok", "SECRET " + start, "SECRET " + again, "SECRET " + pass1, `{}`, "SECRET nonsense", "SECRET " + pass2, "SECRET " + done}, true},
		{"nothing", nil, false},
		{"no secret", []string{plan, pass1, pass2, done}, false},
		{"a wrong secret", []string{strings.Repeat("0", 64) + " " + plan, strings.Repeat("0", 64) + " " + done}, false},
		{"no plan", signed(pass1, pass2, done), false},
		{"an empty plan", signed(`{"event":"plan","test":"TestX","seeds":[]}`, done), false},
		{"a seed missing", signed(plan, start, again, pass1, done), false},
		{"a seed not begun", signed(plan, start, pass1, pass2, done), false},
		{"a fail, then a pass", signed(plan, start, again, pass1, fail2, pass2, done), false},
		{"lost, then won", signed(plan, start, again, pass1, pass2, lost, done), false},
		{"fewer seeds than asked for", signed(`{"event":"plan","test":"TestX","seeds":[1]}`, start, pass1, done), false},
		{"other seeds", signed(`{"event":"plan","test":"TestX","seeds":[1,3]}`, start, pass1, done), false},
		{"in real time", signed(`{"event":"plan","test":"TestX","seeds":[0]}`, `{"event":"start","test":"TestX","seed":0}`, `{"event":"seed","test":"TestX","seed":0,"status":"pass"}`, done), true},
		{"a seed failed", signed(plan, start, again, pass1, fail2, done), false},
		{"not done", signed(plan, start, again, pass1, pass2), false},
		{"done with a failure", signed(plan, start, again, pass1, pass2, lost), false},
		{"another test", signed(strings.ReplaceAll(strings.Join(all, "\n"), "TestX", "TestY")), false},
		{"the secret not at the start", []string{"x SECRET " + plan, "SECRET " + start, "SECRET " + again, "SECRET " + pass1, "SECRET " + pass2, "SECRET " + done}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.pass, hear(t, test.lines...).passed())
		})
	}
}

// A line that is too long is skipped, whoever wrote it, and those after it are
// read. So is a line that never ends.
func TestVerdictLongLines(t *testing.T) {
	v, err := newVerdict("TestX", []uint64{1, 2})
	require.NoError(t, err)
	go func() {
		v.w.WriteString(strings.Repeat("x", 3*longestLine) + "\n")
		for _, line := range []string{plan, start, again, pass1, pass2, done} {
			v.w.WriteString(v.secret + " " + line + "\n")
		}
		v.w.WriteString(strings.Repeat("y", 3*longestLine))
		v.w.Close()
	}()
	<-v.done
	require.True(t, v.passed())
}

func TestVerdictSeeds(t *testing.T) {
	v := hear(t, signed(plan, again, start, fail2)...)
	require.Equal(t, []uint64{1, 2}, v.failed())
	require.Equal(t, []uint64{1}, v.running())
}

func TestJudge(t *testing.T) {
	exited := func(status int) ending { return ending{cause: itself, exit: status} }
	for _, test := range []struct {
		name    string
		lines   []string
		ending  ending
		output  string
		status  result.Status
		message string
	}{
		{"pass", signed(plan, start, again, pass1, pass2, done), exited(0), "", result.Pass, ""},
		{"fail", signed(plan, start, again, pass1, fail2, lost), exited(1), "", result.Fail, "two leaders"},
		{"failed outside", signed(plan, start, again, pass1, pass2, lost), exited(1), "--- FAIL", result.Fail, "the test failed outside its worlds\nits last output:\n--- FAIL"},
		{"race outside", signed(plan, start, again, pass1, pass2, lost), exited(1), raceText, result.Fail, "the test failed outside its worlds\n" + raceRule + "\n  write in lab8.x"},
		{"stuck, and ended by the kit", signed(plan, start, stuck), exited(1), "", result.Stuck, "held"},
		{"exit", signed(plan, start), exited(7), "bye\n", result.Crash, "the process exited with status 7 before the test finished\nwhile seed 1 was running\nits last output:\nbye"},
		{"quiet exit", signed(plan, start, again), exited(0), "", result.Crash, "the process exited with status 0 before the test finished (os.Exit?)\nwhile these seeds were running: 1 2"},
		{"killed by the kernel", signed(plan), ending{exit: -1, signal: 9}, "", result.Crash, "the process was ended by the system (killed) before the test finished"},
		{"memory", signed(plan, start), ending{cause: overMemory}, "", result.Crash, "memory limit of 1 GiB exceeded\nwhile seed 1 was running"},
		{"output", signed(plan, start, again, pass1, pass2, done), ending{cause: overOutput}, "", result.Crash, "printed more than 1 MiB"},
		{"time", signed(plan, start), ending{cause: overTime}, "", result.Timeout, "time limit of 1m0s exceeded\nwhile seed 1 was running"},
		{"time after the verdict", signed(plan, start, again, pass1, pass2, done), ending{cause: overTime}, "", result.Timeout, "time limit of 1m0s exceeded"},
		{"temporary files", signed(plan, start), ending{cause: overScratch}, "", result.Crash, "wrote more than 512 MiB of temporary files\nwhile seed 1 was running"},
		{"children", signed(plan, start), ending{cause: overProcesses}, "", result.Crash, "started more than 64 processes\nwhile seed 1 was running"},
		{"other seeds", signed(`{"event":"plan","test":"TestX","seeds":[1]}`, start, pass1, done), exited(0), "", result.Crash, "the test did not run under the seeds that it was told to run under"},
		{"interrupted", signed(plan, start), ending{cause: interrupted}, "", result.NotRun, "interrupted"},
		{"race afterwards", signed(plan, start, again, pass1, pass2, done), exited(66), raceText, result.Fail, "found after the test: " + raceRule + "\n  write in lab8.x"},
		{"race", signed(plan, start, again, pass2, raced, lost), exited(1), raceText, result.Fail, "seed 1: " + raceRule + "\n  write in lab8.x\nrun it again: go test -race ./lab9-demo -seed 1"},
		{"race in another seed", signed(plan, start, again, pass1, fail2, lost), exited(1), raceText, result.Fail, "two leaders\n" + raceRule + "\n  write in lab8.x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := judge{
				dir: "/w/lab9-demo", race: true, verdict: hear(t, test.lines...), ending: test.ending, output: test.output,
				limits: Limits{Time: time.Minute, Memory: 1 << 30, Output: 1 << 16},
			}
			r := j.result()
			require.Equal(t, test.status, r.Status)
			require.Equal(t, test.message, r.Message)
		})
	}
}

const raceText = "PASS\n==================\nWARNING: DATA RACE\nWrite at 0x01 by goroutine 7:\n  lab8.x()\n      /w/lab8/x.go:1 +0x2\n==================\nFound 1 data race(s)\n"
