package httpapi

import (
	"iter"
	"net/http"
	"strconv"
	"strings"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// Limits of variables. Facts of the Nomad API.
const (
	maxVariablePath  = 128
	maxVariableItems = 64 << 10 // bytes of all keys and values
	variablePattern  = `^[a-zA-Z0-9-_~/]{1,128}$`
)

// The routes of variables. Lists ask for each variable.
var variableRoutes = []route{
	{method: get, path: "/v1/vars", right: varList, where: leaderRead, do: variablesList},
	{method: get, path: "/v1/var/{path...}", right: varRead, where: leaderRead, do: variableInfo},
	{method: put, path: "/v1/var/{path...}", right: varWrite, where: leaderToken, do: variablePut},
	{method: del, path: "/v1/var/{path...}", right: varDestroy, where: leaderWrite, do: variableDelete},
}

var errVariableNotFound = &Error{http.StatusNotFound, "variable not found"}

// variablesList is GET /v1/vars: without their items.
func variablesList(a *API, r *request) (any, error) {
	l := list[*state.Variable, *api.VariableMetadata]{
		at:   func(v *state.Variable) token { return byName(v.Namespace, v.Path) },
		keep: func(v *state.Variable) bool { return r.mayVariable(v.Namespace, v.Path, "list") },
		show: func(v *state.Variable) *api.VariableMetadata { return r.metadata(v) },
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*state.Variable], uint64) {
		return s.Variables(ws, r.namespace, r.prefix), s.Index(state.TableVariables)
	})
}

// metadata is a variable as lists show it. Who knows a lock's ID holds the lock.
func (r *request) metadata(v *state.Variable) *api.VariableMetadata {
	m := v.VariableMetadata
	if m.Lock != nil && !r.mayVariable(v.Namespace, v.Path, "write") {
		lock := *m.Lock
		lock.ID, m.Lock = "", &lock
	}
	return &m
}

// whole is a variable with its items.
func (a *API) whole(r *request, v *state.Variable) (*api.Variable, error) {
	items, err := a.cfg.Secrets.Open(v)
	if err != nil {
		return nil, err
	}
	return r.withItems(v, items), nil
}

func (r *request) withItems(v *state.Variable, items map[string]string) *api.Variable {
	m := r.metadata(v)
	return &api.Variable{
		Namespace: m.Namespace, Path: m.Path, CreateIndex: m.CreateIndex, ModifyIndex: m.ModifyIndex,
		CreateTime: m.CreateTime, ModifyTime: m.ModifyTime, Lock: m.Lock, Items: items,
	}
}

// variableInfo is GET /v1/var/:path.
func variableInfo(a *API, r *request) (any, error) {
	ns, err := r.oneNamespace()
	if err != nil {
		return nil, err
	}
	path := r.vars["path"]
	if !r.mayVariable(ns, path, "read") {
		return nil, errDenied
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		v := snap.Variable(ws, ns, path)
		if v == nil {
			return nil, snap.Index(state.TableVariables), errVariableNotFound
		}
		out, err := a.whole(r, v)
		return out, v.ModifyIndex, err
	})
}

// checkVariablePath says what is wrong with a path.
func checkVariablePath(path string) error {
	odd := func(c rune) bool {
		return c != '-' && c != '_' && c != '~' && c != '/' && !('a' <= c && c <= 'z') && !('A' <= c && c <= 'Z') && !('0' <= c && c <= '9')
	}
	if path == "" || len(path) > maxVariablePath || strings.ContainsFunc(path, odd) {
		return badRequest("invalid path %q: it must match %s", path, variablePattern)
	}
	first, rest, _ := strings.Cut(path, "/")
	second, _, _ := strings.Cut(rest, "/")
	if first == "nomad" && second != "jobs" && second != "job-templates" {
		return badRequest("path %q is reserved: below \"nomad/\" only \"nomad/jobs\" and \"nomad/job-templates\" may be written", path)
	}
	return nil
}

// checkItems says what is wrong with a variable's items.
func checkItems(items map[string]string) error {
	size := 0
	for k, v := range items {
		size += len(k) + len(v)
	}
	if size > maxVariableItems {
		return badRequest("variables are limited to 64KiB in total size, this one has %d bytes of keys and values", size)
	}
	return nil
}

// variableWrite is a request to change a variable, checked.
type variableWrite struct {
	ns, path string
	body     api.Variable
	cas      *uint64
	token    string
	lockID   string
}

