package simnet

import (
	"fmt"
	"reflect"

	"distsys/grader/simtest"
)

const (
	maxKept    = 4 << 10  // bytes of a body that the event log keeps
	maxKeptAll = 16 << 20 // bytes of all bodies that the event log keeps, the last ones
)

// Describe makes the event log show bodies as describe does, in place of %+v.
// It gets the value that was sent, never a pointer; of streams and datagrams
// the []byte, up to 2 KiB. When it returns "", the
// log shows %+v after all. It is called when the world has ended, for the
// events that are looked at.
func (n *Network) Describe(describe func(method string, v any) string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.describe = describe
}

// record adds an event about p to the event log.
func (p *packet) record(kind string) {
	p.log(simtest.Event{
		Kind: kind, From: p.link.from.name, To: p.link.to.name,
		Msg: p.id, Name: p.flow.name, Reply: p.reply(), Lazy: p.detail,
	})
}

// recordText is record with a word on why.
func (p *packet) recordText(kind, text string) {
	detail := p.detail
	if detail == nil { // what was refused before it was sent is sent again
		detail = func() string { return "" }
	}
	p.log(simtest.Event{
		Kind: kind, From: p.link.from.name, To: p.link.to.name,
		Msg: p.id, Name: p.flow.name, Reply: p.reply(),
		Lazy: func() string {
			if detail == nil { // it never left
				return "(" + text + ")"
			}
			return "(" + text + ") " + detail()
		},
	})
}

// log keeps all events of calls, and the last ones of datagrams and of data
// on streams, which are many.
func (p *packet) log(e simtest.Event) {
	if p.stream && p.net.hidden.Load() {
		return
	}
	if p.word == wordDatagram || p.word == wordData {
		p.net.world.RecordFrequent(e)
		return
	}
	p.net.world.Record(e)
}

// HideStreams keeps what passes on streams out of the event log, for a test that
// puts something better there: the calls that the streams carry.
func (n *Network) HideStreams() { n.hidden.Store(true) }

// A body is what the event log knows of a message.
type body struct {
	net     *Network
	method  string
	payload []byte // nil when it is no longer kept; Network.mu guards it
	size    int
	typ     reflect.Type
	err     string
}

// keep remembers the body of p and returns what shows it.
func (n *Network) keep(p *packet) func() string {
	b := &body{net: n, method: p.flow.name, size: len(p.payload), typ: p.typ, err: p.err}
	if b.size <= maxKept {
		b.payload = p.payload
		n.mu.Lock()
		n.kept.add(b)
		n.mu.Unlock()
	}
	return b.text
}

func (b *body) text() string {
	if b.err != "" {
		return "error: " + b.err
	}
	b.net.mu.Lock()
	payload, describe := b.payload, b.net.describe
	b.net.mu.Unlock()
	if payload == nil {
		return fmt.Sprintf("%d bytes", b.size)
	}
	v := reflect.New(b.typ)
	if err := decode(payload, v.Interface()); err != nil {
		return fmt.Sprintf("%d bytes: %v", b.size, err)
	}
	if describe != nil {
		if text := describe(b.method, v.Elem().Interface()); text != "" {
			return text
		}
	}
	return fmt.Sprintf("%+v", v.Elem().Interface())
}

// decoded returns a copy of what the packet carries.
func (p *packet) decoded() any {
	if p.err != "" {
		return nil
	}
	v := reflect.New(p.typ)
	if err := decode(p.payload, v.Interface()); err != nil {
		p.net.complain(fmt.Sprintf("simnet: %s cannot be decoded: %v", p.flow.name, err))
	}
	return v.Elem().Interface()
}

// A keeper forgets the oldest bodies when all of them grow too large.
type keeper struct {
	bodies []*body
	first  int // those before it are forgotten
	size   int
}

func (k *keeper) add(b *body) {
	k.bodies = append(k.bodies, b)
	k.size += b.size
	for k.size > maxKeptAll {
		old := k.bodies[k.first]
		k.size -= old.size
		old.payload, k.bodies[k.first] = nil, nil
		k.first++
	}
	if k.first > len(k.bodies)/2 {
		k.bodies = append([]*body(nil), k.bodies[k.first:]...)
		k.first = 0
	}
}
