package dfs

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
)

// A Writer writes a new file from its beginning to its end. What was written is
// safe once Close has returned nil. A Writer is used by one goroutine at a time.
type Writer struct {
	c    *Client
	path string
	file FileID
	ctx  context.Context
	end  context.CancelFunc

	buffer []byte // not sent yet, less than a piece
	size   int64  // bytes written, with those
	index  int    // of the present chunk
	chunk  *chunkWriter
	last   []string // servers that have the chunk before
	closed bool
	err    error // the first that occurred
}

// A chunkWriter writes one chunk to a chain of servers.
type chunkWriter struct {
	w      *Writer
	info   ChunkInfo
	window chan struct{} // has room for the pieces that may be under way
	tasks  sync.WaitGroup

	mu    sync.Mutex
	sent  int64    // bytes
	have  bool     // a piece arrived: the chain cannot be replaced any more
	chain []string // servers that have not failed
	bad   []string // servers that have
	tries int      // how often the chain was replaced
	err   error
}

// writeAhead is how many pieces are under way at the same time.
const writeAhead = 3

func newWriter(ctx context.Context, c *Client, path string, file FileID) *Writer {
	w := &Writer{c: c, path: path, file: file}
	w.ctx, w.end = context.WithCancel(ctx)
	return w
}

// Write adds bytes to the file. It may return before they are on any disk; an
// error may come with a later Write, or with Close.
func (w *Writer) Write(p []byte) (n int, err error) {
	if w.closed {
		return 0, pathError("write", w.path, fs.ErrClosed)
	}
	for n < len(p) && w.err == nil {
		// TODO(3A): fill the buffer and send it as a piece (see flush) when it has
		// PieceSize bytes, or ends where the chunk ends.
		w.fail(todo("3A", "Write: cut the bytes into pieces and chunks"))
	}
	if w.err != nil {
		return n, pathError("write", w.path, w.err)
	}
	return n, nil
}

// fail remembers the first error.
func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// flush sends what is in the buffer, and ends the chunk when it is full.
func (w *Writer) flush() error {
	if len(w.buffer) == 0 {
		return nil
	}
	if w.chunk == nil {
		var err error
		if w.chunk, err = w.newChunk(); err != nil {
			return err
		}
	}
	err := w.chunk.send(w.buffer)
	w.buffer = nil
	if err == nil && w.chunk.sent == w.c.cfg.ChunkSize {
		err = w.endChunk()
	}
	return err
}

// newChunk asks the master for the next chunk.
func (w *Writer) newChunk() (*chunkWriter, error) {
	cw := &chunkWriter{w: w, window: make(chan struct{}, writeAhead)}
	var err error
	cw.info, err = w.place(nil)
	cw.chain = cw.info.Servers
	return cw, err
}

// place asks the master for the present chunk, and servers for it.
func (w *Writer) place(avoid []string) (info ChunkInfo, err error) {
	err = w.c.retry(w.ctx, func() error {
		info = ChunkInfo{}
		args := &AddChunkArgs{File: w.file, Index: w.index, Servers: w.last, Avoid: avoid}
		return w.c.peers.call(w.ctx, w.c.master, "Master.AddChunk", args, &info)
	})
	return info, err
}

// endChunk has the servers seal the present chunk.
func (w *Writer) endChunk() error {
	cw := w.chunk
	if err := cw.seal(); err != nil {
		return err
	}
	w.last, w.chunk = cw.chain, nil
	w.index++
	return nil
}

// Close waits until everything is on the disks of enough chunkservers, and
// completes the file. When it returns an error, what was written may be there in
// part.
func (w *Writer) Close() error {
	if w.closed {
		return pathError("close", w.path, fs.ErrClosed)
	}
	w.closed = true
	defer w.end()
	if w.err == nil {
		w.fail(w.flush())
	}
	if w.chunk != nil {
		if w.err == nil {
			w.fail(w.endChunk())
		} else {
			w.end()
			w.chunk.tasks.Wait()
		}
	}
	if w.err != nil {
		return pathError("close", w.path, w.err)
	}
	args := &CompleteArgs{File: w.file, Size: w.size, Servers: w.last}
	return w.c.ask(w.ctx, "close", w.path, "Master.Complete", args, new(Nothing))
}

// send sends a piece, which is the next of the chunk. It waits only while too many
// pieces are under way. The caller leaves the data alone.
func (cw *chunkWriter) send(data []byte) error {
	select {
	case cw.window <- struct{}{}:
	case <-cw.w.ctx.Done():
		return cw.w.ctx.Err()
	}
	cw.mu.Lock()
	off, err := cw.sent, cw.err
	cw.sent += int64(len(data))
	cw.mu.Unlock()
	if err != nil {
		<-cw.window
		return err
	}
	cw.tasks.Go(func() {
		cw.reachAll("ChunkServer.Write", func(next []string) any {
			return &WriteArgs{ID: cw.info.ID, Version: cw.info.Version, Offset: off, Data: data, Next: next}
		})
		<-cw.window
	})
	return nil
}

// seal waits for the pieces, and has the chunk sealed.
func (cw *chunkWriter) seal() error {
	cw.tasks.Wait()
	if cw.err == nil {
		cw.reachAll("ChunkServer.Seal", func(next []string) any {
			return &SealArgs{ID: cw.info.ID, Version: cw.info.Version, Length: cw.sent, Next: next}
		})
	}
	return cw.err
}

// reachAll calls a method of all servers of the chain, through the first, until
// all those that have not failed have done it.
func (cw *chunkWriter) reachAll(method string, args func(next []string) any) {
	for {
		cw.mu.Lock()
		chain, failed := slices.Clone(cw.chain), cw.err != nil
		cw.mu.Unlock()
		if failed || len(chain) == 0 {
			return
		}
		reply := new(ChainReply)
		err := cw.call(chain, method, args(chain[1:]), reply)
		switch {
		case err == nil && reply.Failed == "":
			if cw.arrived(chain) {
				return
			}
		case err != nil:
			cw.lost(chain[0], err)
		default:
			cw.lost(reply.Failed, remoteError(errors.New(reply.Reason)))
		}
	}
}

// arrived notes that these servers have done it, and reports whether they are all
// of the chain, which may have been replaced meanwhile.
func (cw *chunkWriter) arrived(servers []string) bool {
	cw.mu.Lock()
	defer cw.mu.Unlock()
	for _, addr := range cw.chain {
		if !slices.Contains(servers, addr) {
			return false
		}
	}
	cw.have = true
	return true
}

func (cw *chunkWriter) call(chain []string, method string, args, reply any) error {
	ctx, cancel := context.WithTimeout(cw.w.ctx, chainTime(cw.w.c.cfg, len(chain)))
	defer cancel()
	return cw.w.c.peers.call(ctx, chain[0], method, args, reply)
}

// lost goes on without a server that failed. Pieces that arrived are on all the
// others; those that did not are sent again, to the others.
func (cw *chunkWriter) lost(addr string, why error) {
	// TODO(3B): take the server out of the chain. If no piece has arrived yet, the
	// master may know a better chain (see replace). When nobody is left, the chunk
	// has failed.
	if len(cw.info.Servers) > 1 {
		why = errors.Join(todo("3B", "lost: go on without a server that failed"), why)
	}
	cw.mu.Lock()
	cw.err = why
	cw.mu.Unlock()
}
