package simtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// An Event is one line of a world's log. As JSON it is a line of the log file
// of a failed world; the keys are stable. Times are virtual nanoseconds since
// the world began.
type Event struct {
	At     time.Duration `json:"t"`
	Kind   string        `json:"kind"` // send, deliver, drop, duplicate, hold, partition, heal, reset, crash, restart, pause, resume, disk, rot, log, note, fail
	From   string        `json:"from,omitempty"`
	To     string        `json:"to,omitempty"`
	Node   string        `json:"node,omitempty"`
	Msg    uint64        `json:"msg,omitempty"` // the same for all events of one message
	Name   string        `json:"name,omitempty"`
	Reply  bool          `json:"reply,omitempty"`
	Detail string        `json:"detail,omitempty"`

	// Lazy gives the detail when the log is shown or written, and only then.
	Lazy func() string `json:"-"`
}

func (e *Event) detail() string {
	if e.Lazy != nil {
		return e.Lazy()
	}
	return e.Detail
}

// String gives the event as one line for people.
func (e *Event) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-9s ", clock(e.At), e.Kind)
	switch {
	case e.From != "" && e.Reply:
		// A reply travels from the callee back to the caller.
		fmt.Fprintf(&b, "%s → %s  reply ", e.From, e.To)
	case e.From != "":
		fmt.Fprintf(&b, "%s → %s  ", e.From, e.To)
	case e.Node != "":
		fmt.Fprintf(&b, "%s  ", e.Node)
	}
	if e.Name != "" {
		b.WriteString(e.Name + " ")
	}
	b.WriteString(strings.TrimRight(e.detail(), "\n"))
	return strings.TrimRight(b.String(), " ")
}

// clock formats virtual time as seconds, to the microsecond.
func clock(d time.Duration) string {
	return fmt.Sprintf("%10.6fs", d.Seconds())
}

// journal is the event log of a world: chunks, so that growing copies nothing.
type journal struct {
	chunks [][]Event
	n      int
}

const chunkSize = 1024

func (j *journal) add(e Event) {
	if j.n%chunkSize == 0 {
		j.chunks = append(j.chunks, make([]Event, 0, chunkSize))
	}
	last := &j.chunks[len(j.chunks)-1]
	*last = append(*last, e)
	j.n++
}

func (j *journal) all() []Event {
	events := make([]Event, 0, j.n)
	for _, c := range j.chunks {
		events = append(events, c...)
	}
	return events
}

// A ring holds the last ones of events that are many.
type ring struct {
	events []placed
	n      int // all that there were
}

// A placed event comes after so many events of the journal.
type placed struct {
	Event
	after int
}

const ringSize = 8192

func (r *ring) add(e Event, after int) {
	if len(r.events) < ringSize {
		r.events = append(r.events, placed{e, after})
	} else {
		r.events[r.n%ringSize] = placed{e, after}
	}
	r.n++
}

// merge returns the events with those of the ring in their places.
func (r *ring) merge(events []Event) []Event {
	if r.n == 0 {
		return events
	}
	all := make([]Event, 0, len(events)+len(r.events))
	next := 0
	for i := range r.events {
		p := &r.events[(r.n+i)%len(r.events)]
		all = append(all, events[next:p.after]...)
		all = append(all, p.Event)
		next = p.after
	}
	return append(all, events[next:]...)
}

// writeJSONLines writes one event a line.
func writeJSONLines(w io.Writer, events []Event) error {
	buf := bufio.NewWriter(w)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	for _, e := range events {
		e.Detail = e.detail()
		if err := enc.Encode(&e); err != nil {
			return err
		}
	}
	return buf.Flush()
}
