package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"

	"distsys/grader/internal/result"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sample has one of everything.
func sample() *result.Report {
	test := func(name string, status result.Status, most result.Points, seeds int, failed []uint64, message string) result.Test {
		return result.Test{Name: name, Status: status, Max: most, SeedsRun: seeds, SeedsFailed: failed, Seconds: 1.25, Message: message}
	}
	none := []uint64{}
	all := []uint64{1, 2, 3, 4, 5}
	long := "seed 3, after 12.500000000s: two leaders in term 7: server 1 and server 4 both sent AppendEntries (rule: at most one leader is elected in a term, §5.2)"
	unfit := "next: TODO(4B): replicate the log\n    raft.(*Raft).Propose  replication.go:31"
	r := &result.Report{Labs: []result.Lab{
		{Lab: "lab4-raft", Title: "Raft", Notes: []string{"ignored lab4-raft/x_test.go: tests come from the course's tree"}, Parts: []result.Part{
			{ID: "4A", Title: "Election", Tests: []result.Test{
				test("TestInitialElection4A", result.Pass, 3, 5, none, ""),
				test("TestAFollowerThatHasALongerNameThanFits4A", result.Fail, 2, 5, []uint64{3}, long),
				{Name: "TestLeftOut4A", Status: result.NotRun, Max: 5, SeedsFailed: none, LeftOut: true},
			}},
			{ID: "4B", Title: "Replication", Tests: []result.Test{
				test("TestAgreement4B", result.Fail, 4, 5, all, unfit),
				test("TestBackup4B", result.Fail, 4, 5, all, unfit),
				test("TestConcurrent4B", result.Crash, 1, 2, []uint64{2}, "\x1b[2J::error::hi\n\tpanic: ##[error]\u202egnp\r\r\n"+strings.Repeat("more\n", 50)),
			}},
		}},
		{Lab: "lab1-sockets", Title: "Sockets", Parts: []result.Part{
			{ID: "1A", Title: "Echo", Tests: []result.Test{test("TestEcho1A", result.BuildError, 20, 0, none, "lab1-sockets/echo.go:3:1: undefined: x")}},
		}},
		{Lab: "lab2-rpc", Title: "RPC", Parts: []result.Part{
			{ID: "2A", Title: "Service", Tests: []result.Test{{Name: "TestService2A", Status: result.NotRun, Max: 20, SeedsFailed: none, LeftOut: true}}},
		}},
	}}
	r.Labs[0].Parts[1].Tests[2].Log = "/tmp/log.txt"
	r.Labs[0].Parts[1].Tests[2].Hidden = true
	r.Notes = []string{"no network namespace here: the tests could reach the network"}
	r.Total()
	return r
}

func golden(t *testing.T, name, got string) {
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestTerminal(t *testing.T) {
	for name, terminal := range map[string]Terminal{"80.txt": {Width: 80}, "120.txt": {Width: 120}, "file.txt": {}} {
		var b bytes.Buffer
		require.NoError(t, terminal.Write(&b, sample()))
		golden(t, name, b.String())
		for line := range strings.Lines(b.String()) {
			if terminal.Width > 0 {
				require.LessOrEqual(t, text.StringWidth(strings.TrimRight(line, "\n")), terminal.Width, line)
			}
		}
	}
}

// Color changes nothing but colors.
func TestTerminalColor(t *testing.T) {
	var plain, color bytes.Buffer
	require.NoError(t, Terminal{Width: 80}.Write(&plain, sample()))
	require.NoError(t, Terminal{Width: 80, Color: true}.Write(&color, sample()))
	require.NotEqual(t, plain.String(), color.String())
	require.Equal(t, plain.String(), text.StripEscape(color.String()))
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, JSON(&b, sample()))

	var back result.Report
	require.NoError(t, json.Unmarshal(b.Bytes(), &back))
	require.NotContains(t, b.String(), "##[")
	require.Equal(t, sample().Labs[0].Parts[1].Tests[2].Message, back.Labs[0].Parts[1].Tests[2].Message)
	require.Equal(t, result.Points(3), back.Points)
	require.Equal(t, result.Points(59), back.Max)
}

func TestSafe(t *testing.T) {
	for in, want := range map[string]string{
		"plain":            "plain",
		"a\tb":             "a    b",
		"a\r\nb\rc":        "a\nb\nc",
		"\x1b[31mred":      `\x1b[31mred`,
		"\u202eback\u200b": `\u202eback\u200b`,
		"\x9bdo":           "\uFFFDdo",
		"x ##[error]y":     "x # #[error]y",
		"Grüße 你好":         "Grüße 你好",
	} {
		require.Equal(t, want, safe(in))
	}
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func TestProgress(t *testing.T) {
	var out buffer
	p := NewProgress(&out, false, 0)
	p.Building("lab4-raft")
	p.Running(3)
	p.Started("lab4-raft", "TestA")
	p.Started("lab4-raft", "TestB")
	p.Ended("lab4-raft", "TestA", result.Fail)
	require.Equal(t, "1/3 tests, 1 failed, 0 s: TestB", p.line())
	p.Stop()
	require.Equal(t, "building lab4-raft\nrunning 3 tests\n", out.b.String())
}

func TestProgressOfBugs(t *testing.T) {
	var out buffer
	p := NewProgress(&out, false, 0)
	p.Planting(2)
	p.Started("lab4-raft", "forgets-vote")
	p.Started("lab4-raft", "forgets-term")
	p.Tried("lab4-raft", "forgets-vote", true)
	require.Equal(t, "1/2 bugs, 1 caught, 0 s: forgets-term", p.line())
	p.Stop()
	require.Equal(t, "planting 2 bugs\n", out.b.String())
}
