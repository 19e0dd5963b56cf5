package simnet

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// problems caches unsendable by type.
var problems sync.Map // reflect.Type to string

// unsendable says why not all of a value of type t would reach another node,
// or returns "".
func unsendable(t reflect.Type) string {
	if v, ok := problems.Load(t); ok {
		return v.(string)
	}
	problem := inspect(t, map[reflect.Type]bool{})
	problems.Store(t, problem)
	return problem
}

// inspect looks for a problem in t and in what t is made of.
func inspect(t reflect.Type, seen map[reflect.Type]bool) string {
	if seen[t] || encodesItself(t) {
		return ""
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return inspect(t.Elem(), seen)
	case reflect.Map:
		if problem := inspect(t.Key(), seen); problem != "" {
			return problem
		}
		return inspect(t.Elem(), seen)
	case reflect.Struct:
		return inspectFields(t, seen)
	case reflect.Interface:
		return fmt.Sprintf("type %v is an interface, which does not arrive as the type it holds", t)
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return fmt.Sprintf("type %v cannot be sent", t)
	}
	return ""
}

func inspectFields(t reflect.Type, seen map[reflect.Type]bool) string {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" || tag(f) == "-" {
			continue
		}
		embedded := f.Anonymous && f.Type.Kind() == reflect.Struct // Its fields are sent as if t's own.
		if !f.IsExported() && !embedded {
			return fmt.Sprintf("type %v has unexported field %s, which is not sent", t, f.Name)
		}
		if problem := inspect(f.Type, seen); problem != "" {
			return fmt.Sprintf("%s (field %s of %v)", problem, f.Name, t)
		}
	}
	return ""
}

// tag returns the name that a field is sent under, as the codec reads it.
func tag(f reflect.StructField) string {
	s := f.Tag.Get("codec")
	if s == "" {
		s = f.Tag.Get("json")
	}
	name, _, _ := strings.Cut(s, ",")
	return name
}

// encodesItself reports whether the codec does not look into t.
func encodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t == reflect.TypeFor[time.Time]() || p.Implements(reflect.TypeFor[codec.Selfer]()) ||
		p.Implements(reflect.TypeFor[encoding.BinaryMarshaler]()) && p.Implements(reflect.TypeFor[encoding.BinaryUnmarshaler]())
}
