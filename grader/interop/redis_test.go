package interop_test

import (
	"io"
	"net"
	"testing"
	"time"

	"distsys/grader/interop"

	"github.com/stretchr/testify/require"
)

// A server that takes longer than the half second after which redis-cli prints
// the time changes nothing in what tests get to see.
func TestRedisCLISlowServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buf := make([]byte, 1024)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			time.Sleep(600 * time.Millisecond)
			io.WriteString(conn, "+PONG\r\n")
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.Equal(t, "PONG\nPONG\n", interop.RedisCLI(t, port, "PING\nPING\n"))
}
