// Package target is what hostile submissions aim at.
package target

// A Peer can be called.
type Peer interface {
	Call(serviceMethod string, args, reply any) error
}

// Args are what an oracle is asked.
type Args struct{ N int }

// Reply is what it answers.
type Reply struct{ N int }
