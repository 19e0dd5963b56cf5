package webhdfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	dfs "distsys/lab3-dfs"
)

// An exception is an error as WebHDFS tells it: by the name of a Java class.
type exception struct {
	status  int
	class   string
	message string
}

func (e *exception) Error() string { return e.message }

func illegal(format string, args ...any) error {
	return &exception{http.StatusBadRequest, "IllegalArgumentException", fmt.Sprintf(format, args...)}
}

// packages are those of the Java classes. Of the others it is java.lang.
var packages = map[string]string{
	"FileNotFoundException":            "java.io",
	"IOException":                      "java.io",
	"FileAlreadyExistsException":       "org.apache.hadoop.fs",
	"ParentNotDirectoryException":      "org.apache.hadoop.fs",
	"PathIsNotEmptyDirectoryException": "org.apache.hadoop.fs",
	"DSQuotaExceededException":         "org.apache.hadoop.hdfs.protocol",
	"AlreadyBeingCreatedException":     "org.apache.hadoop.hdfs.protocol",
	"RetriableException":               "org.apache.hadoop.ipc",
}

// kinds tells the exceptions for the errors of the store.
var kinds = []struct {
	err    error
	status int
	class  string
}{
	{fs.ErrNotExist, http.StatusNotFound, "FileNotFoundException"},
	{fs.ErrExist, http.StatusForbidden, "FileAlreadyExistsException"},
	{fs.ErrInvalid, http.StatusBadRequest, "IllegalArgumentException"},
	{dfs.ErrNotDir, http.StatusForbidden, "ParentNotDirectoryException"},
	{dfs.ErrIsDir, http.StatusForbidden, "FileAlreadyExistsException"},
	{dfs.ErrNotEmpty, http.StatusForbidden, "PathIsNotEmptyDirectoryException"},
	{dfs.ErrBusy, http.StatusForbidden, "AlreadyBeingCreatedException"},
	{context.DeadlineExceeded, http.StatusInternalServerError, "RetriableException"},
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, hr *http.Request, err error) {
	var e *exception
	if !errors.As(err, &e) {
		e = translate(err)
	}
	settle(hr)
	pkg := packages[e.class]
	if pkg == "" {
		pkg = "java.lang"
	}
	reply(w, e.status, map[string]any{"RemoteException": map[string]string{
		"exception": e.class, "javaClassName": pkg + "." + e.class, "message": e.message,
	}})
}

// translate returns the exception for an error of the store.
func translate(err error) *exception {
	e := &exception{http.StatusForbidden, "IOException", err.Error()}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			e.status, e.class = k.status, k.class
			break
		}
	}
	var pathErr *fs.PathError
	switch {
	case !errors.As(err, &pathErr):
	case errors.Is(err, fs.ErrNotExist):
		e.message = "File does not exist: " + pathErr.Path
	case errors.Is(err, fs.ErrInvalid) && pathErr.Op != "rename":
		e.message = "Invalid path name " + quote(pathErr.Path) + ": names are at most 255 bytes of UTF-8, and neither . nor .."
	}
	return e
}

// settle reads what the client still sends, so that it can read the answer: curl
// -L -T sends the file to the redirecting port first. A client that waits for leave
// to send need not.
func settle(hr *http.Request) {
	if hr.Header.Get("Expect") == "" {
		io.Copy(io.Discard, hr.Body)
	}
}

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	w.Write(data)
	return nil
}
