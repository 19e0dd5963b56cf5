package sockets_test

import (
	"context"
	"testing"
	"time"

	sockets "distsys/lab1-sockets"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// hasData accepts segments with a payload.
func hasData(s *sockets.Segment) bool { return len(s.Payload) > 0 }

// take collects the student's stream and acknowledges it, until n bytes of it are
// there. limit is the first byte beyond the window, which does not move meanwhile:
// nothing may come from there on.
func (e *end) take(n, limit int, stream string, within time.Duration) {
	for deadline := e.s.w.Now() + within; e.taken < n; {
		for a, ok := e.find(hasData); ok; a, ok = e.find(hasData) {
			begin := e.place(a.Segment)
			end := begin + len(a.Payload)
			e.s.rule(begin >= 0 && end <= limit, "nothing is sent beyond the other side's window (RFC 9293, 3.8.6)", "the student's side sent bytes %d to %d of its stream. The window ends at byte %d", begin, end, limit)
			e.s.rule(stream[begin:end] == string(a.Payload), "what is written is sent", "the student's side sent other bytes than those written as bytes %d to %d", begin, end)
			e.s.rule(!isFin(a.Segment) || end == len(stream), "FIN follows the last byte that was written (RFC 9293, 3.10.4)", "the student's side sent FIN behind byte %d of its stream, of which %d bytes were written", end, len(stream))
			if begin <= e.taken && e.taken < end {
				e.taken = end
				e.window = uint32(limit - end)
				e.ack(0, end)
			}
		}
		if e.taken < n && !e.wait(deadline) {
			e.s.w.Fatalf("the window has room up to byte %d, and the student has written %d bytes, but its side sent only %d of the first %d within %v. The last that came: %s\nrule: what is written is sent as soon as the other side's window has room (RFC 9293, 3.8.6)", limit, len(stream), e.taken, n, within, describeAll(e.tail()))
		}
	}
}

// Proves that no more is sent than the other side has room for, that all of that is
// sent, and that a segment which is late does not bring back an old window.
func TestPaperSendWindow1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		p := s.player("peer")
		e := p.open()
		stream := pattern(20_000)
		full := 4 * sockets.MaxPayload
		e.window = uint32(full)
		e.ack(0, 0)
		w.Sleep(4 * hop)
		e.write(stream)
		e.take(full, full, stream, 5*time.Second)
		e.none(settle, "nothing is sent beyond the other side's window (RFC 9293, 3.8.6)", "bytes beyond a window that is closed", func(s *sockets.Segment) bool { return e.place(s)+len(s.Payload) > full+1 })

		old := *e
		e.window = 3 * sockets.MaxPayload
		full += int(e.window)
		e.ack(0, e.taken)
		e.take(full, full, stream, 5*time.Second)

		old.window = 16 << 10
		old.ack(0, old.taken) // It was sent before the others, say, and overtaken.
		e.none(settle, "a window is taken from a segment only if SND.WL1 and SND.WL2 say that it is newer (RFC 9293, 3.10.7.4)", "bytes beyond the window, which a segment with an older acknowledgement had told that came late", func(s *sockets.Segment) bool { return e.place(s)+len(s.Payload) > full+1 })
		e.window = 64 << 10
		e.ack(0, e.taken)
		e.take(len(stream), e.taken+64<<10, stream, 5*time.Second)
	})
}

const probing = "when the window is closed and there is something to send, probe it: the first time after the retransmission timeout, then at intervals that grow exponentially (RFC 9293, 3.8.6.1)"

// Proves that a closed window is probed, again and again, less and less often; that
// the connection stays as long as the probes are answered; and that sending goes on
// when the window opens.
func TestPaperProbesWindow1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		e.window = 0
		e.ack(0, 0)
		w.Sleep(4 * hop)
		stream := pattern(5000)
		e.write(stream)
		last := w.Now()
		var gaps []time.Duration
		for w.Now() < 15*time.Minute {
			probe := e.await(65*time.Second, probing, "a probe of the closed window", anything)
			if n := e.place(probe.Segment) + len(probe.Payload); n > 1 {
				w.Fatalf("the window is closed, and the student's side sent up to byte %d of its stream\nrule: %s", n, probing)
			}
			gaps = append(gaps, probe.at-last)
			last = probe.at
			e.ack(0, 0)
		}
		s.rule(len(gaps) <= 60, probing, "the student's side probed %d times in 15 minutes", len(gaps))
		for i, g := range gaps {
			s.rule(g <= 61*time.Second, probing+". A minute is the longest", "interval %d between two probes was %v", i, g)
		}
		s.rule(gaps[0] >= 150*time.Millisecond, probing, "the student's side probed after only %v", gaps[0])
		e.forget()
		e.await(65*time.Second, probing, "a probe of the closed window", anything)
		e.window = 64 << 10
		e.ack(0, 0)
		e.take(5000, 64<<10, stream, 10*time.Second)
	})
}

