package raft_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	raft "distsys/lab4-raft"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
)

// The paper tests: one server of the student, s0, among peers that the test
// plays. The test sends exact sequences of RPCs and compares each answer, and
// each request that s0 sends, with a sentence of the paper.

// hop is the latency of every message in a paper test.
const hop = time.Millisecond

// silence is what a server has heard long enough, when it hears nothing, to
// start an election. The handout bounds election timeouts by one second.
const silence = 1500 * time.Millisecond

// calm is shorter than every election timeout that the handout allows.
const calm = 150 * time.Millisecond

// settle is how long a test waits to see that a follower does not do a thing:
// no election can come in between.
const settle = 100 * time.Millisecond

// watch is how long a test waits to see that a leader does not do a thing: it
// sends heartbeats meanwhile.
const watch = 300 * time.Millisecond

// soon is how long a thing may take that needs a few round trips or heartbeats.
const soon = 2 * time.Second

// A script is one paper test.
type script struct {
	forgets int // the term in which s0 crashed without ever having saved anything

	w     *simtest.World
	net   *simnet.Network
	peers []*peer // peers[0] is nil: that is s0
	disk  *disk
	run   *incarnation           // nil while s0 is down
	state func(index int) string // the service's snapshots
	lag   atomic.Int64           // time.Duration: how long a call of s0 waits before its arguments are read

	mu      sync.Mutex
	life    int                        // counts the starts and crashes of s0
	applied []raft.ApplyMsg            // what s0 applied, since its last start
	reached int                        // the index that its state machine has reached
	open    chan struct{}              // closed while the state machine reads on
	onApply func(raft.ApplyMsg)        // called by the state machine for each message
	said    map[int]map[int]raft.Entry // by term and index: the entries of s0's log while it led, as it told them
	atReply *disk                      // s0's disk as it was when the last reply left
}

// A peer is a server that the test plays. It records what s0 asks it, and
// answers with the functions below. Where one is nil, or gives nil, the peer
// does not answer: to s0 the call is lost.
type peer struct {
	s  *script
	id int

	mu       sync.Mutex
	received []request
	vote     func(raft.RequestVoteArgs) *raft.RequestVoteReply
	append   func(raft.AppendEntriesArgs) *raft.AppendEntriesReply
	install  func(raft.InstallSnapshotArgs) *raft.InstallSnapshotReply
}

// A request is what a peer received: args is a raft.RequestVoteArgs,
// raft.AppendEntriesArgs or raft.InstallSnapshotArgs.
type request struct {
	at   time.Duration
	args any
}

// startScript starts s0 in a cluster of n servers.
func startScript(w *simtest.World, n int) *script {
	link := simnet.Link{Latency: simnet.Range{Min: hop, Max: hop}}
	s := &script{w: w, net: simnet.New(w, link), peers: make([]*peer, n), disk: &disk{}, state: state, said: map[int]map[int]raft.Entry{}}
	s.open = make(chan struct{})
	close(s.open)
	s.net.Describe(describe)
	s.net.Observe(s.observe)
	for id := 1; id < n; id++ {
		s.peers[id] = &peer{s: s, id: id}
		s.net.Node(name(id)).Serve("Raft", &peerService{s.peers[id]})
	}
	s.start()
	w.Cleanup(func() {
		if s.run != nil {
			s.run.rf.Stop()
			close(s.run.gone)
		}
	})
	return s
}

// observe is called for each message when it is sent.
func (s *script) observe(m *simnet.Message) {
	if m.Reply && m.From == name(0) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.atReply = s.disk.clone()
	}
}

// start begins an incarnation of s0 on its disk.
func (s *script) start() {
	node := s.net.Node(name(0))
	peers := make([]raft.Peer, len(s.peers))
	for id := 1; id < len(peers); id++ {
		peers[id] = &line{s, node.Client(name(id))}
	}
	apply := make(chan raft.ApplyMsg)
	run := &incarnation{handle: s.disk.open(), gone: make(chan struct{})}
	s.run = run
	s.mu.Lock()
	s.life++
	life := s.life
	s.applied, s.reached = nil, 0
	s.mu.Unlock()
	run.rf = raft.New(0, peers, run.handle, apply)
	node.Serve("Raft", run.rf)
	go s.stateMachine(run, life, apply)
}

