package sockets_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"distsys/grader/simtest"
	sockets "distsys/lab1-sockets"

	"github.com/stretchr/testify/require"
)

// Shorthands for values.
func simple(text string) sockets.Value {
	return sockets.Value{Kind: sockets.SimpleString, Text: text}
}
func failure(text string) sockets.Value { return sockets.Value{Kind: sockets.Error, Text: text} }
func integer(n int64) sockets.Value     { return sockets.Value{Kind: sockets.Integer, Int: n} }
func bulk(text string) sockets.Value {
	return sockets.Value{Kind: sockets.BulkString, Text: text}
}
func array(elements ...sockets.Value) sockets.Value {
	return sockets.Value{Kind: sockets.Array, Elements: elements}
}

var null = sockets.Value{Kind: sockets.Null}

// samples are values and how they travel.
var samples = []struct {
	bytes string
	value sockets.Value
}{
	{"+OK\r\n", simple("OK")},
	{"+\r\n", simple("")},
	{"+two words, ümlaut\r\n", simple("two words, ümlaut")},
	{"-ERR unknown command\r\n", failure("ERR unknown command")},
	{":0\r\n", integer(0)},
	{":1000\r\n", integer(1000)},
	{":-1\r\n", integer(-1)},
	{":9223372036854775807\r\n", integer(9223372036854775807)},
	{":-9223372036854775808\r\n", integer(-9223372036854775808)},
	{"$5\r\nhello\r\n", bulk("hello")},
	{"$0\r\n\r\n", bulk("")},
	{"$2\r\n\r\n\r\n", bulk("\r\n")},
	{"$9\r\n\x00\xff+OK\r\n$3\r\n", bulk("\x00\xff+OK\r\n$3")},
	{"$12\r\n123456789\r\n\n\r\n", bulk("123456789\r\n\n")},
	{"$-1\r\n", null},
	{"*0\r\n", array()},
	{"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", array(bulk("GET"), bulk("k"))},
	{"*3\r\n:1\r\n*2\r\n+a\r\n-b\r\n$-1\r\n", array(integer(1), array(simple("a"), failure("b")), null)},
	{"*1\r\n*1\r\n*1\r\n*0\r\n", array(array(array(array())))},
	{"*2\r\n$-1\r\n*0\r\n", array(null, array())},
}

// A tester is a world, or a test in real time.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	FailNow()
}

// same reports whether two values are equal. Of arrays without elements there are
// two forms.
func same(a, b sockets.Value) bool {
	if a.Kind != b.Kind || a.Text != b.Text || a.Int != b.Int || len(a.Elements) != len(b.Elements) {
		return false
	}
	for i := range a.Elements {
		if !same(a.Elements[i], b.Elements[i]) {
			return false
		}
	}
	return true
}

// expectValue reads a value, which must be want.
func expectValue(w tester, r *sockets.Reader, want sockets.Value, input, how string) {
	w.Helper()
	got, err := r.ReadValue()
	if err != nil {
		w.Fatalf("ReadValue of %s%s: error %q instead of the value %v", shown(input), how, err, want)
	}
	if !same(want, got) {
		w.Fatalf("ReadValue of %s%s: %v of kind %q instead of %v of kind %q", shown(input), how, got, byte(got.Kind), want, byte(want.Kind))
	}
}

// shown quotes input, shortened.
func shown(input string) string {
	if len(input) > 80 {
		return fmt.Sprintf("%q... (%d bytes)", input[:80], len(input))
	}
	return strconv.Quote(input)
}

// Proves that a value of each kind is read as the protocol says. For: bulk strings
// read up to a line end, null taken for an empty string.
func TestReadsValues1B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, s := range samples {
			r := sockets.NewReader(strings.NewReader(s.bytes))
			expectValue(w, r, s.value, s.bytes, "")
			_, err := r.ReadValue()
			require.ErrorIs(w, err, io.EOF, "ReadValue after the only value, %q", s.bytes)
		}
		r := sockets.NewReader(strings.NewReader("*-1\r\n"))
		expectValue(w, r, null, "*-1\r\n", " (null in the form of an array, as old servers send it)")
	})
}