// lone writes one byte that the test does not acknowledge, and returns when its
// segment was sent the first n times.
func (e *end) lone(at, n int) (sent []time.Duration) {
	e.forget()
	e.write("x")
	for range n {
		a := e.await(70*time.Second, "what is not acknowledged is sent again (RFC 9293, 3.8.1)", "byte "+string(rune('0'+at%10))+" of its stream", e.carries(at))
		sent = append(sent, a.at)
	}
	return sent
}

const timeout = "the retransmission timer expires after RTO; then the earliest segment is sent again and RTO doubles (RFC 6298, 5.4 to 5.6). The handout lets RTO be no less than 200 ms"

// Proves that what is not acknowledged is sent again after the timeout, and then
// after twice the time, each time.
func TestPaperRetransmits1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		sent := e.lone(0, 7)
		first := sent[1] - sent[0]
		s.rule(first >= 195*time.Millisecond && first <= 1100*time.Millisecond, timeout+" and no more than 1 s on a path as short as this one, whose round trip of 10 ms the handshake has shown", "the student's side sent its byte again after %v", first)
		for i := 2; i < len(sent); i++ {
			gap, before := sent[i]-sent[i-1], sent[i-1]-sent[i-2]
			s.rule(gap >= before*19/10 && gap <= before*21/10, timeout, "the student's side sent its byte again after %v, and then after %v", before, gap)
		}
		e.ack(0, 1)
		e.none(time.Minute, "what is acknowledged is not sent again", "its byte again", hasData)
	})
}

// Proves Karn's rule: no round trip is measured with a segment that was sent more
// than once, since nobody knows which transmission is acknowledged. For: a timeout
// that becomes too short, or too long, by such a measurement.
func TestPaperKarn1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const karn = "the round trip must not be measured with segments that were retransmitted (RFC 6298, section 3)"
		// The acknowledgement is for the first transmission or the third.
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		sent := e.lone(0, 3)
		rto := sent[1] - sent[0]
		e.ack(0, 1)
		w.Sleep(100 * time.Millisecond)
		again := e.lone(1, 2)
		gap := again[1] - again[0]
		fresh := gap >= rto*8/10 && gap <= rto*12/10
		kept := gap >= rto*38/10 && gap <= rto*42/10
		s.rule(fresh || kept, karn, "RTO was %v. A segment was sent three times and then acknowledged. RTO is now %v. It should be %v still, or %v again", rto, gap, 4*rto, rto)

		// SYN is sent twice on a path with a round trip of 300 ms. The answer to
		// the first comes 20 ms after the second has left.
		s = newStage(w)
		s.net.SetLinks(simnet.Link{Latency: simnet.Range{Min: 150 * time.Millisecond, Max: 150 * time.Millisecond}})
		p := s.player("peer")
		dialled := s.startDial(context.Background(), p)
		syn := p.await(time.Second, "Dial sends SYN (RFC 9293, 3.5)", "SYN", isSyn)
		w.Sleep(syn.at - 150*time.Millisecond + 870*time.Millisecond - w.Now())
		p.send(&sockets.Segment{Conn: syn.Conn, Flags: sockets.SYN | sockets.ACK, Seq: playerISS, Ack: studentISS + 1, Window: 1000})
		r := s.outcome(dialled, time.Second, "SYN was answered")
		require.NoError(w, r.err)
		e = &end{player: p, number: syn.Conn, first: studentISS + 1, own: playerISS + 1, window: 1000, conn: r.conn}
		again = e.lone(0, 2)
		gap = again[1] - again[0]
		s.rule(gap >= 900*time.Millisecond, karn+"; after a handshake that took more than one SYN, RTO is 3 s (5.7)", "SYN was sent twice and then acknowledged, so nothing was measured, and RTO is 1 s or more. The student's side sent its byte again after %v", gap)
	})
}

