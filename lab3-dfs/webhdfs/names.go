package webhdfs

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"path"
	"strings"

	dfs "distsys/lab3-dfs"
)

// Who owns everything.
const (
	Owner = "dfs"
	Group = "supergroup"
)

// A fileStatus is the FileStatus of WebHDFS. Times are milliseconds since 1970.
type fileStatus struct {
	AccessTime       int64  `json:"accessTime"`
	BlockSize        int64  `json:"blockSize"`
	ChildrenNum      int    `json:"childrenNum"`
	FileID           uint64 `json:"fileId"`
	Group            string `json:"group"`
	Length           int64  `json:"length"`
	ModificationTime int64  `json:"modificationTime"`
	Owner            string `json:"owner"`
	PathSuffix       string `json:"pathSuffix"`
	Permission       string `json:"permission"`
	Replication      int    `json:"replication"`
	StoragePolicy    int    `json:"storagePolicy"`
	Type             string `json:"type"`
}

func describe(info dfs.FileInfo, suffix string, children int) fileStatus {
	s := fileStatus{
		BlockSize: info.ChunkSize, FileID: uint64(info.ID), ChildrenNum: children, Length: info.Size,
		Owner: Owner, Group: Group, PathSuffix: suffix, Permission: "644", Replication: info.Replication, Type: "FILE",
	}
	if info.IsDir {
		s.Permission, s.Type = "755", "DIRECTORY"
	}
	if !info.ModTime.IsZero() {
		s.ModificationTime = info.ModTime.UnixMilli()
		s.AccessTime = s.ModificationTime
	}
	return s
}

func (g *Gateway) fileStatus(w http.ResponseWriter, r *request) error {
	ctx, cancel := r.ask()
	defer cancel()
	info, err := g.store.Stat(ctx, r.path)
	if err != nil {
		return err
	}
	children := 0
	if info.IsDir {
		entries, err := List(ctx, g.store, r.path)
		if err != nil {
			return err
		}
		children = len(entries)
	}
	return reply(w, http.StatusOK, map[string]any{"FileStatus": describe(info, "", children)})
}

// listStatus lists a directory. Of a file it gives the file itself, whose suffix is
// empty.
func (g *Gateway) listStatus(w http.ResponseWriter, r *request) error {
	ctx, cancel := r.ask()
	defer cancel()
	info, err := g.store.Stat(ctx, r.path)
	if err != nil {
		return err
	}
	all := []fileStatus{}
	if !info.IsDir {
		all = append(all, describe(info, "", 0))
	} else {
		entries, err := List(ctx, g.store, r.path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			all = append(all, describe(e, path.Base(e.Path), 0))
		}
	}
	return reply(w, http.StatusOK, map[string]any{"FileStatuses": map[string]any{"FileStatus": all}})
}

// List returns what is in a directory, by name, with the sizes of files that are
// being written or appended to. Of these the master counts only the full chunks,
// and the chunkservers know the rest.
func List(ctx context.Context, store *dfs.Client, path string) ([]dfs.FileInfo, error) {
	entries, err := store.List(ctx, path)
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		if e.IsDir || e.ChunkSize == 0 || e.Size%e.ChunkSize != 0 {
			continue
		}
		if entries[i], err = store.Stat(ctx, e.Path); errors.Is(err, fs.ErrNotExist) {
			entries[i], err = e, nil // just removed
		}
		if err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func (g *Gateway) contentSummary(w http.ResponseWriter, r *request) error {
	ctx, cancel := r.ask()
	defer cancel()
	sum := struct {
		DirectoryCount int   `json:"directoryCount"`
		FileCount      int   `json:"fileCount"`
		Length         int64 `json:"length"`
		Quota          int   `json:"quota"`
		SpaceConsumed  int64 `json:"spaceConsumed"`
		SpaceQuota     int   `json:"spaceQuota"`
	}{Quota: -1, SpaceQuota: -1}
	err := g.walk(ctx, r.path, func(f dfs.FileInfo) {
		if f.IsDir {
			sum.DirectoryCount++
			return
		}
		sum.FileCount++
		sum.Length += f.Size
		sum.SpaceConsumed += f.Size * int64(f.Replication)
	})
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]any{"ContentSummary": sum})
}

// walk visits what a path names and all that is below.
func (g *Gateway) walk(ctx context.Context, path string, visit func(dfs.FileInfo)) error {
	info, err := g.store.Stat(ctx, path)
	if err != nil {
		return err
	}
	return g.descend(ctx, info, visit)
}

func (g *Gateway) descend(ctx context.Context, info dfs.FileInfo, visit func(dfs.FileInfo)) error {
	visit(info)
	if !info.IsDir {
		return nil
	}
	entries, err := List(ctx, g.store, info.Path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := g.descend(ctx, e, visit); err != nil && !errors.Is(err, fs.ErrNotExist) { // just removed
			return err
		}
	}
	return nil
}

func (g *Gateway) homeDirectory(w http.ResponseWriter, r *request) error {
	return reply(w, http.StatusOK, map[string]string{"Path": "/user/" + r.user()})
}

// checkAccess allows everything that exists.
func (g *Gateway) checkAccess(w http.ResponseWriter, r *request) error {
	ctx, cancel := r.ask()
	defer cancel()
	_, err := g.store.Stat(ctx, r.path)
	return err
}

func answer(w http.ResponseWriter, yes bool) error {
	return reply(w, http.StatusOK, map[string]bool{"boolean": yes})
}

func (g *Gateway) mkdirs(w http.ResponseWriter, r *request) error {
	settle(r.Request)
	ctx, cancel := r.ask()
	defer cancel()
	if err := g.store.MkdirAll(ctx, r.path); err != nil {
		return err
	}
	return answer(w, true)
}

// rename answers false, as HDFS does, when there is nothing to rename or the new
// name is taken. Into a directory that is there it moves the file.
func (g *Gateway) rename(w http.ResponseWriter, r *request) error {
	settle(r.Request)
	to, ok := r.value("destination")
	if !ok || !strings.HasPrefix(to, "/") {
		return illegal("Invalid value for webhdfs parameter \"destination\": %s is not an absolute path", quote(to))
	}
	ctx, cancel := r.ask()
	defer cancel()
	if info, err := g.store.Stat(ctx, to); err == nil && info.IsDir && path.Clean(to) != path.Clean(r.path) {
		to = path.Join(to, path.Base(r.path))
	}
	err := g.store.Rename(ctx, r.path, to)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return answer(w, false)
	}
	if err != nil {
		return err
	}
	return answer(w, true)
}

func (g *Gateway) delete(w http.ResponseWriter, r *request) error {
	recursive, err := r.flag("recursive")
	if err != nil {
		return err
	}
	ctx, cancel := r.ask()
	defer cancel()
	_, err = g.store.Stat(ctx, r.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return answer(w, false)
	case err != nil:
		return err
	case recursive:
		err = g.store.RemoveAll(ctx, r.path)
	default:
		err = g.store.Remove(ctx, r.path)
	}
	if err != nil {
		return err
	}
	return answer(w, true)
}
