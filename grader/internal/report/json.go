package report

import (
	"encoding/json"
	"io"
)

// JSON writes a report in its stable, versioned form.
func JSON(w io.Writer, r any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