// Proves that values are written as the protocol says, that nothing is sent before
// Flush as long as it fits in a buffer, and that a value which cannot be sent is
// refused and leaves no byte. For: replies smuggled in by a line end.
func TestWritesValues1B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, s := range samples {
			var out bytes.Buffer
			writer := sockets.NewWriter(&out)
			require.NoError(w, writer.WriteValue(s.value), "WriteValue of %v", s.value)
			require.NoError(w, writer.Flush(), "Flush after WriteValue of %v", s.value)
			require.Equal(w, s.bytes, out.String(), "the bytes of %v", s.value)
		}

		var out bytes.Buffer
		writer := sockets.NewWriter(&out)
		require.NoError(w, writer.WriteValue(simple("OK")))
		require.Empty(w, out.String(), "WriteValue must only fill the buffer; Flush sends it. A system call for each reply is slow")
		for _, bad := range []sockets.Value{
			simple("OK\r\n+injected"), failure("ERR no such key: a\nb"), simple("\r"), {}, {Kind: '!'},
			array(integer(1), array(failure("\n"))),
		} {
			require.Error(w, writer.WriteValue(bad), "WriteValue of %#v: whoever reads it would read other values", bad)
		}
		require.NoError(w, writer.WriteValue(integer(7)), "WriteValue after one that was refused")
		require.NoError(w, writer.Flush())
		require.Equal(w, "+OK\r\n:7\r\n", out.String(), "values that WriteValue refused must leave no byte behind")

		broken := sockets.NewWriter(brokenWriter{})
		broken.WriteValue(bulk(strings.Repeat("x", 100_000)))
		require.ErrorIs(w, broken.Flush(), errBroken, "the stream is broken; Flush must say so")
		require.ErrorIs(w, broken.Flush(), errBroken, "the stream is broken; every later Flush must say so too: bytes are missing in it")
		require.ErrorIs(w, broken.WriteValue(integer(1)), errBroken, "the stream is broken; every later WriteValue must say so too")
	})
}

var errBroken = errors.New("the cable is cut")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

// Proves that it does not matter where the stream is cut into Reads, and that a
// value is returned as soon as its last byte is there. For: one Read taken for one
// value, state lost between two Reads, a reader that waits for more than it needs.
func TestSplitAtEveryByte1B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		var all strings.Builder
		for _, s := range samples {
			all.WriteString(s.bytes)
		}
		text := all.String()
		readers := map[string]io.Reader{
			" (one Read brings one byte)":                                        iotest.OneByteReader(strings.NewReader(text)),
			" (a Read brings half of what is asked for)":                         iotest.HalfReader(strings.NewReader(text)),
			" (the last Read brings io.EOF together with the last bytes)":        iotest.DataErrReader(strings.NewReader(text)),
			" (single bytes, and the last comes together with io.EOF)":           iotest.DataErrReader(iotest.OneByteReader(strings.NewReader(text))),
			" (one Read brings everything)":                                      strings.NewReader(text),
			" (Reads bring pieces of random lengths)":                            &pieces{rest: text, next: func() int { return 1 + w.Rand().IntN(9) }},
			" (Reads bring pieces of random lengths, sometimes no bytes at all)": &pieces{rest: text, next: func() int { return w.Rand().IntN(3) }},
		}
		for how, stream := range readers {
			r := sockets.NewReader(stream)
			for _, s := range samples {
				expectValue(w, r, s.value, s.bytes, how)
			}
		}
		for _, s := range samples {
			for at := 1; at < len(s.bytes); at++ {
				how := fmt.Sprintf(" (the first Read brings %d bytes, the second the rest)", at)
				r := sockets.NewReader(&pieces{rest: s.bytes, next: func() int { return at }, greedyFor: 1})
				expectValue(w, r, s.value, s.bytes, how)
			}
			r := sockets.NewReader(io.MultiReader(strings.NewReader(s.bytes), tooFar{w, s.bytes}))
			expectValue(w, r, s.value, s.bytes, "")
		}
	})
}

