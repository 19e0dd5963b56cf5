package sockets_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	sockets "distsys/lab1-sockets"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
)

// The paper tests of 1D: one endpoint of the student among peers that the test
// plays. The test sends exact segments and compares what comes back with a
// sentence of RFC 9293 or RFC 6298.

// hop is the latency of every datagram on a stage.
const hop = 5 * time.Millisecond

// settle is longer than an acknowledgement may be delayed (RFC 9293, section
// 3.8.6.3: less than 0.5 s).
const settle = 600 * time.Millisecond

// The initial sequence numbers. The first bytes of the two streams have the numbers
// after them.
const (
	studentISS = 1000
	playerISS  = 5000
)

// A stage is one paper test.
type stage struct {
	w         *simtest.World
	net       *simnet.Network
	transport *sockets.Transport // the student's; a test may change it before it uses it
	pc        net.PacketConn     // the student's
	accepted  chan net.Conn
}

func newStage(w *simtest.World) *stage {
	s := &stage{w: w, accepted: make(chan net.Conn, 1000)}
	s.net = simnet.New(w, simnet.Link{Latency: simnet.Range{Min: hop, Max: hop}, MTU: sockets.MaxDatagram})
	s.net.Describe(describeSegment)
	s.transport = &sockets.Transport{
		ReceiveBuffer:   64 << 10,
		InitialSequence: func() uint32 { return studentISS },
	}
	s.pc = s.socket("student")
	return s
}

// socket opens a socket on a node, until the end of the test. Closing it ends all
// that uses it, so that nothing needs a Close that may not be written yet.
func (s *stage) socket(node string) net.PacketConn {
	pc, err := s.net.Node(node).ListenPacket("udp", ":9000")
	if err != nil {
		s.w.Fatalf("%v", err)
	}
	s.w.Cleanup(func() { pc.Close() })
	return pc
}

// listen makes the student listen. What it accepts is found in accepted.
func (s *stage) listen() {
	l, err := s.transport.Listen(s.pc)
	if err != nil {
		s.w.Fatalf("Listen failed: %v", err)
	}
	s.w.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.accepted <- conn
		}
	})
}

// rule fails the world when ok is false: with what happened, and the sentence
// that it breaks.
func (s *stage) rule(ok bool, sentence, format string, args ...any) {
	if !ok {
		s.w.Fatalf("%s\nrule: %s", fmt.Sprintf(format, args...), sentence)
	}
}

// do runs f, which must not take longer than within.
func (s *stage) do(within time.Duration, what string, f func()) {
	done := make(chan struct{})
	s.w.Go(func() {
		defer close(done)
		f()
	})
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-done:
		s.w.Sleep(0) // ends here if f failed
	case <-timer.C:
		s.w.Fatalf("%s did not return within %v", what, within)
	}
}

// A player is a socket of the test. It records what it receives.
type player struct {
	s      *stage
	pc     net.PacketConn
	iss    uint32
	opened uint32        // connections
	came   chan struct{} // has one element when something has come

	mu   sync.Mutex
	got  []arrival
	seen int // those before it have been looked at by await
}

// An arrival is a segment that a player received.
type arrival struct {
	*sockets.Segment
	at time.Duration
}

// player opens a socket on a node for the test.
func (s *stage) player(node string) *player {
	p := &player{s: s, pc: s.socket(node), iss: playerISS, came: make(chan struct{}, 1)}
	s.w.Go(p.receive)
	return p
}

func (p *player) receive() {
	buf := make([]byte, 2000)
	for {
		n, _, err := p.pc.ReadFrom(buf)
		if err != nil {
			return
		}
		segment, problem := decodeSegment(append([]byte(nil), buf[:n]...))
		if problem != "" {
			p.s.w.Fatalf("the student's side sent %d bytes that are no segment: %s\n%x\nrule: the layout of Segment, in segment.go", n, problem, buf[:n])
		}
		p.mu.Lock()
		p.got = append(p.got, arrival{segment, p.s.w.Now()})
		p.mu.Unlock()
		select {
		case p.came <- struct{}{}:
		default:
		}
	}
}

// send sends a segment to the student.
func (p *player) send(segment *sockets.Segment) {
	p.pc.WriteTo(encodeSegment(segment), p.s.pc.LocalAddr())
}

