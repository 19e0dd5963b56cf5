package rubric

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Points are whole or halves.
type Points float64

// UnmarshalYAML accepts 2 and 0.5, and no finer steps.
func (p *Points) UnmarshalYAML(node ast.Node) error {
	n, err := strconv.ParseFloat(scalar(node), 64)
	if err != nil || n*2 != math.Trunc(n*2) {
		return mistake(node, "%q is not a number of points, such as 2 or 0.5", scalar(node))
	}
	*p = Points(n)
	return nil
}

// Count is a whole number. (The YAML library would cut 2.5 to 2.)
type Count int

// UnmarshalYAML accepts whole numbers only.
func (c *Count) UnmarshalYAML(node ast.Node) error {
	n, err := strconv.Atoi(scalar(node))
	if err != nil {
		return mistake(node, "%q is not a whole number", scalar(node))
	}
	*c = Count(n)
	return nil
}

// Flag is true or false. (The YAML library's own error does not show the text.)
type Flag bool

// UnmarshalYAML accepts true and false only.
func (f *Flag) UnmarshalYAML(node ast.Node) error {
	b, ok := node.(*ast.BoolNode)
	if !ok {
		return mistake(node, "%q is neither true nor false", scalar(node))
	}
	*f = Flag(b.Value)
	return nil
}

// Duration is a time.Duration written as 60s or 1m30s.
type Duration time.Duration

// UnmarshalYAML accepts what time.ParseDuration accepts, above zero.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	v, err := time.ParseDuration(scalar(node))
	if err != nil || v <= 0 {
		return mistake(node, "%q is not a duration such as 60s or 2m", scalar(node))
	}
	*d = Duration(v)
	return nil
}

// Size is a number of bytes, written as 512KiB, 64MiB or 1GiB.
type Size int64

var units = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// UnmarshalYAML accepts a whole number with a unit.
func (s *Size) UnmarshalYAML(node ast.Node) error {
	text := scalar(node)
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 32)
		if err != nil || n <= 0 {
			break
		}
		*s = Size(n * u.bytes)
		return nil
	}
	return mistake(node, "%q is not a size such as 64MiB or 1GiB", text)
}

// String gives the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range units {
		if int64(s)%u.bytes == 0 {
			return fmt.Sprintf("%d %s", int64(s)/u.bytes, u.suffix)
		}
	}
	return ""
}

func scalar(node ast.Node) string { return node.GetToken().Value }

func mistake(node ast.Node, format string, args ...any) error {
	return &Error{Line: node.GetToken().Position.Line, Text: fmt.Sprintf(format, args...)}
}
