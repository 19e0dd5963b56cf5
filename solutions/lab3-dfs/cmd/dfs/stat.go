package main

import (
	"fmt"
	"path"
	"strings"
	"time"

	dfs "distsys/lab3-dfs"
)

var epoch = time.Unix(0, 0)

// stat describes files and directories in a format, by default the time.
func (s *shell) stat(args []string) {
	format := "%y"
	if strings.Contains(args[0], "%") {
		format, args = args[0], args[1:]
		if len(args) == 0 {
			s.fails++
			fmt.Fprintln(s.errs, "-stat: Not enough arguments: expected 1 but got 0")
			return
		}
	}
	s.each(args, func(e dfs.FileInfo) { fmt.Fprintln(s.out, format1(format, e)) })
}

// format1 replaces what stands behind percent signs.
func format1(format string, e dfs.FileInfo) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		if i++; i == len(format) {
			break
		}
		b.WriteString(property(format[i], e))
	}
	return b.String()
}

// property returns one property of a file.
func property(letter byte, e dfs.FileInfo) string {
	const layout = "2006-01-02 15:04:05"
	kind, mode, name := "regular file", "644", path.Base(e.Path)
	if e.IsDir {
		kind, mode = "directory", "755"
	}
	if e.Path == "/" {
		name = ""
	}
	switch letter {
	case 'a':
		return mode
	case 'A':
		return permissions(e)[1:]
	case 'b':
		return fmt.Sprint(e.Size)
	case 'F':
		return kind
	case 'g':
		return group
	case 'n':
		return name
	case 'o':
		return fmt.Sprint(e.ChunkSize)
	case 'r':
		return fmt.Sprint(e.Replication)
	case 'u':
		return owner
	case 'x', 'y':
		return modTime(e, layout, true)
	case 'X', 'Y':
		if e.ModTime.IsZero() {
			return "0"
		}
		return fmt.Sprint(e.ModTime.UnixMilli())
	}
	return string(letter) // as HDFS does; %% is a percent sign
}