// A pieces is a stream whose Reads bring as many bytes as next says. After so many
// pieces, if greedyFor is not 0, one brings all the rest.
type pieces struct {
	rest      string
	next      func() int
	greedyFor int
	reads     int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.rest == "" {
		return 0, io.EOF
	}
	n := min(p.next(), len(p.rest))
	if p.reads++; p.greedyFor > 0 && p.reads > p.greedyFor {
		n = len(p.rest)
	}
	n = copy(b, p.rest[:n])
	p.rest = p.rest[n:]
	return n, nil
}

// A tooFar must not be read from: on a connection such a Read would wait for ever.
type tooFar struct {
	w     *simtest.World
	input string
}

func (f tooFar) Read([]byte) (int, error) {
	f.w.Fatalf("the value %s is there to its last byte, but ReadValue asks the stream for more. On a connection it would wait for ever", shown(f.input))
	return 0, io.EOF
}

// Proves that the end of the stream is io.EOF between values and
// io.ErrUnexpectedEOF inside one, wherever it is, and that an error of the stream
// is passed on. For: half a value taken for a whole one, a lost connection taken
// for a goodbye.
func TestTruncated1B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		_, err := sockets.NewReader(strings.NewReader("")).ReadValue()
		require.ErrorIs(w, err, io.EOF, "ReadValue of an empty stream")
		_, err = sockets.NewReader(strings.NewReader("")).ReadCommand()
		require.ErrorIs(w, err, io.EOF, "ReadCommand of an empty stream")
		for _, s := range samples {
			for n := 1; n < len(s.bytes); n++ {
				cut := s.bytes[:n]
				_, err := sockets.NewReader(strings.NewReader(cut)).ReadValue()
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					w.Fatalf("the stream ends inside a value, after %q: error %v instead of io.ErrUnexpectedEOF", cut, err)
				}
				_, err = sockets.NewReader(io.MultiReader(strings.NewReader(cut), iotest.ErrReader(errBroken))).ReadValue()
				if !errors.Is(err, errBroken) {
					w.Fatalf("the stream breaks inside a value, after %q: error %v instead of the stream's own, %q", cut, err, errBroken)
				}
			}
		}
		for _, cut := range []string{"*", "*2\r\n", "*2\r\n$4\r\nEC", "*2\r\n$4\r\nECHO\r\n", "*1\r\n$4\r\nPING\r", "PING"} {
			_, err := sockets.NewReader(strings.NewReader(cut)).ReadCommand()
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				w.Fatalf("the stream ends inside a command, after %q: error %v instead of io.ErrUnexpectedEOF", cut, err)
			}
		}
		_, err = sockets.NewReader(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("+OK\r\n")))).ReadValue()
		require.ErrorIs(w, err, iotest.ErrTimeout, "the stream's Read timed out; a server has to know that")
	})
}

