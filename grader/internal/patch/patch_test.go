package patch

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const vote = `package raft

type Raft struct{ votedFor, currentTerm int }

func (rf *Raft) RequestVote(term, candidate int) bool {
	if term < rf.currentTerm {
		return false
	}
	if rf.votedFor != -1 && rf.votedFor != candidate {
		return false
	}
	rf.votedFor = candidate
	rf.persist()
	return true
}

func (rf *Raft) AppendEntries(term int) bool {
	if term < rf.currentTerm {
		return false
	}
	rf.currentTerm = term
	rf.persist()
	return true
}

func (rf *Raft) persist() {}
`

const header = `Bug: grants its vote a second time in one term
Heading: Raft - votes
Caught-By: TestOneVoteATerm4A, TestRestart4C
  TestVotes4A

A student forgets
what was granted.

`

const forgets = `--- a/election.go
+++ b/election.go
@@ -9,7 +9,6 @@ func (rf *Raft) RequestVote(term, candidate int) bool {
 	if rf.votedFor != -1 && rf.votedFor != candidate {
 		return false
 	}
-	rf.votedFor = candidate
 	rf.persist()
 	return true
 }
`

const patchPath = "solutions/lab4-raft/mutants/forgets.patch"

func parsed(t *testing.T, diff string) Mutant {
	t.Helper()
	m, err := Parse(patchPath, []byte(header+diff))
	require.NoError(t, err)
	return m
}

func election(text string) map[string][]byte {
	return map[string][]byte{"election.go": []byte(text), "other.go": []byte("package raft\n")}
}

func forgotten(text string) string {
	return strings.Replace(text, "\trf.votedFor = candidate\n", "", 1)
}

func TestParse(t *testing.T) {
	m := parsed(t, forgets)
	require.Equal(t, "forgets", m.Name)
	require.Equal(t, "grants its vote a second time in one term", m.Bug)
	require.Equal(t, "Raft - votes", m.Heading)
	require.Equal(t, []string{"TestOneVoteATerm4A", "TestRestart4C", "TestVotes4A"}, m.CaughtBy)
	require.Equal(t, "A student forgets\nwhat was granted.", m.Why)
	require.Equal(t, []string{"election.go"}, m.Files)

	crlf, err := Parse(patchPath, []byte(strings.ReplaceAll(header+forgets, "\n", "\r\n")))
	require.NoError(t, err)
	require.Equal(t, m, crlf)
}

func TestParseFileNames(t *testing.T) {
	for _, names := range [][2]string{
		{"a/election.go", "b/election.go"},
		{"a/solutions/lab4-raft/election.go", "b/solutions/lab4-raft/election.go"},
		{"solutions/lab4-raft/election.go", "/tmp/x/lab4-raft/election.go\t2026-01-01 00:00:00 +0000"},
		{"election.go.orig", "election.go"},
	} {
		diff := strings.NewReplacer("a/election.go", names[0], "b/election.go", names[1]).Replace(forgets)
		require.Equal(t, []string{"election.go"}, parsed(t, diff).Files, names)
	}
	require.Equal(t, []string{"cmd/raftkv/main.go"}, parsed(t, strings.ReplaceAll(forgets, "election.go", "cmd/raftkv/main.go")).Files)
}

