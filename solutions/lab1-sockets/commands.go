package sockets

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
)

// TODO(1C): the commands. The handout lists them; replies.go has what Redis says.
// BEGIN SOLUTION

// A command is executed with the store's mutex held. Its arguments are without the
// name, and as many as it wants.
type command struct {
	min, max int // arguments
	run      func(s *store, args [][]byte) Value
}

const any64 = math.MaxInt // arguments: as many as you like

var commands = map[string]command{
	"PING":     {0, 1, ping},
	"ECHO":     {1, 1, echoCommand},
	"SET":      {2, any64, set},
	"GET":      {1, 1, get},
	"DEL":      {1, any64, del},
	"EXISTS":   {1, any64, exists},
	"INCR":     {1, 1, func(s *store, args [][]byte) Value { return s.add(args[0], 1) }},
	"DECR":     {1, 1, func(s *store, args [][]byte) Value { return s.add(args[0], -1) }},
	"INCRBY":   {2, 2, incrBy},
	"EXPIRE":   {2, 2, expire},
	"TTL":      {1, 1, func(s *store, args [][]byte) Value { return s.ttl(args[0], time.Second) }},
	"PTTL":     {1, 1, func(s *store, args [][]byte) Value { return s.ttl(args[0], time.Millisecond) }},
	"DBSIZE":   {0, 0, func(s *store, _ [][]byte) Value { return replyInt(len(s.items)) }},
	"FLUSHALL": {0, 1, flushAll},
	"QUIT":     {0, any64, func(*store, [][]byte) Value { return replyOK }},
	"COMMAND":  {0, any64, func(*store, [][]byte) Value { return Value{Kind: Array} }},
	"CONFIG":   {2, any64, config},
}

