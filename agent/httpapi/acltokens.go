package httpapi

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// oneTimeTTL is how long a one-time token may be exchanged: a fact of the Nomad API.
const oneTimeTTL = 10 * time.Minute

// maxTokenName bounds the name of a token in bytes: a fact of the Nomad API.
const maxTokenName = 256

// aclTokens is GET /v1/acl/tokens (?global), without secrets.
func aclTokens(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	global, err := r.flag("global", true)
	if err != nil {
		return nil, err
	}
	var snap *state.Snapshot
	l := list[*api.ACLToken, *api.ACLTokenListStub]{
		at:       func(t *api.ACLToken) token { return r.indexed(t.CreateIndex, t.AccessorID) },
		numbered: r.prefix == "",
		keep:     func(t *api.ACLToken) bool { return !global || t.Global },
		show: func(t *api.ACLToken) *api.ACLTokenListStub {
			return &api.ACLTokenListStub{
				AccessorID: t.AccessorID, Name: t.Name, Type: t.Type, Policies: t.Policies, Roles: roleLinks(snap, t.Roles), Global: t.Global,
				CreateTime: t.CreateTime, ExpirationTime: t.ExpirationTime, CreateIndex: t.CreateIndex, ModifyIndex: t.ModifyIndex,
			}
		},
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*api.ACLToken], uint64) {
		snap = s
		return s.ACLTokens(ws, r.prefix), s.Index(state.TableACLTokens)
	})
}

// aclToken is GET /v1/acl/token/:accessor: any for management tokens, else one's own.
func aclToken(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	own := r.caller.token != nil && r.caller.token.AccessorID == r.vars["id"]
	if !r.rights().Management() && !own {
		return nil, errDenied
	}
	return a.readToken(r, r.vars["id"])
}

// aclTokenSelf is GET /v1/acl/token/self.
func aclTokenSelf(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	if r.caller.token == nil {
		return nil, errTokenUnknown // a workload has an identity, not a token
	}
	return a.readToken(r, r.caller.token.AccessorID)
}

func (a *API) readToken(r *request, accessor string) (any, error) {
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		t := snap.ACLToken(ws, accessor)
		if t == nil {
			return nil, snap.Index(state.TableACLTokens), notFound("ACL token not found")
		}
		return viewToken(snap, t), t.ModifyIndex, nil
	})
}

// aclTokenCreate is PUT /v1/acl/token. The IDs are the server's to choose.
func aclTokenCreate(a *API, r *request) (any, error) {
	var t api.ACLToken
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	if err := a.decode(r, &t); err != nil {
		return nil, err
	}
	if t.AccessorID != "" {
		return nil, badRequest("cannot specify AccessorID: send it to /v1/acl/token/%s", t.AccessorID)
	}
	t.AccessorID, t.SecretID = newID(), newID()
	return a.createToken(r, &t)
}

// createToken stores a new token.
func (a *API) createToken(r *request, t *api.ACLToken) (any, error) {
	if err := a.checkToken(t); err != nil {
		return nil, err
	}
	t.CreateTime = a.now().UTC()
	if err := a.setExpiry(t); err != nil {
		return nil, err
	}
	if _, err := apply[any](a, r, &state.UpsertACLTokens{Tokens: []*api.ACLToken{t}}); err != nil {
		return nil, err
	}
	return a.tokenNow(t.AccessorID)
}

// checkToken judges what a user may choose of a token, and finds its roles.
func (a *API) checkToken(t *api.ACLToken) error {
	switch {
	case len(t.Name) > maxTokenName:
		return badRequest("token name too long: at most %d bytes", maxTokenName)
	case t.Type != tokenClient && t.Type != tokenManagement:
		return badRequest("token type must be client or management (is %q)", t.Type)
	case t.Type == tokenClient && len(t.Policies)+len(t.Roles) == 0:
		return badRequest("client token missing policies or roles")
	case t.Type == tokenManagement && len(t.Policies)+len(t.Roles) != 0:
		return badRequest("management token cannot be associated with policies or roles")
	}
	slices.Sort(t.Policies)
	t.Policies = slices.Compact(t.Policies)
	roles, err := findRoles(a.cfg.State.Snapshot(), t.Roles)
	t.Roles = roles
	return err
}

