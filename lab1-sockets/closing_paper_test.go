package sockets_test

import (
	"io"
	"net"
	"testing"
	"time"

	sockets "distsys/lab1-sockets"

	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// closeWrite has the student end its stream.
func (e *end) closeWrite() {
	c, ok := e.conn.(interface{ CloseWrite() error })
	require.True(e.s.w, ok, "the connection, a %T, has no method CloseWrite", e.conn)
	e.s.do(time.Second, "CloseWrite", func() { require.NoError(e.s.w, c.CloseWrite()) })
}

// finAt accepts FIN at that place of the student's stream.
func (e *end) finAt(place int) func(*sockets.Segment) bool {
	return func(s *sockets.Segment) bool { return isFin(s) && e.place(s)+len(s.Payload) == place }
}

// Proves that CloseWrite ends this side's stream after the last byte, that FIN is
// sent again until it is acknowledged, that the other direction stays open, and that
// the last acknowledgement is repeated in TIME-WAIT.
func TestPaperCloseWrite1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.transport.TimeWait = 30 * time.Second
		s.listen()
		e := s.player("peer").open()
		e.write(pattern(100))
		e.closeWrite()
		const fin = "FIN follows the last byte, takes a sequence number, and is sent again until it is acknowledged (RFC 9293, 3.6)"
		e.await(settle, "what is written is sent", "the bytes that were written", e.carries(99))
		e.ack(0, 100)
		e.forget()
		e.await(3*time.Second, fin, "FIN at byte 100", e.finAt(100))
		e.await(10*time.Second, fin, "FIN at byte 100 again", e.finAt(100))
		_, err := e.conn.Write([]byte("x"))
		require.Error(w, err, "Write after CloseWrite")
		e.ack(0, 101)
		w.Sleep(2 * hop)
		e.forget()
		stream := pattern(2000)
		for at := 0; at < 2000; at += 500 {
			e.segment(sockets.ACK, at, 101, stream[at:at+500])
			got := e.acked()
			s.rule(got == at+500, "after FIN-WAIT the other side may go on sending (RFC 9293, 3.6, figure 5)", "the student's side has closed its stream, and acknowledges %d of %d bytes of the other's", got, at+500)
		}
		e.expect(stream)
		e.segment(sockets.FIN|sockets.ACK, 2000, 101, "")
		for range 3 {
			got := e.acked()
			s.rule(got == 2001, "FIN takes a sequence number, and is acknowledged (RFC 9293, 3.10.7.4); in TIME-WAIT it is acknowledged again when it comes again", "all 2000 bytes and FIN have come. The student's side acknowledges %d", got)
			require.Equal(w, io.EOF, e.readError(time.Second), "Read at the end of the stream")
			e.forget()
			w.Sleep(5 * time.Second)
			e.segment(sockets.FIN|sockets.ACK, 2000, 101, "")
		}
		w.Sleep(time.Minute)
		e.forget()
		e.segment(sockets.FIN|sockets.ACK, 2000, 101, "")
		e.await(settle, "TIME-WAIT ends; a segment for a connection that does not exist is answered with RST", "RST, a minute after the connection was closed by both sides with a TimeWait of 30 s,", isReset)
	})
}

// Proves that FIN counts only when all in front of it has come, that Read says so
// with io.EOF after the last byte, and that this side may go on sending until it
// closes, too.
func TestPaperFinArrives1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		stream := pattern(300)
		const rule = "FIN has its place behind the last byte: it counts when all in front of it has come (RFC 9293, 3.10.7.4)"
		e.segment(sockets.FIN|sockets.ACK, 200, 0, stream[200:])
		got := e.acked()
		s.rule(got == 0, rule, "only the last 100 of 300 bytes have come, with FIN, and the student's side acknowledges %d", got)
		e.data(0, stream[:100])
		e.expect(stream[:100])
		s.do(2*time.Second, "Read, with a deadline 1 s away,", func() {
			e.conn.SetReadDeadline(time.Now().Add(time.Second))
			n, err := e.conn.Read(make([]byte, 100))
			s.rule(n == 0 && err != io.EOF, rule, "bytes 100 to 200 of the stream are missing, but Read returned %d bytes and %v", n, err)
			e.conn.SetReadDeadline(time.Time{})
		})
		e.data(100, stream[100:200])
		got = e.acked()
		s.rule(got == 301, "FIN takes a sequence number", "all 300 bytes and FIN have come, and the student's side acknowledges %d", got)
		e.expect(stream[100:])
		require.Equal(w, io.EOF, e.readError(time.Second), "Read at the end of the stream")
		require.Equal(w, io.EOF, e.readError(time.Second), "Read at the end of the stream, once more")

		e.forget()
		e.write("still here")
		e.await(settle, "in CLOSE-WAIT this side may go on sending (RFC 9293, 3.6)", "the bytes that were written", e.carries(9))
		e.ack(301, 10)
		require.NoError(w, e.conn.Close())
		e.await(settle, "Close sends FIN", "FIN at byte 10", e.finAt(10))
		e.ack(301, 11)
		w.Sleep(time.Second)
		e.forget()
		e.ack(301, 11)
		e.await(settle, "LAST-ACK is over when FIN is acknowledged (RFC 9293, 3.10.7.4)", "RST: the connection does not exist any more", isReset)
	})
}

