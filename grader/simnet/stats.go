package simnet

// A Key says which messages a [Count] counts: the requests for a method on a
// directed link, or the replies of that method on a directed link. Streams and
// datagrams of a service have the method "tcp:6379", "udp:9000", in both
// directions, after its port.
type Key struct {
	From, To string
	Method   string
	Reply    bool
}

// A Count counts messages. Sent and Bytes count a message when its sender
// sends it, whatever becomes of it. Delivered and Dropped count copies. What a
// stream sends again counts once in Sent and Bytes.
type Count struct {
	Sent       uint64
	Bytes      uint64 // encoded arguments and replies, contents of streams and datagrams, without any header
	Delivered  uint64
	Dropped    uint64
	Duplicated uint64
}

// Stats are counters by link and method. To count during a span of time, take
// them before and after:
//
//	before := net.Stats()
//	...
//	sent := net.Stats().Since(before).From("1").Requests().Total()
type Stats map[Key]Count

// Stats returns the counters as they are now.
func (n *Network) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	stats := Stats{}
	for _, l := range n.links {
		for _, f := range l.flows {
			for i, c := range f.counts {
				if c != (Count{}) {
					stats[Key{l.from.name, l.to.name, f.name, i == 1}] = c
				}
			}
		}
	}
	return stats
}

// Since returns what was counted since earlier.
func (s Stats) Since(earlier Stats) Stats {
	diff := Stats{}
	for k, c := range s {
		if d := c.minus(earlier[k]); d != (Count{}) {
			diff[k] = d
		}
	}
	return diff
}

// Where returns the counters whose key matches.
func (s Stats) Where(match func(Key) bool) Stats {
	some := Stats{}
	for k, c := range s {
		if match(k) {
			some[k] = c
		}
	}
	return some
}

// From returns the counters of messages that the node sends.
func (s Stats) From(node string) Stats { return s.Where(func(k Key) bool { return k.From == node }) }

// To returns the counters of messages for the node.
func (s Stats) To(node string) Stats { return s.Where(func(k Key) bool { return k.To == node }) }

// Method returns the counters of one method.
func (s Stats) Method(name string) Stats {
	return s.Where(func(k Key) bool { return k.Method == name })
}

// Requests returns the counters of requests.
func (s Stats) Requests() Stats { return s.Where(func(k Key) bool { return !k.Reply }) }

// Replies returns the counters of replies.
func (s Stats) Replies() Stats { return s.Where(func(k Key) bool { return k.Reply }) }

// Total returns the sum of all counters.
func (s Stats) Total() Count {
	var total Count
	for _, c := range s {
		total.Sent += c.Sent
		total.Bytes += c.Bytes
		total.Delivered += c.Delivered
		total.Dropped += c.Dropped
		total.Duplicated += c.Duplicated
	}
	return total
}

func (c Count) minus(d Count) Count {
	return Count{c.Sent - d.Sent, c.Bytes - d.Bytes, c.Delivered - d.Delivered, c.Dropped - d.Dropped, c.Duplicated - d.Duplicated}
}
