// Serve runs a server of lab 1 until it is interrupted:
//
//	go run ./lab1-sockets/cmd/serve echo
//	nc -N localhost 8080 <<< 'Hello, server!'
//
//	go run ./lab1-sockets/cmd/serve kv
//	redis-cli -p 6380 SET course "distributed systems"
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"time"

	sockets "distsys/lab1-sockets"
)

// A server is what the servers of this lab have in common.
type server interface {
	Serve(l net.Listener) error
	Shutdown(ctx context.Context) error
}

func main() {
	which := ""
	if len(os.Args) > 1 {
		which = os.Args[1]
	}
	flags := flag.NewFlagSet("serve "+which, flag.ExitOnError)
	var s server
	var addr *string
	kv := &sockets.KVServer{}
	switch which {
	case "echo":
		addr = flags.String("addr", "localhost:8080", "listen on `HOST:PORT`")
		s = &sockets.EchoServer{}
	case "kv":
		addr = flags.String("addr", "localhost:6380", "listen on `HOST:PORT`; a Redis would have port 6379")
		flags.DurationVar(&kv.IdleTimeout, "idle", 0, "close connections that are idle for this `TIME`, as 5m (default: never)")
		flags.IntVar(&kv.MaxConns, "maxconns", 0, "serve at most `N` clients at the same time (default: any number)")
		s = kv
	default:
		fmt.Fprintln(os.Stderr, "usage: serve echo|kv [flags]; serve kv -help lists the flags")
		os.Exit(2)
	}
	flags.Parse(os.Args[2:])
	if err := run(*addr, s); err != nil {
		log.Fatal(err)
	}
}

// run serves until the user interrupts it, and then gives the clients a second.
func run(addr string, s server) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println("listening on", l.Addr())
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-interrupted.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		log.Printf("some connections were cut: %v", err)
	}
	if err := <-served; !errors.Is(err, sockets.ErrServerClosed) {
		return err
	}
	return nil
}
