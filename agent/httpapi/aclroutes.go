package httpapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// Types of tokens.
const (
	tokenClient     = "client"
	tokenManagement = "management"
)

// aclRoutes are the objects of access control.
var aclRoutes = []route{
	{method: put, path: "/v1/acl/bootstrap", right: anyone, where: leaderWrite, do: aclBootstrap},
	{method: get, path: "/v1/acl/policies", right: identified, where: leaderRead, do: aclPolicies},
	{method: get, path: "/v1/acl/policy/self", right: identified, where: leaderRead, do: aclPoliciesSelf},
	{method: get, path: "/v1/acl/policy/{name}", right: identified, where: leaderRead, do: aclPolicy},
	{method: put, path: "/v1/acl/policy/{name}", right: management, where: leaderRepeat, do: aclPolicyUpsert},
	{method: del, path: "/v1/acl/policy/{name}", right: management, where: leaderWrite, do: aclPolicyDelete},
	{method: get, path: "/v1/acl/tokens", right: management, where: leaderRead, do: aclTokens},
	{method: put, path: "/v1/acl/token", right: management, where: leaderWrite, do: aclTokenCreate},
	{method: get, path: "/v1/acl/token/self", right: identified, where: leaderRead, do: aclTokenSelf},
	{method: put, path: "/v1/acl/token/onetime", right: identified, where: leaderWrite, do: aclOneTime},
	{method: put, path: "/v1/acl/token/onetime/exchange", right: anyone, where: leaderWrite, do: aclOneTimeExchange},
	{method: get, path: "/v1/acl/token/{id}", right: identified, where: leaderRead, do: aclToken},
	{method: put, path: "/v1/acl/token/{id}", right: management, where: leaderRepeat, do: aclTokenUpdate},
	{method: del, path: "/v1/acl/token/{id}", right: management, where: leaderWrite, do: aclTokenDelete},
	{method: get, path: "/v1/acl/roles", right: identified, where: leaderRead, do: aclRoles},
	{method: put, path: "/v1/acl/role", right: management, where: leaderWrite, do: aclRoleCreate},
	{method: get, path: "/v1/acl/role/name/{name}", right: identified, where: leaderRead, do: aclRole},
	{method: get, path: "/v1/acl/role/{id}", right: identified, where: leaderRead, do: aclRole},
	{method: put, path: "/v1/acl/role/{id}", right: management, where: leaderRepeat, do: aclRoleUpdate},
	{method: del, path: "/v1/acl/role/{id}", right: management, where: leaderWrite, do: aclRoleDelete},
	{method: get, path: "/v1/acl/auth-methods", right: anyone, where: leaderRead, do: aclAuthMethods},
	{method: put, path: "/v1/acl/auth-method", right: management, where: leaderRepeat, do: aclAuthMethodCreate},
	{method: get, path: "/v1/acl/auth-method/{name}", right: management, where: leaderRead, do: aclAuthMethod},
	{method: put, path: "/v1/acl/auth-method/{name}", right: management, where: leaderRepeat, do: aclAuthMethodUpdate},
	{method: del, path: "/v1/acl/auth-method/{name}", right: management, where: leaderWrite, do: aclAuthMethodDelete},
	{method: get, path: "/v1/acl/binding-rules", right: management, where: leaderRead, do: aclBindingRules},
	{method: put, path: "/v1/acl/binding-rule", right: management, where: leaderWrite, do: aclBindingRuleCreate},
	{method: get, path: "/v1/acl/binding-rule/{id}", right: management, where: leaderRead, do: aclBindingRule},
	{method: put, path: "/v1/acl/binding-rule/{id}", right: management, where: leaderRepeat, do: aclBindingRuleUpdate},
	{method: del, path: "/v1/acl/binding-rule/{id}", right: management, where: leaderWrite, do: aclBindingRuleDelete},
	{method: put, path: "/v1/acl/login", right: anyone, where: leaderWrite, do: aclLogin},
	{method: put, path: "/v1/acl/oidc/auth-url", right: anyone, where: leaderWrite, do: aclOIDCAuthURL},
	{method: put, path: "/v1/acl/oidc/complete-auth", right: anyone, where: leaderWrite, do: aclOIDCCompleteAuth},
}

// homeRegion is the region that a request has to go to because what it writes holds in
// all regions, "" when it may be answered here.
func (a *API) homeRegion(r *request) string {
	home := a.cfg.ACL.AuthoritativeRegion
	write := r.row.method == put || r.row.method == del
	if !a.cfg.ACL.Enabled || home == "" || home == a.cfg.Region || !write || !strings.HasPrefix(r.row.path, "/v1/acl/") || r.region != "" && r.region != a.cfg.Region {
		return ""
	}
	if !a.forAllRegions(r) {
		return ""
	}
	return home
}

