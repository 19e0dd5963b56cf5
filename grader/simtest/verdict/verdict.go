// Package verdict tells the grader what the kit has seen, over a channel that
// the code under test cannot forge.
//
// The grader starts a test binary with DISTSYS_VERDICT=R,W: two numbers of
// open files. R is a pipe that holds a secret of 64 hexadecimal characters. W
// is a pipe for lines of the form
//
//	SECRET SPACE JSON NEWLINE
//
// The secret is read, and R closed, while this package is initialised. Go
// initialises the packages that are ready in the order of their import paths,
// and this one needs nothing but syscall: it comes before every package that
// could read a file. What is printed, and how the process exits, proves
// nothing to the grader; a line without the secret is ignored.
//
// Without DISTSYS_VERDICT every function does nothing.
package verdict

import "syscall"

const (
	variable     = "DISTSYS_VERDICT"
	secretLength = 64
)

var (
	secret string
	out    = -1
)

func init() {
	value, ok := syscall.Getenv(variable)
	if !ok {
		return
	}
	syscall.Unsetenv(variable)
	in, w := parse(value)
	if in < 0 || w < 0 {
		return
	}
	syscall.CloseOnExec(w)
	secret = readSecret(in)
	syscall.Close(in)
	if len(secret) == secretLength {
		out = w
	}
}

// parse splits "R,W" into two file numbers, or gives -1.
func parse(s string) (in, out int) {
	n := [2]int{}
	field, digits := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9' && digits < 6:
			n[field] = n[field]*10 + int(c-'0')
			digits++
		case c == ',' && field == 0 && digits > 0:
			field, digits = 1, 0
		default:
			return -1, -1
		}
	}
	if field != 1 || digits == 0 {
		return -1, -1
	}
	return n[0], n[1]
}

func readSecret(fd int) string {
	var buf [secretLength]byte
	for n := 0; n < len(buf); {
		m, err := syscall.Read(fd, buf[n:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || m <= 0 {
			return ""
		}
		n += m
	}
	return string(buf[:])
}

// Enabled reports whether a grader listens.
func Enabled() bool { return out >= 0 }

// Send writes one line. Callers take turns: package simtest holds a lock.
func Send(json []byte) {
	if out < 0 {
		return
	}
	line := make([]byte, 0, len(secret)+len(json)+2)
	line = append(line, secret...)
	line = append(line, ' ')
	line = append(line, json...)
	line = append(line, '\n')
	for len(line) > 0 {
		n, err := syscall.Write(out, line)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return
		}
		line = line[n:]
	}
}
