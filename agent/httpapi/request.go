package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Limits of a blocking query. Facts of the Nomad API (COMPAT: 300 s default and
// most, plus up to a sixteenth so that many watchers do not return together).
const (
	defaultWait = 300 * time.Second
	maxWait     = 300 * time.Second
	waitJitter  = 16
)

// request is one request on its way: the parameters that every route shares are
// parsed and valid before a handler sees it.
type request struct {
	*http.Request
	w     http.ResponseWriter
	row   *route
	vars  map[string]string
	query url.Values

	region    string // "" = this one
	namespace string // "" was given as "default"; "*" only where a list takes it
	prefix    string
	nextToken string
	filter    string
	perPage   int
	reverse   bool
	stale     bool
	pretty    bool
	minIndex  uint64
	wait      time.Duration

	held []byte // the body, once it was read

	caller caller // who asks, once allow has let the request pass
	// onStream is called once the answer is known to be a stream; nil: nobody watches it.
	onStream func()
	// fromPeer says that the request came in at the cluster port.
	fromPeer bool

	// index is answered as X-Nomad-Index.
	index uint64
	// zeroIndex answers 0 where nothing was ever written: lists of allocations and
	// evaluations do so, as clients of this API expect.
	zeroIndex bool
}

// newRequest parses what all routes share; the error is a 400 that names the parameter.
func newRequest(w http.ResponseWriter, hr *http.Request, row *route, vars map[string]string) (*request, error) {
	r := &request{Request: hr, w: w, row: row, vars: vars, wait: defaultWait}
	q, err := url.ParseQuery(hr.URL.RawQuery)
	if err != nil {
		return r, badRequest("Invalid query string: %v", err)
	}
	r.query = q
	r.region, r.prefix = q.Get("region"), q.Get("prefix")
	r.nextToken, r.filter = q.Get("next_token"), q.Get("filter")
	if r.namespace = q.Get("namespace"); r.namespace == "" {
		r.namespace = api.DefaultNamespace
	}
	for name, dst := range map[string]*bool{"reverse": &r.reverse, "stale": &r.stale, "pretty": &r.pretty} {
		if *dst, err = r.flag(name, true); err != nil {
			return r, err
		}
	}
	if v := q.Get("index"); v != "" {
		if r.minIndex, err = strconv.ParseUint(v, 10, 64); err != nil {
			return r, badRequest("Invalid index")
		}
	}
	if v := q.Get("wait"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return r, badRequest("Invalid wait time")
		}
		if r.wait = min(d, maxWait); r.wait == 0 {
			r.wait = defaultWait
		}
	}
	if v := q.Get("per_page"); v != "" {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < 0 {
			return r, badRequest("Invalid per_page: %q is not a number from 0 to 2147483647", v)
		}
		r.perPage = int(n)
	}
	return r, nil
}

// flag reads a boolean parameter. bare says what a parameter without a value means.
func (r *request) flag(name string, bare bool) (bool, error) {
	v, given := r.query[name]
	switch {
	case !given:
		return false, nil
	case v[0] == "":
		return bare, nil
	}
	b, err := strconv.ParseBool(v[0])
	if err != nil {
		return false, badRequest("Invalid value for %q: %q is not a boolean", name, v[0])
	}
	return b, nil
}

// number reads an integer parameter, def when it is not given.
func (r *request) number(name string, def int64) (int64, error) {
	v := r.query.Get(name)
	if v == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0, badRequest("Invalid value for %q: %q is not an integer", name, v)
	}
	return n, nil
}

// oneNamespace refuses "*" where a single namespace is meant.
func (r *request) oneNamespace() (string, error) {
	if r.namespace == "*" {
		return "", badRequest("namespace \"*\" means all namespaces: name the one that is meant")
	}
	return r.namespace, nil
}
