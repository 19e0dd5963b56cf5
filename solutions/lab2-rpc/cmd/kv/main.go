// Command kv serves a store in MessagePack-RPC, and calls one: your server, your
// client and your codec on a real network.
//
//	kv serve
//	kv get KEY
//	kv put KEY VALUE VERSION
//	kv delete KEY VERSION
//	kv nvim SOCKET METHOD [PARAM...]    calls a Neovim; params are JSON
//
// The variable KV_ADDRESS says where the store is, by default localhost:5600.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"os/signal"
	"strconv"
	"time"

	rpclab "distsys/lab2-rpc"
)

var address = cmp.Or(os.Getenv("KV_ADDRESS"), "localhost:5600")

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kv:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: kv serve | get KEY | put KEY VALUE VERSION | delete KEY VERSION | nvim SOCKET METHOD [PARAM...]")

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "serve":
		return serve()
	case len(args) == 2 && args[0] == "get":
		return get(args[1])
	case len(args) == 4 && args[0] == "put":
		return put(args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "delete":
		return remove(args[1], args[2])
	case len(args) >= 3 && args[0] == "nvim":
		return nvim(args[1], args[2], args[3:])
	}
	return errUsage
}

// serve serves a store until it is interrupted.
func serve() error {
	server := rpclab.NewServer(rpclab.NewServerCodec)
	if err := server.Register("KV", rpclab.NewStore()); err != nil {
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	over := make(chan error, 1)
	go func() {
		<-stopped.Done()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		over <- server.Shutdown(ctx)
	}()
	fmt.Println("serving on", l.Addr())
	if err := server.Serve(l); !errors.Is(err, rpclab.ErrServerClosed) {
		return err
	}
	return <-over
}

// call makes a client and lets it make a call.
func call(f func(ctx context.Context, c *rpclab.Client) error) error {
	dial := func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	caller := rpclab.NewCaller(dial, rpclab.NewClientCodec)
	defer caller.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return f(ctx, rpclab.NewClient(caller))
}

func get(key string) error {
	return call(func(ctx context.Context, c *rpclab.Client) error {
		value, version, err := c.Get(ctx, key)
		if err != nil {
			return err
		}
		fmt.Printf("%s (version %d)\n", value, version)
		return nil
	})
}

func put(key, value, version string) error {
	v, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return err
	}
	return call(func(ctx context.Context, c *rpclab.Client) error {
		v, err := c.Put(ctx, key, value, v)
		if err != nil {
			return err
		}
		fmt.Printf("version %d\n", v)
		return nil
	})
}

func remove(key, version string) error {
	v, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return err
	}
	return call(func(ctx context.Context, c *rpclab.Client) error { return c.Delete(ctx, key, v) })
}

// nvim calls a method of a Neovim that listens on a socket, and prints the result.
func nvim(socket, method string, texts []string) error {
	params := rpclab.Params{}
	for _, text := range texts {
		param, err := parameter(text)
		if err != nil {
			return err
		}
		params = append(params, param)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	client := rpc.NewClientWithCodec(rpclab.NewClientCodec(conn))
	defer client.Close()
	var result any
	if err := client.Call(method, params, &result); err != nil {
		return err
	}
	fmt.Println(result)
	return nil
}

// parameter reads JSON. To Neovim 1 and 1.0 are not the same.
func parameter(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, fmt.Errorf("parameter %s: %w", text, err)
	}
	return v, nil
}
