package httpapi

import (
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/acl"
	"github.com/selfheal/selfheal/agent/state"
)

// Answers of access control. They say nothing of whether a thing exists.
var (
	errDenied        = &Error{http.StatusForbidden, "Permission denied"}
	errTokenUnknown  = &Error{http.StatusForbidden, "ACL token not found"}
	errTokenExpired  = &Error{http.StatusForbidden, "ACL token expired"}
	errACLDisabled   = &Error{http.StatusBadRequest, "ACL support disabled"}
	errIdentityEnded = &Error{http.StatusForbidden, "Permission denied: the allocation of this identity has ended"}
)

// defaultTokenTTL is a fact of the Nomad API: acl { token_ttl = "30s" }.
const defaultTokenTTL = 30 * time.Second

// ACL is how an agent controls access.
type ACL struct {
	// Enabled refuses what no token or policy allows. All agents must agree on it.
	Enabled bool
	// TokenTTL is how long an agent that is no server believes what a server said of a
	// token; 0 = 30 s. Longer asks less, and a revoked token works longer there.
	TokenTTL time.Duration
	// MinTTL and MaxTTL bound the life that an expiring token may be given; 0 = 1 m and 24 h.
	MinTTL, MaxTTL time.Duration
	// AuthoritativeRegion is where everything that holds in all regions is written; "" = this one.
	AuthoritativeRegion string
	// ResetIndex is the number in the file acl-bootstrap-reset of the server's data
	// directory, 0 without one; nil: there is no data directory.
	ResetIndex func() uint64
}

// caller is who sends a request.
type caller struct {
	acl *acl.ACL
	// token is nil for the anonymous and for workloads.
	token *api.ACLToken
	// claims are those of a workload's identity, nil for tokens and the anonymous.
	claims *Claims
	// far says that another server knew the caller, and this one may not yet.
	far bool
	// policies are those that acl was made of.
	policies []*api.ACLPolicy
}

// expires is when the caller ceases to be one, zero: never.
func (c caller) expires() time.Time {
	switch {
	case c.token != nil && c.token.ExpirationTime != nil:
		return *c.token.ExpirationTime
	case c.claims != nil:
		return c.claims.Expires
	}
	return time.Time{}
}

// workload is who a workload's identity stands for, nil for other callers.
func (c caller) workload() *acl.Workload {
	if c.claims == nil {
		return nil
	}
	return &acl.Workload{Namespace: c.claims.Namespace, JobID: c.claims.JobID, Group: c.claims.Group, Task: c.claims.Task}
}

// allow is where every request passes the question of who may do what. It is asked by
// the agent that answers, and by a server before it sends a request on to a node. The
// right is in the request's row, what it means in rules.
func (a *API) allow(r *request) error {
	if !a.cfg.ACL.Enabled {
		r.caller = caller{acl: acl.Everything}
		return nil
	}
	if r.row.right != anyone && r.row.right != nodeSelf { // these ask for no token
		who, err := a.resolve(r)
		if err != nil {
			return err
		}
		r.caller = who
	}
	if !rules[r.row.right].allows(a, r) {
		return errDenied
	}
	return nil
}

// asksBefore reports whether this agent has to ask before it sends a request on: about
// nodes and agents a server knows what they are, and must not say it to everyone.
func (a *API) asksBefore(r *request) bool {
	here := r.region == "" || r.region == a.cfg.Region
	return here && a.cfg.State != nil && (r.row.where == onNode || r.row.where == onAgent)
}

// secret is the token that a request brings, "" if none.
func (r *request) secret() string {
	if t := r.Header.Get("X-Nomad-Token"); t != "" {
		return t
	}
	kind, t, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(kind, "Bearer") {
		return strings.TrimSpace(t)
	}
	return ""
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

// visible keeps the rows in whose namespace the caller has one of the capabilities of
// the request's right: what a list over all namespaces may show.
func visible[Row any](r *request, namespace func(Row) string, rows iter.Seq[Row]) iter.Seq[Row] {
	if r.namespace != state.AllNamespaces || r.rights().Management() {
		return rows // allow has asked for the one namespace
	}
	return func(yield func(Row) bool) {
		for row := range rows {
			if r.sees(namespace(row)) && !yield(row) {
				return
			}
		}
	}
}

// sees reports whether the caller has the request's right in a namespace.
func (r *request) sees(namespace string) bool {
	u := rules[r.row.right]
	own := u.workload && r.caller.claims != nil && r.caller.claims.Namespace == namespace
	return own || someOf(u.any, func(c string) bool { return r.may(namespace, c) })
}

// spaces are the namespaces that r.namespace stands for and in which the caller has
// one of the capabilities.
func (r *request) spaces(snap *state.Snapshot, capabilities ...string) []string {
	ok := func(ns string) bool { return someOf(capabilities, func(c string) bool { return r.may(ns, c) }) }
	if r.namespace != state.AllNamespaces {
		if !ok(r.namespace) {
			return nil
		}
		return []string{r.namespace}
	}
	if someOf(capabilities, r.rights().AllowEverywhere) {
		return []string{state.AllNamespaces}
	}
	var out []string
	for ns := range snap.Namespaces(nil, "") {
		if ok(ns.Name) {
			out = append(out, ns.Name)
		}
	}
	return out
}
