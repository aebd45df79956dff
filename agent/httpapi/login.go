package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/go-bexpr"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// aclLogin is PUT /v1/acl/login: a token of somebody else's, whom an auth method
// trusts, becomes one of ours.
func aclLogin(a *API, r *request) (any, error) {
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	var body api.ACLLoginRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	switch {
	case body.AuthMethodName == "":
		return nil, badRequest("missing auth method name")
	case body.LoginToken == "":
		return nil, badRequest("missing login token")
	}
	snap := a.cfg.State.Snapshot()
	m := snap.ACLAuthMethod(nil, body.AuthMethodName)
	switch {
	case m == nil:
		return nil, badRequest("auth-method %q not found", body.AuthMethodName)
	case m.Type != api.ACLAuthMethodTypeJWT:
		return nil, badRequest("auth-method %q is of type %s: log in with one of type JWT", m.Name, m.Type)
	}
	claims, err := a.verifyLogin(r.Context(), m.Config, body.LoginToken)
	if err != nil {
		a.log.Info("login refused", "method", m.Name, "err", err)
		return nil, &Error{http.StatusForbidden, fmt.Sprintf("unable to validate login token: %v", err)}
	}
	return a.logIn(r, m, mapClaims(m.Config, claims))
}

// person is what the claims of a login come to: what selectors and names look at.
type person struct {
	Value map[string]string   `bexpr:"value"`
	List  map[string][]string `bexpr:"list"`
}

// logIn makes a token for who has proved who they are.
func (a *API) logIn(r *request, m *api.ACLAuthMethod, p person) (any, error) {
	t, err := bind(a.cfg.State.Snapshot(), m, p)
	if err != nil {
		a.log.Info("login refused", "method", m.Name, "err", err)
		return nil, &Error{http.StatusForbidden, err.Error()}
	}
	t.AccessorID, t.SecretID, t.CreateTime = newID(), newID(), a.now().UTC()
	t.Global, t.ExpirationTTL = m.TokenLocality == api.ACLAuthMethodTokenLocalityGlobal, m.MaxTokenTTL
	if err := a.setExpiry(t); err != nil {
		return nil, err
	}
	if _, err := apply[any](a, r, &state.UpsertACLTokens{Tokens: []*api.ACLToken{t}}); err != nil {
		return nil, err
	}
	return a.tokenNow(t.AccessorID)
}

// bind applies the binding rules of an auth method. Roles and policies that do not exist
// grant nothing; who is granted nothing is refused.
func bind(snap *state.Snapshot, m *api.ACLAuthMethod, p person) (*api.ACLToken, error) {
	t := &api.ACLToken{Name: m.Type + "-" + m.Name, Type: tokenClient}
	if m.TokenNameFormat != "" {
		values := map[string]string{"auth_method_type": m.Type, "auth_method_name": m.Name}
		for k, v := range p.Value {
			values["value."+k] = v
		}
		name, err := interpolate(m.TokenNameFormat, values)
		if err != nil {
			return nil, fmt.Errorf("name the token: %w", err)
		}
		t.Name = name[:min(len(name), maxTokenName)]
	}
	for rule := range snap.ACLBindingRules(nil, m.Name) {
		matches, err := newSelector(rule.Selector)
		if err != nil {
			return nil, fmt.Errorf("binding rule %s: %w", rule.ID, err)
		}
		if !matches(p) {
			continue
		}
		if err := bindOne(snap, t, rule, p); err != nil {
			return nil, err
		}
	}
	if t.Type == tokenManagement {
		t.Policies, t.Roles = nil, nil
		return t, nil
	}
	if len(t.Policies)+len(t.Roles) == 0 {
		return nil, fmt.Errorf("Permission denied: no role or policy bindings matched")
	}
	return t, nil
}

func bindOne(snap *state.Snapshot, t *api.ACLToken, rule *api.ACLBindingRule, p person) error {
	if rule.BindType == api.ACLBindingRuleBindTypeManagement {
		t.Type = tokenManagement
		return nil
	}
	values := map[string]string{}
	for k, v := range p.Value {
		values["value."+k] = v
	}
	name, err := interpolate(rule.BindName, values)
	if err != nil {
		return fmt.Errorf("binding rule %s: bind name: %w", rule.ID, err)
	}
	if rule.BindType == api.ACLBindingRuleBindTypePolicy {
		if snap.ACLPolicy(nil, name) != nil && !slices.Contains(t.Policies, name) {
			t.Policies = append(t.Policies, name)
		}
		return nil
	}
	role := snap.ACLRoleByName(nil, name)
	if role == nil {
		role = snap.ACLRole(nil, name)
	}
	if role != nil && !slices.ContainsFunc(t.Roles, func(l *api.ACLTokenRoleLink) bool { return l.ID == role.ID }) {
		t.Roles = append(t.Roles, &api.ACLTokenRoleLink{ID: role.ID, Name: role.Name})
	}
	return nil
}

// newSelector compiles the selector of a binding rule; "" matches everybody. A claim
// that the person lacks matches nothing.
func newSelector(expression string) (func(person) bool, error) {
	if expression == "" {
		return func(person) bool { return true }, nil
	}
	if len(expression) > maxFilter {
		return nil, fmt.Errorf("the expression is longer than %d bytes", maxFilter)
	}
	eval, err := bexpr.CreateEvaluator(expression, bexpr.WithMaxExpressions(maxTerms*16))
	if err != nil {
		return nil, err
	}
	return func(p person) bool {
		ok, err := eval.Evaluate(p)
		return err == nil && ok
	}, nil
}

// interpolate replaces every ${name}. With values nil it only checks the form.
func interpolate(text string, values map[string]string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		name = strings.TrimSpace(name)
		if !closed || name == "" {
			return "", fmt.Errorf("%q has an unfinished ${...}", text)
		}
		value, known := values[name]
		if values != nil && !known {
			return "", fmt.Errorf("nothing is known as ${%s}", name)
		}
		out.WriteString(value)
		text = after
	}
}