// forAllRegions reports whether a write concerns what all regions share: everything but
// local tokens does.
func (a *API) forAllRegions(r *request) bool {
	switch {
	case strings.HasPrefix(r.row.path, "/v1/acl/token/onetime"):
		return false
	case strings.HasPrefix(r.row.path, "/v1/acl/token"):
		var body struct{ Global bool }
		if b, err := r.body(a.cfg.Limits); err == nil {
			_ = decodeJSON(b, &body)
		}
		if a.cfg.State != nil && r.vars["id"] != "" {
			if token := a.cfg.State.Snapshot().ACLToken(nil, r.vars["id"]); token != nil {
				return token.Global
			}
		}
		return body.Global
	case r.row.path == "/v1/acl/login", strings.HasPrefix(r.row.path, "/v1/acl/oidc/"):
		var body struct{ AuthMethodName string }
		if b, err := r.body(a.cfg.Limits); err == nil {
			_ = decodeJSON(b, &body)
		}
		if a.cfg.State == nil {
			return false // a server of this region knows
		}
		m := a.cfg.State.Snapshot().ACLAuthMethod(nil, body.AuthMethodName)
		return m != nil && m.TokenLocality == api.ACLAuthMethodTokenLocalityGlobal
	}
	return true
}

// aclOn refuses requests about access control where there is none.
func (a *API) aclOn() error {
	if !a.cfg.ACL.Enabled {
		return errACLDisabled
	}
	return nil
}

// aclName is the rule of names in access control, ^[a-zA-Z0-9-]{1,128}$.
func aclName(name string) error {
	if !validName(name) || strings.Contains(name, "_") {
		return badRequest("invalid name %q: use letters, digits and \"-\", at most 128", name)
	}
	return nil
}

func aclDescription(text string) error {
	if len(text) > maxDescription {
		return badRequest("description longer than %d", maxDescription)
	}
	return nil
}

// sameName refuses a body that names another thing than the path.
func sameName(what, body, path string) error {
	if body != "" && body != path {
		return badRequest("%s %q of the body does not match %q of the path", what, body, path)
	}
	return nil
}

// validID reports whether text is written like a UUID, in lower or upper case.
func validID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range text {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}

// aclBootstrap is PUT /v1/acl/bootstrap: the first management token, once.
func aclBootstrap(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	var body api.BootstrapRequest
	if err := a.decodeOptional(r, &body); err != nil {
		return nil, err
	}
	secret := body.BootstrapSecret
	switch {
	case secret == "":
		secret = newID()
	case !validID(secret):
		return nil, badRequest("invalid acl token")
	}
	token := &api.ACLToken{
		AccessorID: newID(), SecretID: secret, Name: "Bootstrap Token", Type: tokenManagement, Global: true, CreateTime: a.now().UTC(),
	}
	cmd := &state.BootstrapACL{Token: token}
	if a.cfg.ACL.ResetIndex != nil {
		cmd.Reset = a.cfg.ACL.ResetIndex()
	}
	if _, err := apply[any](a, r, cmd); err != nil {
		return nil, err
	}
	a.log.Warn("access control was bootstrapped: the first management token exists", "accessor", token.AccessorID)
	return a.tokenNow(token.AccessorID)
}

// tokenNow is a token as it is now, after a write.
func (a *API) tokenNow(accessor string) (any, error) {
	snap := a.cfg.State.Snapshot()
	token := snap.ACLToken(nil, accessor)
	if token == nil {
		return nil, errors.New("the token was deleted meanwhile")
	}
	return viewToken(snap, token), nil
}

// viewToken is a token with its roles as they are called now; roles that are gone are left out.
func viewToken(snap *state.Snapshot, token *api.ACLToken) *api.ACLToken {
	v := *token
	v.Roles = roleLinks(snap, token.Roles)
	return &v
}

func roleLinks(snap *state.Snapshot, links []*api.ACLTokenRoleLink) []*api.ACLTokenRoleLink {
	var out []*api.ACLTokenRoleLink
	for _, link := range links {
		if role := snap.ACLRole(nil, link.ID); role != nil {
			out = append(out, &api.ACLTokenRoleLink{ID: role.ID, Name: role.Name})
		}
	}
	return out
}

// findRoles turns the roles that a token names, by ID or by name, into links.
func findRoles(snap *state.Snapshot, links []*api.ACLTokenRoleLink) ([]*api.ACLTokenRoleLink, error) {
	var out []*api.ACLTokenRoleLink
	for _, link := range links {
		if link == nil {
			continue
		}
		role := snap.ACLRole(nil, link.ID)
		if role == nil && link.ID == "" {
			role = snap.ACLRoleByName(nil, link.Name)
		}
		if role == nil {
			return nil, badRequest("cannot find role %s", strings.TrimSpace(fmt.Sprint(link.ID, " ", link.Name)))
		}
		same := func(l *api.ACLTokenRoleLink) bool { return l.ID == role.ID }
		if !slices.ContainsFunc(out, same) {
			out = append(out, &api.ACLTokenRoleLink{ID: role.ID, Name: role.Name})
		}
	}
	return out, nil
}
