package httpapi

import (
	"crypto/x509"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-memdb"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// aclAuthMethods is GET /v1/acl/auth-methods: names only, for who is about to log in.
func aclAuthMethods(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	l := list[*api.ACLAuthMethod, *api.ACLAuthMethodListStub]{
		at: func(m *api.ACLAuthMethod) token { return byName(m.Name) },
		show: func(m *api.ACLAuthMethod) *api.ACLAuthMethodListStub {
			return &api.ACLAuthMethodListStub{Name: m.Name, Type: m.Type, Default: m.Default, CreateIndex: m.CreateIndex, ModifyIndex: m.ModifyIndex}
		},
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*api.ACLAuthMethod], uint64) {
		return s.ACLAuthMethods(ws), s.Index(state.TableACLAuthMethods)
	})
}

// aclAuthMethod is GET /v1/acl/auth-method/:name.
func aclAuthMethod(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		m := snap.ACLAuthMethod(ws, r.vars["name"])
		if m == nil {
			return nil, snap.Index(state.TableACLAuthMethods), notFound("ACL auth-method not found")
		}
		return m, m.ModifyIndex, nil
	})
}

// aclAuthMethodCreate is PUT /v1/acl/auth-method.
func aclAuthMethodCreate(a *API, r *request) (any, error) { return a.putAuthMethod(r, "") }

// aclAuthMethodUpdate is PUT /v1/acl/auth-method/:name.
func aclAuthMethodUpdate(a *API, r *request) (any, error) { return a.putAuthMethod(r, r.vars["name"]) }

// putAuthMethod stores an auth method; with a name it must exist.
func (a *API) putAuthMethod(r *request, name string) (any, error) {
	var m api.ACLAuthMethod
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	if err := a.decode(r, &m); err != nil {
		return nil, err
	}
	if name != "" {
		if err := sameName("auth-method", m.Name, name); err != nil {
			return nil, err
		}
		m.Name = name
	}
	if err := aclName(m.Name); err != nil {
		return nil, err
	}
	old := a.cfg.State.Snapshot().ACLAuthMethod(nil, m.Name)
	switch {
	case name != "" && old == nil:
		return nil, notFound("ACL auth-method not found")
	case old != nil && m.Type != "" && m.Type != old.Type:
		return nil, badRequest("cannot change the type of an auth method from %s to %s", old.Type, m.Type)
	case old != nil:
		m.Type = old.Type
	}
	if err := a.checkAuthMethod(&m); err != nil {
		return nil, err
	}
	if _, err := apply[any](a, r, &state.UpsertACLAuthMethods{Methods: []*api.ACLAuthMethod{&m}}); err != nil {
		return nil, err
	}
	return a.cfg.State.Snapshot().ACLAuthMethod(nil, m.Name), nil
}

// checkAuthMethod judges an auth method.
func (a *API) checkAuthMethod(m *api.ACLAuthMethod) error {
	shortest, longest := a.tokenLife()
	switch {
	case m.Type != api.ACLAuthMethodTypeOIDC && m.Type != api.ACLAuthMethodTypeJWT:
		return badRequest("invalid auth-method type %q: use OIDC or JWT", m.Type)
	case m.TokenLocality != api.ACLAuthMethodTokenLocalityLocal && m.TokenLocality != api.ACLAuthMethodTokenLocalityGlobal:
		return badRequest("invalid token locality %q: use local or global", m.TokenLocality)
	case m.MaxTokenTTL < shortest || m.MaxTokenTTL > longest:
		return badRequest("invalid MaxTokenTTL %s: it must be %s to %s", m.MaxTokenTTL, shortest, longest)
	case m.Config == nil:
		return badRequest("Config is missing: it says whose tokens the method trusts")
	}
	c := m.Config
	for _, alg := range c.SigningAlgs {
		if !slices.Contains(signingAlgs, alg) {
			return badRequest("invalid signing algorithm %q: use one of %s", alg, strings.Join(signingAlgs, ", "))
		}
	}
	for _, pem := range append(slices.Clone(c.DiscoveryCaPem), c.JWKSCACert) {
		if pem != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(pem)) {
			return badRequest("a CA certificate of the auth method holds no certificate in PEM")
		}
	}
	for _, text := range []string{c.OIDCDiscoveryURL, c.JWKSURL} {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			return badRequest("invalid URL %q: it must begin with https:// or http://", text)
		}
	}
	if m.TokenNameFormat != "" {
		if _, err := interpolate(m.TokenNameFormat, nil); err != nil {
			return badRequest("invalid TokenNameFormat: %v", err)
		}
	}
	if m.Type == api.ACLAuthMethodTypeOIDC {
		return checkOIDC(c)
	}
	return checkJWT(c)
}

func checkOIDC(c *api.ACLAuthMethodConfig) error {
	switch {
	case c.OIDCDiscoveryURL == "":
		return badRequest("missing OIDCDiscoveryURL")
	case c.OIDCClientID == "":
		return badRequest("missing OIDCClientID")
	case c.OIDCClientAssertion != nil:
		return badRequest("OIDCClientAssertion is not supported by this version: use OIDCClientSecret")
	}
	return nil
}

