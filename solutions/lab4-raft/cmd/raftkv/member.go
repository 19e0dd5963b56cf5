package main

import (
	"fmt"
	"net"
	"net/rpc"
	"time"

	raft "distsys/lab4-raft"
	"distsys/lab4-raft/filestore"
	"distsys/lab4-raft/redis"
)

// A member is one process of the database.
type member struct {
	me    int
	peers []string // addresses for the other members
	redis string   // address for clients
	dir   string
}

var options = raft.KVOptions{MaxLog: 64 << 10, MaxSessions: 1000}

// commandTimeout is how long a member tries to have a command executed.
const commandTimeout = 5 * time.Second

// run serves until the process ends. There is no orderly end: what a member needs
// again is in its files at all times.
func (m *member) run() error {
	forPeers, err := net.Listen("tcp", m.peers[m.me])
	if err != nil {
		return err
	}
	forClients, err := net.Listen("tcp", m.redis)
	if err != nil {
		return err
	}
	store, err := filestore.Open(m.dir) // no other process has it open, or it would have the address
	if err != nil {
		return err
	}
	peers := make([]raft.Peer, len(m.peers))
	servers := make([]raft.Peer, len(m.peers))
	for i, address := range m.peers {
		if i != m.me {
			peers[i] = &peer{address: address}
			servers[i] = &peer{address: address} // a connection of its own: a large value does not hold up a heartbeat
		}
	}
	kv := raft.NewKV(m.me, peers, store, options)
	servers[m.me] = self{kv}

	server := rpc.NewServer()
	if err := server.RegisterName("Raft", kv.Raft()); err != nil {
		return err
	}
	if err := server.RegisterName("KV", kv); err != nil {
		return err
	}
	go server.Accept(forPeers)
	fmt.Printf("member %d answers Redis clients on %s\n", m.me, forClients.Addr())
	return redis.Serve(forClients, func() redis.Handler {
		c := &connection{kv: kv, clerk: raft.NewClerk(servers)}
		return c.handle
	})
}