// A line is what s0 calls a peer through.
type line struct {
	s      *script
	client *simnet.Client
}

// Call implements raft.Peer.
func (l *line) Call(serviceMethod string, args, reply any) error {
	if lag := time.Duration(l.s.lag.Load()); lag > 0 {
		time.Sleep(lag)
	}
	return l.client.Call(serviceMethod, args, reply)
}

// stateMachine takes what s0 applies, as a service would.
func (s *script) stateMachine(run *incarnation, life int, apply <-chan raft.ApplyMsg) {
	for {
		select {
		case <-run.gone:
			return
		case m := <-apply:
			mistake, open, onApply := s.take(life, m)
			if mistake != "" {
				s.w.Fatalf("%s", mistake)
			}
			if onApply != nil {
				onApply(m)
			}
			select {
			case <-open:
			case <-run.gone:
				return
			}
		}
	}
}

// take records one message to the state machine. It finds out whether it is the
// next one, and whether its command has that place in the log.
func (s *script) take(life int, m raft.ApplyMsg) (mistake string, open chan struct{}, onApply func(raft.ApplyMsg)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != life {
		return "", s.open, nil // a zombie
	}
	const order = "rule: apply log[lastApplied] to the state machine, in log order (§5.3, Figure 2)"
	var index, term int
	switch n, _ := fmt.Sscanf(string(m.Command), "%d@%d", &index, &term); {
	case m.IsSnapshot && m.Index < s.reached:
		mistake = fmt.Sprintf("s0 gave its state machine a snapshot up to index %d, after it had reached index %d.\nrule: no message goes back behind an earlier one (ApplyMsg)", m.Index, s.reached)
	case m.IsSnapshot && string(m.Snapshot) != s.state(m.Index):
		mistake = fmt.Sprintf("s0 gave its state machine a snapshot up to index %d that holds %q. The snapshot of that index is %q.\nrule: reset state machine using snapshot contents (Figure 13, rule 8)", m.Index, m.Snapshot, s.state(m.Index))
	case !m.IsSnapshot && m.Index <= s.reached:
		mistake = fmt.Sprintf("s0 applied %q at index %d though its state machine has reached index %d: twice, or out of order.\n%s", m.Command, m.Index, s.reached, order)
	case !m.IsSnapshot && m.Index > s.reached+1:
		mistake = fmt.Sprintf("s0 applied %q at index %d right after index %d: it skipped some.\n%s", m.Command, m.Index, s.reached, order)
	case !m.IsSnapshot && n == 2 && index != m.Index:
		mistake = fmt.Sprintf("s0 applied %q, the entry with index %d, as index %d.\n%s", m.Command, index, m.Index, order)
	}
	s.reached = m.Index
	s.applied = append(s.applied, m)
	return mistake, s.open, s.onApply
}

// pause stops the state machine: it reads one more message at most.
func (s *script) pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = make(chan struct{})
}

// resume lets the state machine read on.
func (s *script) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.open)
}

// crash ends s0 at once. With disk nil it keeps its disk as it is; otherwise
// it finds the given one when it starts again.
func (s *script) crash(d *disk) {
	run := s.run
	s.run = nil
	s.forgets = 0
	if state, _ := s.disk.size(); state == 0 {
		s.forgets, _ = run.rf.State()
	}
	s.mu.Lock()
	s.life++
	if d != nil {
		s.disk = d
	}
	s.mu.Unlock()
	run.handle.die()
	close(run.gone)
	s.net.Node(name(0)).Crash()
	s.w.Go(run.rf.Stop)
}

// restart starts s0 again after a crash. It says what is to be done next when
// s0 had something to save, and never saved anything.
func (s *script) restart() {
	if s.forgets > 0 {
		log.Printf("TODO(4C): persist: save what a crash must not erase (Figure 2). s0 was in term %d and had saved nothing", s.forgets)
	}
	s.net.Node(name(0)).Restart()
	s.start()
}

