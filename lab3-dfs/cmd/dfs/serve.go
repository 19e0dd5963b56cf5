package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	dfs "distsys/lab3-dfs"
	"distsys/lab3-dfs/webhdfs"
)

// servers are the commands that serve until they are told to stop.
var servers = map[string]func(ctx context.Context, g *general, args []string, out io.Writer) error{
	"serve": serveAll, "master": serveMaster, "chunkserver": serveChunks, "gateway": serveGateway,
}

// A site runs servers until the first of them fails or the context ends.
type site struct {
	ctx   context.Context
	g     *general
	out   io.Writer
	stops []func() // in the order in which they were started
	fails chan error
	locks []*os.File
}

func newSite(ctx context.Context, g *general, out io.Writer) *site {
	return &site{ctx: ctx, g: g, out: out, fails: make(chan error, 16)}
}

// wait waits for the end, and stops everything, last started first.
func (s *site) wait(err error) error {
	if err == nil {
		select {
		case <-s.ctx.Done():
		case err = <-s.fails:
		}
	}
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
	for _, l := range s.locks {
		l.Close()
	}
	return err
}

// disk opens a folder, which no other server may use.
func (s *site) disk(dir string) (dfs.Disk, error) {
	disk, err := dfs.NewFolder(dir)
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(dir+".lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	s.locks = append(s.locks, lock) // held until the process ends, however it does
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("the folder %s is in use by another server: two servers must not share one", dir)
	}
	return disk, nil
}

// listen begins to listen and says so.
func (s *site) listen(what, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	fmt.Fprintf(s.out, "%s on %s\n", what, l.Addr())
	return l, nil
}

// run runs a server that ends when it is stopped.
func (s *site) run(what string, serve func() error, stop func()) {
	s.stops = append(s.stops, stop)
	go func() {
		if err := serve(); !errors.Is(err, dfs.ErrStopped) && !errors.Is(err, http.ErrServerClosed) {
			s.fails <- fmt.Errorf("%s: %w", what, err)
		}
	}()
}

// master starts a master and returns its address.
func (s *site) master(dir, addr string) (string, error) {
	disk, err := s.disk(dir)
	if err != nil {
		return "", err
	}
	m, err := dfs.NewMaster(disk, s.g.cfg)
	if err != nil {
		return "", fmt.Errorf("master in %s: %w", dir, err)
	}
	l, err := s.listen("master", addr)
	if err != nil {
		m.Stop()
		return "", err
	}
	s.run("master", func() error { return m.Serve(l) }, m.Stop)
	return l.Addr().String(), nil
}

func (s *site) chunkserver(dir, addr, master string) error {
	disk, err := s.disk(dir)
	if err != nil {
		return err
	}
	l, err := s.listen("chunkserver", addr)
	if err != nil {
		return err
	}
	c, err := dfs.NewChunkServer(l.Addr().String(), master, disk, s.g.cfg)
	if err != nil {
		l.Close()
		return fmt.Errorf("chunkserver in %s: %w", dir, err)
	}
	s.run("chunkserver in "+dir, func() error { return c.Serve(l) }, c.Stop)
	return nil
}

func (s *site) gateway(addr, dataAddr, master string) error {
	data, err := s.listen("webhdfs data", dataAddr)
	if err != nil {
		return err
	}
	names, err := s.listen("webhdfs", addr)
	if err != nil {
		data.Close()
		return err
	}
	client := dfs.NewClient(master, s.g.cfg)
	_, port, _ := net.SplitHostPort(data.Addr().String())
	g := webhdfs.New(client, s.g.cfg, port)
	s.stops = append(s.stops, func() { client.Close() })
	for l, h := range map[net.Listener]http.Handler{names: g.Names(), data: g.Data()} {
		server := &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
		s.run("webhdfs", func() error { return server.Serve(l) }, func() { shutdown(server) })
	}
	return nil
}

// shutdown lets requests end, but not for ever.
func shutdown(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		server.Close()
	}
}

// flags returns the options of a server command.
func flags(name string, out io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet("dfs "+name, flag.ContinueOnError)
	f.SetOutput(out)
	return f
}

// parse parses them. There is nothing else on the command line.
func parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usageError{err.Error()}
	}
	if f.NArg() > 0 {
		return usageError{fmt.Sprintf("%s: unexpected argument %q", f.Name(), f.Arg(0))}
	}
	return nil
}

func serveAll(ctx context.Context, g *general, args []string, out io.Writer) error {
	f := flags("serve", out)
	dir := f.String("dir", "dfs-data", "keep the data in this `folder`")
	n := f.Int("servers", 3, "how many chunkservers")
	addr := f.String("listen", defaultMaster, "the master's `address`")
	names := f.String("http", "127.0.0.1:9870", "the `address` of WebHDFS")
	data := f.String("data", "127.0.0.1:9864", "the `address` to which WebHDFS redirects for data")
	if err := parse(f, args); err != nil {
		return err
	}
	s := newSite(ctx, g, out)
	master, err := s.master(filepath.Join(*dir, "master"), *addr)
	for i := 1; err == nil && i <= *n; i++ {
		err = s.chunkserver(filepath.Join(*dir, fmt.Sprintf("chunks%d", i)), "127.0.0.1:0", master)
	}
	if err == nil {
		err = s.gateway(*names, *data, master)
	}
	if err == nil {
		fmt.Fprintf(out, "the store is up: curl 'http://%s%s/?op=LISTSTATUS', dfs -fs %s -ls /\n", *names, webhdfs.Prefix, master)
	}
	return s.wait(err)
}

func serveMaster(ctx context.Context, g *general, args []string, out io.Writer) error {
	f := flags("master", out)
	dir := f.String("dir", "dfs-data/master", "keep the names in this `folder`")
	addr := f.String("listen", defaultMaster, "listen on this `address`")
	if err := parse(f, args); err != nil {
		return err
	}
	s := newSite(ctx, g, out)
	_, err := s.master(*dir, *addr)
	return s.wait(err)
}

func serveChunks(ctx context.Context, g *general, args []string, out io.Writer) error {
	f := flags("chunkserver", out)
	dir := f.String("dir", "", "keep the chunks in this `folder`")
	addr := f.String("listen", "127.0.0.1:0", "listen on this `address`")
	if err := parse(f, args); err != nil {
		return err
	}
	if *dir == "" {
		return usageError{"dfs chunkserver: -dir is missing: where are the chunks to be kept?"}
	}
	s := newSite(ctx, g, out)
	return s.wait(s.chunkserver(*dir, *addr, g.master))
}

func serveGateway(ctx context.Context, g *general, args []string, out io.Writer) error {
	f := flags("gateway", out)
	names := f.String("http", "127.0.0.1:9870", "listen on this `address`")
	data := f.String("data", "127.0.0.1:9864", "the `address` to which clients are redirected for data")
	if err := parse(f, args); err != nil {
		return err
	}
	s := newSite(ctx, g, out)
	return s.wait(s.gateway(*names, *data, g.master))
}
