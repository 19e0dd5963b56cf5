package sockets

import (
	"errors"
	"hash/crc32"
)

// A Segment is what one datagram carries. It is a TCP segment (RFC 9293, section
// 3.1) with three differences: a connection has a number instead of two ports, the
// window is wide enough to need no scaling, and the checksum is CRC-32C.
//
// On the wire, numbers in big-endian order:
//
//	 0             1             2             3
//	+-------------+-------------+-------------+-------------+
//	| version (1) | flags       | ranges (n)  | 0           |
//	+-------------+-------------+-------------+-------------+
//	| checksum                                              |
//	+-------------------------------------------------------+
//	| connection                                            |
//	+-------------------------------------------------------+
//	| sequence number                                       |
//	+-------------------------------------------------------+
//	| acknowledgement number                                |
//	+-------------------------------------------------------+
//	| window                                                |
//	+-------------------------------------------------------+
//	| n ranges: first sequence number, and that after the   |
//	| last one                                              |
//	+-------------------------------------------------------+
//	| payload                                               |
//	+-------------------------------------------------------+
//
// The checksum is the CRC-32C (Castagnoli) of the whole datagram, header and
// payload, with zeros in the place of the checksum.
type Segment struct {
	Conn   uint32 // the connection's number: the side that dials chose it
	Flags  Flags
	Seq    uint32 // of the first byte of the payload, or of SYN or FIN
	Ack    uint32 // the next sequence number that the sender expects, if ACK is set
	Window uint32 // how many bytes from Ack on the sender has room for

	// Ranges are what the sender has received beyond Ack, as in RFC 2018. The
	// range with the segment that arrived last comes first. They are
	// advice: one may leave them out, and one may ignore them.
	Ranges []Range

	Payload []byte
}

// Flags are the control bits of a segment.
type Flags uint8

// The control bits that TCP has too. SYN and FIN each take one sequence number:
// SYN that before the first byte, FIN that after the last one.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	ACK
)

// A Range is the sequence numbers from First up to End, without End.
type Range struct{ First, End uint32 }

// The sizes of a datagram, in bytes.
const (
	MaxDatagram = 1200                     // the network drops what is larger
	HeaderSize  = 24                       // of a segment without ranges
	MaxPayload  = MaxDatagram - HeaderSize // of a segment without ranges
	rangeSize   = 8
)

// ErrSegment is returned by [DecodeSegment] for what is not a whole, undamaged
// segment.
var ErrSegment = errors.New("sockets: not a segment, or a damaged one")

const segmentVersion = 1

// Where the fields are.
const (
	atVersion  = 0
	atFlags    = 1
	atRanges   = 2
	atReserved = 3
	atChecksum = 4
	atConn     = 8
	atSeq      = 12
	atAck      = 16
	atWindow   = 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode returns the datagram for the segment.
func (s *Segment) Encode() []byte {
	// TODO(1D): lay out the fields, the checksum last.
	todo("1D", "Segment.Encode: lay out the fields, the checksum last")
	return nil
}

// DecodeSegment reads a datagram. The segment's Payload is a part of datagram, not
// a copy. Its error is [ErrSegment] for one that is too short or too long, whose
// checksum is wrong, whose version is not 1, whose fourth byte is not 0, that has
// flags other than those above, or that has no room for as many ranges as it
// announces.
func DecodeSegment(datagram []byte) (*Segment, error) {
	// TODO(1D): check everything before you believe anything.
	todo("1D", "DecodeSegment: check everything before you believe anything")
	return nil, ErrSegment
}

// TODO(1D): what you need to check the checksum.

// size returns how many sequence numbers the segment takes: one for each byte of
// the payload, and one each for SYN and FIN (RFC 9293: SEG.LEN).
func (s *Segment) size() uint32 {
	n := uint32(len(s.Payload))
	if s.Flags&SYN != 0 {
		n++
	}
	if s.Flags&FIN != 0 {
		n++
	}
	return n
}