// crashAfterReply has s0 crash right after its last reply left, and restarts
// it: it finds its disk as it was at that moment.
func (s *script) crashAfterReply() {
	s.mu.Lock()
	d := s.atReply
	s.mu.Unlock()
	s.crash(d)
	s.restart()
}

// fresh replaces s0 by a new server with an empty disk, and lets the peers forget
// what they received. They answer as before.
func (s *script) fresh() {
	s.crash(&disk{})
	s.forgets = 0
	s.mu.Lock()
	clear(s.said)
	s.mu.Unlock()
	for _, p := range s.peers[1:] {
		p.set(func(p *peer) { p.received = nil })
	}
	s.restart()
}

// term returns s0's current term.
func (s *script) term() int {
	term, _ := s.run.rf.State()
	return term
}

// leads reports whether s0 says that it leads.
func (s *script) leads() bool {
	_, leads := s.run.rf.State()
	return leads
}

// history returns what s0 has applied since its last start.
func (s *script) history() []raft.ApplyMsg {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]raft.ApplyMsg(nil), s.applied...)
}

// call makes one RPC to s0 and waits for the answer.
func (s *script) call(from int, method string, args, reply any) {
	if err := s.net.Node(name(from)).Client(name(0)).Call("Raft."+method, args, reply); err != nil {
		s.w.Fatalf("%s to s0 failed: %v", method, err)
	}
}

// askVote has a peer ask s0 for its vote.
func (s *script) askVote(from, term, lastIndex, lastTerm int) raft.RequestVoteReply {
	var reply raft.RequestVoteReply
	s.call(from, "RequestVote", &raft.RequestVoteArgs{Term: term, CandidateID: from, LastLogIndex: lastIndex, LastLogTerm: lastTerm}, &reply)
	return reply
}

// appendEntries has a peer send AppendEntries to s0, as the leader of the
// term. terms are those of the entries after prevIndex.
func (s *script) appendEntries(from, term, prevIndex, prevTerm, commit int, terms ...int) raft.AppendEntriesReply {
	var reply raft.AppendEntriesReply
	s.call(from, "AppendEntries", &raft.AppendEntriesArgs{
		Term: term, LeaderID: from, PrevLogIndex: prevIndex, PrevLogTerm: prevTerm,
		Entries: entries(prevIndex+1, terms...), LeaderCommit: commit,
	}, &reply)
	return reply
}

// entries makes entries of the given terms, the first at index. An entry is
// named after its place: "3@2" is at index 3, of term 2.
func entries(index int, terms ...int) []raft.Entry {
	var list []raft.Entry
	for i, term := range terms {
		list = append(list, raft.Entry{Term: term, Command: command(index+i, term)})
	}
	return list
}

func command(index, term int) []byte { return fmt.Appendf(nil, "%d@%d", index, term) }

// commands gives what s0 has applied, as "1@1 2@1 ...".
func (s *script) commands() string {
	var list []string
	for _, m := range s.history() {
		if m.IsSnapshot {
			list = append(list, fmt.Sprintf("snapshot(%d)", m.Index))
		} else {
			list = append(list, string(m.Command))
		}
	}
	return strings.Join(list, " ")
}

// names gives the commands of entries, as "1@1 2@1 ...".
func names(list []raft.Entry) string {
	var b bytes.Buffer
	for i, e := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.Write(e.Command)
	}
	return b.String()
}

// rule fails the world when ok is false: with what happened, and the sentence
// of the paper that it breaks.
func (s *script) rule(ok bool, sentence, format string, args ...any) {
	if !ok {
		s.w.Fatalf("%s\nrule: %s", fmt.Sprintf(format, args...), sentence)
	}
}

// within waits until cond holds. It reports whether that happened in time.
func (s *script) within(d time.Duration, cond func() bool) bool {
	for deadline := s.w.Now() + d; !cond(); s.w.Sleep(5 * time.Millisecond) {
		if s.w.Now() >= deadline {
			return false
		}
	}
	return true
}

// applies waits until s0 has applied exactly the commands in want. Slow services
// aside, that takes no time.
func (s *script) applies(want, sentence, when string) {
	s.within(settle, func() bool { return s.commands() == want })
	s.rule(s.commands() == want, sentence, "%s, s0 should have applied [%s], and has applied [%s]", when, want, s.commands())
}

