package raft

// Storage is the stable storage of one server. It survives a crash; nothing
// else does.
//
// A server calls it with its mutex held, so neither method may wait for another
// goroutine. It may take the time that a disk takes.
type Storage interface {
	// Load returns what was saved last, or nil, nil when nothing ever was.
	// An empty snapshot may come back as nil.
	Load() (state, snapshot []byte)

	// Save replaces the state and the snapshot together: after a crash both
	// are new, or both are old. They are durable when it returns. Save keeps
	// neither slice, or copies it.
	Save(state, snapshot []byte)
}
