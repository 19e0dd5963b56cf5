package solutions

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"distsys/grader/interop"
	"distsys/lab4-raft/filestore"
	"distsys/lab4-raft/redis"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// The database of lab 4 beside the same on hashicorp/raft: three processes on one
// machine, the same files with one sync for each save, the same RESP, and reads through
// the log in both.

// hashicorpVariable makes this test binary a member of a database on hashicorp/raft:
// its place, the addresses of the members, the address for clients, its folder.
const hashicorpVariable = "DISTSYS_HASHICORP_MEMBER"

func init() {
	if text := os.Getenv(hashicorpVariable); text != "" {
		f := strings.Split(text, "|")
		me, _ := strconv.Atoi(f[0])
		fmt.Fprintln(os.Stderr, hashicorpMember(me, strings.Split(f[1], ","), f[2], f[3]))
		os.Exit(1)
	}
}

func hashicorpMember(me int, peers []string, address, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	log, _, err := filestore.OpenLog(filepath.Join(dir, "raft.log"))
	if err != nil {
		return err
	}
	store := &syncedStore{raft.NewInmemStore(), log}
	transport, err := raft.NewTCPTransport(peers[me], nil, 3, 10*time.Second, io.Discard)
	if err != nil {
		return err
	}
	config := raft.DefaultConfig()
	config.LocalID, config.LogOutput, config.BatchApplyCh = raft.ServerID(peers[me]), io.Discard, true
	r, err := raft.NewRaft(config, tinyFSM{}, store, store, raft.NewInmemSnapshotStore(), transport)
	if err != nil {
		return err
	}
	var servers []raft.Server
	for _, peer := range peers {
		servers = append(servers, raft.Server{ID: raft.ServerID(peer), Address: raft.ServerAddress(peer)})
	}
	r.BootstrapCluster(raft.Configuration{Servers: servers})
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return redis.Serve(l, func() redis.Handler {
		return func(command []string) redis.Reply {
			switch strings.ToUpper(command[0]) {
			case "CONFIG":
				return redis.Empty
			case "INFO":
				return redis.Bulk(fmt.Sprintf("leads:%v\r\n", r.State() == raft.Leader))
			}
			future := r.Apply([]byte(strings.Join(command, "\x00")), 5*time.Second)
			if err := future.Error(); err != nil {
				return redis.Error("ERR " + err.Error())
			}
			return future.Response().(redis.Reply)
		}
	})
}

// A syncedStore keeps the log in memory, for reading, and appends what is stored to a
// file, synced. It is never read again: this is a benchmark.
type syncedStore struct {
	*raft.InmemStore
	log *filestore.Log
}

func (s *syncedStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

func (s *syncedStore) StoreLogs(logs []*raft.Log) error {
	var data []byte
	for _, l := range logs {
		data = binary.AppendUvarint(data, l.Index)
		data = binary.AppendUvarint(data, l.Term)
		data = append(data, byte(l.Type))
		data = binary.AppendUvarint(data, uint64(len(l.Data)))
		data = append(data, l.Data...)
	}
	if err := s.log.Append(data); err != nil {
		return err
	}
	return s.InmemStore.StoreLogs(logs)
}

func (s *syncedStore) Set(key, value []byte) error {
	if err := s.log.Append(append(append([]byte(nil), key...), value...)); err != nil {
		return err
	}
	return s.InmemStore.Set(key, value)
}

func (s *syncedStore) SetUint64(key []byte, value uint64) error {
	if err := s.log.Append(binary.AppendUvarint(append([]byte(nil), key...), value)); err != nil {
		return err
	}
	return s.InmemStore.SetUint64(key, value)
}

// tinyFSM knows SET and GET.
type tinyFSM map[string]string

func (f tinyFSM) Apply(l *raft.Log) any {
	args := strings.Split(string(l.Data), "\x00")
	switch {
	case strings.EqualFold(args[0], "set") && len(args) == 3:
		f[args[1]] = args[2]
		return redis.OK
	case strings.EqualFold(args[0], "get") && len(args) == 2:
		if value, ok := f[args[1]]; ok {
			return redis.Bulk(value)
		}
		return redis.Nil
	}
	return redis.Error("ERR unknown command")
}

func (f tinyFSM) Snapshot() (raft.FSMSnapshot, error) {
	return nil, raft.ErrNothingNewToSnapshot
}

func (f tinyFSM) Restore(io.ReadCloser) error { return nil }

// Measures SET and GET with redis-benchmark against the leader of three members, of
// raftkv and of hashicorp/raft in turns, and reports commands a second and their ratio:
//
//	go test ./solutions -run '^$' -bench RaftKV -benchtime 1x
func BenchmarkRaftKVAgainstHashicorp(b *testing.B) {
	program := interop.Need(b, "redis-benchmark", "redis-tools")
	cli := interop.Need(b, "redis-cli", "redis-tools")
	dir := b.TempDir()
	ours := startRaftKV(b)
	theirs := startMembers(b, 3, func(member int, peers []string, redis string) *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d|%s|%s|%s", hashicorpVariable, member, strings.Join(peers, ","), redis, filepath.Join(dir, strconv.Itoa(member))))
		return cmd
	})
	for range b.N {
		const turns = 3
		sum := map[string]float64{}
		for range turns {
			for name, members := range map[string]*processes{"raftkv": ours, "hashicorp": theirs} {
				for test, rate := range measure(b, program, leaderPort(b, cli, members)) {
					sum[name+" "+test] += rate / turns
				}
			}
		}
		for _, test := range []string{"SET", "GET"} {
			b.ReportMetric(sum["raftkv "+test], "raftkv-"+test+"/s")
			b.ReportMetric(sum["hashicorp "+test], "hashicorp-"+test+"/s")
			b.ReportMetric(sum["raftkv "+test]/sum["hashicorp "+test], "ratio-"+test)
		}
	}
}

// leaderPort waits for a leader.
func leaderPort(b *testing.B, cli string, p *processes) string {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		for _, port := range p.ports {
			if out, _ := exec.Command(cli, "-p", port, "INFO").Output(); strings.Contains(string(out), "leads:true") {
				return port
			}
		}
	}
	b.Fatal("nobody leads")
	return ""
}

// measure returns commands a second.
func measure(b *testing.B, program, port string) map[string]float64 {
	out, err := exec.Command(program, "-p", port, "-t", "set,get", "-n", "5000", "-c", "50", "--csv").Output()
	require.NoError(b, err, "%s", out)
	rates := map[string]float64{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.ReplaceAll(line, `"`, ""), ",")
		if rate, err := strconv.ParseFloat(fields[min(1, len(fields)-1)], 64); err == nil {
			rates[fields[0]] = rate
		}
	}
	require.Len(b, rates, 2, "%s", out)
	return rates
}