// all returns all that has come since the last await.
func (p *player) all() []arrival {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]arrival(nil), p.got[p.seen:]...)
}

// tail returns the last few segments that came.
func (p *player) tail() []arrival {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]arrival(nil), p.got[max(0, len(p.got)-3):]...)
}

// forget makes await and all begin with what comes from now on.
func (p *player) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = len(p.got)
}

// find returns the first segment that match accepts, since the last one found.
func (p *player) find(match func(*sockets.Segment) bool) (arrival, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, a := range p.got[p.seen:] {
		if match(a.Segment) {
			p.seen += i + 1
			return a, true
		}
	}
	return arrival{}, false
}

// await returns the first segment that match accepts, since the last one found.
// When none comes in time, the rule is broken.
func (p *player) await(within time.Duration, sentence, what string, match func(*sockets.Segment) bool) arrival {
	for deadline := p.s.w.Now() + within; ; {
		if a, ok := p.find(match); ok {
			return a
		}
		if !p.wait(deadline) {
			p.s.w.Fatalf("the student's side should have sent %s within %v. It sent %s\nrule: %s", what, within, describeAll(p.all()), sentence)
		}
	}
}

// wait waits for the next segment, or until the deadline. It reports whether there
// is time left.
func (p *player) wait(deadline time.Duration) bool {
	timer := time.NewTimer(deadline - p.s.w.Now())
	defer timer.Stop()
	select {
	case <-p.came:
	case <-timer.C:
	}
	p.s.w.Sleep(0) // ends here if the test has failed elsewhere
	return p.s.w.Now() < deadline
}

// none fails when a segment comes that match accepts.
func (p *player) none(during time.Duration, sentence, what string, match func(*sockets.Segment) bool) {
	p.s.w.Sleep(during)
	if a, ok := p.find(match); ok {
		p.s.w.Fatalf("the student's side sent %s: %s\nrule: %s", what, show(a.Segment), sentence)
	}
}

// anything accepts every segment.
func anything(*sockets.Segment) bool { return true }

// has returns what accepts a segment that has these flags and not those others.
func has(flags, not sockets.Flags) func(*sockets.Segment) bool {
	return func(s *sockets.Segment) bool { return s.Flags&flags == flags && s.Flags&not == 0 }
}

// An end is the test's end of a connection.
type end struct {
	*player
	number uint32
	conn   net.Conn // the student's end
	first  uint32   // the number of the first byte that the student's end sends
	own    uint32   // the number of the first byte that the test sends
	window uint32   // that the test tells
	taken  int      // how much of the student's stream take has seen
}

// open opens a connection from a player to the student's listener.
func (p *player) open() *end {
	e := p.halfOpen()
	e.ack(0, 0)
	e.accept()
	e.forget()
	return e
}

// accept takes the connection from the student's listener.
func (e *end) accept() {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case e.conn = <-e.s.accepted:
	case <-timer.C:
		e.s.w.Fatalf("the handshake is complete, but Accept did not return the connection within 1 s")
	}
}

// halfOpen sends SYN and takes the answer, but does not acknowledge it.
func (p *player) halfOpen() *end {
	p.opened++
	e := &end{player: p, number: 70 + p.opened, own: p.iss + 1, window: 64 << 10}
	e.syn()
	answer := p.await(time.Second, "a listener answers SYN with SYN and ACK (RFC 9293, 3.10.7.2)", "SYN and ACK", has(sockets.SYN|sockets.ACK, sockets.RST))
	e.first = answer.Seq + 1
	return e
}

// syn sends SYN.
func (e *end) syn() {
	e.send(&sockets.Segment{Conn: e.number, Flags: sockets.SYN, Seq: e.iss, Window: e.window})
}

