package rubric

import "fmt"

// An Error is a mistake in a rubric.
type Error struct {
	File string // relative to the root of the repository
	Line int    // 0 when it is the file as a whole
	Text string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Text)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text)
}
