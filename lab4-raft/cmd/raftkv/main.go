// Raftkv is the replicated database of lab 4 in real processes, which talk to each
// other over TCP, keep their state in files, and to their clients look like a Redis:
//
//	go run ./lab4-raft/cmd/raftkv cluster -dir /tmp/raftkv
//	redis-cli -p 6401 SET course "distributed systems"
//	redis-cli -p 6402 GET course
//	kill -9 PID
//
// Each member answers every client, and passes commands on to the leader. A Redis
// cluster would tell the client to ask another member; but plain redis-cli, and most
// programs, do not follow such an answer, and a client that asks again by itself could
// execute a command twice. The member asks again for it, exactly once.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
)

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	which, args := "", []string(nil)
	if len(os.Args) > 1 {
		which, args = os.Args[1], os.Args[2:]
	}
	flags := flag.NewFlagSet("raftkv "+which, flag.ExitOnError)
	dir := flags.String("dir", "", "keep the state in this `FOLDER`")
	var err error
	switch which {
	case "serve":
		m := member{}
		peers := flags.String("peers", "", "where the members hear each other: `HOST:PORT,...`, the same list for all")
		flags.IntVar(&m.me, "me", 0, "this member's place in -peers, from `0`")
		flags.StringVar(&m.redis, "redis", "localhost:6401", "answer Redis clients on `HOST:PORT`")
		flags.Parse(args)
		m.peers, m.dir = strings.Split(*peers, ","), *dir
		if m.dir == "" || m.me < 0 || m.me >= len(m.peers) || m.peers[m.me] == "" {
			log.Fatal("raftkv serve needs -dir, -peers, and with -me a place in that list")
		}
		err = m.run()
	case "cluster":
		port := flags.Int("port", 6401, "the first member answers Redis clients on this `PORT`, the next on the next; each hears the others 1000 ports above it")
		n := flags.Int("n", 3, "how many `MEMBERS`")
		flags.Parse(args)
		if *dir == "" {
			log.Fatal("raftkv cluster needs -dir")
		}
		err = runCluster(*dir, *port, *n)
	default:
		fmt.Fprintln(os.Stderr, "usage: raftkv cluster -dir FOLDER          three members on this machine; one that dies is started again\n"+
			"       raftkv serve -dir FOLDER -me N -peers HOST:PORT,... -redis HOST:PORT          one member\n"+
			"raftkv cluster -help and raftkv serve -help list the flags")
		os.Exit(2)
	}
	if err != nil {
		log.Fatal(err)
	}
}
