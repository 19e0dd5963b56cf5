package trick_test

import (
	"testing"
	"time"

	"distsys/course/lab2-trick"
	"distsys/grader/simtest"
)

// try asks the student's code for one thing.
func try(t *testing.T, what string) {
	simtest.Run(t, func(w *simtest.World) {
		if !trick.Do(what) {
			w.Fatalf("%s: not done", what)
		}
		time.Sleep(time.Second)
	})
}

func TestCalm2A(t *testing.T)           { try(t, "calm") }
func TestPanic2A(t *testing.T)          { try(t, "panic") }
func TestMutex2A(t *testing.T)          { try(t, "mutex") }
func TestLoop2A(t *testing.T)           { try(t, "loop") }
func TestMemory2A(t *testing.T)         { try(t, "memory") }
func TestOutput2A(t *testing.T)         { try(t, "output") }
func TestExit2B(t *testing.T)           { try(t, "exit") }
func TestPrintedPass2B(t *testing.T)    { try(t, "printed pass") }
func TestPrintedVerdict2B(t *testing.T) { try(t, "printed verdict") }
func TestWrittenVerdict2B(t *testing.T) { try(t, "written verdict") }
func TestSpawn2B(t *testing.T)          { try(t, "spawn") }