// execute executes a command at once and whole.
func (s *store) execute(args [][]byte) Value {
	name, args := args[0], args[1:]
	var upper [16]byte // the names are shorter
	cmd, ok := commands[string(appendUpper(upper[:0], name))]
	switch {
	case !ok:
		return replyUnknown(name, args)
	case len(args) < cmd.min || len(args) > cmd.max:
		return replyArity(string(name))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
	return cmd.run(s, args)
}

// appendUpper appends the name in upper case, in memory that is there already
// unless the name is longer than that of any command.
func appendUpper(to, name []byte) []byte {
	for _, c := range name {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		to = append(to, c)
	}
	return to
}

func isQuit(args [][]byte) bool { return bytes.EqualFold(args[0], []byte("QUIT")) }

func ping(_ *store, args [][]byte) Value {
	if len(args) == 1 {
		return replyBulk(string(args[0]))
	}
	return replyPong
}

func echoCommand(_ *store, args [][]byte) Value { return replyBulk(string(args[0])) }

func get(s *store, args [][]byte) Value {
	it := s.items[string(args[0])]
	if it == nil {
		return replyNull
	}
	return replyBulk(it.value)
}

// set is SET key value [NX | XX] [EX seconds | PX milliseconds].
func set(s *store, args [][]byte) Value {
	o, failure := setOptionsOf(args[2:])
	if failure != nil {
		return *failure
	}
	_, exists := s.items[string(args[0])]
	if o.onlyNew && exists || o.onlyOld && !exists {
		return replyNull
	}
	it := s.set(args[0], args[1])
	if o.ttl > 0 {
		s.expireAfter(it, o.ttl)
	}
	return replyOK
}

type setOptions struct {
	onlyNew, onlyOld bool
	ttl              time.Duration // 0: none
}

// setOptionsOf parses what follows key and value, or says what is wrong with it.
func setOptionsOf(args [][]byte) (o setOptions, failure *Value) {
	var amount []byte
	var unit time.Duration
	for len(args) > 0 {
		option := strings.ToUpper(string(args[0]))
		args = args[1:]
		switch {
		case option == "NX" && !o.onlyOld:
			o.onlyNew = true
		case option == "XX" && !o.onlyNew:
			o.onlyOld = true
		case (option == "EX" || option == "PX") && unit == 0 && len(args) > 0:
			unit = time.Second
			if option == "PX" {
				unit = time.Millisecond
			}
			amount, args = args[0], args[1:]
		default:
			return o, &replySyntax
		}
	}
	if unit != 0 {
		o.ttl, failure = lifetime("set", amount, unit)
		if failure == nil && o.ttl <= 0 {
			wrong := replyExpireTime("set")
			failure = &wrong
		}
	}
	return o, failure
}

// lifetime parses a time to live, or says what is wrong with it.
func lifetime(command string, amount []byte, unit time.Duration) (time.Duration, *Value) {
	n, ok := integer(string(amount))
	if !ok {
		return 0, &replyNoInteger
	}
	if limit := int64(math.MaxInt64 / unit); n > limit || n < -limit {
		wrong := replyExpireTime(command)
		return 0, &wrong
	}
	return time.Duration(n) * unit, nil
}

func del(s *store, args [][]byte) Value {
	n := 0
	for _, key := range args {
		if it := s.items[string(key)]; it != nil {
			s.remove(it)
			n++
		}
	}
	return replyInt(n)
}

// exists counts a key as often as it is named.
func exists(s *store, args [][]byte) Value {
	n := 0
	for _, key := range args {
		if s.items[string(key)] != nil {
			n++
		}
	}
	return replyInt(n)
}

func incrBy(s *store, args [][]byte) Value {
	n, ok := integer(string(args[1]))
	if !ok {
		return replyNoInteger
	}
	return s.add(args[0], n)
}

// add adds to the integer that a key holds, which is 0 if there is none. When the
// key is to expire, it stays so.
func (s *store) add(key []byte, n int64) Value {
	it := s.items[string(key)]
	if it == nil {
		s.set(key, strconv.AppendInt(nil, n, 10))
		return Value{Kind: Integer, Int: n}
	}
	old, ok := integer(it.value)
	if !ok {
		return replyNoInteger
	}
	sum := old + n
	if (sum > old) != (n > 0) && n != 0 {
		return replyOverflow
	}
	it.value = strconv.FormatInt(sum, 10)
	return Value{Kind: Integer, Int: sum}
}

// integer parses an integer in the one way in which Redis writes it: neither +7
// nor 007 is one.
func integer(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	var back [20]byte
	return n, err == nil && string(strconv.AppendInt(back[:0], n, 10)) == text
}

func expire(s *store, args [][]byte) Value {
	d, failure := lifetime("expire", args[1], time.Second)
	if failure != nil {
		return *failure
	}
	it := s.items[string(args[0])]
	switch {
	case it == nil:
		return replyInt(0)
	case d <= 0:
		s.remove(it)
	default:
		s.expireAfter(it, d)
	}
	return replyInt(1)
}

// ttl says how long a key has to live, rounded to the unit: -1 is for ever, -2 is
// no such key.
func (s *store) ttl(key []byte, unit time.Duration) Value {
	it := s.items[string(key)]
	switch {
	case it == nil:
		return replyInt(-2)
	case it.expires.IsZero():
		return replyInt(-1)
	}
	return replyInt(int(it.expires.Sub(s.now).Round(unit) / unit))
}

func flushAll(s *store, args [][]byte) Value {
	if len(args) == 1 && !bytes.EqualFold(args[0], []byte("SYNC")) && !bytes.EqualFold(args[0], []byte("ASYNC")) {
		return replySyntax
	}
	s.clear()
	return replyOK
}

// config answers what redis-benchmark asks before it starts.
func config(_ *store, args [][]byte) Value {
	settings := map[string]string{"save": "", "appendonly": "no"}
	reply := Value{Kind: Array}
	if bytes.EqualFold(args[0], []byte("GET")) {
		for _, name := range args[1:] {
			if value, ok := settings[string(name)]; ok {
				reply.Elements = append(reply.Elements, replyBulk(string(name)), replyBulk(value))
			}
		}
	}
	return reply
}

// END SOLUTION
