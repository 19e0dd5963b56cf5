package main

import (
	"errors"
	"net"
	"net/rpc"
	"sync"
	"time"

	raft "distsys/lab4-raft"
)

// A peer is another member. It is called over one connection, which is made when it is
// needed, and again when it is lost.
type peer struct {
	address string

	mu     sync.Mutex
	client *rpc.Client // nil without a connection
}

const dialTimeout = time.Second

// Call implements raft.Peer.
func (p *peer) Call(method string, args, reply any) error {
	client, err := p.connect()
	if err != nil {
		return err
	}
	err = client.Call(method, args, reply)
	var answered rpc.ServerError
	if err != nil && !errors.As(err, &answered) {
		p.drop(client)
	}
	return err
}

func (p *peer) connect() (*rpc.Client, error) {
	if client := p.connected(); client != nil {
		return client, nil
	}
	conn, err := net.DialTimeout("tcp", p.address, dialTimeout)
	if err != nil {
		return nil, err
	}
	client := rpc.NewClient(conn)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client != nil { // another call was faster
		client.Close()
		return p.client, nil
	}
	p.client = client
	return client, nil
}

func (p *peer) connected() *rpc.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.client
}

func (p *peer) drop(client *rpc.Client) {
	client.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client == client {
		p.client = nil
	}
}

// self is this member as a clerk sees it.
type self struct{ kv *raft.KV }

// Call implements raft.Peer. The only method is "KV.Do".
func (s self) Call(_ string, args, reply any) error {
	return s.kv.Do(args.(*raft.DoArgs), reply.(*raft.DoReply))
}
