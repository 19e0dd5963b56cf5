package mutants

import (
	"bytes"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"

	"distsys/grader/internal/patch"
	"distsys/grader/internal/result"
	"distsys/grader/internal/rubric"
)

func tests(names ...string) []rubric.Test {
	var all []rubric.Test
	for _, name := range names {
		all = append(all, rubric.Test{Name: name})
	}
	return all
}

func TestSettle(t *testing.T) {
	type statuses = map[string]result.Status
	for _, test := range []struct {
		name     string
		named    []string
		statuses statuses
		status   Status
		caughtBy []string
		cutShort bool
	}{
		{"caught", []string{"TestB"}, statuses{"TestA": result.Pass, "TestB": result.Fail}, Caught, []string{"TestB"}, false},
		{"in every way", []string{"TestB", "TestA"}, statuses{"TestA": result.Crash, "TestB": result.Stuck, "TestC": result.Timeout}, Caught, []string{"TestA", "TestB", "TestC"}, false},
		{"by one of two", []string{"TestA", "TestB"}, statuses{"TestA": result.Fail, "TestB": result.Pass}, NotByNamed, []string{"TestA"}, false},
		{"by another", []string{"TestA"}, statuses{"TestA": result.Pass, "TestC": result.Fail}, NotByNamed, []string{"TestC"}, false},
		{"missed", []string{"TestA"}, statuses{"TestA": result.Pass, "TestC": result.Pass}, Missed, []string{}, false},
		{"cut short", []string{"TestB"}, statuses{"TestA": result.NotRun, "TestB": result.Timeout}, Caught, []string{"TestB"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := Bug{Named: test.named, CaughtBy: []string{}}
			b.settle(tests("TestA", "TestB", "TestC"), test.statuses)
			require.Equal(t, test.status, b.Status)
			require.Equal(t, test.caughtBy, b.CaughtBy)
			require.Equal(t, test.cutShort, b.CutShort)
		})
	}
}

// sample has one of everything.
func sample() *Report {
	many := strings.Fields("TestElection4A TestManyElections4A TestStableLeader4A TestAgreement4B TestFastBackup4B TestChurn4C TestFigure8Unreliable4C")
	return &Report{Version: Version, Labs: []Lab{{
		Lab: "lab4-raft", Complete: true,
		Bugs: []Bug{
			{Name: "forgets-vote", Heading: "Raft - votes", Named: []string{"TestVotes4A"}, CaughtBy: append(many, "TestVotes4A"), Status: Caught},
			{Name: "vote-unsaved", Heading: "Raft - votes", Named: []string{"TestRestart4C"}, CaughtBy: []string{"TestRestart4C"}, Status: Caught},
			{Name: "commits-all", Heading: "Raft - commit", Named: []string{"TestFigure84B", "TestCommit4B"}, CaughtBy: []string{"TestCommit4B"}, Status: NotByNamed},
			{Name: "spins", Heading: "Locks", Named: []string{"TestStop4A"}, CaughtBy: []string{"TestElection4A", "TestStop4A"}, CutShort: true, Status: Caught},
			{Name: "sleeps", Bug: "sleeps " + strings.Repeat("a little ", 12), Heading: "Locks", Named: []string{"TestStop4A"}, Status: Missed},
			{Name: "typo", Heading: "Raft - apply", Status: BuildError, Message: "typo.patch: the lab does not compile\nlab4-raft/raft.go:1:2: undefined: x"},
			{Name: "stale", Heading: "Raft - log", Status: PatchError, Message: "stale.patch:1: does not fit"},
			{Name: "late", Heading: "Raft - timing", Status: NotRun},
		},
		Errors:          []string{"no.patch:1: no header"},
		TestsWithoutBug: []string{"TestLazy4A", "TestIdle4B"},
	}}}
}

func TestFaults(t *testing.T) {
	require.Equal(t, 6, sample().Faults())
	r := sample()
	r.Labs[0].Errors, r.Labs[0].Bugs = nil, r.Labs[0].with(Caught)
	require.Zero(t, r.Faults())
}

func TestTerminal(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Terminal(&b, sample(), 0))
	const want = `lab4-raft                                                          named  others

Raft - votes
  ✓ forgets-vote                                                     1/1       7
      TestVotes4A
      also TestElection4A, TestManyElections4A, TestStableLeader4A,
          TestAgreement4B, TestFastBackup4B and 2 more
  ✓ vote-unsaved                                                     1/1       0
      TestRestart4C

Raft - timing
  ✗ late                                                         not-run

Raft - log
  ✗ stale                                                    patch-error

Raft - commit
  ✗ commits-all                                                      1/2       0
      TestCommit4B
      not TestFigure84B

Raft - apply
  ✗ typo                                                     build-error

Locks
  ✓ spins                                                            1/1      ≥1
      TestStop4A
      also TestElection4A
  ✗ sleeps                                                           0/1       0
      not TestStop4A

bugs that are not caught: 1
  sleeps: sleeps a little a little a little a little a little a little a little
      a little a little a little a little a little

bugs that a named test does not catch: 1
  commits-all: TestFigure84B

patches that are wrong: 3
  typo.patch: the lab does not compile
  lab4-raft/raft.go:1:2: undefined: x
  stale.patch:1: does not fit
  no.patch:1: no header

headings without a bug: 4
  Raft - match and next
  Raft - persistence
  Raft - snapshots
  Raft - database

tests that catch no bug: 2
  TestLazy4A, TestIdle4B

tests that alone catch a bug: 2
  TestRestart4C: vote-unsaved
  TestCommit4B: commits-all

lab4-raft  4 of 8 planted bugs caught, 1 not by each named test, 3 not planted, 1 not run
`
	require.Equal(t, want, b.String())
	b.Reset()
	require.NoError(t, Terminal(&b, sample(), 60))
	matrix, _, _ := strings.Cut(b.String(), "\npatches that are wrong")
	for line := range strings.Lines(matrix) {
		require.LessOrEqual(t, text.StringWidth(strings.TrimRight(line, "\n")), 60, line)
	}
}

func TestConcerns(t *testing.T) {
	for lab, want := range map[string]int{"lab1-sockets": 2, "lab2-rpc": 2, "lab3-dfs": 2, "lab4-raft": 10} {
		n := 0
		for _, h := range patch.Headings {
			if concerns(h, lab) {
				n++
			}
		}
		require.Equal(t, want, n, lab)
	}
}
