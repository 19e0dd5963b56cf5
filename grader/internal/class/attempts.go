package class

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An attempt is one state of a student's files, staged for grading.
type attempt struct {
	Attempt
	dir string
}

// collect stages what a student handed in. The problem says what could not be
// read, or "".
func (c *class) collect(ctx context.Context, s Student, dir string) (attempts []attempt, problem string) {
	for _, name := range s.Submissions {
		some, err := c.collectOne(ctx, name, filepath.Join(dir, strconv.Itoa(len(attempts))+"-"))
		if err != nil {
			problem = fmt.Sprintf("%s: %v", name, err)
			continue
		}
		attempts = append(attempts, some...)
	}
	if len(s.Submissions) == 0 {
		problem = "nothing was handed in"
	}
	return attempts, problem
}

// collectOne stages one submission. Dir is the beginning of the folders' names.
func (c *class) collectOne(ctx context.Context, name, dir string) ([]attempt, error) {
	at := filepath.Join(c.options.Submissions, name)
	if isClone(at) && c.options.Late.dated() {
		return c.collectCommits(ctx, name, at, dir)
	}
	t, err := openTree(at)
	if err != nil {
		return nil, err
	}
	if zips := onlyZip(t); zips != "" && !c.anything(t) {
		t.close()
		if t, err = openTree(filepath.Join(at, filepath.FromSlash(zips))); err != nil {
			return nil, err
		}
	}
	defer t.close()
	a := attempt{Attempt: Attempt{Submission: name}, dir: dir + "files"}
	return []attempt{a}, c.stage(t, a.dir)
}

// onlyZip returns the path of the one zip file in a folder, or "": that is how
// some learning platforms hand out submissions.
func onlyZip(t *tree) string {
	found := ""
	for _, e := range t.entries {
		if !strings.EqualFold(filepath.Ext(e.path), ".zip") {
			continue
		}
		if found != "" {
			return ""
		}
		found = e.path
	}
	return found
}

// anything reports whether the tree has a file that some lab wants.
func (c *class) anything(t *tree) bool {
	return slices.ContainsFunc(t.entries, func(e entry) bool {
		for _, r := range c.rubrics {
			if slices.Contains(r.Files, canonical(r, filepath.Base(e.path))) {
				return true
			}
		}
		return false
	})
}

func isClone(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, ".git"))
	return err == nil && info.IsDir()
}

// collectCommits stages the commits of a clone that may count.
func (c *class) collectCommits(ctx context.Context, name, at, dir string) ([]attempt, error) {
	g, err := openClone(ctx, at, dir+"git")
	if err != nil {
		return nil, err
	}
	commits, err := c.options.Late.commits(ctx, g)
	if err != nil {
		return nil, err
	}
	var attempts []attempt
	for _, commit := range commits {
		a := attempt{dir: dir + commit.id, Attempt: Attempt{
			Submission: name, Commit: commit.id, Time: commit.at.UTC().Format(time.RFC3339),
			LateDays: c.options.Late.days(commit.at), Penalty: c.options.Late.penalty(commit.at),
		}}
		t, err := g.tree(ctx, commit.id)
		if err != nil {
			return nil, err
		}
		if err := c.stage(t, a.dir); err != nil {
			return nil, err
		}
		attempts = append(attempts, a)
	}
	return attempts, nil
}
