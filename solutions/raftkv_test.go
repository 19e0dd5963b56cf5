package solutions

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"distsys/grader/interop"
	"distsys/grader/lincheck"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// buildRaftKV builds raftkv with the reference solution.
func buildRaftKV(t testing.TB) string {
	cmd := exec.Command(grader, "overlay", "lab4-raft")
	cmd.Dir = ".."
	overlay, err := cmd.Output()
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "raftkv")
	build := exec.Command("go", "build", "-overlay", strings.TrimSpace(string(overlay)), "-o", program, "./lab4-raft/cmd/raftkv")
	build.Dir = ".."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// processes are the members of a database, each a process of its own.
type processes struct {
	t       testing.TB
	command func(member int) *exec.Cmd
	ports   []string // for Redis clients
	running []*exec.Cmd
	output  bytes.Buffer
}

// freePorts returns ports that nobody uses at present.
func freePorts(t testing.TB, n int) (ports []string) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close() // when all are chosen
		_, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		ports = append(ports, port)
	}
	return ports
}

// startMembers starts a database. Its commands are made by command, from the addresses
// for the members and for clients.
func startMembers(t testing.TB, n int, command func(member int, peers []string, redis string) *exec.Cmd) *processes {
	ports := freePorts(t, 2*n)
	var peers []string
	for _, port := range ports[n:] {
		peers = append(peers, "127.0.0.1:"+port)
	}
	p := &processes{t: t, ports: ports[:n], running: make([]*exec.Cmd, n)}
	p.command = func(member int) *exec.Cmd { return command(member, peers, "127.0.0.1:"+ports[member]) }
	for i := range n {
		p.start(i)
	}
	t.Cleanup(func() {
		for i := range n {
			p.kill(i)
		}
		if t.Failed() {
			t.Logf("the members said:\n%s", p.output.String())
		}
	})
	return p
}

func startRaftKV(t testing.TB) *processes {
	if testing.Short() {
		t.Skip("starts real processes: left out by -short")
	}
	program, dir := buildRaftKV(t), t.TempDir()
	return startMembers(t, 3, func(member int, peers []string, redis string) *exec.Cmd {
		return exec.Command(program, "serve", "-me", strconv.Itoa(member), "-peers", strings.Join(peers, ","),
			"-redis", redis, "-dir", filepath.Join(dir, strconv.Itoa(member)))
	})
}

func (p *processes) start(member int) {
	cmd := p.command(member)
	cmd.Stderr = &lockedWriter{w: &p.output}
	require.NoError(p.t, cmd.Start())
	p.running[member] = cmd
}

// kill ends a member with SIGKILL.
func (p *processes) kill(member int) {
	if cmd := p.running[member]; cmd != nil {
		cmd.Process.Kill()
		cmd.Wait()
		p.running[member] = nil
	}
}

var outputMutex sync.Mutex

type lockedWriter struct{ w *bytes.Buffer }

func (l *lockedWriter) Write(data []byte) (int, error) {
	outputMutex.Lock()
	defer outputMutex.Unlock()
	return l.w.Write(data)
}

// A diary is what redis-cli was asked and has answered.
type diary struct {
	cli   string
	began time.Time
	mu    sync.Mutex
	ops   []porcupine.Operation
}

// forever is the end of an operation whose outcome is unknown.
const forever = int64(1) << 62

