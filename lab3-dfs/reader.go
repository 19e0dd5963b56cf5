package dfs

import (
	"context"
	"io"
)

// A Reader reads a file as it was when it was opened: an [io.Reader],
// [io.ReaderAt], [io.Seeker], [io.WriterTo] and [io.Closer]. ReadAt may be called
// from several goroutines.
type Reader struct {
	size int64
}

func newReader(ctx context.Context, c *Client, path string, first *ChunksReply) (*Reader, error) {
	return nil, todo("3A", "newReader")
}

// Size returns how many bytes the file had when it was opened.
func (r *Reader) Size() int64 { return r.size }

// ReadAt reads as [io.ReaderAt] says. It touches only the chunks that it needs.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) { return 0, io.EOF }

// Read reads on where the last Read or Seek ended.
func (r *Reader) Read(p []byte) (int, error) { return 0, io.EOF }

// Seek sets where the next Read begins.
func (r *Reader) Seek(offset int64, whence int) (int64, error) { return 0, nil }

// Close ends the reader.
func (r *Reader) Close() error { return nil }
