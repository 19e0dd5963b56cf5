package simnet_test

import (
	"sync"
	"testing"
	"time"

	"distsys/grader/simnet"
	"distsys/grader/simtest"

	"github.com/stretchr/testify/require"
)

type (
	Hidden      struct{ Term, term int }
	Outer       struct{ List []map[string]*Hidden }
	Channel     struct{ Done chan int }
	Function    struct{ F func() }
	Locked      struct{ Mu sync.Mutex }
	Either      struct{ Command any }
	inner       struct{ X int }
	Embeds      struct{ inner }
	EmbedsPtr   struct{ *inner }
	EmbedsWrong struct{ Hidden }
	Tagged      struct {
		Sent int
		skip int    `codec:"-"`
		Fn   func() `codec:"-"`
		_    int
	}
	List struct {
		When time.Time
		Next *List
	}
)

// What would not arrive as it was sent fails the world and is reported by
// name, wherever in the type it is.
func TestUnsendable(t *testing.T) {
	_ = Tagged{skip: 1}
	_ = Hidden{term: 1}
	for _, c := range []struct {
		args any
		text string // "": nothing to report
	}{
		{&Number{}, ""},
		{&Embeds{}, ""},
		{&Tagged{}, ""},
		{&List{}, ""},
		{42, ""},
		{&Hidden{}, "args of S.Echo: type simnet_test.Hidden has unexported field term, which is not sent"},
		{Hidden{}, "type simnet_test.Hidden has unexported field term, which is not sent"},
		{&Outer{}, "type simnet_test.Hidden has unexported field term, which is not sent (field List of simnet_test.Outer)"},
		{&EmbedsWrong{}, "unexported field term, which is not sent (field Hidden of simnet_test.EmbedsWrong)"},
		{&EmbedsPtr{}, "type simnet_test.EmbedsPtr has unexported field inner, which is not sent"},
		{&Channel{}, "type chan int cannot be sent (field Done of simnet_test.Channel)"},
		{&Function{}, "type func() cannot be sent (field F of simnet_test.Function)"},
		{&Locked{}, "(field Mu of simnet_test.Locked)"},
		{&Either{}, "type interface {} is an interface, which does not arrive as the type it holds (field Command of simnet_test.Either)"},
		{nil, "args of S.Echo: nil cannot be sent"},
		{(*Number)(nil), "args of S.Echo: nil cannot be sent"},
	} {
		r := simtest.Try(t, 1, func(w *simtest.World) {
			n := simnet.New(w, simnet.Reliable)
			for range 2 { // It is reported once.
				_ = n.Node("1").Client("2").Call("S.Echo", c.args, &Number{})
			}
		})
		if c.text == "" {
			require.False(t, r.Failed(), "%T: %v", c.args, r)
			continue
		}
		require.Len(t, r.Failures, 1, "%T", c.args)
		require.Contains(t, r.Failures[0].Message, c.text)
	}
}

// A reply that cannot be stored, or would not arrive as it was sent, fails the
// world too. The call is not made, and its error takes time.
func TestUnsendableReply(t *testing.T) {
	for _, c := range []struct {
		reply any
		text  string
	}{
		{Number{}, "reply of S.Echo: a simnet_test.Number is no pointer to where the reply can be stored"},
		{(*Number)(nil), "reply of S.Echo: a *simnet_test.Number is no pointer"},
		{&Hidden{}, "reply of S.Echo: type simnet_test.Hidden has unexported field term"},
	} {
		r := simtest.Try(t, 1, func(w *simtest.World) {
			p := newPair(w, simnet.Reliable)
			_ = p.client.Call("S.Echo", &Number{}, c.reply)
			require.Positive(w, w.Now())
		})
		require.Len(t, r.Failures, 1, "%T", c.reply)
		require.Contains(t, r.Failures[0].Message, c.text)
	}
}

type Secretive struct{}

func (Secretive) Tell(args *Number, reply *Hidden) error { return nil }

// The server's reply is looked at as well, even when nobody wants it.
func TestUnsendableReplyOfServer(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		n := simnet.New(w, simnet.Reliable)
		n.Node("2").Serve("S", Secretive{})
		require.NoError(w, n.Node("1").Client("2").Call("S.Tell", &Number{}, nil))
	})
	require.Len(t, r.Failures, 1)
	require.Contains(t, r.Failures[0].Message, "reply of S.Tell: type simnet_test.Hidden has unexported field term")
}

type Text struct{ N string }

// Arguments and replies of another type than the other side has fail the
// world, and the call returns an error.
func TestTypeMismatch(t *testing.T) {
	r := simtest.Try(t, 1, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		require.ErrorContains(w, p.client.Call("S.Echo", &Text{"x"}, &Number{}), "cannot decode the arguments")
	})
	require.Len(t, r.Failures, 1)
	require.Contains(t, r.Failures[0].Message, "args of S.Echo: node 2 cannot decode them")
	r = simtest.Try(t, 1, func(w *simtest.World) {
		p := newPair(w, simnet.Reliable)
		reply := Text{"as it was"}
		require.Error(w, p.client.Call("S.Echo", &Number{1}, &reply))
		require.Equal(w, "as it was", reply.N)
	})
	require.Len(t, r.Failures, 1)
	require.Contains(t, r.Failures[0].Message, "reply of S.Echo: cannot be decoded into simnet_test.Text")
}
