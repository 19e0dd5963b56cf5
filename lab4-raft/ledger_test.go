package raft_test

import (
	"fmt"
	"hash/fnv"
	"strings"
	"sync"

	raft "distsys/lab4-raft"

	"distsys/grader/simtest"
)

// A ledger checks what the servers tell their state machines: every server
// applies the same command at the same index, in order, each once (State
// Machine Safety, Figure 3 of the paper).
type ledger struct {
	w  *simtest.World
	mu sync.Mutex
	// entries[i-1] is what the first server to apply index i applied there.
	entries []applied
	last    []int // by server: the index that its state machine has reached
	epoch   []int // by server: its incarnation
}

type applied struct {
	command string
	term    int
	digest  uint64 // of all commands up to here
	by      int
}

func newLedger(w *simtest.World, n int) *ledger {
	return &ledger{w: w, last: make([]int, n), epoch: make([]int, n)}
}

// restart empties a server's state machine, which lives in memory. It returns
// the number of the new incarnation.
func (l *ledger) restart(id int) (epoch int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[id] = 0
	l.epoch[id]++
	return l.epoch[id]
}

// applied takes one message of a server to its state machine. It reports
// whether the incarnation that sends it is still alive.
func (l *ledger) applied(id, epoch int, m raft.ApplyMsg) bool {
	mistake, alive := l.take(id, epoch, m)
	if mistake != "" {
		l.w.Fatalf("%s %s", name(id), mistake)
	}
	return alive
}

func (l *ledger) take(id, epoch int, m raft.ApplyMsg) (mistake string, alive bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.epoch[id] != epoch:
		return "", false
	case m.IsSnapshot:
		return l.installed(id, m), true
	default:
		return l.command(id, m), true
	}
}

func (l *ledger) command(id int, m raft.ApplyMsg) string {
	command := string(m.Command)
	switch next := l.last[id] + 1; {
	case m.Index < next:
		return fmt.Sprintf("applied index %d (%q) again or out of order: it had applied up to %d.\n"+
			"rule: a server applies each committed entry once, in log order (§5.3, Figure 2: lastApplied)", m.Index, clip(command), l.last[id])
	case m.Index > next:
		return fmt.Sprintf("applied index %d (%q) after index %d: it skipped some.\n"+
			"rule: a server applies each committed entry once, in log order (§5.3, Figure 2: lastApplied)", m.Index, clip(command), l.last[id])
	}
	l.last[id] = m.Index
	if m.Index > len(l.entries) {
		l.entries = append(l.entries, applied{command, m.Term, chain(l.digest(m.Index-1), command), id})
		return ""
	}
	if e := l.entries[m.Index-1]; e.command != command || e.term != m.Term {
		return fmt.Sprintf("applied %q of term %d at index %d, but %s had applied %q of term %d there.\n"+
			"rule: no two servers apply different commands at one index (State Machine Safety, Figure 3)",
			clip(command), m.Term, m.Index, name(e.by), clip(e.command), e.term)
	}
	return ""
}

func (l *ledger) installed(id int, m raft.ApplyMsg) string {
	if m.Index < l.last[id] {
		return fmt.Sprintf("gave its state machine a snapshot up to index %d, though that had applied up to %d: it goes back.\n"+
			"rule: a stale snapshot changes nothing (§7)", m.Index, l.last[id])
	}
	if m.Index < 1 || m.Index > len(l.entries) {
		return fmt.Sprintf("gave its state machine a snapshot up to index %d, but nobody has applied more than %d", m.Index, len(l.entries))
	}
	if want := l.bytes(m.Index); string(m.Snapshot) != want {
		return fmt.Sprintf("gave its state machine a snapshot up to index %d that holds %q; the snapshot taken there was %q", m.Index, clip(string(m.Snapshot)), want)
	}
	if e := l.entries[m.Index-1]; e.term != m.Term {
		return fmt.Sprintf("says that its snapshot up to index %d ends in term %d; the entry there is of term %d", m.Index, m.Term, e.term)
	}
	l.last[id] = m.Index
	return ""
}

// snapshot returns the state machine's state at index.
func (l *ledger) snapshot(index int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return []byte(l.bytes(index))
}

// bytes is a snapshot: it names its index and everything up to there.
func (l *ledger) bytes(index int) string {
	return fmt.Sprintf("state after %d commands, digest %016x", index, l.digest(index))
}

func (l *ledger) digest(index int) uint64 {
	if index == 0 {
		return 0
	}
	return l.entries[index-1].digest
}

// chain extends a digest by a command.
func chain(digest uint64, command string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%016x%s", digest, command)
	return h.Sum64()
}

// count returns how many servers have reached index, and the command there.
func (l *ledger) count(index int) (n int, command string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, last := range l.last {
		if last >= index {
			n++
		}
	}
	if index <= len(l.entries) {
		command = l.entries[index-1].command
	}
	return n, command
}

// lastApplied returns the index that a server's state machine has reached.
func (l *ledger) lastApplied(id int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last[id]
}

// length returns the highest index that anybody has applied.
func (l *ledger) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

// find returns the index at which the command was applied, or 0, and how
// often.
func (l *ledger) find(command []byte) (index, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range l.entries {
		if e.command == string(command) {
			if times++; index == 0 {
				index = i + 1
			}
		}
	}
	return index, times
}

// String gives the index that each server has reached.
func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	parts := make([]string, len(l.last))
	for id, last := range l.last {
		parts[id] = fmt.Sprintf("%s: %d", name(id), last)
	}
	return strings.Join(parts, ", ")
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
