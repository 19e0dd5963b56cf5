package runner

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"distsys/grader/internal/rubric"
	"distsys/grader/internal/workspace"
)

// buildTime bounds one build. The first may have to compile everything.
const buildTime = 5 * time.Minute

// buildMemory bounds the compilers of one build, of which several run at once,
// in bytes. The labs take a fraction of it.
var buildMemory = int64(2<<30 + runtime.NumCPU()*512<<20)

// buildOutput bounds what is kept of a build's output, in bytes.
const buildOutput = 1 << 20

// A Spec says what to build.
type Spec struct {
	Root    string // of the module, an absolute path
	Lab     string // folder of the lab, relative to Root
	Overlay workspace.Overlay
	Race    bool   // with the race detector
	OutDir  string // where the binary goes
}

// A Binary is the compiled tests of a lab.
type Binary struct {
	Path string
	Dir  string // the lab's folder, in which the tests run
	Race bool   // it has the race detector in it
}

// Build compiles the tests of a lab. The error is a [*BuildError] when the
// source is to blame.
func Build(ctx context.Context, s Spec) (*Binary, error) {
	b := &Binary{Path: filepath.Join(s.OutDir, s.Lab+".test"), Dir: filepath.Join(s.Root, s.Lab), Race: s.Race}
	overlay := filepath.Join(s.OutDir, s.Lab+".overlay.json")
	if err := s.Overlay.WriteFile(overlay); err != nil {
		return nil, err
	}
	// No debugger will see the binary, and traces need none of what -w leaves
	// out. Without it a third of the link's time is saved.
	args := []string{"test", "-c", "-vet=off", "-ldflags=-w", "-overlay=" + overlay}
	if s.Race {
		b.Path = filepath.Join(s.OutDir, s.Lab+".race.test")
		args = append(args, "-race")
	}
	args = append(args, "-o="+b.Path)
	out, err := newOutput(buildOutput)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", append(args, "./"+s.Lab)...)
	cmd.Dir = s.Root
	cmd.Env = toolEnvironment()
	cmd.Stdout, cmd.Stderr = out.w, out.w
	e, err := supervise(ctx, cmd, bounds{Limits: Limits{Time: buildTime, Memory: buildMemory}}, out.flood)
	text := out.finish()
	switch {
	case err != nil:
		return nil, err
	case e.cause == interrupted:
		return nil, ctx.Err()
	case e.cause == overTime:
		return nil, &BuildError{Lines: []string{fmt.Sprintf("%s: compiling took longer than %v", s.Lab, buildTime)}}
	case e.cause == overMemory:
		return nil, &BuildError{Lines: []string{fmt.Sprintf("%s: compiling took more memory than %v", s.Lab, rubric.Size(buildMemory))}}
	case e.cause == overOutput:
		return nil, &BuildError{Lines: []string{fmt.Sprintf("%s: compiling printed more than %v", s.Lab, rubric.Size(floodFactor*buildOutput))}}
	case e.exit != 0:
		return nil, buildFailure(s, text)
	}
	return b, nil
}
