package dfs

// An opLog keeps the records of the namespace's changes on a disk (§2.6.3), and
// now and then a checkpoint, so that replaying takes a bounded time.
type opLog struct {
	disk  Disk
	every int // records after which the log wants a checkpoint
}

// openLog reads the checkpoint and the records behind it, and returns the
// namespace that they give, which is a new one on an empty disk.
func openLog(disk Disk, every int) (*opLog, *namespace, error) {
	return &opLog{disk: disk, every: every}, newNamespace(), nil
}

// append adds a record. It is safe from a crash when append returns. After an
// error nobody knows whether it is: the log takes no more. One append at a time.
func (l *opLog) append(r record) error { return nil }

// due reports whether it is time for a checkpoint.
func (l *opLog) due() bool { return false }

// checkpoint begins a new log, behind this state of the namespace. Nothing is
// appended meanwhile.
func (l *opLog) checkpoint(state []byte) error { return nil }

// close lets go of the files.
func (l *opLog) close() error { return nil }

// encode returns the whole namespace as bytes, for a checkpoint. The master's
// mutex is held.
func (ns *namespace) encode() []byte { return nil }
