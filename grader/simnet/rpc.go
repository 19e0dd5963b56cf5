package simnet

import (
	"fmt"
	"net/rpc"
	"reflect"
	"time"
)

// A Client calls one node from another. It belongs to the incarnation of the
// calling node that it was made in, and dies with it. It satisfies what labs
// call a Peer, and has nothing but Call: student code gets hold of it.
type Client struct {
	call func(serviceMethod string, args, reply any) error
}

// Call calls a method, as [rpc.Client.Call] does: it waits for the reply, and
// stores it where reply points to only when it returns nil. An error of the
// handler, and an unknown method, is an [rpc.ServerError]; otherwise the error
// is [ErrLost], [ErrUnreachable] or [ErrEnded] and takes virtual time. A call
// of a handler that does not return waits until either node crashes.
func (c *Client) Call(serviceMethod string, args, reply any) error {
	return c.call(serviceMethod, args, reply)
}

// Serve registers the methods of rcvr under a name, as [rpc.Server.RegisterName]
// does, for the present incarnation. Until the first Serve of an incarnation
// its node is unreachable. The world fails when there is nothing to register.
func (node *Node) Serve(name string, rcvr any) {
	n := node.net
	n.mu.Lock()
	life := node.life
	n.mu.Unlock()
	if !life.Alive() {
		n.world.Fatalf("simnet: node %s is down. Restart it before it can Serve", node.name)
	}
	if err := life.server.RegisterName(name, rcvr); err != nil {
		n.world.Fatalf("simnet: node %s cannot serve %q: %v", node.name, name, err)
	}
	n.mu.Lock()
	life.serves = true
	n.mu.Unlock()
}

// Client returns a client of another node, or of the node itself.
func (node *Node) Client(to string) *Client {
	n := node.net
	n.mu.Lock()
	defer n.mu.Unlock()
	peer := n.node(to)
	e := &endpoint{net: n, life: node.life, out: n.link(node, peer), back: n.link(peer, node)}
	return &Client{call: e.call}
}

// An endpoint is the inside of a Client.
type endpoint struct {
	net       *Network
	life      *Incarnation
	out, back *link
}

// A call is a request and what may come of it.
type call struct {
	request  packet
	back     *link
	backFlow *flow
	done     chan outcome // has room for the one outcome

	// Network.mu guards what follows.
	hopes int // copies under way and handlers running that may bring a reply
}

// An outcome is what a Call returns.
type outcome struct {
	payload []byte
	err     error
	wait    time.Duration // before err is returned
}

func (e *endpoint) call(method string, args, reply any) error {
	n := e.net
	payload, typ, ok := n.encodeBody("args", method, args)
	if n.world.Halted() {
		select {}
	}
	if !ok || !n.checkReply(method, reply) {
		time.Sleep(endingWait) // A caller that tries again must not spin.
		return errMisuse
	}
	c := e.newCall(method, payload, typ)
	c.request.send(args)
	o := <-c.done
	if o.err != nil {
		time.Sleep(o.wait)
		return o.err
	}
	return n.store(method, o.payload, reply)
}

func (e *endpoint) newCall(method string, payload []byte, typ reflect.Type) *call {
	n := e.net
	c := &call{done: make(chan outcome, 1), hopes: 1}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lastID++
	flow := e.out.flow(method)
	c.request = packet{
		net: n, link: e.out, flow: flow, from: e.life, to: e.out.to.life,
		id: n.lastID, ordinal: flow.next, payload: payload, typ: typ, cargo: c,
	}
	if e.life.Alive() {
		flow.next++
	}
	c.back, c.backFlow = e.back, e.back.flow(method)
	n.calls[c] = struct{}{}
	return c
}

// encodeBody encodes args or a reply. What cannot be sent fails the world.
func (n *Network) encodeBody(what, method string, v any) ([]byte, reflect.Type, bool) {
	value := reflect.ValueOf(v)
	for value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	if !value.IsValid() {
		n.complain(fmt.Sprintf("simnet: %s of %s: nil cannot be sent", what, method))
		return nil, nil, false
	}
	typ := value.Type()
	if problem := unsendable(typ); problem != "" {
		n.complain(fmt.Sprintf("simnet: %s of %s: %s", what, method, problem))
	}
	payload, err := encode(v)
	if err != nil {
		n.complain(fmt.Sprintf("simnet: %s of %s: %v cannot be encoded: %v", what, method, typ, err))
	}
	return payload, typ, err == nil
}

