package class

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"distsys/grader/internal/shard"
)

// A Student is somebody who gets a grade.
type Student struct {
	ID          string   `json:"id"`
	Name        string   `json:"name,omitempty"`
	Submissions []string `json:"submissions"` // entries in the folder of submissions

	keys []string // words by which the student's submissions are known
}

// enrol returns the students, sorted by their IDs, with their submissions.
func enrol(o Options) ([]Student, error) {
	entries, err := submissionsIn(o.Submissions)
	if err != nil {
		return nil, err
	}
	if o.Roster == "" {
		return withoutRoster(entries)
	}
	students, err := readRoster(o.Roster)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, entry := range entries {
		errs = append(errs, assign(students, entry))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("%w\n(a submission is named for its student: its name has a word of the student's row in %s)", err, o.Roster)
	}
	return sorted(students)
}

// submissionsIn lists what may be a submission.
func submissionsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("the submissions: %w", err)
	}
	var names []string
	for _, e := range entries {
		isZip := e.Type().IsRegular() && strings.EqualFold(filepath.Ext(e.Name()), ".zip")
		if !strings.HasPrefix(e.Name(), ".") && (e.IsDir() || isZip) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no submission in %s: a submission is a folder or a zip file", dir)
	}
	return names, nil
}

func withoutRoster(entries []string) ([]Student, error) {
	var students []Student
	for _, entry := range entries {
		students = append(students, Student{ID: stem(entry), Submissions: []string{entry}})
	}
	return sorted(students)
}

// stem returns the name without ".zip".
func stem(entry string) string {
	if ext := filepath.Ext(entry); strings.EqualFold(ext, ".zip") {
		return strings.TrimSuffix(entry, ext)
	}
	return entry
}

// sorted sorts students, and refuses two whose files would have one name.
func sorted(students []Student) ([]Student, error) {
	slices.SortFunc(students, func(a, b Student) int { return strings.Compare(a.ID, b.ID) })
	seen := map[string]string{}
	for _, s := range students {
		name := strings.ToLower(fileName(s.ID))
		if other, ok := seen[name]; ok {
			return nil, fmt.Errorf("two students are called %q and %q: IDs must differ in more than case and punctuation", other, s.ID)
		}
		seen[name] = s.ID
	}
	return students, nil
}

// readRoster reads the list of students: a CSV file whose first row names its
// columns. One of them is id; name is shown in the grade book. The words of all
// columns tell which submissions are whose.
func readRoster(file string) ([]Student, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("the roster: %w", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.TrimLeadingSpace = true
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("the roster: %s: %w", file, err)
	}
	if len(rows) < 2 {
		return nil, fmt.Errorf("the roster: %s has no students: the first row names the columns, the others are students", file)
	}
	rows[0][0] = strings.TrimPrefix(rows[0][0], "\ufeff") // as spreadsheets write it
	id, name := column(rows[0], "id"), column(rows[0], "name")
	if id < 0 {
		return nil, fmt.Errorf("the roster: %s: no column is called id; there are: %s", file, strings.Join(rows[0], ", "))
	}
	var students []Student
	for n, row := range rows[1:] {
		s := Student{ID: strings.TrimSpace(row[id]), Submissions: []string{}}
		if s.ID == "" {
			return nil, fmt.Errorf("the roster: %s: row %d has no id", file, n+2)
		}
		if name >= 0 {
			s.Name = strings.TrimSpace(row[name])
		}
		for _, cell := range row {
			s.keys = append(s.keys, words(cell))
		}
		students = append(students, s)
	}
	return students, nil
}

func column(header []string, name string) int {
	return slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), name) })
}

// words returns a text in lower case with one space between words, and around
// them: " ada lovelace ".
func words(text string) string {
	fields := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return " " + strings.Join(fields, " ") + " "
}

// assign gives a submission to the one student whom its name names. "ada-l" names
// the student ada-l, and not ada as well.
func assign(students []Student, entry string) error {
	text := words(stem(entry))
	fits := map[int][]string{} // by student, the keys that stand in the name
	for i := range students {
		for _, key := range students[i].keys {
			if strings.TrimSpace(key) != "" && strings.Contains(text, key) {
				fits[i] = append(fits[i], key)
			}
		}
	}
	var owners []int
	for i, keys := range fits {
		if !covered(keys, i, fits) {
			owners = append(owners, i)
		}
	}
	switch len(owners) {
	case 0:
		return fmt.Errorf("%s: whose is it? No student of the roster fits", entry)
	case 1:
		s := &students[owners[0]]
		s.Submissions = append(s.Submissions, entry)
		return nil
	}
	return fmt.Errorf("%s: whose is it? More than one student fits", entry)
}

// covered reports whether all keys are part of longer ones of other students.
func covered(keys []string, owner int, fits map[int][]string) bool {
	part := func(key string) bool {
		for i, others := range fits {
			if i != owner && slices.ContainsFunc(others, func(k string) bool { return len(k) > len(key) && strings.Contains(k, key) }) {
				return true
			}
		}
		return false
	}
	return !slices.ContainsFunc(keys, func(key string) bool { return !part(key) })
}

// part returns the students of a shard: every n-th.
func part(students []Student, s shard.Shard) []Student {
	var mine []Student
	for i, student := range students {
		if s.Has(i) {
			mine = append(mine, student)
		}
	}
	return mine
}

func ids(students []Student) []string {
	list := make([]string, len(students))
	for i, s := range students {
		list[i] = s.ID
	}
	return list
}

// fileName returns an ID made fit to be the name of a file.
func fileName(id string) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.@+ ", r) {
			return r
		}
		return '_'
	}, id)
	if strings.HasPrefix(name, ".") {
		name = "_" + name
	}
	return name
}
