package sockets_test

import (
	"context"
	"net"
	"testing"
	"time"

	sockets "distsys/lab1-sockets"

	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// result is what Dial returned.
type result struct {
	conn net.Conn
	err  error
	at   time.Duration
}

// startDial has the student dial a player, whose answers the test sends.
func (s *stage) startDial(ctx context.Context, p *player) <-chan result {
	c := make(chan result, 1)
	s.w.Go(func() {
		conn, err := s.transport.Dial(ctx, s.pc, p.pc.LocalAddr())
		c <- result{conn, err, s.w.Now()}
	})
	return c
}

func (s *stage) outcome(c <-chan result, within time.Duration, when string) result {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case r := <-c:
		return r
	case <-timer.C:
		s.w.Fatalf("Dial did not return within %v, although %s", within, when)
		panic("unreachable")
	}
}

var (
	isSyn    = has(sockets.SYN, sockets.ACK|sockets.RST|sockets.FIN)
	isSynAck = has(sockets.SYN|sockets.ACK, sockets.RST|sockets.FIN)
	isAck    = has(sockets.ACK, sockets.SYN|sockets.RST|sockets.FIN)
	isReset  = has(sockets.RST, sockets.SYN|sockets.FIN)
	isFin    = has(sockets.FIN, sockets.SYN|sockets.RST)
)

// Proves that Dial sends SYN, sends the same one again after 1 s, then after twice
// the time, and completes the handshake with ACK.
func TestPaperDial1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		p := s.player("peer")
		dialled := s.startDial(context.Background(), p)
		const rule = "until a round trip has been measured, the retransmission timeout is 1 s (RFC 6298, 2.1); it doubles each time (5.5)"
		first := p.await(time.Second, "Dial sends SYN (RFC 9293, 3.5)", "SYN", isSyn)
		s.rule(first.Seq == studentISS, "SYN has the initial sequence number (RFC 9293, 3.4.1)", "the student's side sent SYN with number %d. InitialSequence returned %d", first.Seq, studentISS)
		s.rule(len(first.Payload) == 0 && first.Window > 0, "SYN carries no data here, and tells the window", "the student's side sent %s", show(first.Segment))
		at := first.at
		for _, gap := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			again := p.await(gap*11/10, rule, "SYN again", isSyn)
			s.rule(again.Seq == first.Seq && again.Conn == first.Conn, "a retransmission is the same segment", "the student's side sent %s, connection %d, and then %s, connection %d", show(first.Segment), first.Conn, show(again.Segment), again.Conn)
			s.rule(again.at-at >= gap*9/10, rule, "the student's side repeated SYN after %v, and should have waited %v", again.at-at, gap)
			at = again.at
		}
		p.send(&sockets.Segment{Conn: first.Conn, Flags: sockets.SYN | sockets.ACK, Seq: playerISS, Ack: studentISS + 1, Window: 1000})
		ack := p.await(settle, "SYN and ACK are acknowledged (RFC 9293, 3.5)", "ACK", isAck)
		s.rule(ack.Seq == studentISS+1 && ack.Ack == playerISS+1, "SYN takes one sequence number (RFC 9293, 3.4)", "the student's side answered SYN (seq %d) with %s. It should have sequence number %d and acknowledge %d", playerISS, show(ack.Segment), studentISS+1, playerISS+1)
		r := s.outcome(dialled, time.Second, "the handshake is complete")
		require.NoError(w, r.err, "Dial, when the handshake is complete")
		p.none(10*time.Second, "SYN was acknowledged", "SYN again", isSyn)
	})
}

