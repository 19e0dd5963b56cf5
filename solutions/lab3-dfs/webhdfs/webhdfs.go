// Package webhdfs is a gateway to a store for clients of WebHDFS, the REST API of
// HDFS: curl, Python's fsspec, npm's webhdfs and others.
//
// It has two faces, as HDFS has. [Gateway.Names] answers questions about names
// and sends whoever wants to read or write bytes to [Gateway.Data], with a
// redirect. Both serve /webhdfs/v1/<path>?op=...
//
// Permissions, owners and times of access are not kept: they can be given, and
// are always shown the same.
package webhdfs

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	dfs "distsys/lab3-dfs"
)

// Prefix is what every path begins with.
const Prefix = "/webhdfs/v1"

// patience is how long a question about names may take.
const patience = 30 * time.Second

// A Gateway serves a store over HTTP.
type Gateway struct {
	store    *dfs.Client
	cfg      dfs.Config
	dataPort string // of Data
	appends  locks
}

// New returns a gateway to the store that the client is of. Whoever is
// redirected finds Data on the host that it asked, at dataPort. The
// configuration is that of the client.
func New(store *dfs.Client, cfg dfs.Config, dataPort string) *Gateway {
	return &Gateway{store: store, cfg: cfg, dataPort: dataPort}
}

// A handler answers one operation.
type handler func(g *Gateway, w http.ResponseWriter, r *request) error

// Names answers what HDFS's name node answers.
func (g *Gateway) Names() http.Handler {
	return g.handler(map[string]handler{
		"GET OPEN": (*Gateway).redirectOpen, "PUT CREATE": (*Gateway).redirectCreate, "POST APPEND": (*Gateway).redirect,
		"GET GETFILESTATUS": (*Gateway).fileStatus, "GET LISTSTATUS": (*Gateway).listStatus,
		"GET GETCONTENTSUMMARY": (*Gateway).contentSummary, "GET GETHOMEDIRECTORY": (*Gateway).homeDirectory,
		"PUT MKDIRS": (*Gateway).mkdirs, "PUT RENAME": (*Gateway).rename, "DELETE DELETE": (*Gateway).delete,
		"GET CHECKACCESS": (*Gateway).checkAccess,
	})
}

// Data answers what HDFS's data nodes answer.
func (g *Gateway) Data() http.Handler {
	return g.handler(map[string]handler{
		"GET OPEN": (*Gateway).open, "PUT CREATE": (*Gateway).create, "POST APPEND": (*Gateway).append,
	})
}

// unsupported are operations of WebHDFS that this store does not have.
var unsupported = map[string]bool{
	"GETFILECHECKSUM": true, "GETDELEGATIONTOKEN": true, "GETTRASHROOT": true, "GETXATTRS": true, "LISTXATTRS": true,
	"GETACLSTATUS": true, "GETQUOTAUSAGE": true, "GETFILEBLOCKLOCATIONS": true, "GET_BLOCK_LOCATIONS": true, "LISTSTATUS_BATCH": true,
	"CREATESYMLINK": true, "SETREPLICATION": true, "SETOWNER": true, "SETPERMISSION": true, "SETTIMES": true, "SETXATTR": true,
	"REMOVEXATTR": true, "MODIFYACLENTRIES": true, "SETACL": true, "CREATESNAPSHOT": true, "RENEWDELEGATIONTOKEN": true,
	"CANCELDELEGATIONTOKEN": true, "CONCAT": true, "TRUNCATE": true, "DELETESNAPSHOT": true,
}

func (g *Gateway) handler(ops map[string]handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r, err := parse(hr)
		if err == nil {
			err = g.dispatch(ops, w, r)
		}
		if err != nil {
			refuse(w, hr, err)
		}
	})
}

func (g *Gateway) dispatch(ops map[string]handler, w http.ResponseWriter, r *request) error {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op, ok := r.value("op")
	answer := ops[method+" "+op]
	switch {
	case answer != nil:
		return answer(g, w, r)
	case !ok:
		return illegal("the parameter op is missing: %s?op=...", r.URL.Path)
	case unsupported[op]:
		return &exception{http.StatusBadRequest, "UnsupportedOperationException", op + " is not supported by this store"}
	}
	return illegal("Invalid value for webhdfs parameter \"op\": %s is no operation of %s here", quote(op), r.Method)
}

// quote makes a value of the client's safe to show, and not too long.
func quote(s string) string {
	if len(s) > 80 {
		s = s[:80] + "..."
	}
	return fmt.Sprintf("%q", s)
}

// ask returns a context for a question about names.
func (r *request) ask() (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), patience)
}

// location returns the address of a path on the data port, under the name that
// the client knows this host by.
func (g *Gateway) location(r *request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	u := url.URL{Scheme: "http", Host: net.JoinHostPort(host, g.dataPort), Path: Prefix + r.path, RawQuery: r.query()}
	return u.String()
}

// locks are mutexes by name.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits until nobody else has the name, and returns what gives it back.
func (l *locks) lock(ctx context.Context, name string) (unlock func(), err error) {
	for {
		l.mu.Lock()
		other := l.held[name]
		if other == nil {
			mine := make(chan struct{})
			if l.held == nil {
				l.held = map[string]chan struct{}{}
			}
			l.held[name] = mine
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, name)
				l.mu.Unlock()
				close(mine)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
