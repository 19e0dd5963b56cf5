package raft

import (
	"math"
	"strconv"
)

// A store is the database itself: what the operations read and change. It is the
// same on all servers that have executed the same commands.
type store map[string]string

// execute executes an operation, except OpOpen.
func (s store) execute(op Op) Result {
	value, found := s[op.Key]
	switch op.Kind {
	case OpGet:
		return Result{Value: value, Found: found}
	case OpExists:
		return Result{OK: found}
	case OpPut:
		s[op.Key] = op.Value
		return Result{}
	case OpAppend:
		s[op.Key] = value + op.Value
		return Result{N: int64(len(s[op.Key]))}
	case OpDelete:
		delete(s, op.Key)
		return Result{OK: found}
	case OpSetNX:
		return s.putIf(!found, op)
	case OpCAS:
		return s.putIf(found && value == op.Old, op)
	case OpIncr:
		return s.incr(op)
	}
	return Result{} // a server that is newer than this one may know more kinds
}

func (s store) putIf(cond bool, op Op) Result {
	if cond {
		s[op.Key] = op.Value
	}
	return Result{OK: cond}
}

func (s store) incr(op Op) Result {
	n := int64(0)
	if value, found := s[op.Key]; found {
		var err error
		if n, err = strconv.ParseInt(value, 10, 64); err != nil {
			return Result{}
		}
	}
	if op.By > 0 && n > math.MaxInt64-op.By || op.By < 0 && n < math.MinInt64-op.By {
		return Result{}
	}
	n += op.By
	s[op.Key] = strconv.FormatInt(n, 10)
	return Result{N: n, OK: true}
}
