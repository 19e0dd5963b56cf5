package dfs

import (
	"fmt"
	"net"
	"time"

	"github.com/sasha-s/go-deadlock"
)

// A Master knows the names, which chunks each file has, and where they are. File
// data never passes through it (§2.3).
//
// One file a concept: names.go answers for names, placement.go gives chunks to
// files and servers to chunks, heartbeat.go listens to chunkservers, repair.go
// keeps the number of replicas right, lease.go makes primaries.
type Master struct {
	*service
	log  *opLog
	turn chan struct{} // has room for one: who is in changes the namespace

	mu       deadlock.Mutex // guards everything below
	ns       *namespace     // changed only by who has the turn, too
	failed   error          // why the log takes no more records
	started  time.Time
	servers  map[string]*serverState          // by identity
	holders  map[ChunkID]map[string]*holding  // who has a chunk, by the server's identity
	placings int                              // counts placements
	copies   map[ChunkID]map[string]time.Time // when a copy that a server was, or will be, told to get is given up
	orders   map[string][]CopyOrder           // what a server is told with its next heartbeat
	leases   map[FileID]*lease                // of files that are appended to
}

// NewMaster starts a master on what its disk remembers.
func NewMaster(disk Disk, cfg Config) (*Master, error) {
	cfg = cfg.WithDefaults()
	if cfg.ChunkSize%BlockSize != 0 {
		return nil, fmt.Errorf("dfs: the chunk size %d is not a multiple of %d", cfg.ChunkSize, BlockSize)
	}
	log, ns, err := openLog(disk, cfg.Checkpoint)
	if err != nil {
		return nil, err
	}
	m := &Master{
		service: newService(cfg),
		log:     log,
		ns:      ns,
		turn:    make(chan struct{}, 1),
		started: time.Now(),
		servers: map[string]*serverState{},
		holders: map[ChunkID]map[string]*holding{},
		copies:  map[ChunkID]map[string]time.Time{},
		orders:  map[string][]CopyOrder{},
		leases:  map[FileID]*lease{},
	}
	m.spawn(m.maintain)
	return m, nil
}

// Serve answers clients and chunkservers until Stop is called; then it returns
// ErrStopped. It may be called for several listeners.
func (m *Master) Serve(l net.Listener) error { return m.serve(l, "Master", m) }

// Stop ends the master. No goroutine of it is left when it returns.
func (m *Master) Stop() {
	m.stop()
	m.log.close()
}

// maintain looks after the chunks, regularly.
func (m *Master) maintain() {
	for sleep(m.ctx, m.cfg.Heartbeat) == nil {
		m.planRepair()
		m.settleAppends()
	}
}

// mutate changes the namespace. decide says what the change is, with the mutex
// held; a record without Op is no change. The change is logged before it is made,
// so nobody ever sees what a crash could undo. Changes come one after another.
func (m *Master) mutate(decide func() (record, error)) error {
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-m.ctx.Done():
		return ErrStopped
	}
	r, change, err := m.decided(decide)
	if err != nil || change == nil {
		return err
	}
	if err := m.log.append(r); err != nil {
		return m.fail(fmt.Errorf("write the operation log: %w", err))
	}
	m.mu.Lock()
	change()
	var state []byte
	if m.log.due() {
		state = m.ns.encode()
	}
	m.mu.Unlock()
	if state != nil {
		if err := m.log.checkpoint(state); err != nil {
			return m.fail(fmt.Errorf("write a checkpoint: %w", err))
		}
	}
	return nil
}

// decided returns the record that decide wants, and the change it makes, nil for
// none.
func (m *Master) decided(decide func() (record, error)) (r record, change func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed != nil {
		return r, nil, m.failed
	}
	if r, err = decide(); err != nil || r.Op == 0 {
		return r, nil, err
	}
	r.Time = time.Now()
	change, err = m.ns.prepare(r)
	return r, change, err
}

// fail takes note that the log is broken. Nobody knows what of the last record
// is on the disk, so nothing more can be changed.
func (m *Master) fail(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = err
	return err
}
