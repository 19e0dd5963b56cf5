package report

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"distsys/grader/internal/result"
)

// conforms checks JSON against a schema of ours. They are written from what
// each format's owner documents.
func conforms(t *testing.T, schema string, text []byte) {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "schema", schema))
	require.NoError(t, err)
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	require.NoError(t, s.Validate(v))
}

// classroom50Environment is what the runner of Classroom 50 sets.
var classroom50Environment = map[string]string{
	"CLASSROOM": "ds26", "ASSIGNMENT": "raft", "ASSIGNMENT_TYPE": "individual", "OWNER": "ada",
	"SUBMISSION_TAG": "submit/2026-10-01T10-00-00Z-a1b2c3d",
	"COMMIT_URL":     "https://host/ada/raft/commit/a1b2c3d",
	"RELEASE_URL":    "https://host/ada/raft/releases/tag/x",
}

func getenv(name string) string { return classroom50Environment[name] }

var noon = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

func classroom50(w io.Writer, r *result.Report) error { return Classroom50(w, r, getenv, noon) }

func reporter(w io.Writer, r *result.Report) error {
	var output bytes.Buffer
	if err := Classroom(w, &output, r); err != nil {
		return err
	}
	_, err := w.Write(output.Bytes())
	return err
}

// Each format says what it always said.
func TestFormats(t *testing.T) {
	for _, f := range []struct {
		golden string
		write  func(io.Writer, *result.Report) error
		schema string
	}{
		{"report.json", func(w io.Writer, r *result.Report) error { return JSON(w, r) }, "report.json"},
		{"summary.md", Markdown, ""},
		{"junit.xml", JUnit, ""},
		{"gradescope.json", Gradescope, "gradescope.json"},
		{"classroom50.json", classroom50, "classroom50.json"},
		{"classroom.env", reporter, ""},
	} {
		t.Run(f.golden, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, f.write(&b, sample()))
			golden(t, f.golden, b.String())
			if f.schema != "" {
				conforms(t, f.schema, b.Bytes())
			}
		})
	}
}

// hostile is a report whose every text from a student wants to be more than
// text.
func hostile(message string) *result.Report {
	r := &result.Report{Labs: []result.Lab{{
		Lab: "lab1-x", Title: "X", Notes: []string{"ignored " + message},
		Parts: []result.Part{{ID: "1A", Title: "A", Tests: []result.Test{
			{Name: "TestA1A", Status: result.Crash, Max: 1, SeedsFailed: []uint64{}, Message: message},
		}}},
	}}}
	r.Total()
	return r
}

var tricks = []string{
	"::error file=a.go::hi", "x\n::error::hi", "x\r::error::hi", "  ::stop-commands::x", "\u2028::error::hi", "##[error]hi", "a ##[add-path]/tmp",
	"```\n<img src=x onerror=alert(1)>\n::error::", "~~~\n# heading", "]]><failure/>", "</testcase><testcase name=\"forged\"/>",
	"\x1b[2J\x07", "\x00\xff\xfe", "\ufffe\uffff", "| cell | pass |", "</summary></details><h1>100 points", "@everyone https://evil.example #1", "\u202etxet",
}

// Proves that nothing a student's program prints poses as a command to GitHub,
// in any format, even when the report is printed to a workflow's log.
func TestNoFormatHoldsCommands(t *testing.T) {
	command := regexp.MustCompile(`(?m)^[\s\p{Zl}\p{Zp}]*::|##\[`)
	for _, trick := range tricks {
		for name, write := range map[string]func(io.Writer, *result.Report) error{
			"json": func(w io.Writer, r *result.Report) error { return JSON(w, r) }, "markdown": Markdown, "junit": JUnit,
			"gradescope": Gradescope, "classroom50": classroom50, "classroom": reporter,
			"terminal": func(w io.Writer, r *result.Report) error { return Terminal{}.Write(w, r) },
		} {
			var b bytes.Buffer
			require.NoError(t, write(&b, hostile(trick)))
			require.NotRegexp(t, command, b.String(), "%s of %q", name, trick)
			require.NotContains(t, b.String(), "\x1b", "%s of %q", name, trick)
			require.NotContains(t, b.String(), "\u202e", "%s of %q", name, trick)
			require.True(t, json.Valid(b.Bytes()) || !strings.HasPrefix(b.String(), "{"), "%s of %q", name, trick)
		}
	}
}

// Proves that a message stays in its fence, and a note in its line.
func TestMarkdownKeepsTextAsText(t *testing.T) {
	for _, trick := range tricks {
		var b bytes.Buffer
		require.NoError(t, Markdown(&b, hostile(trick)))
		fences := 0
		for line := range strings.Lines(b.String()) {
			switch inside := fences%2 == 1; {
			case strings.HasPrefix(line, "```"):
				fences++
			case inside:
				require.Regexp(t, `^\|`, line)
			default:
				require.NotContains(t, strings.ReplaceAll(strings.ReplaceAll(line, "<details><summary>", ""), "</summary>", ""), "<img")
				require.NotContains(t, line, "@everyone")
				require.NotContains(t, line, "https://evil")
				require.NotContains(t, line, "<h1>")
			}
		}
		require.Equal(t, 2, fences)
	}
}

