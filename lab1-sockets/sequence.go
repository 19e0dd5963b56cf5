package sockets

// before reports whether the sequence number a comes before b. There are only
// 2^32 of them, and after the last one comes 0 (RFC 9293, section 3.4). Two that
// belong to one connection at the same time are never half of that apart.
func before(a, b uint32) bool {
	// TODO(1D): compare across the end of the number space.
	todo("1D", "before: compare sequence numbers across the end of their space")
	return false
}

// later returns that of the two sequence numbers which comes later.
func later(a, b uint32) uint32 {
	if before(a, b) {
		return b
	}
	return a
}
