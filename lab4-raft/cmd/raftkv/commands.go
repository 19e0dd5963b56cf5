package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	raft "distsys/lab4-raft"
	"distsys/lab4-raft/redis"
)

// A connection is one Redis client. It has a clerk of its own: its commands are
// executed in their order.
type connection struct {
	kv    *raft.KV
	clerk *raft.Clerk
}

// handle answers a command.
func (c *connection) handle(command []string) redis.Reply {
	name, args := strings.ToUpper(command[0]), command[1:]
	if reply := c.immediate(name, args); reply != nil {
		return reply
	}
	switch {
	case name == "DEL" && len(args) > 0:
		return c.count(raft.OpDelete, args)
	case name == "EXISTS" && len(args) > 0:
		return c.count(raft.OpExists, args)
	}
	op, ok := operation(name, args)
	if !ok {
		return redis.Error(fmt.Sprintf("ERR unknown command, or wrong arguments: %.100q", strings.Join(command, " ")))
	}
	r, err := c.do(op)
	if err != nil {
		return failure(err)
	}
	return answer(name, op, r)
}

// immediate answers commands that are none of the database's, mostly those that
// clients send on their own account. It returns nil for others.
func (c *connection) immediate(name string, args []string) redis.Reply {
	switch name {
	case "PING":
		if len(args) == 1 {
			return redis.Bulk(args[0])
		}
		return redis.Status("PONG")
	case "ECHO":
		return redis.Bulk(strings.Join(args, " "))
	case "SELECT", "CLIENT", "QUIT":
		return redis.OK
	case "COMMAND", "CONFIG":
		return redis.Empty
	case "INFO":
		term, leads := c.kv.Raft().State()
		return redis.Bulk(fmt.Sprintf("# Raft\r\nterm:%d\r\nleads:%v\r\n", term, leads))
	}
	return nil
}

// operation returns what a command asks of the database.
func operation(name string, args []string) (op raft.Op, ok bool) {
	by := int64(1)
	if (name == "INCRBY" || name == "DECRBY") && len(args) == 2 {
		n, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil || n == math.MinInt64 {
			return raft.Op{}, false
		}
		name, args, by = strings.TrimSuffix(name, "BY"), args[:1], n
	}
	switch {
	case (name == "GET" || name == "STRLEN") && len(args) == 1:
		return raft.Op{Kind: raft.OpGet, Key: args[0]}, true
	case name == "SET" && len(args) == 2:
		return raft.Op{Kind: raft.OpPut, Key: args[0], Value: args[1]}, true
	case name == "SET" && len(args) == 3 && strings.EqualFold(args[2], "NX"), name == "SETNX" && len(args) == 2:
		return raft.Op{Kind: raft.OpSetNX, Key: args[0], Value: args[1]}, true
	case name == "APPEND" && len(args) == 2:
		return raft.Op{Kind: raft.OpAppend, Key: args[0], Value: args[1]}, true
	case name == "INCR" && len(args) == 1:
		return raft.Op{Kind: raft.OpIncr, Key: args[0], By: by}, true
	case name == "DECR" && len(args) == 1:
		return raft.Op{Kind: raft.OpIncr, Key: args[0], By: -by}, true
	}
	return raft.Op{}, false
}

// answer says to a client what an operation has answered.
func answer(name string, op raft.Op, r raft.Result) redis.Reply {
	switch {
	case name == "STRLEN":
		return redis.Int(int64(len(r.Value)))
	case op.Kind == raft.OpGet && !r.Found, name == "SET" && op.Kind == raft.OpSetNX && !r.OK:
		return redis.Nil
	case op.Kind == raft.OpGet:
		return redis.Bulk(r.Value)
	case name == "SET":
		return redis.OK
	case op.Kind == raft.OpSetNX:
		return redis.Bool(r.OK)
	case op.Kind == raft.OpIncr && !r.OK:
		return redis.Error("ERR value is not an integer or out of range")
	}
	return redis.Int(r.N)
}

// count does the same to several keys, one after another, and answers how many there
// were. Unlike in a Redis, others' commands may come in between.
func (c *connection) count(kind string, keys []string) redis.Reply {
	n := int64(0)
	for _, key := range keys {
		r, err := c.do(raft.Op{Kind: kind, Key: key})
		if err != nil {
			return failure(err)
		}
		if r.OK {
			n++
		}
	}
	return redis.Int(n)
}

func (c *connection) do(op raft.Op) (raft.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	return c.clerk.Do(ctx, op)
}

// failure says that a command may or may not have been executed.
func failure(err error) redis.Reply {
	if errors.Is(err, context.DeadlineExceeded) {
		return redis.Error(fmt.Sprintf("UNKNOWN no majority of the members answered within %v; the command may have been executed, or still will", commandTimeout))
	}
	return redis.Error("UNKNOWN " + err.Error())
}
