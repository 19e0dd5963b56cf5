package class

import (
	"bytes"
	"fmt"
	"path/filepath"

	"distsys/grader/internal/report"
)

// writeFeedback writes what the student gets to read.
func writeFeedback(out string, r *Record) error {
	var b bytes.Buffer
	a := r.counted()
	if a == nil {
		b.WriteString("# No points\n\n")
	}
	if r.Problem != "" {
		fmt.Fprintf(&b, "%s\n\n", report.Inline(r.Problem))
	}
	if a != nil {
		explain(&b, r, a)
		if err := report.Markdown(&b, a.Report); err != nil {
			return err
		}
	}
	return writeWhole(filepath.Join(out, feedbackDir, fileName(r.Student.ID)+".md"), b.Bytes())
}

// explain says which state of the files counts, and what its date means.
func explain(b *bytes.Buffer, r *Record, a *Attempt) {
	if len(r.Attempts) > 1 {
		fmt.Fprintf(b, "%d attempts were graded; this is the one that counts.\n\n", len(r.Attempts))
	}
	if a.Commit != "" {
		fmt.Fprintf(b, "Commit `%.12s` of %s", a.Commit, a.Time)
		if a.LateDays > 0 {
			fmt.Fprintf(b, ", late: day %d, less %v %%. **%v of %v points**", a.LateDays, a.Penalty, r.Points, r.Max)
		}
		b.WriteString(".\n\n")
	}
}
