package sockets_test

import (
	"encoding/hex"
	"testing"

	sockets "distsys/lab1-sockets"

	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

// goldenSegments are segments and their datagrams.
var goldenSegments = []struct {
	name     string
	segment  sockets.Segment
	datagram string
}{
	{"SYN",
		sockets.Segment{Conn: 0x01020304, Flags: sockets.SYN, Seq: 0xfffffff0, Window: 65536},
		"01020000" + "d98ec3e3" + "01020304" + "fffffff0" + "00000000" + "00010000"},
	{"data and FIN",
		sockets.Segment{Conn: 7, Flags: sockets.ACK | sockets.FIN, Seq: 1001, Ack: 5001, Window: 1048576, Payload: []byte("hello")},
		"01090000" + "5921d726" + "00000007" + "000003e9" + "00001389" + "00100000" + "68656c6c6f"},
	{"ACK with ranges",
		sockets.Segment{Conn: 0xffffffff, Flags: sockets.ACK, Seq: 1, Ack: 2, Window: 3, Ranges: []sockets.Range{{First: 4, End: 5}, {First: 0xfffffffe, End: 6}}},
		"01080200" + "2421329a" + "ffffffff" + "00000001" + "00000002" + "00000003" + "00000004" + "00000005" + "fffffffe" + "00000006"},
}

// Proves that segments are laid out as segment.go says, byte for byte, and read
// back the same.
func TestSegmentLayout1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, g := range goldenSegments {
			want, err := hex.DecodeString(g.datagram)
			require.NoError(w, err)
			made := hex.EncodeToString(g.segment.Encode())
			require.GreaterOrEqual(w, len(made), 48, "Encode of %s (%s) gave fewer bytes than a header has", g.name, show(&g.segment))
			require.Equal(w, g.datagram[:8]+g.datagram[16:], made[:8]+made[16:], "Encode of %s (%s), without the checksum", g.name, show(&g.segment))
			require.Equal(w, g.datagram[8:16], made[8:16], "the checksum of %s (%s)\nrule: it is the CRC-32C of the whole datagram, with zeros in its own place", g.name, show(&g.segment))
			got, err := sockets.DecodeSegment(want)
			require.NoError(w, err, "DecodeSegment of %s", g.name)
			require.Equal(w, encodeSegment(&g.segment), encodeSegment(got), "DecodeSegment of %s gave %s, which should be %s", g.name, show(got), show(&g.segment))
		}
	})
}

// Proves that a damaged datagram is refused, whichever bit it is, and so is one that
// is cut, or has a right checksum and makes no sense. For: a checksum that does not
// cover the header, ranges counted before their room is checked.
func TestSegmentDamage1D(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		refused := func(d []byte, what string) {
			_, err := sockets.DecodeSegment(d)
			require.ErrorIs(w, err, sockets.ErrSegment, "DecodeSegment of a datagram %s\nrule: the comment of DecodeSegment", what)
		}
		for _, g := range goldenSegments {
			whole := encodeSegment(&g.segment)
			_, err := sockets.DecodeSegment(whole)
			require.NoError(w, err, "DecodeSegment of %s", g.name)
			for bit := range 8 * len(whole) {
				d := append([]byte(nil), whole...)
				d[bit/8] ^= 1 << (bit % 8)
				_, err := sockets.DecodeSegment(d)
				require.ErrorIs(w, err, sockets.ErrSegment, "a datagram whose byte %d was damaged on the way was taken for good.\nrule: the checksum covers all of the datagram, header and payload", bit/8)
			}
			for n := range whole {
				refused(whole[:n], "that was cut short")
			}
		}
		forge := func(change func(d []byte) []byte) []byte {
			d := change(encodeSegment(&goldenSegments[1].segment))
			seal(d)
			return d
		}
		refused(forge(func(d []byte) []byte { d[0] = 2; return d }), "of version 2")
		refused(forge(func(d []byte) []byte { d[1] |= 16; return d }), "with an unknown flag")
		refused(forge(func(d []byte) []byte { d[3] = 1; return d }), "whose fourth byte is 1")
		refused(forge(func(d []byte) []byte { d[2] = 1; return d }), "that announces a range and has no room for it")
		refused(forge(func(d []byte) []byte { d[2] = 255; return d }), "that announces 255 ranges and has none")
		refused(forge(func(d []byte) []byte { return append(d, make([]byte, 1200)...) }), "of more than 1200 bytes")
	})
}

func FuzzDecodeSegment(f *testing.F) {
	for _, g := range goldenSegments {
		f.Add(encodeSegment(&g.segment), false)
		f.Add(encodeSegment(&g.segment), true)
	}
	f.Fuzz(func(t *testing.T, d []byte, sealed bool) {
		if sealed && len(d) >= 8 {
			seal(d)
		}
		before := string(d)
		s, err := sockets.DecodeSegment(d)
		want, problem := decodeSegment(d)
		require.Equal(t, before, string(d), "DecodeSegment changed the datagram")
		require.Equal(t, problem == "", err == nil, "DecodeSegment returned %v. What is wrong: %q", err, problem)
		if err == nil {
			require.Equal(t, encodeSegment(want), encodeSegment(s))
			require.Equal(t, d, s.Encode())
		}
	})
}