// dial has the student open a connection to a player.
func (s *stage) dial(p *player) *end {
	type result struct {
		conn net.Conn
		err  error
	}
	dialled := make(chan result, 1)
	s.w.Go(func() {
		conn, err := s.transport.Dial(context.Background(), s.pc, p.pc.LocalAddr())
		dialled <- result{conn, err}
	})
	syn := p.await(time.Second, "Dial sends SYN (RFC 9293, 3.5)", "SYN", has(sockets.SYN, sockets.ACK|sockets.RST|sockets.FIN))
	e := &end{player: p, number: syn.Conn, first: syn.Seq + 1, own: p.iss + 1, window: 64 << 10}
	p.send(&sockets.Segment{Conn: e.number, Flags: sockets.SYN | sockets.ACK, Seq: p.iss, Ack: e.first, Window: e.window})
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case r := <-dialled:
		s.rule(r.err == nil, "SYN and ACK complete the handshake for the side that dials (RFC 9293, 3.10.7.3)", "Dial failed: %v", r.err)
		e.conn = r.conn
	case <-timer.C:
		s.w.Fatalf("Dial did not return within 1 s of SYN and ACK")
	}
	return e
}

// segment sends one whose first byte has the place at in the test's stream, and
// which acknowledges n bytes of the student's.
func (e *end) segment(flags sockets.Flags, at, n int, data string) {
	e.send(&sockets.Segment{
		Conn: e.number, Flags: flags, Seq: e.own + uint32(at), Ack: e.first + uint32(n),
		Window: e.window, Payload: []byte(data),
	})
}

// data sends bytes of the test's stream.
func (e *end) data(at int, data string) { e.segment(sockets.ACK, at, 0, data) }

// ack acknowledges n bytes of the student's stream. at is how much of its own the
// test has sent.
func (e *end) ack(at, n int) { e.segment(sockets.ACK, at, n, "") }

// acked waits until acknowledgements have had their time, and returns how many
// bytes of the test's stream the student's last segment acknowledges.
func (e *end) acked() int { return int(int32(e.lastSegment().Ack - e.own)) }

// lastSegment is the last one that came, when acknowledgements have had their time.
func (e *end) lastSegment() *sockets.Segment {
	e.s.w.Sleep(settle)
	all := e.all()
	if len(all) == 0 {
		e.s.w.Fatalf("the student's side answered nothing within %v\nrule: what is received is acknowledged, within 0.5 s (RFC 9293, 3.8.6.3)", settle)
	}
	last := all[len(all)-1].Segment
	if last.Flags&sockets.ACK == 0 || last.Flags&sockets.RST != 0 {
		e.s.w.Fatalf("the student's side should have acknowledged what it received. It sent %s\nrule: the connection is not over yet (RFC 9293, 3.3.2 and 3.6)", show(last))
	}
	return last
}

// place returns the place of a segment's first byte in the student's stream.
func (e *end) place(s *sockets.Segment) int { return int(int32(s.Seq - e.first)) }

// carries returns what accepts a segment that has the byte at that place of the
// student's stream.
func (e *end) carries(place int) func(*sockets.Segment) bool {
	return func(s *sockets.Segment) bool {
		begin := e.place(s)
		return s.Flags&sockets.SYN == 0 && begin <= place && place < begin+len(s.Payload)
	}
}

// write has the student write.
func (e *end) write(data string) {
	e.s.do(10*time.Second, "Write", func() {
		n, err := io.WriteString(e.conn, data)
		if err != nil || n != len(data) {
			e.s.w.Fatalf("Write of %d bytes returned %d and %v", len(data), n, err)
		}
	})
}

// expect has the student read, and compares.
func (e *end) expect(data string) {
	e.s.do(10*time.Second, fmt.Sprintf("a Read of the %d bytes that have arrived", len(data)), func() {
		got := make([]byte, len(data))
		n, err := io.ReadFull(e.conn, got)
		const rule = "bytes are delivered unchanged, in order, each once"
		for i := range n {
			e.s.rule(got[i] == data[i], rule, "byte %d of those that Read gave is wrong. It gave %q there, and the stream goes on with %q", i, shorten(string(got[i:n])), shorten(data[i:]))
		}
		e.s.rule(err == nil, rule, "Read gave %d bytes and %v. %d are there", n, err, len(data))
	})
}

// readError has the student read, and returns the error. Data is a mistake.
func (e *end) readError(within time.Duration) (err error) {
	e.s.do(within, "Read", func() {
		var n int
		if n, err = e.conn.Read(make([]byte, 100)); n > 0 {
			e.s.w.Fatalf("Read returned %d bytes. Nothing was sent that is not read already", n)
		}
	})
	return err
}