func TestParseErrors(t *testing.T) {
	edit := func(old, new string) string {
		text := strings.Replace(header+forgets, old, new, 1)
		if text == header+forgets {
			panic("edits nothing: " + old)
		}
		return text
	}
	for name, test := range map[string]struct{ text, want string }{
		"empty":            {"", ": has no diff"},
		"no header":        {forgets, `:1: "": the header begins with the lines Bug, Heading and Caught-By; other text follows after a blank line`},
		"no bug":           {edit("Bug: grants its vote a second time in one term\n", ""), `: no "Bug:" line: a header has Bug, Heading and Caught-By`},
		"empty heading":    {edit("Raft - votes", ""), `: no "Heading:" line: a header has Bug, Heading and Caught-By`},
		"unknown heading":  {edit("Raft - votes", "Raft - voting"), `: no heading is called "Raft - voting": have ` + strings.Join(Headings, "; ")},
		"unknown key":      {edit("Heading:", "Head:"), `:2: "Head: Raft - votes": the header begins with the lines Bug, Heading and Caught-By; other text follows after a blank line`},
		"second key":       {edit("Heading: Raft - votes", "Bug: x"), ":2: a second Bug"},
		"no blank line":    {edit("\n\nA student", "\nA student"), `:5: "A student forgets": the header begins with the lines Bug, Heading and Caught-By; other text follows after a blank line`},
		"no test":          {edit("TestRestart4C", "Restart4C"), `: Caught-By: "Restart4C" is not the name of a test`},
		"no plus":          {edit("+++ b/election.go\n", ""), `:10: expected "+++ FILE" after "--- FILE"`},
		"no hunk":          {edit("@@", "\n@@"), ":9: no hunk for election.go"},
		"hunk without end": {edit("-9,7 +9,6 @@", "-9,7 +9,6"), `:11: "@@ -9,7 +9,6 func (rf *Raft) RequestVote(term, candidate int) bool {": not a hunk header`},
		"counted short":    {edit("-9,7 +9,6", "-9,6 +9,5"), `:18: " }": expected a hunk or a file; does the hunk above have more lines than its header says?`},
		"counted long":     {edit("-9,7 +9,6", "-9,9 +9,8"), ":11: @@ -9,9 +9,8 @@: the hunk does not have as many lines as its header says"},
		"counted wrong":    {edit("-9,7 +9,6", "-9,7 +9,7"), ":11: @@ -9,7 +9,7 @@: the hunk does not have as many lines as its header says"},
		"changes nothing":  {edit("-\trf.votedFor", " \trf.votedFor") + "", ":11: @@ -9,7 +9,6 @@: the hunk does not have as many lines as its header says"},
		"no change":        {header + "--- a/x.go\n+++ b/x.go\n@@ -1 +1 @@\n-package a\n+package a\n", ":11: the hunk changes nothing"},
		"no context":       {header + "--- a/x.go\n+++ b/x.go\n@@ -0,0 +1 @@\n+package a\n", ":11: the hunk has no context: where it belongs cannot be told"},
		"added with old":   {edit("a/election.go", "/dev/null"), ":11: a file that is added has no old lines"},
		"deletes":          {edit("b/election.go", "/dev/null"), ":9: the patch deletes a/election.go: it can change and add files, and nothing else"},
		"renames":          {edit("--- a", "diff --git a/x.go b/y.go\nsimilarity index 100%\nrename from x.go\n--- a"), `:10: "similarity index 100%": a patch can change and add files, and nothing else`},
		"climbs":           {edit("b/election.go", "b/../election.go"), `:10: "b/../election.go" is not a Go file of the lab`},
		"absolute":         {edit("b/election.go", "/etc/election.go"), `:10: "/etc/election.go" is not a Go file of the lab`},
		"not Go":           {edit("b/election.go", "b/rubric.yaml"), `:10: "b/rubric.yaml" is not a Go file of the lab`},
		"twice":            {header + forgets + forgets, ":21: election.go is patched a second time"},
		"text after":       {header + forgets + "so much for that\n", `:19: "so much for that": expected a hunk or a file; does the hunk above have more lines than its header says?`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(patchPath, []byte(test.text))
			require.EqualError(t, err, patchPath+test.want)
		})
	}
}

func TestApply(t *testing.T) {
	files := election(vote)
	got, err := Apply(parsed(t, forgets), files)
	require.NoError(t, err)
	require.Equal(t, forgotten(vote), string(got["election.go"]))
	require.Equal(t, "package raft\n", string(got["other.go"]))
	require.Equal(t, vote, string(files["election.go"]), "the original stays")
}

func TestApplyToMovedLines(t *testing.T) {
	m := parsed(t, forgets)
	for name, text := range map[string]string{
		"down": strings.Replace(vote, "package raft\n", "package raft\n"+strings.Repeat("\n// more\n", 50), 1),
		"up":   strings.Replace(vote, "\tif term < rf.currentTerm {\n\t\treturn false\n\t}\n", "", 1),
		"CRLF": strings.ReplaceAll(vote, "\n", "\r\n"),
		"open": strings.TrimSuffix(vote, "\n"),
	} {
		got, err := Apply(m, election(text))
		require.NoError(t, err, name)
		want := forgotten(text)
		if name == "CRLF" {
			want = strings.ReplaceAll(forgotten(vote), "\n", "\r\n")
		}
		require.Equal(t, want, string(got["election.go"]), name)
	}
}

// saves is a hunk that fits in RequestVote and in AppendEntries.
const saves = `--- a/election.go
+++ b/election.go
@@ -13,3 +13,2 @@ FUNCTION
-	rf.persist()
 	return true
 }
`