// checkReply fails the world when a reply could not be stored.
func (n *Network) checkReply(method string, reply any) bool {
	if reply == nil { // Not wanted.
		return true
	}
	v := reflect.ValueOf(reply)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		n.complain(fmt.Sprintf("simnet: reply of %s: a %T is no pointer to where the reply can be stored", method, reply))
		return false
	}
	if problem := unsendable(v.Type()); problem != "" {
		n.complain(fmt.Sprintf("simnet: reply of %s: %s", method, problem))
	}
	return true
}

// store puts a reply where the caller wants it: all of it, or nothing.
func (n *Network) store(method string, payload []byte, reply any) error {
	if reply == nil {
		return nil
	}
	to := reflect.ValueOf(reply).Elem()
	v := reflect.New(to.Type())
	if err := decode(payload, v.Interface()); err != nil {
		n.complain(fmt.Sprintf("simnet: reply of %s: cannot be decoded into %v: %v", method, to.Type(), err))
		return errMisuse
	}
	to.Set(v.Elem())
	return nil
}

// doubled, refusal, arrive and gone are for the request, as a packet's cargo.
func (c *call) doubled() { c.hopes++ }

func (c *call) refusal(f flight) *cause {
	switch {
	case f.damaged:
		return damaged
	case !c.request.to.serves:
		return notServing
	}
	return nil
}

// arrive runs the handler. It returns, panics or ends its goroutine.
func (c *call) arrive(f flight) {
	codec := &serverCodec{method: c.request.flow.name, args: c.request.payload}
	defer c.served(codec, f.copy)
	_ = c.request.to.server.ServeRequest(codec) // Its error is in the codec.
}

// served sends the reply, if there is one. It is deferred.
func (c *call) served(codec *serverCodec, run uint64) {
	n, to := c.request.net, c.request.to
	if r := recover(); r != nil && to.Alive() {
		n.world.Panicked(fmt.Sprintf("node %s in %s", to.node.name, codec.method), r)
	}
	if codec.bad != nil {
		n.complain(fmt.Sprintf("simnet: args of %s: node %s cannot decode them: %v", codec.method, to.node.name, codec.bad))
	}
	if !codec.answered {
		c.gone(noReply)
		return
	}
	r := &reply{call: c}
	r.packet = packet{
		net: n, link: c.back, flow: c.backFlow, from: to, to: c.request.from,
		id: c.request.id, ordinal: c.request.ordinal, answers: &c.request, run: run, err: codec.errText, cargo: r,
	}
	if codec.errText == "" {
		var ok bool
		if r.payload, r.typ, ok = n.encodeBody("reply", codec.method, codec.reply); !ok {
			c.gone(noReply)
			return
		}
	}
	r.send(codec.reply)
}

// gone is one hope less. With the last one the call fails.
func (c *call) gone(why *cause) {
	n := c.request.net
	n.mu.Lock()
	c.hopes--
	last := c.hopes == 0
	n.mu.Unlock()
	if last {
		c.fail(why)
	}
}

func (c *call) fail(why *cause) {
	c.finish(outcome{err: why.err, wait: why.wait(c.request.dice(forWait))})
}

// finish gives the call its outcome. Only the first one counts.
func (c *call) finish(o outcome) {
	n := c.request.net
	n.mu.Lock()
	_, first := n.calls[c]
	delete(n.calls, c)
	n.mu.Unlock()
	if first {
		c.done <- o
	}
}

// abandon fails the pending calls that match.
func (n *Network) abandon(match func(*call) bool, why *cause) {
	n.mu.Lock()
	var calls []*call
	for c := range n.calls {
		if match(c) {
			calls = append(calls, c)
		}
	}
	n.mu.Unlock()
	for _, c := range calls {
		c.fail(why)
	}
}

// A reply is the cargo on the way back.
type reply struct {
	packet
	call *call
}

func (r *reply) doubled() { r.call.hopes++ }

func (r *reply) refusal(f flight) *cause {
	if f.damaged {
		return damaged
	}
	return nil
}

func (r *reply) arrive(flight) {
	o := outcome{payload: r.payload}
	if r.err != "" {
		o.err = rpc.ServerError(r.err)
	}
	r.call.finish(o)
}

func (r *reply) gone(why *cause) { r.call.gone(why) }