// Proves that both sides may close at the same time.
func TestPaperBothClose1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.transport.TimeWait = 10 * time.Second
		s.listen()
		e := s.player("peer").open()
		require.NoError(w, e.conn.Close())
		e.await(settle, "Close sends FIN", "FIN at byte 0", e.finAt(0))
		e.segment(sockets.FIN|sockets.ACK, 0, 0, "")
		got := e.acked()
		s.rule(got == 1, "FIN is acknowledged also in FIN-WAIT-1 (RFC 9293, 3.6, figure 13)", "both sides have sent FIN, and the student's side acknowledges %d", got)
		e.ack(1, 1)
		w.Sleep(time.Second)
		e.forget()
		e.none(5*time.Second, "FIN was acknowledged", "FIN again", isFin)
		e.segment(sockets.FIN|sockets.ACK, 0, 1, "")
		got = e.acked()
		s.rule(got == 1, "in TIME-WAIT FIN is acknowledged again when it comes again (RFC 9293, 3.10.7.4)", "the student's side acknowledges %d", got)
		w.Sleep(20 * time.Second)
		e.forget()
		e.ack(1, 1)
		e.await(settle, "TIME-WAIT ends; a segment for a connection that does not exist is answered with RST", "RST", isReset)
	})
}

// Proves that Close does not wait, and that what was written is delivered all the
// same; and that a side that never closes its own stream is not waited for for ever.
func TestPaperCloseDelivers1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.transport.UserTimeout = 30 * time.Second
		s.listen()
		e := s.player("peer").open()
		e.window = 1000 // Most of it cannot be sent yet.
		e.ack(0, 0)
		w.Sleep(4 * hop)
		stream := pattern(3000)
		e.write(stream)
		s.do(time.Second, "Close", func() { require.NoError(w, e.conn.Close()) })
		_, err := e.conn.Read(make([]byte, 1))
		require.ErrorIs(w, err, net.ErrClosed, "Read after Close")
		_, err = e.conn.Write([]byte("x"))
		require.ErrorIs(w, err, net.ErrClosed, "Write after Close")
		w.Sleep(5 * time.Second) // The first transmissions are lost, say.
		e.forget()
		e.window = 64 << 10
		e.ack(0, 0)
		e.take(1000, 64<<10, stream, 30*time.Second)
		w.Sleep(time.Second)
		e.take(3000, 64<<10, stream, 10*time.Second)
		e.await(10*time.Second, "Close sends FIN", "FIN at byte 3000", e.finAt(3000))
		e.ack(0, 3001)
		w.Sleep(time.Minute)
		e.forget()
		e.ack(0, 3001)
		e.await(settle, "FIN-WAIT-2 after Close ends after the UserTimeout", "RST, a minute after it closed, since the other side has not done so within the UserTimeout of 30 s", isReset)
	})
}

// Proves that the other side learns with RST that nobody reads what it sends.
func TestPaperCloseUnread1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		const rule = "when Close finds unread data, or data comes after it, the other side is told with RST that data was lost (RFC 9293, 3.6.1)"
		s := newStage(w)
		s.listen()
		p := s.player("peer")
		e := p.open()
		e.data(0, "hello")
		w.Sleep(settle)
		e.forget()
		require.NoError(w, e.conn.Close())
		e.await(settle, rule, "RST", isReset)

		e = p.open()
		require.NoError(w, e.conn.Close())
		e.await(settle, "Close sends FIN", "FIN at byte 0", e.finAt(0))
		e.ack(0, 1)
		w.Sleep(2 * hop)
		e.forget()
		e.segment(sockets.ACK, 0, 1, "hello")
		e.await(settle, rule, "RST", isReset)
	})
}

