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
	todo("1D", "rttEstimator.sample: SRTT, RTTVAR and RTO (RFC 6298, section 2)")
}

// backOff makes the timeout longer: the timer has expired (RFC 6298, 5.5).
func (e *rttEstimator) backOff() {
	// TODO(1D): twice as long, within bounds.
	todo("1D", "rttEstimator.backOff: twice as long, within bounds (RFC 6298, 5.5)")
}

// TODO(1D): what else you need.
