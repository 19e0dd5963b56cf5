package skeleton

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLabsAreUpToDate is skeleton --check.
func TestLabsAreUpToDate(t *testing.T) {
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	labs, err := Labs(root)
	require.NoError(t, err)
	for _, lab := range labs {
		differences, err := Check(root, lab)
		require.NoError(t, err)
		for _, d := range differences {
			t.Errorf("%s\nrun: go run ./grader skeleton", d)
		}
	}
}

// TestLabsVetAtEveryStage proves that the skeleton of each lab compiles and is
// vet-clean together with the lab's tests, and that it stays so as a student
// solves one part after the other.
func TestLabsVetAtEveryStage(t *testing.T) {
	if testing.Short() {
		t.Skip("runs go vet")
	}
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	labs, err := Labs(root)
	require.NoError(t, err)
	for _, lab := range labs {
		parts, err := Parts(root, lab)
		require.NoError(t, err)
		for solved := range len(parts) + 1 {
			t.Run(lab+"/"+strings.Join(append([]string{"solved"}, parts[:solved]...), "-"), func(t *testing.T) {
				vetStage(t, root, lab, parts[:solved])
			})
		}
	}
}

func vetStage(t *testing.T, root, lab string, solved []string) {
	files, err := GenerateParts(root, lab, solved)
	require.NoError(t, err)
	dir := t.TempDir()
	written, err := WriteFiles(dir, files)
	require.NoError(t, err)
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for _, name := range written {
		overlay.Replace[filepath.Join(root, lab, name)] = filepath.Join(dir, name)
	}
	text, err := json.Marshal(overlay)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o644))
	vet := exec.Command("go", "vet", "-overlay", filepath.Join(dir, "overlay.json"), "./"+lab+"/...")
	vet.Dir = root
	out, err := vet.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
