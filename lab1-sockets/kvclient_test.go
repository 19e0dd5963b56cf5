package sockets_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"
	sockets "distsys/lab1-sockets"
)

// A kvClient talks RESP to a KVServer. It has nothing of the student's: a mistake
// in part 1B is not to look like one in part 1C.
type kvClient struct {
	*peer
	in *bufio.Reader
}

// startKV starts a key/value server.
func startKV(w *simtest.World, s *sockets.KVServer, links simnet.Link) *site {
	return start(w, s, links)
}

// client connects a client.
func (at *site) client() *kvClient {
	at.w.Helper()
	return clientOn(at.dial())
}

func clientOn(p *peer) *kvClient { return &kvClient{p, bufio.NewReader(p)} }

// command returns a command as programs send it.
func command(words ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	return b.Bytes()
}

// say returns a command whose words have no spaces.
func say(line string) []byte { return command(strings.Fields(line)...) }

// do sends a command and returns the reply, as redis-cli shows it.
func (c *kvClient) do(words ...string) string {
	c.w.Helper()
	c.send(command(words...))
	return c.reply(strings.Join(words, " "))
}

// doLine is do for a command whose words have no spaces.
func (c *kvClient) doLine(line string) string {
	c.w.Helper()
	return c.do(strings.Fields(line)...)
}

// must is doLine with a check of the reply, which may begin with want if that is
// an error.
func (c *kvClient) must(line, want, why string) {
	c.w.Helper()
	got := c.doLine(line)
	if !isReply(got, want) {
		c.w.Fatalf("%s sent %s: the reply is %s instead of %s\n%s", c.name, line, got, want, why)
	}
}

// isReply reports whether a reply is as wanted. The words of an error are free,
// its first one is not.
func isReply(got, want string) bool {
	return got == want || strings.HasPrefix(want, "(error)") && strings.HasPrefix(got, want)
}

// reply reads the reply to a command. If there is none, it says why there must be.
func (c *kvClient) reply(to string, why ...string) string {
	c.w.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	text, err := readReply(c.in)
	if err != nil {
		c.w.Fatalf("%s sent %s and waits for the reply, but %v\n%s", c.name, shown(to), ended(err), strings.Join(why, "\n"))
	}
	return text
}

// expectClosed checks that the server says no more and closes the connection.
func (c *kvClient) expectClosed(why string) {
	c.w.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	text, err := readReply(c.in)
	switch {
	case err == nil:
		c.w.Fatalf("%s expected the end of the connection, but got the reply %s\n%s", c.name, text, why)
	case isTimeout(err):
		c.w.Fatalf("%s expected the end of the connection, but it stays open\n%s", c.name, why)
	}
}

// errNotRESP is wrapped by errors about what the server sends.
var errNotRESP = errors.New("the reply is not RESP")

// readReply reads a reply and returns it as redis-cli shows it: OK, (integer) 1,
// "text", (nil), (error) ERR ..., [1 2].
func readReply(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line, ok := strings.CutSuffix(line, "\r\n")
	if !ok || line == "" {
		return "", fmt.Errorf("%w: the line %.50q", errNotRESP, line)
	}
	rest := line[1:]
	switch line[0] {
	case '+':
		return rest, nil
	case '-':
		return "(error) " + rest, nil
	case ':':
		return "(integer) " + rest, nil
	case '$':
		return readBulk(in, rest)
	case '*':
		return readArray(in, rest)
	}
	return "", fmt.Errorf("%w: the line %.50q", errNotRESP, line)
}

func readBulk(in *bufio.Reader, length string) (string, error) {
	n, err := strconv.Atoi(length)
	switch {
	case err != nil || n < -1 || n > 64<<20:
		return "", fmt.Errorf("%w: the length %.50q", errNotRESP, length)
	case n < 0:
		return "(nil)", nil
	}
	text := make([]byte, n+2)
	if _, err := io.ReadFull(in, text); err != nil {
		return "", err
	}
	if string(text[n:]) != "\r\n" {
		return "", fmt.Errorf("%w: a string of length %d that does not end in CRLF", errNotRESP, n)
	}
	return strconv.Quote(string(text[:n])), nil
}

func readArray(in *bufio.Reader, length string) (string, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < -1 || n > 1000 {
		return "", fmt.Errorf("%w: the length %.50q", errNotRESP, length)
	}
	var elements []string
	for range n {
		e, err := readReply(in)
		if err != nil {
			return "", err
		}
		elements = append(elements, e)
	}
	return "[" + strings.Join(elements, " ") + "]", nil
}
