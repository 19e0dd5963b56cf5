//go:build unix && !linux

package launch

import (
	"errors"
	"syscall"
)

func loopbackUp() error { return errors.ErrUnsupported }

func tryLoopback() error { return errors.ErrUnsupported }

func rlimit(most uint64) *syscall.Rlimit {
	return &syscall.Rlimit{Cur: most, Max: most}
}
