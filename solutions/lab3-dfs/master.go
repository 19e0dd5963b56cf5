package dfs

import "net"

// A Master knows the names, which chunks each file has, and where they are. File
// data never passes through it (§2.3).
type Master struct {
	*service
	log *opLog
	ns  *namespace
}

// NewMaster starts a master on what its disk remembers.
func NewMaster(disk Disk, cfg Config) (*Master, error) {
	cfg = cfg.WithDefaults()
	log, ns, err := openLog(disk, cfg.Checkpoint)
	if err != nil {
		return nil, err
	}
	return &Master{service: newService(cfg), log: log, ns: ns}, nil
}

// Serve answers clients and chunkservers until Stop is called; then it returns
// ErrStopped. It may be called for several listeners.
func (m *Master) Serve(l net.Listener) error { return m.serve(l, "Master", m) }

// Stop ends the master. No goroutine of it is left when it returns.
func (m *Master) Stop() {
	m.stop()
	m.log.close()
}
