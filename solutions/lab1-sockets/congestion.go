package sockets

// A congestion decides how many bytes may be under way at the same time, which is
// the congestion window of RFC 5681. How it decides is up to you: a constant is a
// beginning.
//
// TODO(1D): keep the line busy, and the queue in front of it short. Losing a
// segment means little here: the network loses them at random.
// BEGIN SOLUTION
//
// TCP's usual rule, to halve the window when a segment is lost, is of no use on a
// line that loses them at random: one percent is enough to keep such a sender from
// ever filling it. What tells that the line is full is delay, as in TCP Vegas and
// FAST TCP: all that is under way and does not fit on the line waits in a queue,
// and the round trip becomes longer. The window is set so that about as much as
// standingQueue waits. A queue of zero would leave the line idle at times.
type congestion struct {
	window   int // bytes
	starting bool
	limited  bool // the window, and not the writer, has held the sender back in this round

	roundEnd uint64 // the transmission with which this round trip ends

	arrivals int // segments that arrived
	losses   int // and that were lost, since it was last looked at
}

const (
	firstWindow   = 10 * MaxPayload // RFC 6928
	leastWindow   = 2 * MaxPayload
	standingQueue = 16 * MaxPayload
	manySegments  = 64 // enough to tell bad luck from a queue that overflows
)

func (g *congestion) init() { g.window, g.starting = firstWindow, true }

// arrived notes that n bytes are no longer under way. At the start nothing is known
// about the line: the window doubles each round trip, until a queue shows.
func (g *congestion) arrived(n int, rtt *rttEstimator) {
	g.arrivals++
	if !g.starting || rtt.smoothed == 0 {
		return
	}
	if g.limited {
		g.window += n
	}
	if queue := g.window - g.onLine(rtt); queue > standingQueue {
		g.starting = false
		g.adjust(rtt)
	}
}

// onLine returns how much of the window fits on the line: the share of the round
// trip that is not spent in the queue. The smallest round trip found the queue empty.
func (g *congestion) onLine(rtt *rttEstimator) int {
	return int(float64(g.window) * float64(rtt.least) / float64(rtt.smoothed))
}

// adjust sets the window to what fits on the line and standingQueue.
func (g *congestion) adjust(rtt *rttEstimator) {
	if target := g.onLine(rtt) + standingQueue; target < g.window || g.limited {
		g.window = max(min(target, 2*g.window), leastWindow)
	}
}

// roundOver is called once a round trip. newest is the number of transmissions.
func (g *congestion) roundOver(newest uint64, rtt *rttEstimator) {
	if !g.starting && rtt.smoothed > 0 {
		g.adjust(rtt)
	}
	if g.arrivals+g.losses >= manySegments {
		// More lost than arrived is no bad luck: there is a queue that overflows
		// before it is long enough to be noticed.
		if g.losses > g.arrivals {
			g.window = max(g.window/2, leastWindow)
		}
		g.arrivals, g.losses = 0, 0
	}
	g.roundEnd, g.limited = newest, false
}

// timedOut starts anew, since nothing at all comes back.
func (g *congestion) timedOut() { g.window, g.starting = leastWindow, true }

// END SOLUTION
// STUB: type congestion struct{ window int }
// STUB:
// STUB: func (g *congestion) init() { g.window = 64 << 10 }
