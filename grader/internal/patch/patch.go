// Package patch plants bugs in a lab's reference solution.
//
// A planted bug is a file solutions/<lab>/mutants/NAME.patch: a unified diff
// against the files of solutions/<lab>, as git diff or diff -u makes it, below
// a header that says what the bug is and which tests must catch it:
//
//	Bug: grants its vote a second time in one term
//	Heading: Raft - votes
//	Caught-By: TestOneVoteATerm4A
//
//	Why a student would write this, in as many words as it takes.
//
//	--- a/election.go
//	+++ b/election.go
//	@@ -10,7 +10,6 @@ func (rf *Raft) RequestVote(
//	...
//
// The reference changes, so line numbers in patches go stale. [Apply] finds a
// hunk's place by its text; [Refresh] makes the patch anew with the numbers of
// today. A hunk's text must be there to the letter: nothing is ever applied
// approximately, because a bug that is planted in another place than its author
// meant tests nothing.
package patch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Headings are the kinds of mistakes that a planted bug can belong to, as in
// the list of mistakes that students make.
var Headings = []string{
	"Raft - votes",
	"Raft - timing",
	"Raft - log",
	"Raft - match and next",
	"Raft - commit",
	"Raft - apply",
	"Raft - persistence",
	"Raft - snapshots",
	"Raft - database",
	"Locks",
	"Sockets",
	"RPC",
	"DFS",
}

// A Mutant is one planted bug.
type Mutant struct {
	Name     string   // Name is the name of the patch file without ".patch".
	Bug      string   // Bug says in one line what the mutated program does wrong.
	Heading  string   // Heading is one of [Headings].
	CaughtBy []string // CaughtBy names the tests that must fail; there is at least one.
	Why      string   // Why is the free text of the header, which may be empty.
	Files    []string // Files are the paths of the files it changes or adds, inside the lab folder.

	path    string // of the patch file, for messages
	header  string // everything above the diff, as it was read
	changes []change
}

// change is what a patch does to one file.
type change struct {
	file  string
	added bool
	hunks []hunk
}

// hunk replaces old by new, near a line.
type hunk struct {
	at       int    // line of the patch file that has its "@@"
	title    string // "@@ -10,7 +10,6 @@"
	function string // text behind the second "@@": the function that git saw it in
	line     int    // line of old[0] in the file the patch was made from, counted from 1
	old, new []string
}

// Load reads all patches of a mutants folder, sorted by name. A folder that
// does not exist has none. Mistakes in several patches are joined to one error.
func Load(dir string) ([]Mutant, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("loading planted bugs: %w", err)
	}
	var mutants []Mutant
	var errs []error
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") || e.Name() == "README.md" {
			continue
		}
		if filepath.Ext(path) != ".patch" || !e.Type().IsRegular() {
			errs = append(errs, fmt.Errorf("%s: not a patch: a folder of planted bugs has only NAME.patch files and a README.md", path))
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("loading planted bugs: %w", err)
		}
		m, err := Parse(path, text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		mutants = append(mutants, m)
	}
	return mutants, errors.Join(errs...)
}

// readHeader fills in what the lines above the diff say.
func (m *Mutant) readHeader() error {
	fields := map[string]*string{"Bug": &m.Bug, "Heading": &m.Heading, "Caught-By": new(string)}
	const known = "Bug, Heading and Caught-By"
	head, why, _ := strings.Cut(strings.TrimLeft(m.header, "\n"), "\n\n")
	m.Why = strings.TrimSpace(why)
	first := 1 + len(m.header) - len(strings.TrimLeft(m.header, "\n"))
	var last *string
	for i, line := range strings.Split(strings.TrimRight(head, "\n"), "\n") {
		if last != nil && strings.TrimLeft(line, " \t") != line {
			*last += " " + strings.TrimSpace(line)
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		field := fields[key]
		switch {
		case !ok, field == nil:
			return fmt.Errorf("%s:%d: %q: the header begins with the lines %s; other text follows after a blank line", m.path, first+i, line, known)
		case *field != "":
			return fmt.Errorf("%s:%d: a second %s", m.path, first+i, key)
		}
		*field = strings.TrimSpace(value)
		last = field
	}
	for _, key := range []string{"Bug", "Heading", "Caught-By"} {
		if *fields[key] == "" {
			return fmt.Errorf("%s: no %q line: a header has %s", m.path, key+":", known)
		}
	}
	if !slices.Contains(Headings, m.Heading) {
		return fmt.Errorf("%s: no heading is called %q: have %s", m.path, m.Heading, strings.Join(Headings, "; "))
	}
	m.CaughtBy = strings.FieldsFunc(*fields["Caught-By"], func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	for _, test := range m.CaughtBy {
		if !strings.HasPrefix(test, "Test") {
			return fmt.Errorf("%s: Caught-By: %q is not the name of a test", m.path, test)
		}
	}
	return nil
}