// Proves that malformed input gives a ProtocolError. For: wrong lengths ignored,
// bytes skipped until something makes sense, panics.
func TestMalformed1B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		for _, bad := range []struct{ input, why string }{
			{"hello\r\n", "no value begins with 'h'"},
			{"\r\n", "no value is an empty line"},
			{"\x00\x01\x02\r\n", "no value begins with a zero byte"},
			{":\r\n", "no digits"},
			{":abc\r\n", "not a number"},
			{":1.5\r\n", "not an integer"},
			{":12 \r\n", "a space behind the number"},
			{":9223372036854775808\r\n", "does not fit in 64 bits"},
			{"$\r\n", "no length"},
			{"$x\r\nabc\r\n", "the length is no number"},
			{"$-2\r\n", "a negative length other than -1"},
			{"$99999999999999999999\r\n", "a length that fits in no integer"},
			{"$3\r\nabcd\r\n", "the string is longer than its length says"},
			{"$3\r\nab\r\n\r\n", "the string is shorter than its length says"},
			{"$3\r\nabc\n\n", "the string does not end in CRLF"},
			{"$3\r\nabc\rx", "the string does not end in CRLF"},
			{"*x\r\n", "the length is no number"},
			{"*-2\r\n", "a negative length other than -1"},
			{"*1\r\nfoo\r\n", "the element is malformed"},
			{"*2\r\n:1\r\n:x\r\n", "the second element is malformed"},
			{"+OK\n", "a line that ends in LF alone"},
			{"+O\rK\r\n", "a CR inside a line"},
			{":5\n", "a line that ends in LF alone"},
			{"$3\nabc\r\n", "a line that ends in LF alone"},
		} {
			v, err := sockets.NewReader(strings.NewReader(bad.input)).ReadValue()
			mustBeProtocolError(w, err, "ReadValue of %q gave %v and the error %v. It is malformed: %s", bad.input, v, err, bad.why)
		}
	})
}

func mustBeProtocolError(w tester, err error, format string, args ...any) {
	w.Helper()
	var malformed *sockets.ProtocolError
	if !errors.As(err, &malformed) {
		w.Fatalf(format+"\nrule: malformed input gives a *ProtocolError, which errors.As finds", args...)
	}
}

// Proves that a peer cannot make the reader use memory by a claim: a length is
// checked against the limits before anything is allocated, and what is within them
// takes memory only as it arrives; and that what is allowed is read. For: a length
// trusted before allocation, recursion without end, a line without end.
func TestLimits1B(t *testing.T) {
	simtest.Real(t, func(t *testing.T) { // outside of worlds: nothing else may allocate
		for _, bomb := range []string{
			"$2147483647\r\n", fmt.Sprintf("$%d\r\n", sockets.MaxBulk+1),
			"*2147483647\r\n", fmt.Sprintf("*%d\r\n", sockets.MaxElements+1),
			"*2\r\n*2147483647\r\n",
			strings.Repeat("*1\r\n", sockets.MaxDepth+1) + ":1\r\n", strings.Repeat("*1\r\n", 1_000_000),
			"+" + strings.Repeat("x", 2*sockets.MaxLine), "-" + strings.Repeat("x", 4<<20),
			":" + strings.Repeat("1", 4<<20), "$" + strings.Repeat("0", 4<<20),
		} {
			var err error
			used := allocated(func() { _, err = sockets.NewReader(strings.NewReader(bomb)).ReadValue() })
			mustBeProtocolError(t, err, "ReadValue of %s: error %v, but it is beyond the limits", shown(bomb), err)
			mustBeModest(t, used, bomb)
		}
		for _, command := range []string{
			"*2147483647\r\n", fmt.Sprintf("*%d\r\n", sockets.MaxElements+1), "*1\r\n$2147483647\r\n", "*-2\r\n",
			strings.Repeat("x", 2*sockets.MaxLine), strings.Repeat("x", 4<<20),
		} {
			var err error
			used := allocated(func() { _, err = sockets.NewReader(strings.NewReader(command)).ReadCommand() })
			mustBeProtocolError(t, err, "ReadCommand of %s: error %v, but it is beyond the limits", shown(command), err)
			mustBeModest(t, used, command)
		}
		for _, claim := range []string{
			fmt.Sprintf("$%d\r\nabc", sockets.MaxBulk), fmt.Sprintf("*%d\r\n:1\r\n", sockets.MaxElements),
			fmt.Sprintf("*1\r\n*1\r\n$%d\r\nabc", sockets.MaxBulk),
		} {
			var err error
			used := allocated(func() { _, err = sockets.NewReader(strings.NewReader(claim)).ReadValue() })
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "ReadValue of %s, which ends inside a value that is within the limits", shown(claim))
			mustBeModest(t, used, claim)
			used = allocated(func() { sockets.NewReader(strings.NewReader("*1\r\n" + claim)).ReadCommand() })
			mustBeModest(t, used, "*1\r\n"+claim)
		}

		line := strings.Repeat("x", sockets.MaxLine-1)
		expectValue(t, sockets.NewReader(strings.NewReader("+"+line+"\r\n")), simple(line), "+"+line, " (a line as long as is allowed)")
		deep := integer(1)
		for range sockets.MaxDepth {
			deep = array(deep)
		}
		input := strings.Repeat("*1\r\n", sockets.MaxDepth) + ":1\r\n"
		expectValue(t, sockets.NewReader(strings.NewReader(input)), deep, input, " (as deep as is allowed)")
		text := strings.Repeat("x", 2<<20)
		expectValue(t, sockets.NewReader(strings.NewReader("$2097152\r\n"+text+"\r\n")), bulk(text), "$2097152", "")
	})
}

