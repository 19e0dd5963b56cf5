package class

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A clone reads the commits of a student's repository. The student's .git is
// not to be trusted: its configuration can name programs that git would run. So
// git works in a fresh repository that only borrows the student's objects.
type clone struct {
	dir  string // the fresh repository
	head string // the commit that the student's HEAD means
}

// dated is a commit and its date.
type dated struct {
	id string
	at time.Time
}

var errNoCommit = errors.New("no such commit")

func openClone(ctx context.Context, student, fresh string) (*clone, error) {
	head, err := resolveHead(filepath.Join(student, ".git"))
	if err != nil {
		return nil, err
	}
	objects, err := filepath.Abs(filepath.Join(student, ".git", "objects"))
	if err != nil {
		return nil, err
	}
	g := &clone{dir: fresh, head: head}
	if err := os.MkdirAll(fresh, 0o755); err != nil {
		return nil, err
	}
	if _, err := g.run(ctx, "init", "--quiet", "--bare", "--template=", "."); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(fresh, "objects", "info"), 0o755); err != nil {
		return nil, err
	}
	return g, os.WriteFile(filepath.Join(fresh, "objects", "info", "alternates"), []byte(strconv.Quote(objects)+"\n"), 0o644)
}

var objectName = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

// resolveHead returns the commit that HEAD means.
func resolveHead(gitDir string) (string, error) {
	ref := "HEAD"
	for range 5 {
		text, err := os.ReadFile(filepath.Join(gitDir, filepath.FromSlash(ref)))
		value := strings.TrimSpace(string(text))
		if errors.Is(err, os.ErrNotExist) {
			value, err = packedRef(gitDir, ref)
		}
		if err != nil {
			return "", err
		}
		target, symbolic := strings.CutPrefix(value, "ref: ")
		switch {
		case !symbolic && objectName.MatchString(value):
			return value, nil
		case !symbolic || !filepath.IsLocal(filepath.FromSlash(target)):
			return "", fmt.Errorf(".git/%s cannot be read", ref)
		}
		ref = target
	}
	return "", errors.New(".git/HEAD goes in circles")
}

func packedRef(gitDir, ref string) (string, error) {
	text, err := os.ReadFile(filepath.Join(gitDir, "packed-refs"))
	for line := range strings.Lines(string(text)) {
		if id, name, _ := strings.Cut(strings.TrimSpace(line), " "); name == ref {
			return id, nil
		}
	}
	if err == nil || errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("the repository has no commit on %s", ref)
	}
	return "", err
}

// run returns what a git command prints.
func (g *clone) run(ctx context.Context, args ...string) (string, error) {
	cmd := g.command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// command is git with nothing of the student's, nor the user's, configuration.
func (g *clone) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = g.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_NO_LAZY_FETCH=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
	}
	if args[0] != "init" {
		cmd.Env = append(cmd.Env, "GIT_DIR="+g.dir)
	}
	return cmd
}

// last returns the last commit on HEAD up to a time; the zero time is no bound.
func (g *clone) last(ctx context.Context, until time.Time) (dated, error) {
	args := []string{"rev-list", "--max-count=1", "--no-commit-header", "--format=%H %ct"}
	if !until.IsZero() {
		args = append(args, fmt.Sprintf("--before=%d", until.Unix()))
	}
	out, err := g.run(ctx, append(args, g.head)...)
	if err != nil {
		return dated{}, err
	}
	var d dated
	var seconds int64
	if _, err := fmt.Sscan(out, &d.id, &seconds); err != nil {
		return dated{}, errNoCommit
	}
	d.at = time.Unix(seconds, 0)
	return d, nil
}

// tree returns the files of a commit.
func (g *clone) tree(ctx context.Context, commit string) (*tree, error) {
	out, err := g.run(ctx, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	t := &tree{close: func() error { return nil }}
	for _, line := range strings.Split(strings.TrimRight(out, "\x00"), "\x00") {
		about, name, _ := strings.Cut(line, "\t")
		fields := strings.Fields(about) // mode, type, object
		if len(fields) != 3 || !strings.HasPrefix(fields[0], "100") || !filepath.IsLocal(name) || inLitter(name) {
			continue
		}
		if len(t.entries) == mostEntries {
			return nil, errTooMany
		}
		t.entries = append(t.entries, entry{name, func() (io.ReadCloser, error) { return g.blob(ctx, fields[2]) }})
	}
	return t, nil
}

// blob opens a file that git keeps. Only as much of it is read as is wanted.
func (g *clone) blob(ctx context.Context, id string) (io.ReadCloser, error) {
	cmd := g.command(ctx, "cat-file", "blob", id)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &blob{out, cmd}, nil
}

type blob struct {
	io.Reader
	cmd *exec.Cmd
}

// Close ends git, which may have more to say.
func (b *blob) Close() error {
	b.cmd.Process.Kill()
	b.cmd.Wait()
	return nil
}
