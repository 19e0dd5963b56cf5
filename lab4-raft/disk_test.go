package raft_test

import (
	"bytes"
	"sync"
)

// A disk is the stable storage of one server. It outlives the server: each
// incarnation gets a handle, and a handle dies with its incarnation.
type disk struct {
	mu              sync.Mutex
	state, snapshot []byte
	saves           int
	afterSave       func() // called when a save has taken effect, without the lock
}

// handle is the Storage of one incarnation.
type handle struct {
	d    *disk
	mu   sync.Mutex
	dead bool
}

func (d *disk) open() *handle { return &handle{d: d} }

// Load implements raft.Storage.
func (h *handle) Load() (state, snapshot []byte) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return bytes.Clone(h.d.state), bytes.Clone(h.d.snapshot)
}

// Save implements raft.Storage. What a dead incarnation saves goes nowhere.
func (h *handle) Save(state, snapshot []byte) {
	if h.isDead() {
		return
	}
	h.d.mu.Lock()
	h.d.state, h.d.snapshot = bytes.Clone(state), bytes.Clone(snapshot)
	h.d.saves++
	f := h.d.afterSave
	h.d.mu.Unlock()
	if f != nil {
		f()
	}
}

// setAfterSave sets what is called when a save has taken effect.
func (d *disk) setAfterSave(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.afterSave = f
}

func (h *handle) die() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dead = true
}

func (h *handle) isDead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dead
}

// clone returns a disk with the same content, as it is now.
func (d *disk) clone() *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &disk{state: bytes.Clone(d.state), snapshot: bytes.Clone(d.snapshot), saves: d.saves}
}

// size returns the bytes of state and of snapshot.
func (d *disk) size() (state, snapshot int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.state), len(d.snapshot)
}
