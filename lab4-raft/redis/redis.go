// Package redis speaks the protocol of Redis, RESP2, with clients such as redis-cli
// and redis-benchmark.
package redis

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// A Handler answers the commands of one connection, one at a time.
type Handler func(command []string) Reply

// Serve accepts connections until the listener is closed. Each gets a handler of its
// own.
func Serve(l net.Listener, handler func() Handler) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go serve(conn, handler())
	}
}

// serve answers one client. What it sends together is answered together.
func serve(conn net.Conn, handle Handler) {
	defer conn.Close()
	r, w := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriterSize(conn, 64<<10)
	for {
		command, err := readCommand(r)
		if errors.Is(err, errProtocol) {
			w.Write(Error("ERR " + err.Error()))
			w.Flush()
		}
		if err != nil {
			return
		}
		if len(command) == 0 {
			continue
		}
		w.Write(handle(command))
		quit := strings.EqualFold(command[0], "quit")
		if quit || r.Buffered() == 0 {
			if w.Flush() != nil || quit {
				return
			}
		}
	}
}

var errProtocol = errors.New("protocol error")

// Bounds of a command.
const (
	maxArgs  = 1 << 16
	maxBytes = 64 << 20
)

// readCommand reads a command: an array of bulk strings, or a line that somebody has
// typed.
func readCommand(r *bufio.Reader) ([]string, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(line, "*") {
		return strings.Fields(line), nil
	}
	n, err := length(line, maxArgs)
	if err != nil {
		return nil, err
	}
	command := make([]string, n)
	left := maxBytes
	for i := range command {
		if command[i], err = readBulk(r, left); err != nil {
			return nil, err
		}
		left -= len(command[i])
	}
	return command, nil
}

func readBulk(r *bufio.Reader, most int) (string, error) {
	line, err := readLine(r)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(line, "$") {
		return "", fmt.Errorf("%w: expected '$', got %.20q", errProtocol, line)
	}
	n, err := length(line, most)
	if err != nil {
		return "", err
	}
	data := make([]byte, n+2)
	if _, err := io.ReadFull(r, data); err != nil {
		return "", err
	}
	if string(data[n:]) != "\r\n" {
		return "", fmt.Errorf("%w: a bulk string does not end where its length says", errProtocol)
	}
	return string(data[:n]), nil
}

// readLine reads a line. It fails if the line is longer than the reader's buffer.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", fmt.Errorf("%w: too big a line", errProtocol)
	}
	return strings.TrimRight(string(line), "\r\n"), err
}

func length(line string, most int) (int, error) {
	n, err := strconv.Atoi(line[1:])
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%w: bad length %.20q", errProtocol, line)
	}
	return n, nil
}
