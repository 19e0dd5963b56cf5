package runner

import (
	"bytes"
	"fmt"
	"os"
	"time"
)

// floodFactor says at which multiple of the output limit a process is killed.
const floodFactor = 16

// An output collects what a process prints: the first and the last half of
// the limit, and how much was between them.
type output struct {
	limit int64
	r, w  *os.File
	done  chan struct{}
	flood chan struct{} // closed when the process prints without end

	head, tail []byte
	total      int64
}

func newOutput(limit int64) (*output, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o := &output{limit: limit, r: r, w: w, done: make(chan struct{}), flood: make(chan struct{})}
	go o.read()
	return o, nil
}

func (o *output) read() {
	defer close(o.done)
	buf := make([]byte, 32<<10)
	flooded := false
	for {
		n, err := o.r.Read(buf)
		o.add(buf[:n])
		if o.total > floodFactor*o.limit && !flooded {
			flooded = true
			close(o.flood)
		}
		if err != nil {
			return
		}
	}
}

func (o *output) add(p []byte) {
	o.total += int64(len(p))
	half := int(o.limit / 2)
	n := min(len(p), half-len(o.head))
	o.head = append(o.head, p[:n]...)
	o.tail = append(o.tail, p[n:]...)
	if len(o.tail) > 2*half+32<<10 { // now and then, so that little is copied
		o.tail = append([]byte(nil), o.tail[len(o.tail)-half:]...)
	}
}

// finish returns what was printed. The process has ended; whoever else still
// holds the pipe is not waited for.
func (o *output) finish() string {
	o.w.Close()
	o.r.SetReadDeadline(time.Now().Add(drainTime))
	<-o.done
	o.r.Close()
	half := int(o.limit / 2)
	tail := o.tail[max(0, len(o.tail)-half):]
	var b bytes.Buffer
	b.Write(o.head)
	if cut := o.total - int64(len(o.head)) - int64(len(tail)); cut > 0 {
		fmt.Fprintf(&b, "\n... %d bytes left out ...\n", cut)
	}
	b.Write(tail)
	return b.String()
}
