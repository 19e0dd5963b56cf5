package rpclab_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/stretchr/testify/require"

	"distsys/grader/interop"
	"distsys/grader/simtest"
	rpclab "distsys/lab2-rpc"
)

// patience is how long a real program may take. It only bounds a hang.
const patience = 2 * time.Minute

// neovim starts Neovim as a server on a socket, and connects.
func neovim(t *testing.T, path string) net.Conn {
	socket := filepath.Join(t.TempDir(), "nvim.sock")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	cmd := exec.CommandContext(ctx, path, "--headless", "--clean", "-n", "--listen", socket)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cancel(); cmd.Wait() })
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.SetDeadline(time.Now().Add(patience))
			return conn
		}
		require.NoError(t, ctx.Err(), "Neovim does not listen: %v", err)
		time.Sleep(20 * time.Millisecond)
	}
}

// An overheard connection keeps what was read from it.
type overheard struct {
	net.Conn
	mu   sync.Mutex
	read bytes.Buffer
}

func (o *overheard) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.read.Write(b[:n])
	return n, err
}

func (o *overheard) count(text string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Count(o.read.Bytes(), []byte(text))
}

// Proves that the client's codec drives a real Neovim on one connection: calls of
// none to five arguments, values of all kinds, handles that are extensions, errors,
// notifications in between, and a request from Neovim to the client.
func TestInteropNeovimServer(t *testing.T) {
	path := interop.Need(t, "nvim", "neovim")
	simtest.Real(t, func(t *testing.T) {
		conn := &overheard{Conn: neovim(t, path)}
		client := rpc.NewClientWithCodec(rpclab.NewClientCodec(conn))
		defer client.Close()
		call := func(reply any, method string, params ...any) {
			t.Helper()
			require.NoError(t, client.Call(method, rpclab.Params(params), reply), method)
		}

		var sum int
		call(&sum, "nvim_eval", "1+2")
		require.Equal(t, 3, sum)
		require.NoError(t, client.Call("nvim_eval", "6*7", &sum), "an argument that is no Params")
		require.Equal(t, 42, sum)
		var info struct {
			_struct bool `codec:",toarray"`
			Channel int
			API     map[string]any
		}
		call(&info, "nvim_get_api_info")
		require.NotZero(t, info.Channel)
		require.Contains(t, info.API, "functions")

		var buffer codec.RawExt
		call(&buffer, "nvim_get_current_buf")
		var attached bool
		call(&attached, "nvim_buf_attach", buffer, false, map[string]any{})
		require.True(t, attached, "nvim_buf_attach")
		for n := range 20 {
			lines := []string{fmt.Sprint("line ", n), "Zeile mit Ümlaut", "", strings.Repeat("long ", 2000)}
			call(nil, "nvim_buf_set_lines", buffer, 0, -1, true, lines)
			var back []string
			call(&back, "nvim_buf_get_lines", buffer, 0, -1, true)
			require.Equal(t, lines, back)
		}
		require.GreaterOrEqual(t, conn.count("nvim_buf_lines_event"), 20, "notifications that Neovim sent in between")

		var nothing any
		err := client.Call("nvim_eval", rpclab.Params{"NoSuchFunction()"}, &nothing)
		require.IsType(t, rpc.ServerError(""), err)
		require.Contains(t, err.Error(), "E117", "Neovim's error, an array of a number and a text")
		err = client.Call("nvim_no_such_method", rpclab.Params{}, &nothing)
		require.IsType(t, rpc.ServerError(""), err)
		err = client.Call("nvim_eval", rpclab.Params{1, 2, 3}, &nothing)
		require.IsType(t, rpc.ServerError(""), err, "a call with the wrong number of arguments")
		err = client.Call("nvim_eval", rpclab.Params{fmt.Sprintf("rpcrequest(%d, 'hello', 1)", info.Channel)}, &nothing)
		require.IsType(t, rpc.ServerError(""), err, "Neovim sent the client a request, and the client's error came back")
		call(nil, "nvim_command", fmt.Sprintf("call rpcnotify(%d, 'hello', 1)", info.Channel))
		call(&sum, "nvim_eval", "1+3")
		require.Equal(t, 4, sum)
	})
}

// listenReal serves Echo with the server's codec on loopback.
func listenReal(t *testing.T) (address string, echo *Echo) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	echo = &Echo{}
	server := rpc.NewServer()
	require.NoError(t, server.RegisterName("Echo", echo))
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go server.ServeCodec(rpclab.NewServerCodec(conn))
		}
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().String(), echo
}

