package simnet

import (
	"net/rpc"
	"reflect"
	"slices"
	"time"
)

// A Message is a request or a reply, as a test sees it.
type Message struct {
	ID       uint64 // a reply has that of its request
	From, To string
	Method   string // "Raft.RequestVote"
	Reply    bool
	Body     any   // the arguments, or the reply: a value, never a pointer; nil when Err is set
	Err      error // of a reply: the handler's error, an [rpc.ServerError]
	At       time.Duration
	Size     int // of the encoded body, in bytes

	// Of datagrams and of the segments of streams. Their Method is "udp:9000"
	// or "tcp:6379" after the service's port, their Body the []byte.
	Word             string // "datagram"; "dial", "accept", "data", "fin", "reset"
	FromPort, ToPort int

	request []byte // the encoded arguments
}

// Args decodes the arguments of the request into args, a pointer. It is for
// replies: what was asked?
func (m *Message) Args(args any) error { return decode(m.request, args) }

// hooks are what a test wants to be told and asked. The slices never change.
type hooks struct {
	sent, delivered []*observer
	filters         []*filter
}

type observer struct{ see func(*Message) }

// Observe calls see for every message that is sent, with the body as its
// sender has it: read it, and keep no reference to it. See is called in the
// sender's goroutine when a Call begins, and in the handler's goroutine when
// the handler has returned: from several goroutines at once, so guard what it
// writes to with a mutex. The message goes on its way when see has returned: when see crashes
// its sender, it dies. What a crashed incarnation tries to send is not seen.
//
// The function returned ends the observation.
func (n *Network) Observe(see func(*Message)) (stop func()) {
	o := &observer{see}
	n.change(func(h *hooks) { h.sent = append(slices.Clip(h.sent), o) })
	return func() { n.change(func(h *hooks) { h.sent = without(h.sent, o) }) }
}

// ObserveDelivery calls see for every copy of a message that arrives, before
// the handler or the caller gets it. The body is a copy. Otherwise it is like
// Observe.
func (n *Network) ObserveDelivery(see func(*Message)) (stop func()) {
	o := &observer{see}
	n.change(func(h *hooks) { h.delivered = append(slices.Clip(h.delivered), o) })
	return func() { n.change(func(h *hooks) { h.delivered = without(h.delivered, o) }) }
}

func (n *Network) change(f func(*hooks)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(&n.hooks)
}

func without[T comparable](list []T, x T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(y T) bool { return x == y })
}

// message describes the packet. Body may be a pointer.
func (p *packet) message(body any) *Message {
	request := p
	if p.reply() {
		request = p.answers
	}
	m := &Message{
		ID: p.id, From: p.link.from.name, To: p.link.to.name, Method: p.flow.name, Reply: p.reply(),
		At: p.net.world.Now(), Size: len(p.payload), request: request.payload,
		Word: p.word, FromPort: p.fromPort, ToPort: p.toPort,
	}
	if p.err != "" {
		m.Err = rpc.ServerError(p.err)
	} else {
		m.Body = deref(reflect.ValueOf(body))
	}
	return m
}

// deref returns what v points to, or v.
func deref(v reflect.Value) any {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	return v.Interface()
}

// show tells the observers of a packet that is sent, and asks the filters what
// to do with it.
func (n *Network) show(p *packet, h hooks, body any) (v Verdict) {
	if len(h.sent) == 0 && len(h.filters) == 0 {
		return Pass
	}
	defer n.recoverHook()
	m := p.message(body)
	for _, o := range h.sent {
		o.see(m)
	}
	return h.judge(m)
}

// ask asks the filters about a packet that is sent again.
func (n *Network) ask(p *packet, h hooks, body any) (v Verdict) {
	if len(h.filters) == 0 {
		return Pass
	}
	defer n.recoverHook()
	return h.judge(p.message(body))
}

func (h *hooks) judge(m *Message) Verdict {
	for _, f := range h.filters {
		if v := f.judge(m); v != Pass {
			return v
		}
	}
	return Pass
}

// showDelivery tells the observers of a packet that arrives.
func (n *Network) showDelivery(p *packet, c flight, h hooks) {
	if len(h.delivered) == 0 {
		return
	}
	defer n.recoverHook()
	var m *Message
	if p.raw() {
		m = p.message(slices.Clone(p.content(c)))
	} else {
		m = p.message(p.decoded())
	}
	for _, o := range h.delivered {
		o.see(m)
	}
}

// recoverHook keeps a panic of the test's own function from ending the
// process.
func (n *Network) recoverHook() {
	if r := recover(); r != nil {
		n.world.Panicked("a function that observes or intercepts messages", r)
	}
}
