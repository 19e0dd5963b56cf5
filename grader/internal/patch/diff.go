package patch

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// Diff returns a unified diff between two versions of a file, with the names
// a/name and b/name and, like git, with the function that a hunk is in. An old
// of nil means that the file is added. The diff of equal versions is empty.
func Diff(name string, old, new []byte) string {
	from := "a/" + name
	if old == nil {
		from = "/dev/null"
	}
	out := diff.Diff(from, old, "b/"+name, new)
	_, out, _ = bytes.Cut(out, []byte("\n")) // "diff FROM TO"
	lines := strings.Split(string(old), "\n")
	return hunkStart.ReplaceAllStringFunc(string(out), func(header string) string {
		first, err := strconv.Atoi(hunkStart.FindStringSubmatch(header)[1])
		if err != nil {
			return header
		}
		return strings.TrimRight(header+" "+cutShort(functionAbove(lines, max(first-1, 0))), " \r")
	})
}

var hunkStart = regexp.MustCompile(`(?m)^@@ -([0-9]+)(?:,[0-9]+)? \+[0-9]+(?:,[0-9]+)? @@$`)

// cutShort cuts a line as git does in a hunk's header.
func cutShort(line string) string {
	const most = 80
	return strings.ToValidUTF8(line[:min(len(line), most)], "")
}

// Refresh returns the patch made anew against the files of today: the same
// header, the same changes, the line numbers and the context of now.
func Refresh(m Mutant, files map[string][]byte) ([]byte, error) {
	mutated, err := Apply(m, files)
	if err != nil {
		return nil, fmt.Errorf("refreshing a patch: %w", err)
	}
	var out bytes.Buffer
	out.WriteString(strings.TrimSpace(m.header) + "\n\n")
	for _, name := range slices.Sorted(maps.Keys(mutated)) {
		out.WriteString(Diff(name, lf(files[name]), lf(mutated[name])))
	}
	return out.Bytes(), nil
}

// lf returns text with Windows line ends made plain.
func lf(text []byte) []byte { return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")) }
