package sockets

import "time"

const (
	firstTimeout     = time.Second            // of a connection that has measured nothing (RFC 6298, 2.1)
	cautiousTimeout  = 3 * time.Second        // the same after a SYN that was lost (RFC 6298, 5.7)
	minTimeout       = 200 * time.Millisecond // RFC 6298 says 1 s (2.4); networks have become faster
	maxTimeout       = time.Minute            // RFC 6298, 2.5
	clockGranularity = 10 * time.Millisecond
)

// An rttEstimator computes the retransmission timeout from the round-trip times
// that were measured (RFC 6298).
type rttEstimator struct {
	smoothed  time.Duration // SRTT; 0 before the first measurement
	variation time.Duration // RTTVAR
	least     time.Duration // the smallest round-trip time so far
	timeout   time.Duration // RTO
}

// init sets the timeout of a new connection.
func (e *rttEstimator) init() { e.timeout = firstTimeout }

// sample takes a round-trip time that was measured.
func (e *rttEstimator) sample(rtt time.Duration) {
	// TODO(1D): SRTT, RTTVAR and RTO (RFC 6298, section 2).
	// BEGIN SOLUTION
	if e.smoothed == 0 {
		e.smoothed, e.variation, e.least = rtt, rtt/2, rtt
	} else {
		e.variation = (3*e.variation + (e.smoothed - rtt).Abs()) / 4
		e.smoothed = (7*e.smoothed + rtt) / 8
		e.least = min(e.least, rtt)
	}
	e.restore()
	// END SOLUTION
	// STUB: todo("1D", "rttEstimator.sample: SRTT, RTTVAR and RTO (RFC 6298, section 2)")
}

// backOff makes the timeout longer: the timer has expired (RFC 6298, 5.5).
func (e *rttEstimator) backOff() {
	// TODO(1D): twice as long, within bounds.
	// BEGIN SOLUTION
	e.timeout = min(2*e.timeout, maxTimeout)
	// END SOLUTION
	// STUB: todo("1D", "rttEstimator.backOff: twice as long, within bounds (RFC 6298, 5.5)")
}

// TODO(1D): what else you need.
// BEGIN SOLUTION

// restore sets the timeout to what was measured, and undoes backOff.
func (e *rttEstimator) restore() {
	if e.smoothed > 0 {
		rto := e.smoothed + max(clockGranularity, 4*e.variation)
		e.timeout = min(max(rto, minTimeout), maxTimeout)
	}
}

// synLost notes that the handshake took more than one SYN, so that its round trip
// was not measured.
func (e *rttEstimator) synLost() { e.timeout = cautiousTimeout }

// patience returns how long after its sending a segment is taken for late, not lost,
// although others that were sent after it have arrived.
func (e *rttEstimator) patience() time.Duration {
	return e.smoothed + max(e.smoothed/4, 4*e.variation)
}

// END SOLUTION