func shorten(s string) string {
	if len(s) > 30 {
		return s[:30] + "..."
	}
	return s
}

// pattern is n bytes of a stream that is different everywhere.
func pattern(n int) string {
	b := make([]byte, 0, n+8)
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, "%d,", i)
	}
	return string(b[:n])
}

// encodeSegment and decodeSegment are the tests' own, so that a mistake of the
// student's shows.
func encodeSegment(s *sockets.Segment) []byte {
	d := []byte{1, byte(s.Flags), byte(len(s.Ranges)), 0, 0, 0, 0, 0}
	for _, n := range []uint32{s.Conn, s.Seq, s.Ack, s.Window} {
		d = binary.BigEndian.AppendUint32(d, n)
	}
	for _, r := range s.Ranges {
		d = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(d, r.First), r.End)
	}
	d = append(d, s.Payload...)
	seal(d)
	return d
}

// seal computes the checksum of a datagram and puts it in its place.
func seal(d []byte) {
	clear(d[4:8])
	binary.BigEndian.PutUint32(d[4:], crc32.Checksum(d, crc32.MakeTable(crc32.Castagnoli)))
}

func decodeSegment(d []byte) (s *sockets.Segment, problem string) {
	if len(d) < 24 {
		return nil, "it is shorter than a header"
	}
	sum := binary.BigEndian.Uint32(d[4:])
	again := append([]byte(nil), d...)
	seal(again)
	begin := 24 + 8*int(d[2])
	switch {
	case binary.BigEndian.Uint32(again[4:]) != sum:
		return nil, fmt.Sprintf("its checksum is %08x, and should be %x", sum, again[4:8])
	case len(d) > 1200:
		return nil, fmt.Sprintf("it has %d bytes, and the most are 1200", len(d))
	case d[0] != 1:
		return nil, fmt.Sprintf("its version is %d", d[0])
	case d[1] > 15 || d[3] != 0:
		return nil, "it has unknown flags, or a fourth byte that is not 0"
	case begin > len(d):
		return nil, fmt.Sprintf("it has no room for its %d ranges", d[2])
	}
	s = &sockets.Segment{
		Conn: binary.BigEndian.Uint32(d[8:]), Flags: sockets.Flags(d[1]), Seq: binary.BigEndian.Uint32(d[12:]),
		Ack: binary.BigEndian.Uint32(d[16:]), Window: binary.BigEndian.Uint32(d[20:]), Payload: d[begin:],
	}
	for at := 24; at < begin; at += 8 {
		s.Ranges = append(s.Ranges, sockets.Range{First: binary.BigEndian.Uint32(d[at:]), End: binary.BigEndian.Uint32(d[at+4:])})
	}
	return s, ""
}

// describeSegment shows a segment in the event log.
func describeSegment(_ string, v any) string {
	d, ok := v.([]byte)
	if !ok {
		return ""
	}
	s, problem := decodeSegment(d)
	if problem != "" {
		return "no segment: " + problem
	}
	return show(s)
}

func show(s *sockets.Segment) string {
	var b strings.Builder
	for i, name := range []string{"FIN", "SYN", "RST", "ACK"} {
		if s.Flags&(1<<i) != 0 {
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			b.WriteString(name)
		}
	}
	fmt.Fprintf(&b, " seq %d", s.Seq)
	if s.Flags&sockets.ACK != 0 {
		fmt.Fprintf(&b, " ack %d", s.Ack)
	}
	fmt.Fprintf(&b, " window %d", s.Window)
	for _, r := range s.Ranges {
		fmt.Fprintf(&b, " [%d-%d]", r.First, r.End)
	}
	if n := len(s.Payload); n > 0 {
		fmt.Fprintf(&b, ", %d bytes", n)
	}
	return b.String()
}

func describeAll(list []arrival) string {
	if len(list) == 0 {
		return "nothing"
	}
	var lines []string
	for _, a := range list[max(0, len(list)-10):] {
		lines = append(lines, fmt.Sprintf("%v at %v", show(a.Segment), a.at))
	}
	return strings.Join(lines, "; ")
}