// Proves that the limits hold for a whole value, and a whole command: many strings
// or arrays, each within the limits, may not be more than one of the largest. For: a
// limit for each string only.
func TestLimitsTogether1B(t *testing.T) {
	simtest.Real(t, func(t *testing.T) { // outside of worlds: nothing else may allocate
		half := fmt.Sprintf("$%d\r\n", sockets.MaxBulk/2)
		stream := func(header string) io.Reader {
			part := func() io.Reader {
				return io.MultiReader(strings.NewReader(half), io.LimitReader(zeros{}, sockets.MaxBulk/2), strings.NewReader("\r\n"))
			}
			return io.MultiReader(strings.NewReader(header), part(), part(), strings.NewReader("$1\r\n"))
		}
		_, err := sockets.NewReader(stream("*3\r\n")).ReadValue()
		mustBeProtocolError(t, err, "ReadValue of an array of strings that are together longer than MaxBulk: error %v", err)
		_, err = sockets.NewReader(stream("*3\r\n")).ReadCommand()
		mustBeProtocolError(t, err, "ReadCommand with arguments that are together longer than MaxBulk: error %v", err)
		nested := fmt.Sprintf("*2\r\n*2\r\n:1\r\n:2\r\n*%d\r\n", sockets.MaxElements-3)
		_, err = sockets.NewReader(strings.NewReader(nested)).ReadValue()
		mustBeProtocolError(t, err, "ReadValue of %q, arrays that have together more than MaxElements elements: error %v", nested, err)
	})
}

// zeros is an endless stream.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// allocated returns how many bytes the process allocated while f ran.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func mustBeModest(t tester, bytes uint64, input string) {
	t.Helper()
	if bytes > 2<<20 {
		t.Fatalf("reading %s allocated %d bytes\nrule: check a length before you allocate, and let memory grow with what arrives: "+
			"a length is only a claim", shown(input), bytes)
	}
}

// Proves that whatever is written is read back the same, many values on one stream,
// cut into random pieces. For: anything the tables above have not thought of.
func TestRoundTrip1B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		var values []sockets.Value
		var stream bytes.Buffer
		writer := sockets.NewWriter(&stream)
		for range 200 {
			v := randomValue(w, 0)
			values = append(values, v)
			require.NoError(w, writer.WriteValue(v), "WriteValue of %v", v)
		}
		require.NoError(w, writer.Flush())
		text := stream.String()
		r := sockets.NewReader(&pieces{rest: text, next: func() int { return 1 + w.Rand().IntN(100) }})
		for i, v := range values {
			expectValue(w, r, v, text, fmt.Sprintf(" (%d values written with WriteValue; this is number %d)", len(values), i))
		}
		_, err := r.ReadValue()
		require.ErrorIs(w, err, io.EOF, "ReadValue after the last value")
	})
}

