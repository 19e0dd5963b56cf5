package main

import (
	"testing"

	dfs "distsys/lab3-dfs"

	"distsys/grader/simdisk"

	"github.com/stretchr/testify/require"
)

// Proves that a folder does what the simulated disk does.
func TestFolder(t *testing.T) {
	simdisk.TestDisk(t, func() simdisk.Disk {
		disk, err := dfs.NewFolder(t.TempDir())
		require.NoError(t, err)
		return disk
	})
}
