package report

import (
	"encoding/json"
	"io"

	"distsys/grader/internal/result"
)

// JSON writes the report in its stable, versioned form.
func JSON(w io.Writer, r *result.Report) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
