package sockets_test

import (
	"testing"
	"time"

	sockets "distsys/lab1-sockets"

	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

const cumulative = "ACK tells the next sequence number that is expected: that after the last byte received in order (RFC 9293, 3.4 and 3.10.7.4)"

// Proves that what comes in order is acknowledged and delivered.
func TestPaperAcknowledges1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		stream := pattern(3000)
		at := 0
		for _, n := range []int{1, 99, 1000, 1176, 724} {
			e.data(at, stream[at:at+n])
			at += n
			got := e.acked()
			s.rule(got == at, cumulative, "the student's side has received the first %d bytes of the stream in order, and acknowledges %d", at, got)
		}
		e.expect(stream)
	})
}

// Proves that bytes out of order are neither acknowledged nor delivered before those
// in front of them have come, and are not lost.
func TestPaperOutOfOrder1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		stream := pattern(500)
		right := 0 // the right edge of the window so far, as a place in the stream
		for _, step := range []struct{ from, to, acked int }{
			{0, 100, 100},
			{200, 300, 100},
			{400, 500, 100},
			{300, 400, 100},
			{100, 200, 500},
		} {
			e.data(step.from, stream[step.from:step.to])
			last := e.lastSegment()
			got := int(int32(last.Ack - e.own))
			now := got + int(last.Window)
			s.rule(now >= right, edge, "bytes %d to %d of the stream came, and the right edge of the window moved back from byte %d to byte %d. What is out of order lies within the window already", step.from, step.to, right, now)
			right = now
			s.rule(got == step.acked, cumulative, "bytes %d to %d of the stream came, and the student's side now acknowledges %d bytes. It should acknowledge %d", step.from, step.to, got, step.acked)
			if step.from == 400 {
				e.expect(stream[:100])
				s.do(2*time.Second, "Read, with a deadline 1 s away,", func() {
					e.conn.SetReadDeadline(time.Now().Add(time.Second))
					n, err := e.conn.Read(make([]byte, 100))
					s.rule(n == 0, "bytes are delivered in order (RFC 9293, 3.10.7.4)", "Read returned %d bytes and %v, although bytes 100 to 200 of the stream are missing", n, err)
					e.conn.SetReadDeadline(time.Time{})
				})
			}
		}
		e.expect(stream[100:])
	})
}

// Proves that what comes twice, in whole or in part, is delivered once and
// acknowledged again. For: a segment dropped or delivered whole that is half old.
func TestPaperRepeatedData1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		stream := pattern(1000)
		for _, step := range []struct{ from, to, acked int }{
			{0, 100, 100},
			{0, 100, 100},   // the same
			{50, 150, 150},  // half old
			{0, 200, 200},   // all of the old, and more
			{20, 60, 200},   // a part of the old
			{300, 400, 200}, // out of order
			{300, 400, 200}, // the same
			{350, 450, 200}, // half old
			{280, 500, 200}, // around it
			{600, 700, 200}, // another
			{450, 650, 200}, // between the two, with both ends old
			{150, 320, 700}, // fills the gap, with both ends old
			{100, 900, 900},
		} {
			e.data(step.from, stream[step.from:step.to])
			got := e.acked()
			s.rule(got == step.acked, cumulative+"; what is old is acknowledged once more", "bytes %d to %d of the stream came, and the student's side now acknowledges %d bytes. It should acknowledge %d", step.from, step.to, got, step.acked)
		}
		e.expect(stream[:900])
	})
}

const edge = "the window is the room in the receive buffer: it shrinks by what is not read, and its right edge, ACK plus window, neither goes beyond the buffer nor moves back (RFC 9293, 3.8.6)"

// Proves that the window tells the room in the receive buffer, that nothing beyond
// it is taken, and that it opens again when somebody reads.
func TestPaperReceiveWindow1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.transport.ReceiveBuffer = 20_000
		s.listen()
		e := s.player("peer").open()
		stream := pattern(60_000)
		right := 0 // the right edge so far, as a place in the stream
		sent := 0
		for range 40 { // far more than there is room for
			end := min(sent+1000, len(stream))
			e.data(sent, stream[sent:end])
			last := e.lastSegment()
			acked := int(int32(last.Ack - e.own))
			now := acked + int(last.Window)
			s.rule(acked <= 20_000 && now <= 20_000, edge, "the receive buffer has 20000 bytes, and nobody has read yet. The student's side acknowledges %d bytes and tells a window of %d", acked, last.Window)
			s.rule(now >= right, edge, "the right edge of the window moved back from byte %d to byte %d", right, now)
			s.rule(sent >= 15_000 || acked == end, cumulative, "the first %d bytes have come in order. The student's side acknowledges %d", end, acked)
			right, sent = now, acked
			if last.Window == 0 {
				break
			}
		}
		s.rule(right >= 16_000, edge, "the receive buffer has 20000 bytes. The student's side took no more than %d", right)
		e.data(sent+30_000, stream[sent+30_000:sent+31_000])
		got := e.acked()
		s.rule(got == sent, "nothing outside the window is taken; it is answered with an ACK (RFC 9293, 3.10.7.4)", "a segment far beyond the window moved the acknowledgement from byte %d to %d", sent, got)

		e.forget()
		e.expect(stream[:sent])
		w.Sleep(settle)
		const reopened = "when the window was closed and there is room again, the other side is told, without being asked (RFC 9293, 3.8.6)"
		s.rule(len(e.all()) > 0, reopened, "the window was closed; then all %d bytes were read, but the student's side sent nothing within %v", sent, settle)
		last := e.all()[len(e.all())-1]
		s.rule(int(last.Window) >= 15_000, reopened, "all %d bytes were read, but the student's side still tells a window of %d", sent, last.Window)
		e.data(sent, stream[sent:sent+1000])
		e.expect(stream[sent : sent+1000])
	})
}

