package launch

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// loopbackUp brings up the loopback interface of a new network namespace. The
// system then gives it its addresses.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
}

// tryLoopback makes a connection over the loopback interface.
func tryLoopback() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err == nil {
		c.Close()
	}
	return err
}

func rlimit(most uint64) *syscall.Rlimit { return &syscall.Rlimit{Cur: most, Max: most} }