func TestApplyInOneOfTwoPlaces(t *testing.T) {
	const persist = "\trf.persist()\n"
	first := strings.Replace(vote, persist, "", 1)
	last := strings.LastIndex(vote, persist)
	second := vote[:last] + vote[last+len(persist):]

	for name, test := range map[string]struct{ line, function, want string }{
		"exact line":                     {"13", "", first},
		"other exact line":               {"22", "", second},
		"nearest line":                   {"16", "", first},
		"nearest line from the other":    {"19", "", second},
		"function before line":           {"13", "func (rf *Raft) AppendEntries(term", second},
		"unknown function, nearest line": {"22", "func (rf *Raft) Gone(", second},
		"beyond the end":                 {"999", "", second},
	} {
		diff := strings.NewReplacer("13,3", test.line+",3", "FUNCTION", test.function).Replace(saves)
		got, err := Apply(parsed(t, diff), election(vote))
		require.NoError(t, err, name)
		require.Equal(t, test.want, string(got["election.go"]), name)
	}

	evenly := strings.Replace(vote, "type Raft struct{ votedFor, currentTerm int }\n", "type Raft struct {\n\tvotedFor, currentTerm int\n}\n", 1)
	evenly = strings.Replace(evenly, "\trf.currentTerm = term\n", "", 1)
	_, err := Apply(parsed(t, strings.NewReplacer("13,3", "19,3", "FUNCTION", "").Replace(saves)), election(evenly))
	require.EqualError(t, err, patchPath+":11: fits at line 15 as well as at line 23; give it more context: hunk 1 (@@ -19,3 +13,2 @@) of election.go")
}

const two = `diff --git a/election.go b/election.go
index 1111111..2222222 100644
--- a/election.go
+++ b/election.go
@@ -6,5 +6,2 @@
-	if term < rf.currentTerm {
-		return false
-	}
 	if rf.votedFor != -1 && rf.votedFor != candidate {
 		return false
@@ -22,2 +19,3 @@
 	rf.persist()
+	rf.persist()
 	return true

diff --git a/other.go b/other.go
--- a/other.go
+++ b/other.go
@@ -1 +1,3 @@
 package raft
+
+var other = 1
diff --git a/sub/added.go b/sub/added.go
new file mode 100644
index 0000000..3333333
--- /dev/null
+++ b/sub/added.go
@@ -0,0 +1,3 @@
+package sub
+
+const one = 1
\ No newline at end of file
`

func TestApplySeveral(t *testing.T) {
	m := parsed(t, two)
	require.Equal(t, []string{"election.go", "other.go", "sub/added.go"}, m.Files)
	moved := strings.Replace(vote, "package raft\n", "package raft\n"+strings.Repeat("\n// more\n", 4), 1)
	for _, text := range []string{vote, moved} {
		got, err := Apply(m, election(text))
		require.NoError(t, err)
		want := strings.Replace(text, "\tif term < rf.currentTerm {\n\t\treturn false\n\t}\n", "", 1)
		last := strings.LastIndex(want, "\trf.persist()\n")
		want = want[:last] + "\trf.persist()\n" + want[last:]
		require.Equal(t, want, string(got["election.go"]))
		require.Equal(t, "package raft\n\nvar other = 1\n", string(got["other.go"]))
		require.Equal(t, "package sub\n\nconst one = 1\n", string(got["sub/added.go"]))
	}
}

func TestApplyErrors(t *testing.T) {
	edit := func(old, new string) map[string][]byte {
		return election(strings.Replace(vote, old, new, 1))
	}
	for name, test := range map[string]struct {
		diff  string
		files map[string][]byte
		want  string
	}{
		"gone": {forgets, edit("rf.votedFor = candidate", "rf.votedFor = me"),
			":11: does not fit anywhere: line 12 is \"\\trf.votedFor = me\" and was \"\\trf.votedFor = candidate\": hunk 1 (@@ -9,7 +9,6 @@) of election.go"},
		"nothing in common": {forgets, map[string][]byte{"election.go": []byte("package raft\n")},
			":11: does not fit anywhere: no line \"\\tif rf.votedFor != -1 && rf.votedFor != candidate {\": hunk 1 (@@ -9,7 +9,6 @@) of election.go"},
		"cut off": {forgets, edit(vote[strings.Index(vote, "\treturn true"):], ""),
			":11: does not fit anywhere: the file ends where \"\\treturn true\" was: hunk 1 (@@ -9,7 +9,6 @@) of election.go"},
		"out of order": {"--- a/election.go\n+++ b/election.go\n@@ -22,1 +22,1 @@\n-\trf.currentTerm = term\n+\trf.currentTerm = 1\n@@ -12,1 +12,1 @@\n-\trf.votedFor = candidate\n+\trf.votedFor = 1\n", election(vote),
			":14: does not fit anywhere: no line \"\\trf.votedFor = candidate\": hunk 2 (@@ -12,1 +12,1 @@) of election.go"},
		"no such file": {forgets, map[string][]byte{}, ":11: the solution has no file election.go"},
		"exists":       {"--- /dev/null\n+++ b/election.go\n@@ -0,0 +1 @@\n+package raft\n", election(vote), ":11: cannot add election.go: it exists"},
		"parse":        {"--- a/election.go\n+++ b/election.go\n@@ -14,2 +14,1 @@\n \treturn true\n-}\n", election(vote), ": patched, the file does not parse: election.go:16:36: missing ',' in argument list"},
		"comment only": {"--- a/election.go\n+++ b/election.go\n@@ -12,1 +12,3 @@\n-\trf.votedFor = candidate\n+\trf.votedFor = candidate;\n+\n+\t// granted\n", election(vote), ": changes nothing but comments and layout of election.go"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Apply(parsed(t, test.diff), test.files)
			require.ErrorContains(t, err, patchPath+test.want)
		})
	}
}

func TestLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab4-raft", "mutants")
	mutants, err := Load(dir)
	require.NoError(t, err)
	require.Empty(t, mutants)

	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, text := range map[string]string{
		"b.patch": header + two, "a.patch": header + forgets, "README.md": "For staff.", ".swp": "",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	mutants, err = Load(dir)
	require.NoError(t, err)
	require.Len(t, mutants, 2)
	require.Equal(t, "a", mutants[0].Name)
	require.Equal(t, "b", mutants[1].Name)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "c.patch"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "d.diff"), nil, 0o644))
	mutants, err = Load(dir)
	require.ErrorContains(t, err, "c.patch: has no diff\n")
	require.ErrorContains(t, err, "d.diff: not a patch: ")
	require.Len(t, mutants, 2)
}

func TestDiff(t *testing.T) {
	require.Empty(t, Diff("a.go", []byte(vote), []byte(vote)))
	require.Equal(t, forgets, Diff("election.go", []byte(vote), []byte(forgotten(vote))))
	require.Equal(t, "--- /dev/null\n+++ b/a.go\n@@ -0,0 +1,1 @@\n+package a\n", Diff("a.go", nil, []byte("package a\n")))
}

// TestDiffIsAPatch proves that what Diff says makes one version of the other,
// whatever the versions.
func TestDiffIsAPatch(t *testing.T) {
	line := rapid.SampledFrom([]string{"var a = 1", "func f() {", "\tf()", "\t\tf()", "}", "", "var é, ü = 2, 3"})
	lines := rapid.SliceOfN(line, 1, 40)
	rapid.Check(t, func(t *rapid.T) {
		old := []byte(strings.Join(lines.Draw(t, "old"), "\n") + "\n")
		new := []byte(strings.Join(lines.Draw(t, "new"), "\n") + "\n")
		diff := Diff("a.go", old, new)
		if string(old) == string(new) {
			require.Empty(t, diff)
			return
		}
		m, err := Parse(patchPath, []byte(header+diff))
		require.NoError(t, err, diff)
		text := readText(old)
		require.NoError(t, text.apply(m.changes[0].hunks), diff)
		require.Equal(t, string(new), string(text.bytes()), diff)
	})
}

func TestDiffIsWhatGitApplies(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "election.go"), []byte(vote), 0o644))
	diff := Diff("election.go", []byte(vote), []byte(forgotten(vote))) + Diff("added.go", nil, []byte("package raft\n"))
	apply := exec.Command(git, "apply", "-")
	apply.Dir = dir
	apply.Stdin = strings.NewReader(diff)
	out, err := apply.CombinedOutput()
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile(filepath.Join(dir, "election.go"))
	require.NoError(t, err)
	require.Equal(t, forgotten(vote), string(text))
	require.FileExists(t, filepath.Join(dir, "added.go"))
}

func TestRefresh(t *testing.T) {
	m := parsed(t, two)
	moved := election("package raft\n\n" + strings.Repeat("// more\n", 20) + strings.TrimPrefix(vote, "package raft\n"))
	fresh, err := Refresh(m, moved)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(fresh), header+"--- a/election.go\n+++ b/election.go\n@@ -24,9 +24,6 @@ package raft\n"), string(fresh))

	again, err := Parse(patchPath, fresh)
	require.NoError(t, err)
	require.Equal(t, m.Files, again.Files)
	want, err := Apply(m, moved)
	require.NoError(t, err)
	got, err := Apply(again, moved)
	require.NoError(t, err)
	require.Equal(t, want, got)

	same, err := Refresh(again, moved)
	require.NoError(t, err)
	require.Equal(t, string(fresh), string(same), "a fresh patch stays as it is")

	_, err = Refresh(m, election("package raft\n"))
	require.ErrorContains(t, err, "refreshing a patch: "+patchPath)
}
