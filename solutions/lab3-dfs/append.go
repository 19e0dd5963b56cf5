package dfs

import "context"

// Append adds a record to the end of a file, atomically and at least once (§3.3):
// when it returns an offset, the record is there whole. It may be there a second
// time if an earlier try failed half-way. The offset is the store's choice; between
// records there may be zeros, because a record never crosses the end of a chunk.
// Errors: ErrTooLong, fs.ErrNotExist, ErrBusy while somebody writes the file.
func (c *Client) Append(ctx context.Context, path string, record []byte) (offset int64, err error) {
	return 0, todo("3D", "Append")
}
