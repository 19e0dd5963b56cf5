package class

import (
	"bytes"
	"encoding/csv"
	"path/filepath"
	"strconv"
	"strings"

	"distsys/grader/internal/rubric"
)

// writeBook writes the grade book: a row for each student whose grade is there,
// sorted by ID. The points of labs and parts are before the penalty.
func writeBook(out string) error {
	m, err := readManifest(out)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write(header(m.Labs)) // To memory: it does not fail.
	for _, id := range m.Students {
		if r := readRecord(recordFile(out, id)); r != nil {
			w.Write(row(r, m.Labs))
		}
	}
	w.Flush()
	return writeWhole(filepath.Join(out, bookFile), b.Bytes())
}

// labColumns are the columns that a lab has in the grade book.
type labColumns struct {
	Lab   string   `json:"lab"`
	Parts []string `json:"parts"`
}

func columns(rubrics []*rubric.Rubric) []labColumns {
	var all []labColumns
	for _, r := range rubrics {
		lab := labColumns{Lab: r.Lab}
		for _, p := range r.Parts {
			lab.Parts = append(lab.Parts, p.ID)
		}
		all = append(all, lab)
	}
	return all
}

func header(labs []labColumns) []string {
	cells := []string{"id", "name", "submission", "status", "late days", "penalty %", "points", "max"}
	for _, lab := range labs {
		cells = append(cells, lab.Lab)
		for _, part := range lab.Parts {
			cells = append(cells, lab.Lab+" "+part)
		}
	}
	return cells
}

func row(r *Record, labs []labColumns) []string {
	submissions := strings.Join(r.Student.Submissions, " ")
	cells := []string{harmless(r.Student.ID), harmless(r.Student.Name), harmless(submissions)}
	a := r.counted()
	if a == nil {
		cells = append(cells, harmless(r.Problem), "0", "0", "0", number(r.Max))
		return append(cells, make([]string, len(header(labs))-len(cells))...)
	}
	cells = append(cells, "graded", strconv.Itoa(a.LateDays), number(a.Penalty), number(r.Points), number(r.Max))
	for _, lab := range a.Report.Labs {
		cells = append(cells, number(float64(lab.Points)))
		for _, part := range lab.Parts {
			cells = append(cells, number(float64(part.Points)))
		}
	}
	return cells
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// harmless keeps a spreadsheet from taking what a student wrote for a formula.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
