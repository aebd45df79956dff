package httpapi

import (
	"iter"
	"net/http"

	"github.com/selfheal/selfheal/agent/acl"
)

// errDenied is the answer to who may not do what the request asks. It says nothing of
// whether the thing exists.
var errDenied = &Error{http.StatusForbidden, "Permission denied"}

// caller is who sends a request.
type caller struct {
	acl *acl.ACL
	// claims are those of a workload's identity, nil for tokens and the anonymous.
	claims *Claims
}

// allow is where every request passes the question of who may do what. The right
// is in the request's row. Everyone may do everything until there are ACLs.
func (a *API) allow(r *request) error {
	r.caller = caller{acl: acl.Everything}
	return nil
}

// rights are what the caller may do.
func (r *request) rights() *acl.ACL { return r.caller.acl }

// may reports whether the caller has a capability, such as acl.ReadJob, in a namespace.
func (r *request) may(namespace, capability string) bool {
	return r.caller.acl.AllowNamespace(namespace, capability)
}

// mayVariable reports whether the caller may do verb (list, read, write, destroy) to
// the variable at path.
func (r *request) mayVariable(namespace, path, verb string) bool {
	return r.caller.acl.AllowVariable(namespace, path, verb, r.caller.workload())
}

// workload is who a workload's identity stands for, nil for other callers.
func (c caller) workload() *acl.Workload {
	if c.claims == nil {
		return nil
	}
	return &acl.Workload{Namespace: c.claims.Namespace, JobID: c.claims.JobID, Group: c.claims.Group, Task: c.claims.Task}
}

// visible keeps the rows in whose namespace the caller has a capability: what a list
// over all namespaces may show.
func visible[Row any](r *request, capability string, namespace func(Row) string, rows iter.Seq[Row]) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for row := range rows {
			if r.may(namespace(row), capability) && !yield(row) {
				return
			}
		}
	}
}