// Proves that a probe of a closed window is answered, that its byte is not lost when
// it is taken nor delivered when it is not, and that the window opens in steps that
// are worth a segment.
func TestPaperProbeIsAnswered1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.transport.ReceiveBuffer = 4000
		s.listen()
		e := s.player("peer").open()
		stream := pattern(10_000)
		sent := 0
		for range 100 {
			last := e.probe(stream, sent)
			sent = int(int32(last.Ack - e.own))
			if sent > 4000 {
				break
			}
			if last.Window == 0 {
				break
			}
			e.data(sent, stream[sent:sent+min(int(last.Window), sockets.MaxPayload)])
			sent = e.acked()
		}
		s.rule(sent <= 4000, edge, "the receive buffer has 4000 bytes, and the student's side acknowledges %d that nobody has read", sent)
		for range 3 {
			last := e.probe(stream, sent)
			acked := int(int32(last.Ack - e.own))
			s.rule(acked == sent && last.Window == 0, "a probe of a closed window is answered with the present ACK and window (RFC 9293, 3.8.6.1)", "the window is closed at byte %d. The student's side answered a probe with ack for %d and window %d", sent, acked, last.Window)
		}
		read := 0
		for range 8 {
			e.expect(stream[read : read+100])
			read += 100
			last := e.probe(stream, sent)
			if taken := int(int32(last.Ack - e.own)); taken != sent {
				sent = taken // The byte of the probe has found room.
			}
			s.rule(last.Window == 0 || last.Window >= sockets.MaxPayload, "avoid the silly window: the right edge does not move by less than a segment or half the buffer (RFC 9293, 3.8.6.2.2)", "of a full buffer of 4000 bytes %d were read, and the student's side tells a window of %d", read, last.Window)
		}
		e.expect(stream[read:sent])
	})
}

// probe sends one byte, and returns the answer.
func (e *end) probe(stream string, at int) *sockets.Segment {
	e.data(at, stream[at:at+1])
	return e.lastSegment()
}

// Proves that damaged segments do nothing, and are not answered.
func TestPaperDamagedSegments1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		stream := pattern(100)
		whole := encodeSegment(&sockets.Segment{Conn: e.number, Flags: sockets.ACK, Seq: e.own, Ack: e.first, Window: 1000, Payload: []byte(stream)})
		for i := range 8 * len(whole) {
			d := append([]byte(nil), whole...)
			d[i/8] ^= 1 << (i % 8)
			e.pc.WriteTo(d, s.pc.LocalAddr())
		}
		e.none(time.Second, "a damaged datagram is as good as lost", "an answer to a damaged segment", anything)
		e.data(0, stream)
		e.expect(stream)
	})
}

// Proves that numbers go on behind 2^32-1 at 0, in both directions, in data, ACK,
// window and FIN.
func TestPaperSequenceWraps1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, before := range []uint32{0, 1, 2, 50, 150, 500} {
			s := newStage(w)
			s.transport.InitialSequence = func() uint32 { return -before }
			s.listen()
			p := s.player("peer")
			p.iss = -before
			e := p.open()
			stream := pattern(400)
			for _, step := range []struct{ from, to, acked int }{
				{0, 100, 100}, {200, 300, 100}, {50, 120, 120}, {250, 400, 120}, {100, 200, 400},
			} {
				e.data(step.from, stream[step.from:step.to])
				got := e.acked()
				s.rule(got == step.acked, cumulative+", modulo 2^32", "the stream begins at number %d. Bytes %d to %d came, and the student's side now acknowledges %d bytes. It should acknowledge %d", e.own, step.from, step.to, got, step.acked)
			}
			e.expect(stream)
			e.forget()
			for at := 0; at < 400; at += 100 {
				e.write(stream[at : at+100])
				a := e.await(settle, "what is written is sent, and sequence numbers are modulo 2^32 (RFC 9293, 3.4)", "the bytes that were written", e.carries(at))
				s.rule(string(a.Payload) == stream[at:at+100], "sequence numbers are modulo 2^32 (RFC 9293, 3.4)", "the student's side sent other bytes than those written: %s", show(a.Segment))
				e.ack(400, at+100)
			}
			e.none(5*time.Second, "acknowledged data is not sent again; sequence numbers are modulo 2^32 (RFC 9293, 3.4)", "data again", func(s *sockets.Segment) bool { return len(s.Payload) > 0 })
			require.NoError(w, e.conn.Close())
			fin := e.await(settle, "Close sends FIN", "FIN", isFin)
			s.rule(e.place(fin.Segment)+len(fin.Payload) == 400, "FIN has the number after the last byte", "the student's side sent %s. FIN should have the number %d", show(fin.Segment), e.first+400)
			s.pc.Close()
			p.pc.Close()
		}
	})
}
