package raft_test

import (
	"errors"
	"fmt"
	"sync"
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

// A script is one paper test.
type script struct {
	w     *simtest.World
	net   *simnet.Network
	peers []*peer // peers[0] is nil: that is s0
	disk  *disk
	run   *incarnation

	mu      sync.Mutex
	applied []raft.ApplyMsg // what s0 applied, since its last restart
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
	s := &script{w: w, net: simnet.New(w, link), peers: make([]*peer, n), disk: &disk{}}
	s.net.Describe(describe)
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

// start begins an incarnation of s0 on its disk.
func (s *script) start() {
	node := s.net.Node(name(0))
	peers := make([]raft.Peer, len(s.peers))
	for id := 1; id < len(peers); id++ {
		peers[id] = node.Client(name(id))
	}
	apply := make(chan raft.ApplyMsg)
	run := &incarnation{handle: s.disk.open(), gone: make(chan struct{})}
	s.run = run
	s.mu.Lock()
	s.applied = nil
	s.mu.Unlock()
	run.rf = raft.New(0, peers, run.handle, apply)
	node.Serve("Raft", run.rf)
	go func() {
		for {
			select {
			case <-run.gone:
				return
			case m := <-apply:
				s.mu.Lock()
				if s.run == run {
					s.applied = append(s.applied, m)
				}
				s.mu.Unlock()
			}
		}
	}()
}

// crash ends s0 at once. With disk nil it keeps its disk as it is; otherwise
// it finds the given one when it starts again.
func (s *script) crash(d *disk) {
	s.run.handle.die()
	s.net.Node(name(0)).Crash()
	close(s.run.gone)
	s.w.Go(s.run.rf.Stop)
	if d != nil {
		s.disk = d
	}
}

// restart starts s0 again after a crash.
func (s *script) restart() {
	s.net.Node(name(0)).Restart()
	s.start()
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
	text := ""
	for i, m := range s.history() {
		if i > 0 {
			text += " "
		}
		if m.IsSnapshot {
			text += fmt.Sprintf("snapshot(%d)", m.Index)
		} else {
			text += string(m.Command)
		}
	}
	return text
}

// rule fails the world when ok is false: with what happened, and the sentence
// of the paper that it breaks.
func (s *script) rule(ok bool, sentence, format string, args ...any) {
	if !ok {
		s.w.Fatalf("%s\nrule: %s", fmt.Sprintf(format, args...), sentence)
	}
}

// elect has the peers vote for s0, waits until it leads, and returns its term.
// Heartbeats are answered like by an empty follower that accepts everything,
// unless the test has set an answer before.
func (s *script) elect() (term int) {
	for _, p := range s.peers[1:] {
		p.grant()
	}
	got := s.await(1, silence+time.Second, "an AppendEntries: s0 has every vote, and must lead (§5.2)", func(args any) bool {
		_, ok := args.(raft.AppendEntriesArgs)
		return ok
	})
	return got.args.(raft.AppendEntriesArgs).Term
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
func (p *peer) votes(first int) (votes []raft.RequestVoteArgs) {
	for _, r := range p.since(first) {
		if v, ok := r.args.(raft.RequestVoteArgs); ok {
			votes = append(votes, v)
		}
	}
	return votes
}

func (p *peer) record(args any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.received = append(p.received, request{p.s.w.Now(), args})
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