// run runs a program that must succeed, and returns what it wrote to the file that
// its environment names as OUT.
func run(t *testing.T, address string, env []string, program string, args ...string) []string {
	out := filepath.Join(t.TempDir(), "out")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	host, port, _ := net.SplitHostPort(address)
	cmd.Env = append(append(os.Environ(), "ADDRESS="+address, "HOST="+host, "PORT="+port, "OUT="+out), env...)
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s said:\n%s", program, said)
	data, err := os.ReadFile(out)
	require.NoError(t, err, "%s said:\n%s", program, said)
	return strings.Split(strings.TrimRight(string(data), "\n"), "\n")
}

const neovimScript = `
let ch = sockconnect('tcp', $ADDRESS, {'rpc': v:true})
let out = []
call add(out, rpcrequest(ch, 'Echo.String', 'hello'))
call add(out, string(rpcrequest(ch, 'Echo.Int', -12345)))
call add(out, string(rpcrequest(ch, 'Echo.List', [1, 2, 3])))
call add(out, string(rpcrequest(ch, 'Echo.Count', 1, 'two', v:null, [4])))
call add(out, rpcrequest(ch, 'Echo.Pair', {'Name': 'a pair', 'Count': 2}).Name)
for bad in ["'Echo.Fail', 'broken glass'", "'nodot'", "'Echo.Nothing', 1", "'Echo.Int'", "'Echo.Int', 1, 2", "'Echo.Int', 'x'"]
  try
    call eval('rpcrequest(ch, ' . bad . ')')
    call add(out, 'no exception')
  catch
    call add(out, 'exception: ' . v:exception)
  endtry
  call eval('rpcnotify(ch, ' . bad . ')')
endfor
call rpcnotify(ch, 'Echo.Int', 5)
call add(out, string(rpcrequest(ch, 'Echo.Int', 7)))
call writefile(out, $OUT)
qall!
`

// Proves that a real Neovim can call a server with the server's codec: values,
// errors that become exceptions, and notifications, all on one connection.
func TestInteropNeovimClient(t *testing.T) {
	path := interop.Need(t, "nvim", "neovim")
	simtest.Real(t, func(t *testing.T) {
		address, echo := listenReal(t)
		script := filepath.Join(t.TempDir(), "script.vim")
		require.NoError(t, os.WriteFile(script, []byte(neovimScript), 0o644))
		out := run(t, address, nil, path, "--headless", "--clean", "-n", "-S", script)
		require.Equal(t, []string{"hello", "-12345", "[1, 2, 3]", "4", "a pair"}, out[:5])
		require.Contains(t, out[5], "broken glass", "the error of Echo.Fail, as an exception of Neovim")
		for _, line := range out[5:11] {
			require.Contains(t, line, "exception: ", "all that Neovim saw: %q", out)
		}
		require.Equal(t, "7", out[11], "the call after errors and notifications")
		require.Contains(t, echo.executed(), "Int(5)", "the notification was executed")
	})
}

const npmScript = `
const net = require('net'), fs = require('fs'), Session = require('msgpack5rpc')
const socket = net.connect(+process.env.PORT, process.env.HOST)
const session = new Session([])
session.attach(socket, socket)
const out = []
let left = 50
for (let n = 0; n < 50; n++) {
  const [method, arg] = n % 10 == 9 ? ['Echo.Fail', 'error ' + n] : ['Echo.String', 'text ' + n + ' ' + 'x'.repeat(n * 20)]
  session.request(method, [arg], (err, result) => {
    out[n] = String(err !== null ? err : result)
    if (--left == 0) {
      fs.writeFileSync(process.env.OUT, out.join('\n'))
      process.exit(0)
    }
  })
  session.notify('Echo.Int', [n])
}
`

// Proves that a client written in JavaScript can send 50 calls before it reads the
// first answer, with notifications between them.
func TestInteropJavaScript(t *testing.T) {
	modules := interop.NPM(t, "msgpack5rpc@1.1.0")
	node := interop.Need(t, "node", "nodejs")
	simtest.Real(t, func(t *testing.T) {
		address, _ := listenReal(t)
		out := run(t, address, []string{"NODE_PATH=" + modules}, node, "-e", npmScript)
		require.Len(t, out, 50)
		for n, got := range out {
			want := fmt.Sprintf("text %d %s", n, strings.Repeat("x", 20*n))
			if n%10 == 9 {
				want = fmt.Sprint("error ", n)
			}
			require.Equal(t, want, got, "the answer to call %d", n)
		}
	})
}
