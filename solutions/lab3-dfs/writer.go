package dfs

import "context"

// A Writer writes a new file from its beginning to its end. What was written is
// safe once Close has returned nil.
type Writer struct{}

func newWriter(ctx context.Context, c *Client, path string, file FileID) *Writer { return &Writer{} }

// Write adds bytes to the file. It may return before they are on any disk; an
// error may come with a later Write, or with Close.
func (w *Writer) Write(p []byte) (int, error) { return len(p), nil }

// Close waits until everything is on the disks of enough chunkservers, and
// completes the file.
func (w *Writer) Close() error { return nil }
