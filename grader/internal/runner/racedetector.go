package runner

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// ErrNoRaceDetector is returned by [RaceDetector] where tests cannot be built
// with the race detector.
var ErrNoRaceDetector = errors.New("the race detector does not work here: it needs a C compiler and the C library's headers (apt install gcc libc6-dev, dnf install gcc, xcode-select --install)")

// RaceDetector returns nil when tests can be built with the race detector. It
// compiles the one package that needs more than Go for it.
func RaceDetector(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-race", "runtime/race")
	cmd.Env = toolEnvironment()
	out, err := cmd.CombinedOutput()
	if exited := (*exec.ExitError)(nil); errors.As(err, &exited) && ctx.Err() == nil {
		return fmt.Errorf("%w\n%s", ErrNoRaceDetector, strings.TrimSpace(string(out)))
	}
	return err
}
