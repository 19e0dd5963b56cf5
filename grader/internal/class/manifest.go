package class

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"distsys/grader/internal/shard"
)

// A manifest says what class a folder is about.
type manifest struct {
	Way      string        `json:"way"`      // digest of how it is graded
	Shards   []shard.Shard `json:"shards"`   // what was graded here
	Students []string      `json:"students"` // IDs of the whole class, sorted
	Labs     []labColumns  `json:"labs"`
}

// begin makes the folder of a class.
func begin(out string, m manifest) error {
	for _, dir := range []string{gradesDir, feedbackDir} {
		if err := os.MkdirAll(filepath.Join(out, dir), 0o755); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(out, manifestFile), append(data, '\n'))
}

func readManifest(out string) (*manifest, error) {
	data, err := os.ReadFile(filepath.Join(out, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not the folder of a class: it has no %s", out, manifestFile)
	}
	if err != nil {
		return nil, err
	}
	m := &manifest{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(out, manifestFile), err)
	}
	return m, nil
}

// Merge joins the folders of shards in one folder. All must be of one class,
// graded in the same way, and together they must have every student.
func Merge(out string, shards []string) error {
	var all manifest
	for i, dir := range shards {
		m, err := readManifest(dir)
		if err != nil {
			return err
		}
		switch {
		case i == 0:
			all = manifest{Way: m.Way, Students: m.Students, Labs: m.Labs}
		case m.Way != all.Way:
			return fmt.Errorf("%s and %s were graded in different ways: with other labs, tests, seeds or flags", shards[0], dir)
		case !slices.Equal(m.Students, all.Students):
			return fmt.Errorf("%s and %s are of different classes", shards[0], dir)
		}
		all.Shards = append(all.Shards, m.Shards...)
	}
	from, err := whereGraded(all.Students, shards)
	if err != nil {
		return err
	}
	if err := begin(out, all); err != nil {
		return err
	}
	for _, id := range all.Students {
		r := readRecord(recordFile(from[id], id))
		if err := errors.Join(r.write(out), writeFeedback(out, r)); err != nil {
			return err
		}
	}
	return writeBook(out)
}

// whereGraded returns for each student a shard with the grade.
func whereGraded(students, shards []string) (map[string]string, error) {
	from := map[string]string{}
	var missing []string
	for _, id := range students {
		for _, dir := range shards {
			if readRecord(recordFile(dir, id)) != nil {
				from[id] = dir
			}
		}
		if from[id] == "" {
			missing = append(missing, id)
		}
	}
	if missing != nil {
		return nil, fmt.Errorf("no shard has the grades of %s", strings.Join(missing, ", "))
	}
	return from, nil
}