func checkJWT(c *api.ACLAuthMethodConfig) error {
	sources := 0
	for _, given := range []bool{len(c.JWTValidationPubKeys) > 0, c.JWKSURL != "", c.OIDCDiscoveryURL != ""} {
		if given {
			sources++
		}
	}
	if sources != 1 {
		return badRequest("a JWT auth method needs exactly one of JWTValidationPubKeys, JWKSURL and OIDCDiscoveryURL (has %d)", sources)
	}
	for i, text := range c.JWTValidationPubKeys {
		if _, err := publicKey(text); err != nil {
			return badRequest("JWTValidationPubKeys[%d]: %v", i, err)
		}
	}
	return nil
}

// aclAuthMethodDelete is DELETE /v1/acl/auth-method/:name; its binding rules go with it.
func aclAuthMethodDelete(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	_, err := apply[any](a, r, &state.DeleteACLAuthMethods{Names: []string{r.vars["name"]}})
	return nil, err
}

// aclBindingRules is GET /v1/acl/binding-rules.
func aclBindingRules(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	l := list[*api.ACLBindingRule, *api.ACLBindingRuleListStub]{
		at: func(b *api.ACLBindingRule) token { return byName(b.ID) },
		show: func(b *api.ACLBindingRule) *api.ACLBindingRuleListStub {
			return &api.ACLBindingRuleListStub{ID: b.ID, Description: b.Description, AuthMethod: b.AuthMethod, CreateIndex: b.CreateIndex, ModifyIndex: b.ModifyIndex}
		},
	}
	return readPage(a, r, l, func(s *state.Snapshot, ws memdb.WatchSet) (iter.Seq[*api.ACLBindingRule], uint64) {
		return s.ACLBindingRules(ws, ""), s.Index(state.TableACLBindingRules)
	})
}

// aclBindingRule is GET /v1/acl/binding-rule/:id.
func aclBindingRule(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	return a.read(r, func(snap *state.Snapshot, ws memdb.WatchSet) (any, uint64, error) {
		b := snap.ACLBindingRule(ws, r.vars["id"])
		if b == nil {
			return nil, snap.Index(state.TableACLBindingRules), notFound("ACL binding rule not found")
		}
		return b, b.ModifyIndex, nil
	})
}

// aclBindingRuleCreate is PUT /v1/acl/binding-rule.
func aclBindingRuleCreate(a *API, r *request) (any, error) { return a.putBindingRule(r, "") }

// aclBindingRuleUpdate is PUT /v1/acl/binding-rule/:id.
func aclBindingRuleUpdate(a *API, r *request) (any, error) { return a.putBindingRule(r, r.vars["id"]) }

// putBindingRule stores a binding rule; with an ID it must exist.
func (a *API) putBindingRule(r *request, id string) (any, error) {
	var b api.ACLBindingRule
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	if err := a.decode(r, &b); err != nil {
		return nil, err
	}
	snap := a.cfg.State.Snapshot()
	switch {
	case id == "" && b.ID != "":
		return nil, badRequest("cannot specify ID: send it to /v1/acl/binding-rule/%s", b.ID)
	case id == "":
		b.ID = newID()
	default:
		if err := sameName("binding rule", b.ID, id); err != nil {
			return nil, err
		}
		old := snap.ACLBindingRule(nil, id)
		if old == nil {
			return nil, notFound("ACL binding rule not found")
		}
		if b.AuthMethod != "" && b.AuthMethod != old.AuthMethod {
			return nil, badRequest("cannot move a binding rule from auth method %q to %q", old.AuthMethod, b.AuthMethod)
		}
		b.ID, b.AuthMethod = id, old.AuthMethod
	}
	if err := checkBindingRule(&b); err != nil {
		return nil, err
	}
	b.CreateTime, b.ModifyTime = time.Time{}, time.Time{} // the entry's
	if _, err := apply[any](a, r, &state.UpsertACLBindingRules{Rules: []*api.ACLBindingRule{&b}}); err != nil {
		return nil, err
	}
	return a.cfg.State.Snapshot().ACLBindingRule(nil, b.ID), nil
}

func checkBindingRule(b *api.ACLBindingRule) error {
	if err := aclDescription(b.Description); err != nil {
		return err
	}
	switch {
	case b.AuthMethod == "":
		return badRequest("auth method is missing")
	case b.BindType == api.ACLBindingRuleBindTypeManagement && b.BindName != "":
		return badRequest("bind name should be empty with bind type management")
	case b.BindType == api.ACLBindingRuleBindTypeManagement:
	case b.BindType != api.ACLBindingRuleBindTypeRole && b.BindType != api.ACLBindingRuleBindTypePolicy:
		return badRequest("invalid bind type %q: use role, policy or management", b.BindType)
	case b.BindName == "":
		return badRequest("bind name is missing")
	}
	if _, err := interpolate(b.BindName, nil); err != nil {
		return badRequest("invalid bind name: %v", err)
	}
	if _, err := newSelector(b.Selector); err != nil {
		return badRequest("invalid selector: %v", err)
	}
	return nil
}

// aclBindingRuleDelete is DELETE /v1/acl/binding-rule/:id.
func aclBindingRuleDelete(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	_, err := apply[any](a, r, &state.DeleteACLBindingRules{IDs: []string{r.vars["id"]}})
	return nil, err
}