// run runs one command with redis-cli, and reports whether it was acknowledged.
func (d *diary) run(client int, port string, in lincheck.KVIn) bool {
	args := map[string][]string{
		"get": {"GET", in.Key}, "put": {"SET", in.Key, in.Value}, "append": {"APPEND", in.Key, in.Value}, "incr": {"INCR", in.Key},
	}[in.Op]
	op := porcupine.Operation{ClientId: client, Input: in, Call: int64(time.Since(d.began)), Output: lincheck.Unknown, Return: forever}
	out, err := exec.Command(d.cli, append([]string{"--no-raw", "-p", port}, args...)...).Output()
	answer, known := outcome(in, strings.TrimSuffix(string(out), "\n"))
	if known = known && err == nil; known {
		op.Output, op.Return = answer, int64(time.Since(d.began))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ops = append(d.ops, op)
	return known
}

// outcome reads what redis-cli prints.
func outcome(in lincheck.KVIn, text string) (out lincheck.KVOut, known bool) {
	number, isNumber := strings.CutPrefix(text, "(integer) ")
	switch {
	case in.Op == "get" && text == "(nil)":
		return lincheck.Absent, true
	case in.Op == "get" && strings.HasPrefix(text, `"`):
		value, err := strconv.Unquote(text)
		return lincheck.Value(value), err == nil
	case in.Op == "put" && text == "OK", in.Op == "append" && isNumber:
		return lincheck.Done, true
	case in.Op == "incr" && isNumber:
		n, err := strconv.ParseInt(number, 10, 64)
		return lincheck.Number(n), err == nil
	}
	return lincheck.KVOut{}, false
}

// Proves that the database survives in the real world what it survives in the
// simulation: three processes on one machine, of which a random one is killed with
// SIGKILL and started again, 20 times, while redis-cli writes and reads. No write that
// was acknowledged is lost, what the clients saw is linearizable, and each time the
// others serve again soon.
func TestInteropRaftKVSurvivesKill(t *testing.T) {
	cli := interop.Need(t, "redis-cli", "redis-tools")
	members := startRaftKV(t)
	d := &diary{cli: cli, began: time.Now()}
	for !d.run(0, members.ports[0], lincheck.Put("p", "first")) {
		require.Less(t, time.Since(d.began), time.Minute, "the members serve nobody")
	}

	stop := make(chan struct{})
	var clients sync.WaitGroup
	for client := 1; client <= 3; client++ {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(client), 4))
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				token := fmt.Sprintf("%d.%d ", client, n)
				ins := []lincheck.KVIn{
					lincheck.Append("a", token), lincheck.Get("a"), lincheck.Put("p", token), lincheck.Get("p"), lincheck.Incr("n", 1), lincheck.Get("n"),
				}
				d.run(client, members.ports[random.IntN(3)], ins[random.IntN(len(ins))])
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	var outages []time.Duration
	random := rand.New(rand.NewPCG(1, 4))
	for round := range 20 {
		victim := random.IntN(3)
		members.kill(victim)
		killed := time.Now()
		for other := victim; ; {
			other = (other + 1) % 3
			if other != victim && d.run(0, members.ports[other], lincheck.Append("a", fmt.Sprintf("0.%d.%d ", round, time.Since(killed)))) {
				break
			}
			require.Less(t, time.Since(killed), time.Minute, "round %d: member %d was killed, and the others serve nobody", round, victim)
		}
		outages = append(outages, time.Since(killed))
		members.start(victim)
		time.Sleep(time.Duration(200+random.IntN(500)) * time.Millisecond)
	}
	close(stop)
	clients.Wait()
	for member, port := range members.ports { // each has all of it
		for deadline := time.Now().Add(time.Minute); ; {
			if d.run(9, port, lincheck.Get("a")) && d.run(9, port, lincheck.Get("n")) {
				break
			}
			require.True(t, time.Now().Before(deadline), "member %d serves nobody", member)
		}
	}

	acknowledged, lost := 0, 0
	for _, op := range d.ops {
		if op.Return != forever {
			acknowledged++
		}
	}
	last := d.ops[len(d.ops)-2].Output.(lincheck.KVOut).Value
	for _, op := range d.ops {
		if in := op.Input.(lincheck.KVIn); in.Op == "append" && op.Return != forever && strings.Count(last, in.Value) != 1 {
			lost++
			t.Errorf("APPEND %q was acknowledged; the value now holds it %d times", in.Value, strings.Count(last, in.Value))
		}
	}
	result, _ := porcupine.CheckOperationsVerbose(lincheck.NewKV().Model(), d.ops, time.Minute)
	require.Equal(t, porcupine.Ok, result, "the history of %d operations is not linearizable, or could not be checked", len(d.ops))
	slices.Sort(outages)
	t.Logf("20 kills: %d commands, %d of them acknowledged, %d acknowledged writes lost; served again after %v (median), %v (longest)",
		len(d.ops), acknowledged, lost, outages[len(outages)/2].Round(time.Millisecond), outages[len(outages)-1].Round(time.Millisecond))
	// On an idle machine it is an election, less than 2 s. The bound is for busy ones.
	require.Less(t, outages[len(outages)-1], 20*time.Second, "longest time until the others served again")
}

// Proves that redis-cli and redis-benchmark get along with raftkv.
func TestInteropRaftKVSession(t *testing.T) {
	cli := interop.Need(t, "redis-cli", "redis-tools")
	benchmark := interop.Need(t, "redis-benchmark", "redis-tools")
	members := startRaftKV(t)
	steps := [][2]string{
		{"PING", "PONG"}, {"SET x 1", "OK"}, {"GET x", `"1"`}, {"INCR x", "(integer) 2"}, {"INCRBY x 40", "(integer) 42"}, {"DECR x", "(integer) 41"},
		{"APPEND x 23", "(integer) 4"}, {"STRLEN x", "(integer) 4"}, {"GET nothing", "(nil)"}, {"SETNX x 5", "(integer) 0"}, {"SET x 5 NX", "(nil)"},
		{"EXISTS x y x", "(integer) 2"}, {"DEL x y", "(integer) 1"}, {"SET t text", "OK"}, {"INCR t", "(error) ERR value is not an integer or out of range"},
	}
	script := ""
	for _, step := range steps {
		script += step[0] + "\n"
	}
	for _, port := range members.ports {
		lines := strings.Split(interop.RedisCLI(t, port, script), "\n")
		for i, step := range steps {
			require.Equal(t, step[1], lines[i], "%s", step[0])
		}
		require.NoError(t, exec.Command(cli, "-p", port, "DEL", "t").Run())
	}
	out, err := exec.Command(benchmark, "-p", members.ports[1], "-t", "set,get", "-n", "300", "-c", "20", "-P", "4", "--csv").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), `"GET"`)
}
