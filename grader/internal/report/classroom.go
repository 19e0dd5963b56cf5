package report

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"distsys/grader/internal/result"
)

const (
	runnerRoom  = 90 << 10  // bytes of one result; a variable may hold 128 KiB of base64
	runnersRoom = 512 << 10 // of all results: every later step carries them in its environment
	mostRunner  = 16 << 10  // of one message, before it is encoded
)

// A runnerResult is what the graders of GitHub Classroom hand to its
// autograding-grading-reporter.
type runnerResult struct {
	Version  int           `json:"version"`
	Status   string        `json:"status"` // pass, fail or error
	MaxScore result.Points `json:"max_score"`
	Tests    []runnerTest  `json:"tests"`
}

type runnerTest struct {
	Name     string        `json:"name"`
	Status   string        `json:"status"`
	Score    result.Points `json:"score"`
	Message  string        `json:"message"`
	TestCode string        `json:"test_code"`
	Filename string        `json:"filename"`
	LineNo   int           `json:"line_no"`
	Duration float64       `json:"duration"` // seconds
}

// Classroom writes a report for autograding-grading-reporter: to env, for
// GITHUB_ENV, a variable <RUNNER-ID>_RESULTS for each test; to output, for
// GITHUB_OUTPUT, the list of runners.
//
// Each test is a runner of its own, for the reporter has two totals: one adds
// up the scores, the other takes from each runner the share of its tests that
// passed. With one test a runner they agree.
func Classroom(env, output io.Writer, r *result.Report) error {
	count := 0
	for i := range r.Labs {
		r.Labs[i].Tests(func(*result.Test) { count++ })
	}
	room := min(runnerRoom, runnersRoom/max(1, count))
	var variables strings.Builder
	var runners []string
	taken := map[string]bool{}
	for i := range r.Labs {
		l := &r.Labs[i]
		var err error
		l.Tests(func(t *result.Test) {
			if t.LeftOut || err != nil {
				return
			}
			id := runnerID(l.Lab, t.Name, taken)
			runners = append(runners, id)
			var text []byte
			text, err = encodeRunner(l.Lab, t, room)
			fmt.Fprintf(&variables, "%s_RESULTS=%s\n", strings.ToUpper(id), base64.StdEncoding.EncodeToString(text))
		})
		if err != nil {
			return err
		}
	}
	if _, err := io.WriteString(env, variables.String()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(output, "runners=%s\n", strings.Join(runners, ","))
	return err
}

// runnerID names a runner after its lab and test: lab4-InitialElection4A. The
// reporter finds a variable by the name in capitals, so names that differ in
// nothing else get a number.
func runnerID(lab, test string, taken map[string]bool) string {
	short, _, _ := strings.Cut(lab, "-")
	base := short + "-" + strings.TrimPrefix(test, "Test")
	id := base
	for n := 2; taken[strings.ToUpper(id)]; n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	taken[strings.ToUpper(id)] = true
	return id
}

// encodeRunner encodes one result. The message is shortened until all fits.
func encodeRunner(lab string, t *result.Test, room int) ([]byte, error) {
	status := runnerStatus(t.Status)
	for most := min(mostRunner, room); ; most /= 2 {
		message := ""
		if status != "pass" {
			message = string(t.Status) + "\n" + quoted(clip(t.Message, most))
		}
		text, err := json.Marshal(runnerResult{Version: 1, Status: status, MaxScore: t.Max, Tests: []runnerTest{{
			Name: t.Name, Status: status, Score: t.Points, Message: message,
			TestCode: fmt.Sprintf("go test ./%s -run '^%s$'", lab, t.Name), Duration: t.Seconds,
		}}})
		if err != nil || len(text) <= room || most == 0 {
			return text, err
		}
	}
}

func runnerStatus(s result.Status) string {
	switch s {
	case result.Pass:
		return "pass"
	case result.Fail, result.Stuck:
		return "fail"
	}
	return "error"
}
