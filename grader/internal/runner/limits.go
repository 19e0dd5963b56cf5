package runner

import (
	"os"
	"os/exec"
	"time"

	"distsys/grader/internal/launch"
)

// Limits bound one process.
type Limits struct {
	Time   time.Duration // real time
	Memory int64         // resident bytes of the process group
	Output int64         // printed bytes that are kept; the process is killed at a multiple
}

// Further limits are the same for all tests. No test comes near them.
const (
	mostFiles     = 8192      // open files of a process
	mostFile      = 256 << 20 // bytes of one file; the log of a world is one
	mostScratch   = 512 << 20 // bytes in the folder for temporary files
	mostProcesses = 64        // in the process group
)

// launched returns a command that runs the test binary within limits. What
// the kernel can hold it holds; for the rest see watch.
func (b *Binary) launched(test string, o Options) (*exec.Cmd, error) {
	if _, err := os.Stat(b.Path); err != nil {
		return nil, err
	}
	attributes := ownGroup()
	plan := launch.Plan{
		Files:    mostFiles,
		FileSize: mostFile,
		CPU:      uint64(o.Limits.Time.Seconds()+1) * uint64(max(1, o.Procs)) * 2,
		Loopback: isolated(attributes),
		Env:      []string{verdictVariable},
		Path:     b.Path,
		Args:     append([]string{b.Path}, arguments(test, o)...),
	}
	if !b.Race { // The race detector maps terabytes, and uses few of them.
		plan.Data = uint64(2*o.Limits.Memory + 1<<30)
	}
	cmd, err := launch.Command(plan)
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = attributes
	return cmd, nil
}
