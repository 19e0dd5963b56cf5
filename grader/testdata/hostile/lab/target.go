package target

// Answer asks the oracle, and returns what is one more than its answer.
func Answer(oracle Peer, n int) (int, error) { return 0, nil }
