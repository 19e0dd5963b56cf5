package publish

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A course is the course's own repository as it is to be published.
type course struct {
	files    Files
	revision string // of HEAD
	seconds  int64  // of its date, since 1970
}

// readCourse reads the files that git tracks.
func readCourse(ctx context.Context, g git, dirty bool) (*course, error) {
	head, err := g.run(ctx, nil, "log", "-1", "--format=%h %ct")
	if err != nil {
		return nil, fmt.Errorf("the course's tree must be a git repository with a commit: %w", err)
	}
	c := &course{files: Files{}}
	if _, err := fmt.Sscan(head, &c.revision, &c.seconds); err != nil {
		return nil, fmt.Errorf("git log: %q: %w", head, err)
	}
	changes, err := g.run(ctx, nil, "status", "--porcelain", "--untracked-files=no")
	switch {
	case err != nil:
		return nil, err
	case changes != "" && !dirty:
		return nil, fmt.Errorf("there are changes that are not committed; commit them, or publish them with --dirty:\n%s", strings.TrimRight(changes, "\n"))
	case changes != "":
		c.revision += " with changes"
	}
	list, err := g.run(ctx, nil, "ls-files", "-z", "--stage")
	if err != nil {
		return nil, err
	}
	for entry := range strings.SplitSeq(strings.TrimRight(list, "\x00"), "\x00") {
		if err := c.read(g.dir, entry); err != nil {
			return nil, err
		}
	}
	if dirty {
		return c, c.readNew(ctx, g)
	}
	return c, nil
}

// readNew reads the files that git does not track yet.
func (c *course) readNew(ctx context.Context, g git) error {
	list, err := g.run(ctx, nil, "ls-files", "-z", "--others", "--exclude-standard")
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimRight(list, "\x00"), "\x00") {
		if name == "" || strings.HasSuffix(name, "/") { // another repository
			continue
		}
		if err := c.read(g.dir, "100644\t"+name); err != nil {
			return err
		}
	}
	return nil
}

// read reads one file, listed as "MODE HASH STAGE\tNAME".
func (c *course) read(root, entry string) error {
	about, name, ok := strings.Cut(entry, "\t")
	mode, err := strconv.ParseUint(strings.SplitN(about, " ", 2)[0], 8, 32)
	if !ok || err != nil {
		return fmt.Errorf("git ls-files: cannot read %q", entry)
	}
	if mode&0o170000 != 0o100000 {
		return fmt.Errorf("%s is a link or a submodule: only plain files are published", name)
	}
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if os.IsNotExist(err) { // Deleted, and not committed: --dirty.
		return nil
	}
	c.files[name] = File{Text: text, Executable: mode&0o111 != 0}
	return err
}
