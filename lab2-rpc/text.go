package rpclab

import (
	"errors"
	"time"

	"github.com/sasha-s/go-deadlock"
)

// MaxText is how many bytes a text may have.
const MaxText = 64 << 10

// ErrFull is returned when a text would become longer than [MaxText]. It then
// stays as it is.
var ErrFull = errors.New("rpclab: text too long")

// TextArgs are the arguments of Text.Get, Text.Put and Text.Append. Get, which may be
// executed any number of times, needs no Call.
type TextArgs struct {
	Call       CallID
	Key, Value string
}

// TextReply is the reply of Text.Get, Text.Put and Text.Append.
type TextReply struct {
	Value  string // Value is what Get read; a text that was never written is empty.
	Length int    // Length is that of the text after a Put or an Append, in bytes.
}

// OpenArgs are the arguments of Text.Open.
type OpenArgs struct{}

// OpenReply is the reply of Text.Open.
type OpenReply struct{ Session uint64 }

// CloseArgs are the arguments of Text.Close.
type CloseArgs struct{ Session uint64 }

// CloseReply is the reply of Text.Close.
type CloseReply struct{}

// A TextService holds texts by key, in memory, and executes each Put and Append at
// most once. Its methods Open, Close, Get, Put and Append are meant for net/rpc,
// under the name Text. They may be called by many goroutines at a time.
type TextService struct {
	sessions *Sessions
	mu       deadlock.Mutex // guards texts
	texts    map[string]string
}

// NewTextService returns a service without texts, whose sessions live for ttl.
func NewTextService(ttl time.Duration) *TextService {
	return &TextService{sessions: NewSessions(ttl), texts: map[string]string{}}
}

// Sessions returns the number of open sessions.
func (s *TextService) Sessions() int { return s.sessions.Len() }

// Open begins a session. A client whose request or answer was lost opens another
// one; the lost one expires.
func (s *TextService) Open(args *OpenArgs, reply *OpenReply) error {
	reply.Session = s.sessions.Open()
	return nil
}

// Close ends a session.
func (s *TextService) Close(args *CloseArgs, reply *CloseReply) error {
	s.sessions.Close(args.Session)
	return nil
}

// Get reads a text.
func (s *TextService) Get(args *TextArgs, reply *TextReply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply.Value = s.texts[args.Key]
	return nil
}

// Put sets a text.
func (s *TextService) Put(args *TextArgs, reply *TextReply) error {
	return s.once(args, reply, func(string) string { return args.Value })
}

// Append adds to the end of a text.
func (s *TextService) Append(args *TextArgs, reply *TextReply) error {
	return s.once(args, reply, func(old string) string { return old + args.Value })
}

// once changes a text, at most once for each call.
func (s *TextService) once(args *TextArgs, reply *TextReply, change func(string) string) error {
	answer, err := s.sessions.Do(args.Call, func() (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		text := change(s.texts[args.Key])
		if len(text) > MaxText {
			return nil, ErrFull
		}
		s.texts[args.Key] = text
		return TextReply{Length: len(text)}, nil
	})
	if err != nil {
		return err
	}
	*reply = answer.(TextReply)
	return nil
}