// Proves that RST with exactly the next sequence number ends the connection at once.
func TestPaperReset1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		e.data(0, "hello")
		e.write("hello")
		w.Sleep(4 * hop)
		e.ack(5, 5)
		w.Sleep(settle)
		e.write("more") // It is not acknowledged when RST comes.
		e.await(settle, "what is written is sent", "the bytes that were written", e.carries(5))
		e.segment(sockets.RST, 5, 5, "")
		w.Sleep(2 * hop)
		e.forget()
		_, err := e.conn.Write([]byte("x"))
		require.ErrorIs(w, err, sockets.ErrReset, "Write, when the other side has reset the connection")
		s.do(time.Second, "Read", func() { _, err = io.ReadAll(e.conn) })
		require.ErrorIs(w, err, sockets.ErrReset, "Read, when the other side has reset the connection")
		e.none(10*time.Second, "RST ends the connection, and is not answered (RFC 9293, 3.10.7.4)", "something more", anything)
	})
}

// Proves that RST with any other number does not: somebody may have guessed it.
func TestPaperResetGuessed1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		e.data(0, "hello")
		w.Sleep(settle)
		e.forget()
		for _, at := range []int{6, 1000, 30_000} {
			e.segment(sockets.RST, at, 0, "")
			a := e.await(settle, "RST that is in the window, but has not exactly the next number, is answered with a challenge ACK (RFC 9293, 3.10.7.4)", "ACK", isAck)
			s.rule(a.Ack == e.own+5, "a challenge ACK is <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>", "the student's side answered with %s", show(a.Segment))
		}
		for _, at := range []int{0, 4, -1000, 1 << 20, -1 << 30, 1 << 30} {
			e.segment(sockets.RST, at, 0, "")
			e.none(settle, "RST outside the window is dropped (RFC 9293, 3.10.7.4)", "RST", isReset)
		}
		e.data(5, " again")
		e.expect("hello again")
	})
}

// Proves that SYN in a connection does not end it, but finds out whether the other
// side has lost the connection in a crash; if so, the way is free for a new one.
func TestPaperHalfOpen1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		e.data(0, "hello")
		w.Sleep(settle)
		e.forget()
		const rule = "SYN in an established connection is answered with a challenge ACK (RFC 9293, 3.10.7.4, and figure 9)"
		restarted := &sockets.Segment{Conn: e.number, Flags: sockets.SYN, Seq: e.own + 40_000, Window: 1000}
		for _, seq := range []uint32{e.own - 1, e.own + 5, e.own + 100, e.own + 1<<30, restarted.Seq} {
			e.send(&sockets.Segment{Conn: e.number, Flags: sockets.SYN, Seq: seq, Window: 1000})
			a := e.await(settle, rule, "ACK", isAck)
			s.rule(a.Ack == e.own+5 && a.Seq == e.first, rule, "the student's side answered SYN %d with %s. A challenge ACK has sequence number %d here and acknowledges %d", seq, show(a.Segment), e.first, e.own+5)
		}
		e.data(5, " again")
		e.expect("hello again")
		// The other side is in SYN-SENT: it answers the challenge with RST.
		e.segment(sockets.RST, 11, 0, "")
		require.ErrorIs(w, e.readError(time.Second), sockets.ErrReset, "Read, when the other side has forgotten the connection")
		e.forget()
		e.send(restarted)
		a := e.await(settle, "the SYN of a new connection is answered", "SYN and ACK", isSynAck)
		s.rule(a.Ack == restarted.Seq+1, "SYN is acknowledged", "the student's side answered SYN %d with %s", restarted.Seq, show(a.Segment))
	})
}

// Proves that a connection is between two addresses: whoever sends the same numbers
// from elsewhere does not belong to it.
func TestPaperStrangers1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		s := newStage(w)
		s.listen()
		e := s.player("peer").open()
		stranger := *e
		stranger.player = s.player("stranger")
		e.data(0, "hello")
		w.Sleep(settle)
		e.forget()
		for _, flags := range []sockets.Flags{sockets.ACK, sockets.FIN | sockets.ACK, sockets.ACK} {
			stranger.segment(flags, 5, 0, "forged")
			stranger.await(settle, "a segment of a connection that does not exist is answered with RST (RFC 9293, 3.10.7.1)", "RST to the stranger", isReset)
		}
		stranger.segment(sockets.RST, 5, 0, "")
		e.none(settle, "a connection is named by its addresses and number", "something to the peer, who had sent nothing,", anything)
		e.data(5, " again")
		e.expect("hello again")
		e.write("fine")
		e.await(settle, "what is written is sent", "the bytes that were written", e.carries(0))
	})
}
