package simnet

import (
	"slices"
	"time"
)

// A Verdict is what a test decides about a message.
type Verdict struct {
	decided bool
	fate    fate
	gate    *Gate
	change  *[]byte
	reset   bool
}

var (
	// Pass leaves the message to its link.
	Pass Verdict

	// Drop loses the message.
	//
	// A lost segment of a stream is sent again, and judged again.
	Drop = Verdict{decided: true, fate: fate{drop: unwanted}}

	// ResetConn loses the message, and breaks the stream that it is a segment
	// of as [Reset] does.
	ResetConn = Verdict{decided: true, fate: fate{drop: unwanted}, reset: true}
)

// Change leaves the message to its link with other content: it is for
// datagrams and the segments of streams.
func Change(data []byte) Verdict {
	data = slices.Clone(data)
	return Verdict{change: &data}
}

// Deliver lets the message arrive exactly after d, once, whatever the settings
// of its link. Partitions, crashes and pauses still stop it.
func Deliver(d time.Duration) Verdict {
	v := Verdict{decided: true, fate: fate{n: 1}}
	v.fate.copies[0].delay = d
	return v
}

type filter struct{ judge func(*Message) Verdict }

// Intercept asks judge about every message that is sent, when and where
// [Network.Observe] would show it, after all observers. Of several intercepts
// the first one that does not say Pass decides.
//
// A segment of a stream is one Write, or 64 KiB of it, or one of the words
// that open and end a stream: see [Message.Word]. One that is lost is sent
// again; judge is then asked again, too.
//
// The function returned ends the interception.
func (n *Network) Intercept(judge func(*Message) Verdict) (stop func()) {
	f := &filter{judge}
	n.change(func(h *hooks) { h.filters = append(slices.Clip(h.filters), f) })
	return func() { n.change(func(h *hooks) { h.filters = without(h.filters, f) }) }
}

// A Gate holds messages until the test lets them go:
//
//	gate := net.Gate()
//	net.Intercept(func(m *simnet.Message) simnet.Verdict {
//		if m.Method == "Raft.AppendEntries" && !m.Reply {
//			return gate.Hold()
//		}
//		return simnet.Pass
//	})
//	...
//	gate.Release()
type Gate struct {
	net  *Network
	held []*packet // Network.mu guards it
}

// Gate returns a new gate.
func (n *Network) Gate() *Gate { return &Gate{net: n} }

// Hold is the verdict that holds a message at the gate.
func (g *Gate) Hold() Verdict { return Verdict{decided: true, gate: g} }

// Len returns how many messages the gate holds.
func (g *Gate) Len() int {
	g.net.mu.Lock()
	defer g.net.mu.Unlock()
	return len(g.held)
}

// Release lets the messages go that the gate holds now. They arrive at once,
// one after another in the order in which they came to the gate.
func (g *Gate) Release() {
	var order order
	for _, p := range g.take() {
		p.dispatch(Deliver(0), &order)
	}
}

// Discard loses the messages that the gate holds now.
func (g *Gate) Discard() {
	for _, p := range g.take() {
		p.drop(unwanted)
	}
}

func (g *Gate) take() []*packet {
	g.net.mu.Lock()
	defer g.net.mu.Unlock()
	held := g.held
	g.held = nil
	return held
}