// elect has the peers vote for s0, waits until it leads, and returns its term.
// Requests are answered like by a follower that accepts everything, unless the
// test has set an answer before.
func (s *script) elect() (term int) {
	for _, p := range s.peers[1:] {
		p.mu.Lock()
		silent := p.vote == nil
		p.mu.Unlock()
		if silent {
			p.grant()
		}
	}
	got := s.await(1, silence+time.Second, "an AppendEntries: s0 has every vote, and must lead (§5.2)", func(args any) bool {
		_, ok := args.(raft.AppendEntriesArgs)
		return ok
	})
	return got.args.(raft.AppendEntriesArgs).Term
}

// propose gives s0, which leads, a command. It returns its index.
func (s *script) propose(command string) (index int) {
	index, term, leads := s.run.rf.Propose([]byte(command))
	if !leads {
		s.w.Fatalf("s0 led, but to Propose it says that it does not; it is in term %d", term)
	}
	return index
}

// await returns the first request at a peer, of those that come from now on,
// that match accepts.
func (s *script) await(id int, within time.Duration, what string, match func(args any) bool) request {
	return s.awaitFrom(id, s.peers[id].count(), within, what, match)
}

// awaitFrom is await, but looks at the requests from number first on.
func (s *script) awaitFrom(id, first int, within time.Duration, what string, match func(args any) bool) request {
	var found request
	s.w.Eventually(within, func() bool {
		for _, r := range s.peers[id].since(first) {
			if match(r.args) {
				found = r
				return true
			}
		}
		return false
	}, "s0 sends s%d %s", id, what)
	return found
}

// awaitVote waits for a RequestVote at a peer.
func (s *script) awaitVote(id int, within time.Duration) raft.RequestVoteArgs {
	return s.await(id, within, "a RequestVote (§5.2)", func(args any) bool {
		_, ok := args.(raft.RequestVoteArgs)
		return ok
	}).args.(raft.RequestVoteArgs)
}

// set changes how a peer answers.
func (p *peer) set(f func(p *peer)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// grant makes a peer vote for s0 and accept its entries, unless the test has
// said otherwise.
func (p *peer) grant() {
	p.set(func(p *peer) {
		p.vote = func(a raft.RequestVoteArgs) *raft.RequestVoteReply {
			return &raft.RequestVoteReply{Term: a.Term, VoteGranted: true}
		}
		if p.append == nil {
			p.append = func(a raft.AppendEntriesArgs) *raft.AppendEntriesReply {
				return &raft.AppendEntriesReply{Term: a.Term, Success: true}
			}
		}
	})
}

func (p *peer) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.received)
}

// since returns the requests from number first on.
func (p *peer) since(first int) []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]request(nil), p.received[first:]...)
}

// votes returns the RequestVotes among the requests from number first on.
func (p *peer) votes(first int) []raft.RequestVoteArgs { return ofType[raft.RequestVoteArgs](p, first) }

// appends returns the AppendEntries among the requests from number first on.
func (p *peer) appends(first int) []raft.AppendEntriesArgs {
	return ofType[raft.AppendEntriesArgs](p, first)
}

// installs returns the InstallSnapshots among the requests from number first on.
func (p *peer) installs(first int) []raft.InstallSnapshotArgs {
	return ofType[raft.InstallSnapshotArgs](p, first)
}

func ofType[T any](p *peer, first int) (list []T) {
	for _, r := range p.since(first) {
		if args, ok := r.args.(T); ok {
			list = append(list, args)
		}
	}
	return list
}

// told returns the highest commitIndex that s0 has told a peer, in the requests
// from number first on.
func (p *peer) told(first int) (commit int) {
	for _, a := range p.appends(first) {
		commit = max(commit, a.LeaderCommit)
	}
	return commit
}

