package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// pause is how long a member that died stays down.
const pause = 2 * time.Second

// runCluster runs members as processes of their own, and starts those again that die,
// until it is interrupted.
func runCluster(dir string, port, n int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	var peers []string
	for i := range n {
		peers = append(peers, address(port+1000+i))
	}
	start := func(i int) (*exec.Cmd, error) {
		cmd := exec.Command(self, "serve", "-dir", filepath.Join(dir, fmt.Sprint("member", i)),
			"-me", fmt.Sprint(i), "-peers", strings.Join(peers, ","), "-redis", address(port+i))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		fmt.Printf("member %d: redis-cli -p %d      kill -9 %d\n", i, port+i, cmd.Process.Pid)
		return cmd, nil
	}
	failed := make(chan error, n)
	for i := range n {
		cmd, err := start(i)
		if err != nil {
			return err
		}
		go func() {
			for {
				err := cmd.Wait()
				fmt.Printf("member %d ended: %v. It starts again in %v\n", i, err, pause)
				time.Sleep(pause)
				if cmd, err = start(i); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	select {
	case err := <-failed:
		return err
	case <-interrupted: // the members get it, too: they end by themselves
		return nil
	}
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
