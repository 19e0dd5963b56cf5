package target

// Answer asks the oracle, and returns what is one more than its answer.
func Answer(oracle Peer, n int) (int, error) {
	var reply Reply
	err := oracle.Call("Oracle.Double", &Args{N: n}, &reply)
	return reply.N + 1, err
}
