package rpclab_test

import (
	"bytes"
	"fmt"
	"net/rpc"

	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// What the codecs are held to.
const (
	ruleBytes   = "a request is [0, msgid, method, params], a response is [1, msgid, error, result], in the bytes that go-msgpack's Encoder makes of them with the handle given (message.go)"
	ruleAnswer  = "whatever else is wrong with a request is answered with an error, and the connection goes on (NewServerCodec)"
	ruleNotify  = "a notification is a request whose response is never sent (ReadRequestHeader)"
	ruleEnds    = "an error of the connection, ErrTooLarge and ErrProtocol end the connection (NewServerCodec, NewClientCodec)"
	ruleClaims  = "check claims against MaxMessage before you allocate, or wait for, what they promise (message.go)"
	ruleMatch   = "a response has the msgid of its request (message.go)"
	rulePass    = "notifications are passed over, as are responses that nobody waits for (ReadResponseHeader)"
	ruleRefuse  = "a request from the server is answered with an error (ReadResponseHeader)"
	ruleErrors  = "an error object may be of any type; no text is empty (ReadResponseHeader)"
	ruleResult  = "if the result cannot be sent, the client gets an error that says so (WriteResponse)"
	ruleRequest = "an error other than that of the connection concerns this call only, and nothing of it was sent (WriteRequest)"
)

// fail fails the world: what happened, and the sentence that it breaks.
func fail(w *simtest.World, sentence, format string, args ...any) {
	w.Fatalf("%s\nrule: %s", fmt.Sprintf(format, args...), sentence)
}

// A servedPipe is a net/rpc server with the codec under test. The test is its
// client, and writes bytes.
type servedPipe struct {
	w     *simtest.World
	conn  *pipe // the test's end
	inner *pipe // the codec's
	echo  *Echo
	gone  chan struct{} // closed when the server has let go of the connection
	count uint32
}

func serve(w *simtest.World) *servedPipe {
	s := &servedPipe{w: w, echo: &Echo{}, gone: make(chan struct{}), count: 1000}
	s.conn, s.inner = newPipe(w, "client", "server")
	server := rpc.NewServer()
	if err := server.RegisterName("Echo", s.echo); err != nil {
		w.Fatalf("%v", err)
	}
	go func() {
		defer close(s.gone)
		server.ServeCodec(rpclab.NewServerCodec(s.inner))
	}()
	w.Cleanup(func() { s.conn.Close() })
	return s
}

// ask sends bytes and returns those that come back.
func (s *servedPipe) ask(data []byte) []byte {
	if _, err := s.conn.Write(data); err != nil {
		s.w.Fatalf("cannot send: %v", err)
	}
	return s.conn.take()
}

// ended reports whether the server has let go of the connection and closed it.
func (s *servedPipe) ended() bool {
	s.w.Sleep(settle)
	select {
	case <-s.gone:
		return s.inner.closed()
	default:
		return false
	}
}

// alive checks that the connection still works, after what is told.
func (s *servedPipe) alive(sentence, format string, args ...any) {
	s.count++
	got := s.ask(frame(0, s.count, "Echo.Int", []any{7}))
	if want := frame(1, s.count, nil, 7); !bytes.Equal(got, want) {
		fail(s.w, sentence, "%s. Then a good request followed. Expected the response %s, got %s", fmt.Sprintf(format, args...), show(want), show(got))
	}
}

// refused sends a request that has to be answered with an error, and checks that
// the connection works afterwards.
func (s *servedPipe) refused(id uint32, request []byte) (text string) {
	got := s.ask(request)
	values, rest := decodeAll(got)
	m, ok := response(values)
	if !ok || len(rest) > 0 {
		fail(s.w, ruleAnswer, "the server got %s. Expected one response with an error, got %s", show(request), show(got))
	}
	text, isString := m[2].(string)
	if fmt.Sprint(m[1]) != fmt.Sprint(id) || !isString || text == "" || m[3] != nil {
		fail(s.w, ruleAnswer, "the server got %s. Expected [1 %d <an error text> <nil>], got %s", show(request), id, show(got))
	}
	s.alive(ruleAnswer, "the server got %s, and answered %s", show(request), show(got))
	return text
}

// response returns the only value as a response.
func response(values []any) ([]any, bool) {
	if len(values) != 1 {
		return nil, false
	}
	m, ok := values[0].([]any)
	return m, ok && len(m) == 4 && fmt.Sprint(m[0]) == "1"
}

// A callingPipe is a net/rpc client with the codec under test. The test is its
// server, and writes bytes.
type callingPipe struct {
	w      *simtest.World
	conn   *pipe // the test's end
	inner  *pipe // the codec's
	client *rpc.Client
}

func dial(w *simtest.World) *callingPipe {
	c := &callingPipe{w: w}
	c.conn, c.inner = newPipe(w, "server", "client")
	c.client = rpc.NewClientWithCodec(rpclab.NewClientCodec(c.inner))
	w.Cleanup(func() {
		c.client.Close()
		c.conn.Close()
	})
	return c
}

// call starts a call and checks that its request goes out. It returns the call and
// the request's msgid.
func (c *callingPipe) call(method string, args, reply any) (*rpc.Call, uint32) {
	call := c.client.Go(method, args, reply, make(chan *rpc.Call, 1))
	got := c.conn.take()
	values, rest := decodeAll(got)
	if len(values) == 1 && len(rest) == 0 {
		if m, ok := values[0].([]any); ok && len(m) == 4 && fmt.Sprint(m[0]) == "0" && m[2] == method {
			var id uint32
			if n, _ := fmt.Sscan(fmt.Sprint(m[1]), &id); n == 1 {
				return call, id
			}
		}
	}
	fail(c.w, ruleBytes, "the program calls %s. Expected a request for it, got %s", method, show(got))
	return nil, 0
}

// last returns the last message in data, if it is an array.
func last(data []byte) []any {
	values, _ := decodeAll(data)
	if len(values) == 0 {
		return nil
	}
	m, _ := values[len(values)-1].([]any)
	return m
}

// say sends bytes to the client.
func (c *callingPipe) say(data []byte) {
	if _, err := c.conn.Write(data); err != nil {
		c.w.Fatalf("cannot send: %v", err)
	}
	c.w.Sleep(settle)
}

// over reports whether the call has ended.
func over(call *rpc.Call) bool {
	select {
	case <-call.Done: // so what the call has set can be read
		call.Done <- call
		return true
	default:
		return false
	}
}

// alive checks that the connection still works, after what is told.
func (c *callingPipe) alive(sentence, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	var reply int64
	call := c.client.Go("Echo.Int", int64(7), &reply, make(chan *rpc.Call, 1))
	request := c.conn.take()
	if over(call) {
		fail(c.w, sentence, "%s. The next call ended with: %v", what, call.Error)
	}
	m := last(request)
	if len(m) != 4 {
		fail(c.w, sentence, "%s. The next call sent %s", what, show(request))
	}
	c.say(frame(1, m[1], nil, 7))
	if !over(call) || call.Error != nil || reply != 7 {
		fail(c.w, sentence, "%s. The next call got its response, and should have returned 7: over %v, error %v, reply %d", what, over(call), call.Error, reply)
	}
}
