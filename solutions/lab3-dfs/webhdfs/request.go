package webhdfs

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A request is an HTTP request for a path of the store. Names of parameters and
// the value of op are understood in upper and lower case.
type request struct {
	*http.Request
	path   string
	params map[string]string // by name in lower case
}

func parse(hr *http.Request) (*request, error) {
	path, ok := strings.CutPrefix(hr.URL.Path, Prefix)
	if !ok || path != "" && path[0] != '/' {
		return nil, &exception{http.StatusNotFound, "FileNotFoundException", "there is nothing here: paths begin with " + Prefix}
	}
	if path == "" {
		path = "/"
	}
	values, err := url.ParseQuery(hr.URL.RawQuery)
	if err != nil {
		return nil, illegal("the query cannot be read: %v", err)
	}
	r := &request{Request: hr, path: path, params: map[string]string{}}
	for name, all := range values {
		r.params[strings.ToLower(name)] = all[0]
	}
	if op, ok := r.params["op"]; ok {
		r.params["op"] = strings.ToUpper(op)
	}
	_, err = r.permission() // it is not kept, but it must be one
	return r, err
}

// value returns a parameter, if it is given: the empty value is as good as none.
func (r *request) value(name string) (string, bool) {
	v := r.params[name]
	return v, v != ""
}

// query returns the parameters for the request that a redirect asks for. Python's
// fsspec looks for the name of the operation in it, in upper case.
func (r *request) query() string {
	values := url.Values{}
	for name, v := range r.params {
		if name != "noredirect" {
			values.Set(name, v)
		}
	}
	return values.Encode()
}

// flag returns a parameter that is true or false, by default false.
func (r *request) flag(name string) (bool, error) {
	v, ok := r.value(name)
	switch {
	case !ok, strings.EqualFold(v, "false"):
		return false, nil
	case strings.EqualFold(v, "true"):
		return true, nil
	}
	return false, illegal("Invalid value for webhdfs parameter \"%s\": %s is neither true nor false", name, quote(v))
}

// number returns a parameter that is a number of bytes, or the default.
func (r *request) number(name string, byDefault int64) (int64, error) {
	v, ok := r.value(name)
	if !ok || v == "null" {
		return byDefault, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return 0, illegal("Invalid value for webhdfs parameter \"%s\": %s is not a number of bytes", name, quote(v))
	}
	return n, nil
}

// permission returns the parameter of that name, three or four octal digits; many
// clients write 0755.
func (r *request) permission() (uint64, error) {
	v, ok := r.value("permission")
	if !ok {
		return 0o755, nil
	}
	mode, err := strconv.ParseUint(v, 8, 16)
	if err != nil || mode > 0o1777 {
		return 0, illegal("Invalid value for webhdfs parameter \"permission\": %s is not an octal number up to 1777", quote(v))
	}
	return mode, nil
}

// user returns who asks.
func (r *request) user() string {
	if name, ok := r.value("user.name"); ok {
		return name
	}
	return "dr.who"
}