func (p *peer) record(args any) {
	p.mu.Lock()
	p.received = append(p.received, request{p.s.w.Now(), args})
	p.mu.Unlock()
	switch a := args.(type) {
	case raft.AppendEntriesArgs:
		p.s.checkSent(a)
	case raft.InstallSnapshotArgs:
		p.s.rule(a.LastIncludedIndex > 0, "lastIncludedIndex: the snapshot replaces all entries up through and including this index (Figure 13)", "s0 sends s%d an InstallSnapshot up to index %d", p.id, a.LastIncludedIndex)
	}
}

// checkSent compares an AppendEntries of s0 with what s0 told before of its log
// in this term: a leader only ever appends.
func (s *script) checkSent(a raft.AppendEntriesArgs) {
	s.mu.Lock()
	mistake := s.contradiction(a)
	s.mu.Unlock()
	if mistake != "" {
		s.w.Fatalf("%s\nrule: a leader never overwrites or deletes entries in its log; it only appends new entries (Leader Append-Only, Figure 3, §5.3)", mistake)
	}
}

// contradiction is checkSent with mu held.
func (s *script) contradiction(a raft.AppendEntriesArgs) string {
	if a.PrevLogIndex < 0 || a.PrevLogIndex == 0 && a.PrevLogTerm != 0 {
		return fmt.Sprintf("s0 sends an AppendEntries with prev %d@%d: no entry has that place", a.PrevLogIndex, a.PrevLogTerm)
	}
	log := s.said[a.Term]
	if log == nil {
		log = map[int]raft.Entry{0: {}}
		s.said[a.Term] = log
	}
	if before, ok := log[a.PrevLogIndex]; ok && before.Term != a.PrevLogTerm {
		return fmt.Sprintf("s0 leads in term %d and sends prev %d@%d; before, in the same term, it said that this entry has term %d", a.Term, a.PrevLogIndex, a.PrevLogTerm, before.Term)
	} else if !ok {
		log[a.PrevLogIndex] = raft.Entry{Term: a.PrevLogTerm}
	}
	last := a.PrevLogTerm
	for i, e := range a.Entries {
		index := a.PrevLogIndex + 1 + i
		if e.Term < last || e.Term > a.Term {
			return fmt.Sprintf("s0 leads in term %d and sends an entry of term %d at index %d, after one of term %d", a.Term, e.Term, index, last)
		}
		last = e.Term
		before, ok := log[index]
		if ok && (before.Term != e.Term || before.Command != nil && !bytes.Equal(before.Command, e.Command)) {
			return fmt.Sprintf("s0 leads in term %d and sends %q of term %d as the entry at index %d; before, in the same term, it said %q of term %d", a.Term, e.Command, e.Term, index, before.Command, before.Term)
		}
		log[index] = e
	}
	return ""
}

// peerService is what s0 calls.
type peerService struct{ p *peer }

var errNoAnswer = errors.New("no answer")

// noAnswer is how a peer does not answer: after a while the call fails.
func noAnswer() error {
	time.Sleep(300 * time.Millisecond)
	return errNoAnswer
}

// RequestVote implements the RPC.
func (s *peerService) RequestVote(args *raft.RequestVoteArgs, reply *raft.RequestVoteReply) error {
	s.p.record(*args)
	s.p.mu.Lock()
	f := s.p.vote
	s.p.mu.Unlock()
	if f != nil {
		if r := f(*args); r != nil {
			*reply = *r
			return nil
		}
	}
	return noAnswer()
}

// AppendEntries implements the RPC.
func (s *peerService) AppendEntries(args *raft.AppendEntriesArgs, reply *raft.AppendEntriesReply) error {
	s.p.record(*args)
	s.p.mu.Lock()
	f := s.p.append
	s.p.mu.Unlock()
	if f != nil {
		if r := f(*args); r != nil {
			*reply = *r
			return nil
		}
	}
	return noAnswer()
}

// InstallSnapshot implements the RPC.
func (s *peerService) InstallSnapshot(args *raft.InstallSnapshotArgs, reply *raft.InstallSnapshotReply) error {
	s.p.record(*args)
	s.p.mu.Lock()
	f := s.p.install
	s.p.mu.Unlock()
	if f != nil {
		if r := f(*args); r != nil {
			*reply = *r
			return nil
		}
	}
	return noAnswer()
}
