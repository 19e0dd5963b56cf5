//go:build unix && !linux

package runner

import "syscall"

func isolated(*syscall.SysProcAttr) bool { return false }
