package simnet

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"distsys/grader/simtest"
)

var (
	// ErrLost is returned by a call whose request or reply was lost on the
	// way, 100-500 ms after the loss.
	ErrLost = errors.New("simnet: the request timed out")

	// ErrUnreachable is returned by a call whose request or reply met a
	// partition or a crash, 0.5-5 s after that, and by every call that a
	// crashed incarnation makes.
	ErrUnreachable = errors.New("simnet: the request timed out: host unreachable")

	// ErrEnded is returned, after a second, by a call that is pending or made
	// when the body of the test has returned.
	ErrEnded = errors.New("simnet: the simulated world has come to its end")

	// errEnded is what streams and sockets see at the end of the world.
	errEnded = fmt.Errorf("%w (%w)", ErrEnded, net.ErrClosed)

	// errCrashed is what a zombie sees.
	errCrashed = fmt.Errorf("simnet: this node has crashed: %w", syscall.ECONNRESET)

	// errMisuse is for what the world fails of anyway.
	errMisuse = errors.New("simnet: the call cannot be made, see the test's message")
)

// A cause is why a message does not arrive, and what its sender sees of that.
type cause struct {
	text string
	err  error
}

var (
	lost        = &cause{"lost", ErrLost}
	tooLarge    = &cause{"larger than the MTU", ErrLost}
	damaged     = &cause{"damaged", ErrLost}
	unwanted    = &cause{"by the test", ErrLost}
	noReply     = &cause{"the handler ended without a reply", ErrLost}
	partitioned = &cause{"partition", ErrUnreachable}
	crashed     = &cause{"the sender has crashed", ErrUnreachable}
	down        = &cause{"the receiver has crashed", ErrUnreachable}
	congested   = &cause{"the link's queue is full", ErrLost}
	noSocket    = &cause{"no socket has the port", ErrLost}
	queueFull   = &cause{"the socket's receive buffer is full", ErrLost}
	backlogFull = &cause{"too many streams wait for Accept", ErrLost}
	notServing  = &cause{"the receiver serves nothing yet", ErrUnreachable}
	worldEnds   = &cause{"the world ends", ErrEnded}
)

// endingWait is what a call takes at the end of the world.
const endingWait = time.Second

// wait returns how long it takes the sender to see the cause.
func (c *cause) wait(d simtest.Dice) time.Duration {
	switch c.err {
	case ErrEnded:
		return endingWait
	case ErrUnreachable:
		return d.Duration(500*time.Millisecond, 5*time.Second)
	}
	return d.Duration(100*time.Millisecond, 500*time.Millisecond)
}