// Proves that the JUnit report is XML, and that there is no test in it that we
// did not run.
func TestJUnitIsXML(t *testing.T) {
	for _, trick := range tricks {
		var b bytes.Buffer
		require.NoError(t, JUnit(&b, hostile(trick)))
		cases := 0
		for d := xml.NewDecoder(&b); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			require.NoError(t, err, "%q", trick)
			if start, ok := token.(xml.StartElement); ok && start.Name.Local == "testcase" {
				cases++
			}
		}
		require.Equal(t, 1, cases, "%q", trick)
	}
}

// big returns a report with many long messages.
func big(tests int) *result.Report {
	p := result.Part{ID: "1A", Title: "A"}
	for i := range tests {
		p.Tests = append(p.Tests, result.Test{
			Name: fmt.Sprintf("Test%d", i), Status: result.Fail, Max: 0.5, SeedsFailed: []uint64{},
			Message: fmt.Sprint(i) + strings.Repeat("\x01ä", 100_000),
		})
	}
	r := &result.Report{Labs: []result.Lab{{Lab: "lab1-x", Title: "X", Parts: []result.Part{p}}}}
	r.Total()
	return r
}

// Proves that the job summary stays below what GitHub shows, and still says
// all that fits.
func TestMarkdownIsShort(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Markdown(&b, big(400)))
	require.Less(t, b.Len(), 1<<20)
	require.Contains(t, b.String(), "| Test399 | ❌ fail | 0/0.5 |")
	require.Regexp(t, `\d+ more messages left out`, b.String())
	require.Equal(t, strings.Count(b.String(), "<details>"), strings.Count(b.String(), "</details>"))
}

// Proves that Classroom 50 gets whole numbers, in proportion.
func TestClassroom50Halves(t *testing.T) {
	r := sample()
	r.Labs[0].Parts[0].Tests[0].Max = 2.5
	r.Total()
	var b bytes.Buffer
	require.NoError(t, classroom50(&b, r))
	conforms(t, "classroom50.json", b.Bytes())
	var c classroom50Result
	require.NoError(t, json.Unmarshal(b.Bytes(), &c))
	points, most := r.Asked()
	require.EqualValues(t, 2*points, c.Score)
	require.EqualValues(t, 2*most, c.MaxScore)
}

func TestClassroom50Environment(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"OWNER", "", "Classroom 50: its runner sets OWNER or USERNAME, which are not set here"},
		{"SUBMISSION_TAG", "v1", `Classroom 50: SUBMISSION_TAG is "v1" and should start with submit/`},
		{"ASSIGNMENT_TYPE", "duo", `Classroom 50: ASSIGNMENT_TYPE is "duo" and should be individual or group`},
	} {
		err := Classroom50(io.Discard, sample(), func(name string) string {
			if name == test.name {
				return test.value
			}
			return getenv(name)
		}, noon)
		require.EqualError(t, err, test.want)
	}
}

// A reported runner, as the reporter sees it.
type reported struct {
	id     string
	result runnerResult
}

// readReport finds results as the reporter does: it splits the list of
// runners, and looks each up in the environment in capitals.
func readReport(t *testing.T, r *result.Report) []reported {
	var env, output bytes.Buffer
	require.NoError(t, Classroom(&env, &output, r))
	variables := map[string]string{}
	for line := range strings.Lines(env.String()) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		require.True(t, ok)
		variables[name] = value
	}
	list, ok := strings.CutPrefix(strings.TrimSpace(output.String()), "runners=")
	require.True(t, ok)
	var all []reported
	for _, id := range strings.Split(list, ",") {
		text, err := base64.StdEncoding.DecodeString(variables[strings.ToUpper(strings.TrimSpace(id))+"_RESULTS"])
		require.NoError(t, err)
		conforms(t, "runner.json", text)
		require.Less(t, len(text), 90<<10)
		var one runnerResult
		require.NoError(t, json.Unmarshal(text, &one))
		all = append(all, reported{id, one})
	}
	require.Len(t, variables, len(all))
	return all
}

// Proves that both of the reporter's totals are the grade: the sum of the
// scores, and the sum over the runners of the share of tests that passed.
func TestReporterTotals(t *testing.T) {
	r := sample()
	r.Labs[0].Parts[0].Tests[0].Max = 2.5
	r.Total()
	var byScore, byShare, most result.Points
	for _, one := range readReport(t, r) {
		passed := 0
		for _, test := range one.result.Tests {
			byScore += test.Score
			if test.Status == "pass" {
				passed++
			}
		}
		byShare += result.Points(passed) / result.Points(len(one.result.Tests)) * one.result.MaxScore
		most += one.result.MaxScore
	}
	wantPoints, wantMost := r.Asked()
	require.Equal(t, wantPoints, byScore)
	require.Equal(t, wantPoints, byShare)
	require.Equal(t, wantMost, most)
}

// Proves that hyphens stay in the names, and that no two runners share one.
func TestReporterNames(t *testing.T) {
	r := hostile("x")
	same := r.Labs[0].Parts[0].Tests[0]
	same.Name = "TestAA1"
	r.Labs[0].Parts[0].Tests = append(r.Labs[0].Parts[0].Tests, same)
	r.Labs[0].Parts[0].Tests[0].Name = "TestAa1"
	all := readReport(t, r)
	require.Equal(t, "lab1-Aa1", all[0].id)
	require.Equal(t, "lab1-AA1-2", all[1].id)
}

// Proves that results together fit into the environment of the steps that
// follow.
func TestReporterIsShort(t *testing.T) {
	var env, output bytes.Buffer
	require.NoError(t, Classroom(&env, &output, big(200)))
	require.Less(t, env.Len(), 1<<20)
	require.Len(t, readReport(t, big(200)), 200)
}
