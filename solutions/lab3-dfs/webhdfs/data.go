package webhdfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"

	dfs "distsys/lab3-dfs"
)

// redirectOpen sends a reader to the data port, if there is something to read.
func (g *Gateway) redirectOpen(w http.ResponseWriter, r *request) error {
	ctx, cancel := r.ask()
	defer cancel()
	if _, err := r.number("offset", 0); err != nil {
		return err
	}
	if _, err := r.number("length", 0); err != nil {
		return err
	}
	if _, err := g.file(ctx, r.path); err != nil {
		return err
	}
	return g.redirect(w, r)
}

// file describes a file. A directory is an error.
func (g *Gateway) file(ctx context.Context, path string) (dfs.FileInfo, error) {
	info, err := g.store.Stat(ctx, path)
	if err == nil && info.IsDir {
		err = &exception{http.StatusNotFound, "FileNotFoundException", "Path is not a file: " + path}
	}
	return info, err
}

// redirect sends the client to the data port. With noredirect=true it only says
// where that is.
func (g *Gateway) redirect(w http.ResponseWriter, r *request) error {
	stay, err := r.flag("noredirect")
	if err != nil {
		return err
	}
	settle(r.Request)
	to := g.location(r)
	if stay {
		return reply(w, http.StatusOK, map[string]string{"Location": to})
	}
	w.Header().Set("Location", to)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusTemporaryRedirect)
	return nil
}

