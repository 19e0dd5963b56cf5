package runner

import (
	"context"
	"os"
	"path/filepath"
)

// Run runs one test in a process of its own. The error is not nil only when
// the process could not be started.
func (b *Binary) Run(ctx context.Context, test string, o Options) (Result, error) {
	scratch, err := os.MkdirTemp(o.TempDir, test+"-")
	if err != nil {
		return Result{}, err
	}
	defer removeAll(scratch)
	v, err := newVerdict(test, o.Seeds)
	if err != nil {
		return Result{}, err
	}
	out, err := newOutput(o.Limits.Output)
	if err != nil {
		v.finish()
		return Result{}, err
	}
	cmd, err := b.launched(test, o)
	if err != nil {
		v.finish()
		out.finish()
		return Result{}, err
	}
	cmd.Dir = b.Dir
	cmd.Env = environment(scratch, o)
	cmd.Stdout, cmd.Stderr = out.w, out.w
	cmd.ExtraFiles = []*os.File{v.in, v.w} // 3 and 4
	e, err := supervise(ctx, cmd, bounds{Limits: o.Limits, scratch: scratch, processes: mostProcesses}, out.flood)
	v.finish()
	text := out.finish()
	if err != nil {
		return Result{}, err
	}
	j := judge{test: test, dir: b.Dir, race: b.Race, verdict: v, ending: e, output: text, limits: o.Limits}
	r := j.result()
	j.keep(&r, o.LogDir)
	return r, nil
}

// removeAll removes a folder even when the test has made parts of it
// unwritable.
func removeAll(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
	os.RemoveAll(dir)
}