// Proves that a listener answers SYN, and accepts when the answer is acknowledged
// and not before; that SYN twice is one connection; and that the answer comes again
// until it is acknowledged.
func TestPaperAccept1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		p := s.player("peer")
		e := p.halfOpen()
		s.rule(e.first == studentISS+1, "SYN has the initial sequence number (RFC 9293, 3.4.1)", "the student's side answered SYN with sequence number %d. InitialSequence returned %d", e.first-1, studentISS)
		check := func(a arrival) {
			s.rule(a.Ack == playerISS+1 && a.Seq == studentISS, "SYN and ACK have the initial sequence number, and acknowledge SYN, which takes one number (RFC 9293, 3.10.7.2)", "the student's side answered SYN (seq %d) with %s", playerISS, show(a.Segment))
		}
		e.syn()
		check(p.await(3500*time.Millisecond, "the answer to SYN may be lost: it is sent again (RFC 9293, 3.8.1)", "SYN and ACK again", isSynAck))
		check(p.await(10*time.Second, "the answer to SYN may be lost: it is sent again (RFC 9293, 3.8.1)", "SYN and ACK again", isSynAck))
		s.rule(len(s.accepted) == 0, "a connection is established when both sides have acknowledged SYN (RFC 9293, 3.5)", "Accept returned a connection before its handshake was complete")
		e.ack(0, 0)
		e.accept()
		w.Sleep(time.Second)
		s.rule(len(s.accepted) == 0, "a SYN that comes twice is one SYN", "Accept returned a second connection for one that was opened once")
		require.Equal(w, p.pc.LocalAddr().String(), e.conn.RemoteAddr().String(), "RemoteAddr")
		e.data(0, "hello")
		e.expect("hello")
	})
}

// Proves that the acknowledgement that completes the handshake may come with data,
// and with data only: the one before it may be lost.
func TestPaperAcceptWithData1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		p := s.player("peer")
		e := p.halfOpen()
		e.data(0, "hello")
		e.accept()
		e.expect("hello")
		s.rule(e.acked() == 5, "what is received in order is acknowledged (RFC 9293, 3.10.7.4)", "the student's side received 5 bytes together with the acknowledgement of its SYN, and acknowledges %d", e.acked())
	})
}

// Proves that neither side takes a handshake for complete by an acknowledgement of
// something else: of an old connection, or of a guess.
func TestPaperHandshakeNumbers1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		p := s.player("peer")
		dialled := s.startDial(context.Background(), p)
		syn := p.await(time.Second, "Dial sends SYN (RFC 9293, 3.5)", "SYN", isSyn)
		const rule = "in SYN-SENT, an acknowledgement of anything but SYN is answered with RST, <SEQ=SEG.ACK>, and ignored (RFC 9293, 3.10.7.3)"
		p.send(&sockets.Segment{Conn: syn.Conn, Flags: sockets.SYN | sockets.ACK, Seq: 99, Ack: studentISS, Window: 1000})
		r := p.await(settle, rule, "RST", isReset)
		s.rule(r.Seq == studentISS, rule, "the student's side answered ack %d with %s", studentISS, show(r.Segment))
		p.send(&sockets.Segment{Conn: syn.Conn, Flags: sockets.SYN | sockets.ACK, Seq: 99, Ack: studentISS + 500, Window: 1000})
		p.await(settle, rule, "RST", isReset)
		p.send(&sockets.Segment{Conn: syn.Conn, Flags: sockets.RST | sockets.ACK, Ack: studentISS + 2})
		w.Sleep(time.Second)
		s.rule(len(dialled) == 0, rule, "Dial returned, although nothing that came acknowledges its SYN, %d", studentISS)
		p.send(&sockets.Segment{Conn: syn.Conn, Flags: sockets.SYN | sockets.ACK, Seq: playerISS, Ack: studentISS + 1, Window: 1000})
		require.NoError(w, s.outcome(dialled, time.Second, "SYN is acknowledged").err)

		s = newStage(w)
		s.listen()
		p = s.player("peer")
		e := p.halfOpen()
		e.ack(0, 10)
		const rule2 = "in SYN-RECEIVED, an acknowledgement of anything but SYN is answered with RST, <SEQ=SEG.ACK> (RFC 9293, 3.10.7.4)"
		r = p.await(settle, rule2, "RST", isReset)
		s.rule(r.Seq == e.first+10, rule2, "the student's side answered ack %d with %s", e.first+10, show(r.Segment))
		s.rule(len(s.accepted) == 0, rule2, "Accept returned a connection whose SYN was not acknowledged")
	})
}

