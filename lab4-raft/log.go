package raft

// A raftLog is the log of one server. Its methods take and return indexes as the
// paper counts them, from 1, so that nobody else needs to know which element of
// the slice holds which entry.
type raftLog struct {
	// base is the index of entries[0]. It is 0 until part 4D: then it is the
	// index of the last entry that the snapshot replaces.
	base int

	// entries[0] is no entry of the log, only its term counts: that of the
	// entry before the first. There is none at the start, so its term is 0.
	// The consistency check of AppendEntries needs it.
	entries []Entry
}

// newLog returns an empty log.
func newLog() raftLog {
	return raftLog{entries: make([]Entry, 1)}
}

// position returns the position in entries of the entry with the given index.
func (l *raftLog) position(index int) int {
	// TODO(4D): entries[0] has index base.
	return index
}

// lastIndex returns the index of the last entry, or 0 when the log never had one.
func (l *raftLog) lastIndex() int {
	// TODO(4D): entries[0] has index base.
	return len(l.entries) - 1
}

// at returns the entry with the given index, which the log must hold.
func (l *raftLog) at(index int) Entry {
	return l.entries[l.position(index)]
}

// term returns the term of the entry with the given index. The index just
// before the first entry is allowed as well.
func (l *raftLog) term(index int) int {
	return l.at(index).Term
}

// from returns the entries from the given index to the last. It is a copy: the
// log may change while a message with these entries is on its way.
func (l *raftLog) from(index int) []Entry {
	return append([]Entry(nil), l.entries[l.position(index):]...)
}

// append adds entries at the end.
func (l *raftLog) append(entries ...Entry) {
	l.entries = append(l.entries, entries...)
}

// truncate removes the entry with the given index and all that follow it.
func (l *raftLog) truncate(index int) {
	l.entries = l.entries[:l.position(index)]
}

// TODO(4D): a method that drops all entries up to an index that a snapshot covers.
