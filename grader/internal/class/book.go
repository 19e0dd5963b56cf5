package class

import (
	"bytes"
	"encoding/csv"
	"path/filepath"
	"strconv"
	"strings"

	"distsys/grader/internal/result"
)

// writeBook writes the grade book: a row for each student whose grade is there,
// sorted by ID. The points of labs and parts are before the penalty.
func writeBook(out string) error {
	records, err := readRecords(out)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for i, row := range book(records) {
		if i > 0 {
			for j := range row {
				row[j] = harmless(row[j])
			}
		}
		w.Write(row) // To memory: it does not fail.
	}
	w.Flush()
	return writeWhole(filepath.Join(out, bookFile), b.Bytes())
}

// book returns the rows of the grade book, the header first.
func book(records []*Record) [][]string {
	header := []string{"id", "name", "submission", "status", "late days", "penalty %", "points", "max"}
	labs := gradedLabs(records)
	for _, lab := range labs {
		header = append(header, lab.Lab)
		for _, part := range lab.Parts {
			header = append(header, lab.Lab+" "+part.ID)
		}
	}
	rows := [][]string{header}
	for _, r := range records {
		row := []string{r.Student.ID, r.Student.Name, strings.Join(r.Student.Submissions, " "), "graded", "0", "0", number(r.Points), number(r.Max)}
		a := r.counted()
		if a == nil {
			row[3] = r.Problem
			rows = append(rows, append(row, make([]string, len(header)-len(row))...))
			continue
		}
		row[4], row[5] = strconv.Itoa(a.LateDays), number(a.Penalty)
		for _, lab := range a.Report.Labs {
			row = append(row, number(float64(lab.Points)))
			for _, part := range lab.Parts {
				row = append(row, number(float64(part.Points)))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// gradedLabs returns the labs and parts that the records are about.
func gradedLabs(records []*Record) []result.Lab {
	for _, r := range records {
		if a := r.counted(); a != nil {
			return a.Report.Labs
		}
	}
	return nil
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// harmless keeps a spreadsheet from taking what a student wrote for a formula.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