// setExpiry settles when a new token expires, from its TTL or its time.
func (a *API) setExpiry(t *api.ACLToken) error {
	switch {
	case t.ExpirationTTL < 0:
		return badRequest("token expiration TTL %q should not be negative", t.ExpirationTTL)
	case t.ExpirationTTL != 0 && t.ExpirationTime != nil:
		return badRequest("set ExpirationTTL or ExpirationTime, not both")
	case t.ExpirationTTL != 0:
		at := t.CreateTime.Add(t.ExpirationTTL)
		t.ExpirationTime = &at
	case t.ExpirationTime == nil:
		return nil
	}
	life := t.ExpirationTime.Sub(t.CreateTime)
	shortest, longest := a.tokenLife()
	if life < shortest || life > longest {
		return badRequest("expiration time must be %s to %s from now (is %s)", shortest, longest, life)
	}
	return nil
}

// tokenLife bounds the life of tokens that expire.
func (a *API) tokenLife() (shortest, longest time.Duration) {
	return cmp.Or(a.cfg.ACL.MinTTL, time.Minute), cmp.Or(a.cfg.ACL.MaxTTL, 24*time.Hour)
}

// aclTokenUpdate is PUT /v1/acl/token/:accessor: changes a token, or stores a client
// token whose IDs the caller has chosen.
func aclTokenUpdate(a *API, r *request) (any, error) {
	var t api.ACLToken
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	if err := a.decode(r, &t); err != nil {
		return nil, err
	}
	if err := sameName("AccessorID", t.AccessorID, r.vars["id"]); err != nil {
		return nil, err
	}
	t.AccessorID = r.vars["id"]
	old := a.cfg.State.Snapshot().ACLToken(nil, t.AccessorID)
	if old == nil {
		return a.uploadToken(r, &t)
	}
	if err := a.checkToken(&t); err != nil {
		return nil, err
	}
	switch {
	case t.ExpirationTTL != 0 && t.ExpirationTTL != old.ExpirationTTL:
		return nil, badRequest("cannot update expiration TTL: a token's life is settled when it is created")
	case t.ExpirationTime != nil && (old.ExpirationTime == nil || !t.ExpirationTime.Equal(*old.ExpirationTime)):
		return nil, badRequest("cannot update expiration time: a token's life is settled when it is created")
	case t.Type != old.Type:
		return nil, badRequest("cannot change the type of a token from %s to %s", old.Type, t.Type)
	}
	t.SecretID = old.SecretID
	if _, err := apply[any](a, r, &state.UpsertACLTokens{Tokens: []*api.ACLToken{&t}}); err != nil {
		return nil, err
	}
	return a.tokenNow(t.AccessorID)
}

func (a *API) uploadToken(r *request, t *api.ACLToken) (any, error) {
	switch {
	case t.SecretID == "":
		return nil, notFound("ACL token not found")
	case !validID(t.AccessorID) || !validID(t.SecretID):
		return nil, badRequest("AccessorID and SecretID of an uploaded token must be UUIDs")
	case t.Type == tokenManagement:
		return nil, badRequest("cannot upload management tokens")
	}
	return a.createToken(r, t)
}

// aclTokenDelete is DELETE /v1/acl/token/:accessor.
func aclTokenDelete(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	_, err := apply[any](a, r, &state.DeleteACLTokens{AccessorIDs: []string{r.vars["id"]}})
	return nil, err
}

// aclOneTime is PUT /v1/acl/token/onetime: a secret that may be exchanged once for the
// caller's token, so that the token itself need not stand in a link.
func aclOneTime(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	if r.caller.token == nil {
		return nil, errDenied
	}
	t := &api.OneTimeToken{OneTimeSecretID: newID(), AccessorID: r.caller.token.AccessorID, ExpiresAt: a.now().Add(oneTimeTTL).UTC()}
	if _, err := apply[any](a, r, &state.UpsertOneTimeToken{Token: t}); err != nil {
		return nil, err
	}
	t.CreateIndex, t.ModifyIndex = r.index, r.index
	return &api.OneTimeTokenUpsertResponse{OneTimeToken: t}, nil
}

// aclOneTimeExchange is PUT /v1/acl/token/onetime/exchange.
func aclOneTimeExchange(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	var body api.OneTimeTokenExchangeRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	if a.cfg.State.Snapshot().OneTimeToken(body.OneTimeSecretID) == nil {
		return nil, denied("the one-time token is unknown, used or expired") // a guess must not cost a log entry
	}
	used, err := apply[*api.OneTimeToken](a, r, &state.UseOneTimeToken{Secret: body.OneTimeSecretID})
	if err != nil {
		return nil, err
	}
	snap := a.cfg.State.Snapshot()
	t := snap.ACLToken(nil, used.AccessorID)
	if t == nil || t.ExpirationTime != nil && !a.now().Before(*t.ExpirationTime) {
		return nil, errDenied
	}
	return &api.OneTimeTokenExchangeResponse{Token: viewToken(snap, t)}, nil
}
