package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/acl"
	"github.com/selfheal/selfheal/agent/state"
)

// anonymousPolicy is the policy of requests without a token.
const anonymousPolicy = "anonymous"

// resolve finds out who sends a request. A server knows itself, but may not know yet of
// what its leader has just written; other agents ask a server.
func (a *API) resolve(r *request) (caller, error) {
	secret := r.secret()
	if a.cfg.State == nil {
		return a.askWho(r, a.cfg.Peers.Servers(a.cfg.Region))
	}
	who, err := a.resolveIn(a.cfg.State.Snapshot(), secret)
	if unknown := errors.Is(err, errTokenUnknown) || errors.Is(err, errIdentityEnded); unknown && !a.cfg.Raft.IsLeader() {
		if leader := a.cfg.Peers.Leader(); leader != "" && leader != a.cfg.Self {
			return a.askWho(r, []string{leader})
		}
	}
	return who, err
}

// resolveIn finds out whose a secret is. Its errors are 403s.
func (a *API) resolveIn(snap *state.Snapshot, secret string) (caller, error) {
	switch {
	case secret == "":
		return a.withPolicies(snap, caller{}, []string{anonymousPolicy})
	case acl.LooksLikeIdentity(secret):
		return a.resolveWorkload(snap, secret)
	}
	token := snap.ACLTokenBySecret(nil, secret)
	switch {
	case token == nil:
		return caller{}, errTokenUnknown
	case token.ExpirationTime != nil && !a.now().Before(*token.ExpirationTime):
		return caller{}, errTokenExpired
	case token.Type == tokenManagement:
		return caller{acl: acl.Everything, token: token}, nil
	}
	return a.withPolicies(snap, caller{token: token}, policiesOfToken(snap, token))
}

// policiesOfToken are the names of a token's own policies and of those of its roles.
func policiesOfToken(snap *state.Snapshot, token *api.ACLToken) []string {
	names := slices.Clone(token.Policies)
	for _, link := range token.Roles {
		if role := snap.ACLRole(nil, link.ID); role != nil {
			for _, p := range role.Policies {
				names = append(names, p.Name)
			}
		}
	}
	return names
}

// resolveWorkload finds out what a workload may do: what policies attached to its job
// grant, as long as its allocation lives.
func (a *API) resolveWorkload(snap *state.Snapshot, secret string) (caller, error) {
	if a.cfg.Identities == nil {
		return caller{}, errTokenUnknown
	}
	claims, err := a.cfg.Identities.Verify(secret)
	if err != nil {
		return caller{}, &Error{http.StatusForbidden, fmt.Sprintf("Permission denied: the identity is not valid: %v", err)}
	}
	if claims.AllocID != "" {
		if row := snap.Alloc(nil, claims.AllocID); row == nil || row.ClientTerminal() {
			return caller{}, errIdentityEnded
		}
	}
	names := []string{}
	for p := range snap.ACLPolicies(nil, "") {
		if p.JobACL != nil && attached(p.JobACL, claims) {
			names = append(names, p.Name)
		}
	}
	return a.withPolicies(snap, caller{claims: &claims}, names)
}

// attached reports whether a policy is meant for a workload. What a policy leaves out
// it does not ask for; a child of a periodic or parameterized job counts as its parent.
func attached(to *api.JobACL, c Claims) bool {
	ns := to.Namespace
	if ns == "" {
		ns = api.DefaultNamespace
	}
	parent, _, _ := strings.Cut(c.JobID, api.JobPeriodicLaunchSuffix)
	parent, _, _ = strings.Cut(parent, api.JobDispatchLaunchSuffix)
	return ns == c.Namespace && to.JobID != "" && (to.JobID == c.JobID || to.JobID == parent) &&
		(to.Group == "" || to.Group == c.Group) && (to.Task == "" || to.Task == c.Task)
}

// withPolicies gives a caller the rights of policies. A name without a policy grants nothing.
func (a *API) withPolicies(snap *state.Snapshot, who caller, names []string) (caller, error) {
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if p := snap.ACLPolicy(nil, name); p != nil {
			who.policies = append(who.policies, p)
		}
	}
	var err error
	who.acl, err = a.compiled.of(who.policies)
	return who, err
}

// compiler keeps what policies compiled to, for as long as they are what they were.
type compiler struct {
	mu     sync.Mutex
	parsed map[*api.ACLPolicy]*acl.Policy // rows never change: a new version is another row
	sets   map[string]*compiledSet        // by the names
}

type compiledSet struct {
	of  []*api.ACLPolicy
	acl *acl.ACL
}

// maxCompiled bounds how many sets of policies, and how many policies, are kept.
const maxCompiled = 1024

func newCompiler() *compiler {
	return &compiler{parsed: map[*api.ACLPolicy]*acl.Policy{}, sets: map[string]*compiledSet{}}
}

// of is the ACL of policies, which are in the order of their names.
func (c *compiler) of(policies []*api.ACLPolicy) (*acl.ACL, error) {
	var key strings.Builder
	for _, p := range policies {
		key.WriteString(p.Name)
		key.WriteByte(0)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if set := c.sets[key.String()]; set != nil && slices.Equal(set.of, policies) {
		return set.acl, nil
	}
	if len(c.sets) > maxCompiled || len(c.parsed) > maxCompiled {
		clear(c.sets)
		clear(c.parsed)
	}
	var parsed []*acl.Policy
	for _, p := range policies {
		if c.parsed[p] == nil {
			rules, err := acl.Parse(p.Rules)
			if err != nil { // it was valid when it was stored: to leave it out might grant what it denies
				return nil, fmt.Errorf("read ACL policy %s: %w", p.Name, err)
			}
			c.parsed[p] = rules
		}
		parsed = append(parsed, c.parsed[p])
	}
	set := &compiledSet{of: policies, acl: acl.Compile(parsed...)}
	c.sets[key.String()] = set
	return set.acl, nil
}