// Proves that Dial returns ErrRefused when the answer is RST.
func TestPaperRefused1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		p := s.player("peer")
		dialled := s.startDial(context.Background(), p)
		syn := p.await(time.Second, "Dial sends SYN (RFC 9293, 3.5)", "SYN", isSyn)
		p.send(&sockets.Segment{Conn: syn.Conn, Flags: sockets.RST | sockets.ACK, Ack: syn.Seq + 1})
		r := s.outcome(dialled, time.Second, "SYN was answered with RST")
		require.ErrorIs(w, r.err, sockets.ErrRefused, "Dial, when the answer is RST (RFC 9293, 3.10.7.3)")
		p.none(10*time.Second, "the connection is closed", "something more", anything)
	})
}

// Proves that Dial ends with its context, and that nothing goes on behind it; and
// that without an end of the context it gives up after the UserTimeout.
func TestPaperDialGivesUp1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		p := s.player("peer")
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		dialled := s.startDial(ctx, p)
		syn := p.await(time.Second, "Dial sends SYN (RFC 9293, 3.5)", "SYN", isSyn)
		r := s.outcome(dialled, 6*time.Second, "its context has ended")
		require.ErrorIs(w, r.err, context.DeadlineExceeded, "Dial, when its context has ended")
		require.InDelta(w, 5., r.at.Seconds(), 0.1, "seconds until Dial returned, whose context ended after 5")
		w.Sleep(100 * time.Millisecond)
		p.forget()
		p.none(time.Minute, "Dial has given up", "SYN again", isSyn)
		_ = syn

		s.transport.UserTimeout = 20 * time.Second
		began := w.Now()
		r = s.outcome(s.startDial(context.Background(), p), 25*time.Second, "nobody answered for the UserTimeout of 20 s")
		require.ErrorIs(w, r.err, sockets.ErrPeerDead, "Dial, when nobody answers")
		s.rule(r.at-began >= 20*time.Second, "UserTimeout", "Dial gave up after %v, before the UserTimeout of 20 s", r.at-began)
	})
}

// Proves that whoever sends something to a connection that does not exist is told
// so with RST, and that nobody is told so who sends RST.
func TestPaperNoConnection1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		p := s.player("peer")
		const rule = "a segment for a connection that does not exist is answered with RST: <SEQ=SEG.ACK> if it has ACK, else <SEQ=0><ACK=SEG.SEQ+SEG.LEN> (RFC 9293, 3.10.7.1)"
		for _, c := range []struct {
			what     sockets.Segment
			seq, ack uint32
			withAck  bool
		}{
			{sockets.Segment{Flags: sockets.ACK, Seq: 1, Ack: 500, Payload: []byte("hello")}, 500, 0, false},
			{sockets.Segment{Flags: sockets.FIN | sockets.ACK, Seq: 1, Ack: 501}, 501, 0, false},
			{sockets.Segment{Flags: sockets.SYN | sockets.ACK, Seq: 1, Ack: 502}, 502, 0, false},
			{sockets.Segment{Seq: 100, Payload: []byte("hello")}, 0, 105, true},
			{sockets.Segment{Flags: sockets.FIN, Seq: 100, Payload: []byte("hello")}, 0, 106, true},
		} {
			c.what.Conn = 9
			p.send(&c.what)
			r := p.await(settle, rule, "RST", isReset)
			s.rule(r.Conn == 9 && r.Seq == c.seq && (r.Flags&sockets.ACK != 0) == c.withAck && (!c.withAck || r.Ack == c.ack), rule, "the student's side answered %s with %s", show(&c.what), show(r.Segment))
		}
		p.send(&sockets.Segment{Conn: 9, Flags: sockets.RST, Seq: 100})
		p.send(&sockets.Segment{Conn: 9, Flags: sockets.RST | sockets.ACK, Seq: 100, Ack: 100})
		p.none(settle, "RST is never answered (RFC 9293, 3.10.7.1)", "an answer to RST", anything)
	})
}
