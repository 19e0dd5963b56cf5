package dfs

import (
	"context"
	crand "crypto/rand"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net/rpc"
	"slices"
	"sync"
	"time"
)

// A Client uses a store as an [os.File] and its kin use a disk. Its methods may
// be called from several goroutines. Every path is absolute. Errors are
// [*fs.PathError] and can be told apart with errors.Is.
//
// When a machine does not answer, a method tries again until its context ends; a
// context without deadline lets it try for ever.
type Client struct {
	cfg    Config
	master string
	peers  *peers
	name   string // unlike that of any other client

	mu       sync.Mutex
	suspects map[string]time.Time // chunkservers that did not answer, and when
}

// NewClient returns a client of the store whose master has that address. It
// connects when it has to.
func NewClient(master string, cfg Config) *Client {
	cfg = cfg.WithDefaults()
	return &Client{cfg: cfg, master: master, peers: newPeers(cfg), name: crand.Text(), suspects: map[string]time.Time{}}
}

// Close ends the client's connections. Readers and writers fail from then on.
func (c *Client) Close() error {
	c.peers.close()
	return nil
}

// Mkdir makes a directory. Its parent must be there. Errors: fs.ErrExist,
// fs.ErrNotExist, fs.ErrInvalid, ErrNotDir. If the master's answer is lost and the
// request is sent again, the error may be fs.ErrExist although this call made the
// directory; likewise fs.ErrNotExist of Rename and Remove.
func (c *Client) Mkdir(ctx context.Context, path string) error {
	return c.ask(ctx, "mkdir", path, "Master.Mkdir", &MkdirArgs{Path: path}, new(Nothing))
}

// MkdirAll makes a directory and all its parents that are missing. A directory
// that is there is no error.
func (c *Client) MkdirAll(ctx context.Context, path string) error {
	return c.ask(ctx, "mkdir", path, "Master.Mkdir", &MkdirArgs{Path: path, Parents: true}, new(Nothing))
}

// Create makes a file, which must not be there yet, and returns a writer for its
// content. Others see the file at once, and its content as it comes; it is
// complete once the writer is closed.
func (c *Client) Create(ctx context.Context, path string) (*Writer, error) {
	file := new(FileInfo)
	args := &CreateArgs{Path: path, Writer: c.name + "/" + crand.Text()}
	if err := c.ask(ctx, "create", path, "Master.Create", args, file); err != nil {
		return nil, err
	}
	return newWriter(ctx, c, path, file.ID), nil
}

// Open returns a reader of a file's content as it is now.
func (c *Client) Open(ctx context.Context, path string) (*Reader, error) {
	reply := new(ChunksReply)
	if err := c.ask(ctx, "open", path, "Master.Chunks", &ChunksArgs{Path: path}, reply); err != nil {
		return nil, err
	}
	return newReader(ctx, c, path, reply)
}

// List returns what is in a directory, by name. Of a file it returns the file
// itself.
func (c *Client) List(ctx context.Context, path string) ([]FileInfo, error) {
	reply := new(ListReply)
	err := c.ask(ctx, "list", path, "Master.List", &PathArgs{path}, reply)
	return reply.Files, err
}

// Stat describes a file or directory. The size of a file that is being written or
// appended to counts what its replicas have.
func (c *Client) Stat(ctx context.Context, path string) (FileInfo, error) {
	info := new(FileInfo)
	if err := c.ask(ctx, "stat", path, "Master.Stat", &PathArgs{path}, info); err != nil {
		return FileInfo{}, err
	}
	if info.IsDir {
		return *info, nil
	}
	r, err := c.Open(ctx, path)
	if err != nil {
		return FileInfo{}, err
	}
	info.Size = r.Size()
	return *info, r.Close()
}

// Chunks returns the chunks of a file in order, and where they are.
func (c *Client) Chunks(ctx context.Context, path string) ([]ChunkInfo, error) {
	reply := new(ChunksReply)
	err := c.ask(ctx, "chunks", path, "Master.Chunks", &ChunksArgs{Path: path, Count: 1 << 30}, reply)
	return reply.Chunks, err
}

// Rename gives a file or a directory another name, which must be free. Errors:
// fs.ErrNotExist, fs.ErrExist, fs.ErrInvalid when a directory would go into itself.
func (c *Client) Rename(ctx context.Context, oldPath, newPath string) error {
	return c.ask(ctx, "rename", oldPath, "Master.Rename", &RenameArgs{Old: oldPath, New: newPath}, new(Nothing))
}

// Remove removes a file or an empty directory. Errors: fs.ErrNotExist,
// ErrNotEmpty.
func (c *Client) Remove(ctx context.Context, path string) error {
	return c.ask(ctx, "remove", path, "Master.Remove", &RemoveArgs{Path: path}, new(Nothing))
}

// RemoveAll removes a file or a directory with all that is in it. It is content
// when there is none.
func (c *Client) RemoveAll(ctx context.Context, path string) error {
	return c.ask(ctx, "remove", path, "Master.Remove", &RemoveArgs{Path: path, Recursive: true}, new(Nothing))
}

// retryPause is how long a client waits before it tries again.
const retryPause = 200 * time.Millisecond

// ask calls the master until it answers.
func (c *Client) ask(ctx context.Context, op, path, method string, args, reply any) error {
	err := c.retry(ctx, func() error { return c.peers.call(ctx, c.master, method, args, reply) })
	if err != nil {
		return pathError(op, path, err)
	}
	return nil
}

// retry tries until an answer comes, be it an error, or the context ends.
func (c *Client) retry(ctx context.Context, try func() error) error {
	for {
		err := try()
		if !passes(err) {
			return err
		}
		if sleep(ctx, retryPause) != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// passes reports whether trying again may help: nobody answered, or the answer
// was that.
func passes(err error) bool {
	var answered rpc.ServerError
	var known *wireError
	switch {
	case err == nil, errors.Is(err, fs.ErrClosed):
		return false
	case errors.As(err, &known):
		return errors.Is(err, ErrBusy) || errors.Is(err, ErrStopped)
	}
	return !errors.As(err, &answered)
}

// sleep waits, or returns the error of a context that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// inOrder returns addresses in a random order, to spread the load; those that did
// not answer lately come last.
func (c *Client) inOrder(addrs []string) []string {
	addrs = slices.Clone(addrs)
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	c.mu.Lock()
	defer c.mu.Unlock()
	suspect := func(addr string) int {
		if t, ok := c.suspects[addr]; ok && time.Since(t) < c.cfg.DeadAfter {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(addrs, func(a, b string) int { return suspect(a) - suspect(b) })
	return addrs
}

// suspect remembers whether a chunkserver answered.
func (c *Client) suspect(addr string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var answered rpc.ServerError
	var known *wireError
	if err == nil || errors.As(err, &answered) || errors.As(err, &known) {
		delete(c.suspects, addr)
	} else {
		c.suspects[addr] = time.Now()
	}
}