// Proves that the timeout follows the round trip: on a path that is slow, and loses
// nothing, nothing is sent twice.
func TestPaperTimeoutFollowsPath1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		at, last := 0, 0 // last counts the segments that came again on the slowest path
		for _, rtt := range []time.Duration{10, 50, 100, 200, 400, 700, 1000, 1300, 1500, 1500, 1500} {
			half := rtt * time.Millisecond / 2
			s.net.SetLinks(simnet.Link{Latency: simnet.Range{Min: half, Max: half}})
			last = 0
			for range 8 {
				e.forget()
				e.write("x")
				e.await(2*time.Second, "what is written is sent", "the byte that was written", e.carries(at))
				at++
				e.ack(0, at)
				w.Sleep(rtt * time.Millisecond)
				for _, a := range e.all() {
					if len(a.Payload) > 0 {
						last++
					}
				}
			}
		}
		s.rule(last == 0, "RTO = SRTT + max(G, 4 RTTVAR), from the round trips measured (RFC 6298, section 2)", "the round trip has been 1.5 s for 24 segments. The last 8, all of them acknowledged at once, were sent again %d times", last)
	})
}

// Proves that the timer starts anew when something new is acknowledged, so that the
// next segment has all of its time.
func TestPaperTimerRestarts1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		p := s.player("peer")
		e := p.open()
		sent := e.lone(0, 2)
		rto := sent[1] - sent[0]
		e.ack(0, 1)

		e = p.open()
		e.write("a")
		w.Sleep(2 * hop)
		e.write("b")
		e.await(time.Second, "what is written is sent", "the bytes that were written", e.carries(1))
		w.Sleep(rto * 3 / 4)
		e.forget()
		e.ack(0, 1)
		acked := w.Now() + hop
		again := e.await(10*rto+10*time.Second, timeout, "byte 1 again", e.carries(1))
		s.rule(again.at-hop >= acked+rto*9/10, "when new data is acknowledged, restart the timer, so that it expires after RTO (RFC 6298, 5.3)", "byte 0 was acknowledged at %v, and byte 1 sent again at %v already. RTO is %v", acked, again.at-hop, rto)
	})
}

// Proves that acknowledgements of what was never sent, and ranges that nobody
// acknowledges, mislead nobody.
func TestPaperForgedAcknowledgements1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		e.write("hello")
		e.await(settle, "what is written is sent", "the bytes that were written", e.carries(0))
		const rule = "an ACK of something not yet sent is answered with ACK, and dropped (RFC 9293, 3.10.7.4)"
		for _, n := range []int{6, 1000, 1 << 20, 1 << 30} {
			e.forget()
			e.ack(0, n)
			e.await(settle, rule, "ACK", isAck)
		}
		e.await(5*time.Second, rule, "the 5 bytes again, which nobody has acknowledged", e.carries(0))
		e.forget()
		for _, ranges := range [][]sockets.Range{
			{{First: e.first, End: e.first + 5}},
			{{First: e.first + 5, End: e.first}, {First: e.first - 1<<30, End: e.first + 1<<30}},
			make([]sockets.Range, 100),
		} {
			e.send(&sockets.Segment{Conn: e.number, Flags: sockets.ACK, Seq: e.own, Ack: e.first, Window: e.window, Ranges: ranges})
		}
		e.await(2*time.Minute, "only ACK says for good that something was received (RFC 2018, section 8)", "the 5 bytes again, which ranges have told of, but no acknowledgement", e.carries(0))
		e.ack(0, 5)
		w.Sleep(2 * hop)
		e.write("again")
		e.await(settle, "the connection goes on", "more bytes", e.carries(5))
	})
}

// Proves that a connection whose other side is dead is given up after the
// UserTimeout, and not while the other side acknowledges something now and then.
func TestPaperDeadPeer1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.transport.UserTimeout = 30 * time.Second
		s.listen()
		e := s.player("peer").open()
		for i := range 6 {
			e.forget()
			e.write("x")
			e.await(settle, "what is written is sent", "the byte that was written", e.carries(i))
			w.Sleep(20 * time.Second)
			e.ack(0, i+1)
			w.Sleep(100 * time.Millisecond)
		}
		e.write("x")
		began := w.Now()
		err := e.readError(40 * time.Second)
		require.ErrorIs(w, err, sockets.ErrPeerDead, "Read, when the other side is dead")
		s.rule(w.Now()-began >= 30*time.Second, "UserTimeout", "the connection was given up %v after the byte was written that nobody acknowledged, before the UserTimeout of 30 s", w.Now()-began)
		_, err = e.conn.Write([]byte("x"))
		require.ErrorIs(w, err, sockets.ErrPeerDead, "Write, when the other side is dead")
		w.Sleep(time.Second)
		e.forget()
		e.none(2*time.Minute, "the connection has been given up", "something more", anything)
	})
}
