//go:build unix

// Package launch starts a program within limits that a process can only set
// for itself. The grader starts its own executable once more, under the name
// [Name]; this package then takes over while it is initialised, sets the
// limits, and lets the program take its place.
//
// It must be linked into whatever program calls [Command].
package launch

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Name is what the launcher is called in its own command line.
const Name = "distsys-launch"

// failed is the exit status of a launcher that could not launch.
const failed = 125

// A Plan says what to set before the program begins. Zero values set nothing.
type Plan struct {
	Files    uint64   // open files
	FileSize uint64   // bytes that a file may grow to
	Data     uint64   // bytes of writable memory
	CPU      uint64   // seconds of processor time
	Loopback bool     // bring the loopback interface up: the network namespace is new
	Env      []string // put into the environment of the program, not of the launcher
	Path     string   // the program; "" only tries the loopback interface
	Args     []string // its command line, its name first
}

// Command returns a command that launches what the plan says.
func Command(p Plan) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return &exec.Cmd{Path: self, Args: []string{Name, string(text)}}, nil
}

func init() {
	if len(os.Args) != 2 || os.Args[0] != Name {
		return
	}
	err := run(os.Args[1])
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "cannot start the test:", err)
	os.Exit(failed)
}

// run does not return when the program has taken over.
func run(text string) error {
	var p Plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	if p.Loopback {
		if err := loopbackUp(); err != nil {
			return fmt.Errorf("loopback interface: %w", err)
		}
	}
	if p.Path == "" {
		return tryLoopback()
	}
	if err := p.limit(); err != nil {
		return err
	}
	return syscall.Exec(p.Path, p.Args, append(os.Environ(), p.Env...))
}

func (p *Plan) limit() error {
	for _, l := range []struct {
		resource int
		most     uint64
	}{
		{syscall.RLIMIT_CORE, 1}, // as good as none
		{syscall.RLIMIT_NOFILE, p.Files},
		{syscall.RLIMIT_FSIZE, p.FileSize},
		{syscall.RLIMIT_DATA, p.Data},
		{syscall.RLIMIT_CPU, p.CPU},
	} {
		if l.most == 0 {
			continue
		}
		var now syscall.Rlimit
		if err := syscall.Getrlimit(l.resource, &now); err != nil {
			return err
		}
		most := min(l.most, uint64(now.Max))
		if err := syscall.Setrlimit(l.resource, rlimit(most)); err != nil {
			return fmt.Errorf("limit %d: %w", l.resource, err)
		}
	}
	return nil
}