// open sends a file, or a part of it. When the store fails half-way the connection
// is cut, so that the client does not take a part for the whole.
func (g *Gateway) open(w http.ResponseWriter, r *request) error {
	offset, err := r.number("offset", 0)
	if err != nil {
		return err
	}
	if _, err := g.file(r.Context(), r.path); err != nil {
		return err
	}
	f, err := g.store.Open(r.Context(), r.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if offset > f.Size() {
		return &exception{http.StatusForbidden, "IOException", fmt.Sprintf("Offset=%d out of the range [0, %d]; OPEN, path=%s", offset, f.Size(), r.path)}
	}
	length, err := r.number("length", f.Size()-offset)
	if err != nil {
		return err
	}
	length = min(length, f.Size()-offset)
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := io.CopyN(w, f, length); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// mayCreate returns an error when a file cannot be made because of what is there.
func (g *Gateway) mayCreate(ctx context.Context, r *request) (overwrite bool, err error) {
	if overwrite, err = r.flag("overwrite"); err != nil {
		return false, err
	}
	info, err := g.store.Stat(ctx, r.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return overwrite, nil
	case err != nil:
		return false, err
	case info.IsDir:
		return false, &exception{http.StatusForbidden, "FileAlreadyExistsException", r.path + " already exists as a directory"}
	case !overwrite:
		return false, &exception{http.StatusForbidden, "FileAlreadyExistsException", r.path + " already exists, and overwrite is not true"}
	}
	return true, nil
}

// redirectCreate sends a writer to the data port, unless it would be refused there.
func (g *Gateway) redirectCreate(w http.ResponseWriter, r *request) error {
	ctx, cancel := r.ask()
	defer cancel()
	if _, err := g.mayCreate(ctx, r); err != nil {
		return err
	}
	return g.redirect(w, r)
}

// create writes a new file. It comes under a name of its own first, so that a body
// that ends too early leaves nothing behind and an old file as it was.
func (g *Gateway) create(w http.ResponseWriter, r *request) error {
	ctx := r.Context()
	overwrite, err := g.mayCreate(ctx, r)
	if err != nil {
		return err
	}
	if err := g.store.MkdirAll(ctx, path.Dir(path.Clean(r.path))); err != nil {
		return err
	}
	if err := Put(ctx, g.store, g.cfg, r.path, r.Body, overwrite); err != nil {
		return err
	}
	u := url.URL{Scheme: "webhdfs", Host: r.Host, Path: r.path}
	w.Header().Set("Location", u.String())
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// Put makes a file of what is read. Until it is whole it has another name, in the
// same directory. With overwrite it takes the place of a file that is there. The
// configuration is that of the client; the error is a [*ChunkSizeError], and nothing
// has been read, when the store has another.
func Put(ctx context.Context, store *dfs.Client, cfg dfs.Config, name string, from io.Reader, overwrite bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	temp := path.Join(path.Dir(path.Clean(name)), "._COPYING_."+strconv.FormatInt(time.Now().UnixNano(), 36))
	to, err := store.Create(ctx, temp)
	if err != nil {
		return err
	}
	if info, err := store.Stat(ctx, temp); err == nil && info.ChunkSize != cfg.WithDefaults().ChunkSize {
		giveUp(store, temp)
		return &ChunkSizeError{Store: info.ChunkSize, Client: cfg.WithDefaults().ChunkSize}
	}
	_, err = io.CopyBuffer(onlyWriter{to}, onlyReader{from}, make([]byte, 1<<20))
	if err == nil {
		err = to.Close()
	} else {
		cancel() // so that what is there is not taken for a whole file
		to.Close()
		err = fmt.Errorf("the data for %s ended early: %w", name, err)
	}
	if err == nil && overwrite {
		if err = store.Remove(ctx, name); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = store.Rename(ctx, temp, name)
	}
	if err != nil {
		giveUp(store, temp)
	}
	return err
}

// A ChunkSizeError is returned when a client would cut a file into chunks of another
// size than the store has.
type ChunkSizeError struct{ Store, Client int64 } // bytes

func (e *ChunkSizeError) Error() string {
	return fmt.Sprintf("the store has chunks of %d bytes, and this client would write %d: start it with -D dfs.blocksize=%d", e.Store, e.Client, e.Store)
}

// giveUp removes a file that will not be whole, also for a client that has gone.
func giveUp(store *dfs.Client, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	store.Remove(ctx, name)
}

// These hide WriterTo and ReaderFrom, so that pieces have the size of the buffer.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

// append adds bytes to a file by record appends. One gateway appends to a file one
// after another, in pieces that fit into the chunk, so that the file gets exactly
// these bytes - unless another appender comes between, or a record comes twice
// because a server failed. Both are noticed, and an error.
func (g *Gateway) append(w http.ResponseWriter, r *request) error {
	ctx := r.Context()
	unlock, err := g.appends.lock(ctx, path.Clean(r.path))
	if err != nil {
		return err
	}
	defer unlock()
	info, err := g.file(ctx, r.path)
	if err != nil {
		return err
	}
	buffer := make([]byte, min(g.cfg.MaxRecord(), 4<<20))
	for size := info.Size; ; {
		room := info.ChunkSize - size%info.ChunkSize
		n, err := io.ReadFull(r.Body, buffer[:min(room, int64(len(buffer)))])
		if n > 0 {
			if err := g.appendPiece(ctx, r.path, buffer[:n], size); err != nil {
				return err
			}
			size += int64(n)
		}
		switch {
		case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF) && r.complete(size-info.Size):
			w.Header().Set("Content-Length", "0")
			w.WriteHeader(http.StatusOK)
			return nil
		case err != nil:
			return fmt.Errorf("the data for %s ended after %d bytes, which are there now: %w", r.path, size-info.Size, err)
		}
	}
}

// complete tells the end of a body from a body that was cut: ReadFull says the same
// of both.
func (r *request) complete(n int64) bool {
	if r.ContentLength >= 0 {
		return n == r.ContentLength
	}
	_, err := r.Body.Read(make([]byte, 1))
	return err == io.EOF
}

func (g *Gateway) appendPiece(ctx context.Context, path string, data []byte, size int64) error {
	at, err := g.store.Append(ctx, path, data)
	if err == nil && at != size {
		err = fmt.Errorf("append to %s: the data is at byte %d instead of %d: somebody else appends, or a server failed and it is there twice", path, at, size)
	}
	return err
}