// variableWrite reads what the writes of a variable have in common.
func (a *API) variableWrite(r *request, verb string) (*variableWrite, error) {
	w := &variableWrite{path: r.vars["path"], token: r.query.Get("idempotency_token")}
	if r.Method != http.MethodDelete {
		if err := a.decode(r, &w.body); err != nil {
			return nil, err
		}
	}
	if w.body.Path != "" && w.body.Path != w.path {
		return nil, badRequest("variable path %q does not match %q of the URL", w.body.Path, w.path)
	}
	var err error
	if w.ns, err = r.oneNamespace(); err != nil {
		return nil, err
	}
	switch given := w.body.Namespace; {
	case given == "" || given == w.ns:
	case r.query.Get("namespace") != "":
		return nil, badRequest("variable namespace %q does not match %q of the query", given, w.ns)
	case given == state.AllNamespaces:
		return nil, badRequest("a variable belongs to one namespace, not to %q", given)
	default:
		w.ns = given
	}
	if !r.mayVariable(w.ns, w.path, verb) {
		return nil, errDenied
	}
	if err := checkVariablePath(w.path); err != nil {
		return nil, err
	}
	if v := r.query.Get("cas"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return nil, badRequest("can not parse cas: %q is not an index", v)
		}
		w.cas = &n
	}
	w.lockID = w.body.LockID()
	return w, checkItems(w.body.Items)
}

// variablePut is PUT /v1/var/:path, also of locks (?lock-acquire and the like).
func variablePut(a *API, r *request) (any, error) {
	w, err := a.variableWrite(r, "write")
	if err != nil {
		return nil, err
	}
	op, err := r.lockOperation()
	switch {
	case err != nil:
		return nil, err
	case op != "":
		return a.lockVariable(r, w, op)
	case w.body.Items == nil:
		return nil, badRequest("variable missing required Items object")
	case len(w.body.Items) == 0:
		return nil, badRequest("variable has no items: give at least one, or delete it")
	}
	if err := a.sameLockTerms(w); err != nil {
		return nil, err
	}
	res, err := a.sealed(r, w, func(keyID string, sealed []byte) state.Command {
		return &state.PutVariable{Namespace: w.ns, Path: w.path, KeyID: keyID, Sealed: sealed, CAS: w.cas, LockID: w.lockID, Token: w.token}
	})
	if err != nil {
		return nil, err
	}
	if res.Conflict {
		return a.conflict(r, w, res)
	}
	return r.withItems(res.Variable, w.body.Items), nil
}

// sealTries bounds how often items are sealed again because the keyring was rotated
// between sealing and writing.
const sealTries = 3

// sealed writes a variable with its items sealed.
func (a *API) sealed(r *request, w *variableWrite, command func(keyID string, sealed []byte) state.Command) (*state.VariableResult, error) {
	if err := a.awaitKey(r); err != nil {
		return nil, err
	}
	for range sealTries {
		keyID, sealed, err := a.cfg.Secrets.Seal(w.ns, w.path, w.body.Items)
		if err != nil {
			return nil, err
		}
		res, err := apply[*state.VariableResult](a, r, command(keyID, sealed))
		if err != nil || !res.StaleKey {
			return res, err
		}
	}
	return nil, &Error{http.StatusInternalServerError, "the root keyring is being rotated: try again"}
}

// conflict answers a write that lost with what is there: a 409.
func (a *API) conflict(r *request, w *variableWrite, res *state.VariableResult) (any, error) {
	out := &api.Variable{Namespace: w.ns, Path: w.path}
	if v := res.Variable; v != nil {
		out = r.withItems(v, nil)
		if r.mayVariable(w.ns, w.path, "read") {
			var err error
			if out, err = a.whole(r, v); err != nil {
				return nil, err
			}
		}
		if out.Lock != nil { // the winner's
			lock := *out.Lock
			lock.ID, out.Lock = "", &lock
		}
	}
	return status{http.StatusConflict, out}, nil
}

// variableDelete is DELETE /v1/var/:path.
func variableDelete(a *API, r *request) (any, error) {
	w, err := a.variableWrite(r, "destroy")
	if err != nil {
		return nil, err
	}
	res, err := apply[*state.VariableResult](a, r, &state.DeleteVariable{Namespace: w.ns, Path: w.path, CAS: w.cas})
	switch {
	case err != nil:
		return nil, err
	case res.Conflict:
		return a.conflict(r, w, res)
	}
	return status{code: http.StatusNoContent}, nil
}
