package rubric

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An entry under imports names a package, or one thing of a package, as in
// os.ErrDeadlineExceeded: then the package may be imported, and of it only what
// is listed be used.

// Allowed returns whether student code may import path, and what of it may be
// used: nil is all.
func (r *Rubric) Allowed(path string) (names []string, ok bool) {
	if slices.Contains(r.Imports, path) && !Forbidden(path) && !byName(path) {
		return nil, true
	}
	for _, entry := range r.Imports {
		if p, name := splitImport(entry); name != "" && p == path && !Forbidden(path) {
			names = append(names, name)
		}
	}
	return names, names != nil
}

// splitImport splits os.ErrClosed into os and ErrClosed. Of a package as a
// whole the name is "".
func splitImport(entry string) (path, name string) {
	base := entry[strings.LastIndexByte(entry, '/')+1:]
	dot := strings.LastIndexByte(base, '.')
	if dot <= 0 {
		return entry, ""
	}
	name = base[dot+1:]
	if first, _ := utf8.DecodeRuneInString(name); !unicode.IsUpper(first) {
		return entry, ""
	}
	return entry[:len(entry)-len(name)-1], name
}

// Forbidden reports whether student code must never import path: it would
// reach memory, the system or the kit itself.
func Forbidden(path string) bool {
	switch path {
	case "C", "unsafe", "syscall", "os/exec", "plugin", "embed", "runtime/cgo", "testing":
		return true
	}
	return strings.Contains(path+"/", "grader/") || within(path, "testing", "golang.org/x/sys", "internal")
}

// byName reports whether only named things of a package may be allowed. These
// packages can read or write any file, look into memory, or change flags.
func byName(path string) bool {
	return within(path, "os", "reflect", "runtime", "flag", "expvar", "io/ioutil", "net/http", "text/template", "html/template", "log/syslog", "debug", "go")
}

// within reports whether path is one of the packages or below one.
func within(path string, packages ...string) bool {
	return slices.ContainsFunc(packages, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
}
