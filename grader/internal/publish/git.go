package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// git runs git commands in a folder.
type git struct{ dir string }

// run returns what the command prints. What git says of a failure is in the
// error.
func (g git) run(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = g.dir
	cmd.Env = environment()
	cmd.Stdin = stdin
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// environment leaves out what would make git work on another repository.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}, name)
	})
}

// mark is the name of the setting by which a published repository is known.
const mark = "distsys.published"

// openRepository returns the repository to publish to. A folder that is there
// must be empty, or have been published to before. A new one goes on with the
// history at from.
func openRepository(ctx context.Context, dir, from string) (git, error) {
	g := git{dir: dir}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return g, err
	}
	if len(entries) == 0 {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return g, err
		}
		if _, err := g.run(ctx, nil, "init", "--quiet", "--initial-branch=main"); err != nil {
			return g, err
		}
		if _, err := g.run(ctx, nil, "config", mark, "true"); err != nil {
			return g, err
		}
		return g, g.fetch(ctx, from)
	}
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		if value, err := g.run(ctx, nil, "config", "--local", mark); err == nil && strings.TrimSpace(value) == "true" {
			return g, nil
		}
	}
	return g, fmt.Errorf("%s is neither empty nor a repository that was published to before", dir)
}

// fetch gets the branches that are at a URL.
func (g git) fetch(ctx context.Context, url string) error {
	if url == "" {
		return nil
	}
	_, err := g.run(ctx, nil, "fetch", "--quiet", "--update-head-ok", absolute(url), "+refs/heads/*:refs/heads/*")
	return err
}

// A commit is one to be made on a branch.
type commit struct {
	branch  string
	onto    string // another branch that it has as a parent; "" is none
	message string
	files   Files
	seconds int64
}

// commit makes a commit unless the branch has these very files already. It
// reports whether it did.
func (g git) commit(ctx context.Context, c commit) (bool, error) {
	const draft = "refs/distsys/draft"
	parents := g.parents(ctx, c)
	stream, err := g.stream(ctx, draft, c, parents)
	if err != nil {
		return false, err
	}
	if _, err := g.run(ctx, stream, "fast-import", "--quiet", "--force", "--date-format=raw"); err != nil {
		return false, err
	}
	defer g.run(ctx, nil, "update-ref", "-d", draft)
	if g.id(ctx, draft+"^{tree}") == g.id(ctx, "refs/heads/"+c.branch+"^{tree}") {
		return false, nil
	}
	_, err = g.run(ctx, nil, "update-ref", "refs/heads/"+c.branch, draft)
	return err == nil, err
}

// parents returns the commit before, and the one to build onto unless it is in
// there.
func (g git) parents(ctx context.Context, c commit) []string {
	var parents []string
	before := g.id(ctx, "refs/heads/"+c.branch)
	if before != "" {
		parents = append(parents, before)
	}
	if c.onto != "" {
		onto := g.id(ctx, "refs/heads/"+c.onto)
		if _, err := g.run(ctx, nil, "merge-base", "--is-ancestor", onto, before); before == "" || err != nil {
			parents = append(parents, onto)
		}
	}
	return parents
}

// id returns the name of an object, or "" when there is none.
func (g git) id(ctx context.Context, rev string) string {
	id, err := g.run(ctx, nil, "rev-parse", "--verify", "--quiet", rev)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(id)
}

// stream writes the commit in the language of git fast-import.
func (g git) stream(ctx context.Context, ref string, c commit, parents []string) (io.Reader, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "feature done\nreset %s\n\ncommit %[1]s\ncommitter %s %d +0000\n", ref, g.committer(ctx), c.seconds)
	writeData(&b, []byte(c.message))
	for i, p := range parents {
		fmt.Fprintf(&b, "%s %s\n", []string{"from", "merge"}[min(i, 1)], p)
	}
	b.WriteString("deleteall\n")
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		if strings.ContainsAny(name, "\n\"") {
			return nil, fmt.Errorf("the name %q cannot be published", name)
		}
		mode := "100644"
		if c.files[name].Executable {
			mode = "100755"
		}
		fmt.Fprintf(&b, "M %s inline %s\n", mode, name)
		writeData(&b, c.files[name].Text)
	}
	b.WriteString("done\n")
	return &b, nil
}

func writeData(b *bytes.Buffer, data []byte) {
	fmt.Fprintf(b, "data %d\n", len(data))
	b.Write(data)
	b.WriteByte('\n')
}

// committer returns "NAME <EMAIL>" of whoever publishes.
func (g git) committer(ctx context.Context) string {
	ident, err := g.run(ctx, nil, "var", "GIT_COMMITTER_IDENT")
	if end := strings.LastIndexByte(ident, '>'); err == nil && end > 0 {
		return ident[:end+1]
	}
	return "Course staff <staff@localhost>"
}

// checkOut makes the folder show a branch. What somebody changed there by hand
// is lost.
func (g git) checkOut(ctx context.Context, branch string) error {
	_, err := g.run(ctx, nil, "checkout", "--quiet", "--force", branch)
	return err
}
