package dfs

import (
	"errors"
	"io/fs"
)

// Mkdir makes a directory.
func (m *Master) Mkdir(args *MkdirArgs, _ *Nothing) error {
	return m.mutate(func() (record, error) {
		return record{Op: opMkdir, Path: args.Path, Parents: args.Parents}, nil
	})
}

// Create makes an empty file.
func (m *Master) Create(args *CreateArgs, reply *FileInfo) error {
	return m.mutate(func() (record, error) {
		if n, err := m.ns.lookup(args.Path); err == nil && !n.Dir && n.Writer == args.Writer {
			*reply = m.info(args.Path, n) // asked again: the first answer was lost
			return record{}, nil
		}
		*reply = FileInfo{Path: args.Path, ID: m.ns.NextFile, Open: true}
		return record{Op: opCreate, Path: args.Path, File: m.ns.NextFile, Writer: args.Writer}, nil
	})
}

// Stat describes a file or directory.
func (m *Master) Stat(args *PathArgs, reply *FileInfo) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.ns.lookup(args.Path)
	if err != nil {
		return err
	}
	*reply = m.info(args.Path, n)
	return nil
}

// List describes what is in a directory.
func (m *Master) List(args *PathArgs, reply *ListReply) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.ns.lookup(args.Path)
	if err != nil {
		return err
	}
	if !n.Dir {
		reply.Files = []FileInfo{m.info(args.Path, n)}
		return nil
	}
	for _, name := range n.list() {
		reply.Files = append(reply.Files, m.info(args.Path+"/"+name, n.Entries[name]))
	}
	return nil
}

// info describes a file or directory. The mutex is held.
func (m *Master) info(path string, n *inode) FileInfo {
	path, _ = cleanPath(path)
	info := FileInfo{Path: path, IsDir: n.Dir, ModTime: n.ModTime}
	if !n.Dir {
		info.ID, info.Open = n.ID, n.Open
		info.Size = m.ns.size(n)
		info.ChunkSize, info.Replication = m.cfg.ChunkSize, m.cfg.Replication
	}
	return info
}

// Rename gives a file or directory another name.
func (m *Master) Rename(args *RenameArgs, _ *Nothing) error {
	return m.mutate(func() (record, error) {
		return record{Op: opRename, Path: args.Old, To: args.New}, nil
	})
}

// Remove removes a file or directory.
func (m *Master) Remove(args *RemoveArgs, _ *Nothing) error {
	return m.mutate(func() (record, error) {
		n, err := m.ns.lookup(args.Path)
		switch {
		case args.Recursive && errors.Is(err, fs.ErrNotExist):
			return record{}, nil
		case err != nil:
			return record{}, err
		case len(n.Entries) > 0 && !args.Recursive:
			return record{}, ErrNotEmpty
		}
		return record{Op: opRemove, Path: args.Path}, nil
	})
}
