package raft

// An Op is one operation on the database. It is the same on every server that
// executes it: no server looks at its clock or draws a random number for it.
type Op struct {
	Kind  string // Kind is one of the constants below.
	Key   string // Key is the one key that it reads or changes.
	Value string // Value is what it writes.
	Old   string // Old is the value that a CAS expects.
	By    int64  // By is what an Incr adds.
}

// The kinds of operations. A key that is absent has no value; an empty value is one.
const (
	OpGet    = "get"    // Result: Value, Found
	OpExists = "exists" // Result: OK, whether the key is there
	OpPut    = "put"    // Result: nothing
	OpAppend = "append" // Result: N, the length of the new value
	OpDelete = "delete" // Result: OK, whether the key was there
	OpSetNX  = "setnx"  // puts the value if the key is absent; Result: OK, whether it did
	OpCAS    = "cas"    // puts the value if the key has the value Old; Result: OK, whether it did
	OpIncr   = "incr"   // adds By to a decimal number, 0 if absent; Result: N the sum, and OK; not OK if the value is no number or the sum too large
	OpOpen   = "open"   // opens a session; Result: N, its number
)

// A Result is what an operation answers. Fields that it does not answer are zero.
type Result struct {
	Value string
	Found bool
	OK    bool
	N     int64
}

// DoArgs asks a server for one operation ("KV.Do").
//
// A client that gets no answer asks again, here or elsewhere, with the same
// arguments: all requests with one Session and Seq are the same request. The
// requests of a session come one after another, Seq is 1, 2, 3 ...
//
// A request for OpOpen has Session 0 and Seq 0. If its answer is lost, the client
// asks again, and a session that nobody uses is left over.
type DoArgs struct {
	Session uint64
	Seq     uint64
	Op      Op
}

// DoReply is the answer. Result counts only if Status is Done.
type DoReply struct {
	Status Status
	Result Result
}

// A Status says what became of a request.
type Status string

const (
	// Done: the operation was executed, once, whatever the number of requests. It
	// took effect between the first request and this answer.
	Done Status = "done"

	// NotLeader: this server does not lead, or no longer leads. The operation may
	// still be executed later, if the server led when the request came.
	NotLeader Status = "not leader"

	// Expired: there is no such session, any more. This request had no effect; an
	// earlier one with the same Seq may have had one.
	Expired Status = "expired"

	// Old: a later request of the same session was executed already, so the client
	// has stopped waiting for this one. This request had no effect.
	Old Status = "old"
)
