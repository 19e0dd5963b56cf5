package runner

import "syscall"

// Isolated reports whether tests run without any network but a loopback
// interface of their own.
func Isolated() bool { return isolated(&syscall.SysProcAttr{}) }
