package runner

import (
	"fmt"
	"regexp"
	"strings"
)

const (
	raceFence  = "=================="
	raceHeader = raceFence + "\nWARNING: DATA RACE\n"
)

var (
	accessLine  = regexp.MustCompile(`^(Previous )?([A-Za-z ]+) at 0x[0-9a-f]+ by (main goroutine|goroutine \d+)`)
	createdLine = regexp.MustCompile(`^(Goroutine \d+) .*created at:`)
)

// raceReport gives the essence of the race detector's first report: the two
// accesses, in the lab's own code. It returns "" when there is no report.
func raceReport(output, labDir string) string {
	reports := strings.Split(output, raceHeader)[1:]
	if len(reports) == 0 {
		return ""
	}
	lines := append([]string{raceRule}, accesses(reports[0], labDir)...)
	switch more := len(reports) - 1; more {
	case 0:
	case 1:
		lines = append(lines, "and 1 more report of the race detector")
	default:
		lines = append(lines, fmt.Sprintf("and %d more reports of the race detector", more))
	}
	return strings.Join(lines, "\n")
}

const raceRule = "data race: two goroutines use the same memory, at least one of them writes, and nothing orders them (no common mutex, no channel)"

// kitsRaceMessage is what the kit says of a world in which the race detector
// has spoken: it cannot read the report.
const kitsRaceMessage = "data race: the race detector's report is above"

// withRace puts the essence of a report where the kit refers to it, or else
// at the end.
func withRace(message, race string) string {
	if strings.Contains(message, kitsRaceMessage) {
		return strings.Replace(message, kitsRaceMessage, race, 1)
	}
	return message + "\n" + race
}

// accesses words the accesses of one report, the later first.
func accesses(report, labDir string) []string {
	report, _, _ = strings.Cut(report, raceFence)
	blocks := strings.Split(strings.TrimSpace(report), "\n\n")
	started := map[string][]string{} // by goroutine, where in the lab's code
	for _, block := range blocks {
		if m := createdLine.FindStringSubmatch(block); m != nil {
			started[strings.ToLower(m[1])] = ownFrames(block, labDir)
		}
	}
	var all []string
	for _, block := range blocks {
		m := accessLine.FindStringSubmatch(block)
		if m == nil {
			continue
		}
		what := "  " + strings.ToLower(m[2])
		if m[1] != "" {
			what = "  earlier " + m[2]
		}
		all = append(all, access(what, block, labDir, started[m[3]]))
	}
	return all
}

// access words one access. One that the lab's code leaves to others is shown
// by who made it, and where the lab's code started that goroutine.
func access(what, block, labDir string, started []string) string {
	if own := ownFrames(block, labDir); own != nil {
		return listed(what+" at ", own)
	}
	lines := strings.Split(block, "\n")
	if len(lines) > 1 {
		what += " in " + function(lines[1])
	}
	if started != nil {
		what += "\n" + listed("    in a goroutine that was started at ", started[:1])
	}
	return what
}
