package report

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"distsys/grader/internal/result"
)

// A classroom50Result is the result.json that Classroom 50 collects, schema
// classroom50/result/v1. No other key is allowed at the top.
type classroom50Result struct {
	Schema         string            `json:"schema"`
	Classroom      string            `json:"classroom"`
	Assignment     string            `json:"assignment"`
	AssignmentType string            `json:"assignment_type"`
	Owner          string            `json:"owner"`
	Submission     string            `json:"submission"`
	Commit         string            `json:"commit"`
	Release        string            `json:"release"`
	Review         string            `json:"review"`
	Datetime       string            `json:"datetime"`
	GradedAt       string            `json:"graded_at"`
	Score          int               `json:"score"`
	MaxScore       int               `json:"max-score"`
	Tests          []classroom50Test `json:"tests"`
}

type classroom50Test struct {
	TestName string `json:"test-name"`
	Passed   bool   `json:"passed"`
	Score    int    `json:"score"`
	MaxScore int    `json:"max-score"`
	Message  string `json:"message,omitempty"` // tests may have further keys
}

// mostClassroom50 bounds one message, in bytes.
const mostClassroom50 = 4 << 10

// Classroom50 writes a report as result.json for Classroom 50. Getenv looks
// variables up that its runner sets; now is the time of grading.
//
// Its scores are whole numbers. When the rubric has half points, every score
// is given twice: a lab of 100 points is one of 200 there.
func Classroom50(w io.Writer, r *result.Report, getenv func(string) string, now time.Time) error {
	c, err := classroom50Head(getenv, now)
	if err != nil {
		return err
	}
	factor := wholeFactor(r)
	for i := range r.Labs {
		r.Labs[i].Tests(func(t *result.Test) {
			if t.LeftOut {
				return
			}
			test := classroom50Test{
				TestName: t.Name, Passed: t.Status == result.Pass,
				Score: int(t.Points * factor), MaxScore: int(t.Max * factor),
			}
			if t.Status != result.Pass {
				test.Message = clip(string(t.Status)+": "+safe(t.Message), mostClassroom50)
			}
			c.Score += test.Score
			c.MaxScore += test.MaxScore
			c.Tests = append(c.Tests, test)
		})
	}
	return JSON(w, c)
}

// wholeFactor returns what makes whole numbers of all points.
func wholeFactor(r *result.Report) result.Points {
	factor := result.Points(1)
	for i := range r.Labs {
		r.Labs[i].Tests(func(t *result.Test) {
			if t.Max != result.Points(int(t.Max)) {
				factor = 2
			}
		})
	}
	return factor
}

var submissionTag = regexp.MustCompile(`^submit/`)

// classroom50Head takes from the environment what the result is about. All
// that is missing is named at once.
func classroom50Head(getenv func(string) string, now time.Time) (*classroom50Result, error) {
	var missing []string
	first := func(names ...string) string {
		for _, name := range names {
			if v := getenv(name); v != "" {
				return v
			}
		}
		missing = append(missing, strings.Join(names, " or "))
		return ""
	}
	stamp := now.UTC().Format("2006-01-02T15:04:05Z")
	c := &classroom50Result{
		Schema:     "classroom50/result/v1",
		Classroom:  first("CLASSROOM"),
		Assignment: first("ASSIGNMENT"),
		Owner:      first("OWNER", "USERNAME"),
		Submission: first("SUBMISSION_TAG"),
		Commit:     first("COMMIT_URL"),
		Release:    first("RELEASE_URL"),
		Review:     first("REVIEW_URL", "COMMIT_URL"),
		Datetime:   stamp, // The runner puts the commit's date here.
		GradedAt:   stamp,
		Tests:      []classroom50Test{},
	}
	c.AssignmentType = getenv("ASSIGNMENT_TYPE")
	if c.AssignmentType == "" {
		c.AssignmentType = "individual"
	}
	switch {
	case len(missing) > 0:
		return nil, fmt.Errorf("Classroom 50: its runner sets %s, which are not set here", strings.Join(missing, ", "))
	case !submissionTag.MatchString(c.Submission):
		return nil, fmt.Errorf("Classroom 50: SUBMISSION_TAG is %q and should start with submit/", c.Submission)
	case c.AssignmentType != "individual" && c.AssignmentType != "group":
		return nil, fmt.Errorf("Classroom 50: ASSIGNMENT_TYPE is %q and should be individual or group", c.AssignmentType)
	}
	return c, nil
}