// randomValue makes a value up.
func randomValue(w *simtest.World, depth int) sockets.Value {
	dice := w.Rand()
	text := make([]byte, dice.IntN(20))
	if dice.IntN(20) == 0 {
		text = make([]byte, dice.IntN(70_000))
	}
	for i := range text {
		text[i] = "abc \r\n$*+-:\x00\xff"[dice.IntN(13)]
	}
	line := strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(text[:min(len(text), 100)]), "ü"))
	switch dice.IntN(8 - depth) {
	case 0:
		return simple(line)
	case 1:
		return failure(line)
	case 2:
		return integer(int64(dice.Uint64()) >> dice.IntN(64))
	case 3:
		return null
	case 4, 5:
		return bulk(string(text))
	}
	elements := make([]sockets.Value, dice.IntN(5))
	for i := range elements {
		elements[i] = randomValue(w, min(depth+1, 2))
	}
	return array(elements...)
}

// Proves that commands are read in both forms, that of programs and that of people
// with a terminal, also mixed on one stream, and that empty ones are skipped. For:
// commands that only one client sends.
func TestReadsCommands1B(t *testing.T) {
	simtest.Run(t, func(w *simtest.World) {
		commands := []struct {
			input string
			want  []string
		}{
			{"*1\r\n$4\r\nPING\r\n", []string{"PING"}},
			{"PING\r\n", []string{"PING"}},
			{"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n", []string{"SET", "k", ""}},
			{"SET k v\n", []string{"SET", "k", "v"}},
			{"*2\r\n$4\r\nECHO\r\n$9\r\na b\r\n*1\r\n\r\n", []string{"ECHO", "a b\r\n*1\r\n"}},
			{"  ECHO \t  $3  \r\n", []string{"ECHO", "$3"}},
			{"\r\n\n  \r\n*0\r\n\r\nGET k\r\n", []string{"GET", "k"}},
			{"+PING\r\n", []string{"+PING"}},
			{"*2\r\n$4\r\nECHO\r\n$20000\r\n" + strings.Repeat("x", 20000) + "\r\n", []string{"ECHO", strings.Repeat("x", 20000)}},
			{strings.Repeat("\r\n", 50_000) + "PING\r\n", []string{"PING"}},
		}
		var all strings.Builder
		for range 2 {
			for _, c := range commands {
				all.WriteString(c.input)
			}
		}
		for how, stream := range map[string]io.Reader{
			"one Read brings everything": strings.NewReader(all.String()),
			"one Read brings one byte":   iotest.OneByteReader(strings.NewReader(all.String())),
			"Reads bring random pieces":  &pieces{rest: all.String(), next: func() int { return 1 + w.Rand().IntN(30) }},
		} {
			r := sockets.NewReader(stream)
			for range 2 {
				for _, c := range commands {
					got, err := r.ReadCommand()
					require.NoError(w, err, "ReadCommand of %s (%s)", shown(c.input), how)
					require.Equal(w, c.want, texts(got), "ReadCommand of %s (%s)", shown(c.input), how)
				}
			}
			_, err := r.ReadCommand()
			require.ErrorIs(w, err, io.EOF, "ReadCommand after the last command")
		}
		for _, bad := range []struct{ input, why string }{
			{"*1\r\n+PING\r\n", "a command is an array of bulk strings only"},
			{"*1\r\n:1\r\n", "a command is an array of bulk strings only"},
			{"*2\r\n$4\r\nECHO\r\n$-1\r\n", "null is no argument"},
			{"*1\r\n*1\r\n$4\r\nPING\r\n", "an array is no argument"},
			{"*x\r\n", "the length is no number"},
			{"*1\r\n$x\r\n", "the length is no number"},
			{"*1\r\n$4\r\nPINGX\r\n", "the string is longer than its length says"},
			{"*1\r\nPING\r\n", "the argument has no length"},
		} {
			got, err := sockets.NewReader(strings.NewReader(bad.input)).ReadCommand()
			mustBeProtocolError(w, err, "ReadCommand of %q gave %q and the error %v. It is malformed: %s", bad.input, texts(got), err, bad.why)
		}
	})
}

func texts(args [][]byte) []string {
	var all []string
	for _, arg := range args {
		all = append(all, string(arg))
	}
	return all
}
