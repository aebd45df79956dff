package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/posener/complete"
)

func aclMethodVerbs() entries {
	return entries{
		noun("acl auth-method", "Look after ways to log in"),
		{name: "acl auth-method create", make: aclMethodCreate},
		{name: "acl auth-method update", make: aclMethodUpdate},
		{name: "acl auth-method delete", make: aclMethodDelete},
		{name: "acl auth-method info", make: aclMethodInfo},
		{name: "acl auth-method list", make: aclMethodList},
	}
}

// methodFlags describe an auth method.
type methodFlags struct {
	kind, locality, nameFormat, config string
	ttl                                time.Duration
	isDefault, given                   bool // -default, and whether it was given
}

func (f *methodFlags) rows() []flagRow {
	return []flagRow{
		{"type", "TYPE", "OIDC or JWT.", oneOf(&f.kind, "OIDC", "JWT"), nil},
		{"max-token-ttl", "DURATION", "Tokens from it live no longer than this.", &f.ttl, nil},
		{"token-locality", "SCOPE", "Tokens from it are valid in this region (local) or in all (global).", oneOf(&f.locality, "local", "global"), nil},
		{"token-name-format", "TEMPLATE", "How tokens from it are named.", &f.nameFormat, nil},
		{"default", "BOOL", "`selfheal login` uses it when it is not told which.", func(text string) error {
			if text != "true" && text != "false" {
				return errors.New("want true or false")
			}
			f.isDefault, f.given = text == "true", true
			return nil
		}, nil},
		{"config", "FILE", "Its settings as JSON; \"-\" is standard input.", &f.config, complete.PredictFiles("*.json")},
	}
}

// set changes a method as the flags say.
func (f *methodFlags) set(s *session, m *api.ACLAuthMethod) error {
	for field, value := range map[*string]string{&m.Type: f.kind, &m.TokenLocality: f.locality, &m.TokenNameFormat: f.nameFormat} {
		if value != "" {
			*field = value
		}
	}
	if f.ttl > 0 {
		m.MaxTokenTTL = f.ttl
	}
	if f.given {
		m.Default = f.isDefault
	}
	if f.config == "" {
		return nil
	}
	text, err := s.readAll(f.config)
	if err != nil {
		return fmt.Errorf("read -config: %w", err)
	}
	m.Config = new(api.ACLAuthMethodConfig)
	if err := json.Unmarshal(text, m.Config); err != nil {
		return fmt.Errorf("read -config: %w", err)
	}
	return nil
}

func aclMethodCreate() verb {
	var f methodFlags
	var o output
	var name string
	return verb{
		short: "Make an auth method",
		flags: concat([]flagRow{{"name", "NAME", "What it is called.", &name, nil}}, f.rows(), o.rows()),
		run: func(s *session, args []string) error {
			if name == "" || f.kind == "" || f.ttl == 0 || f.locality == "" || f.config == "" {
				return usagef("an auth method wants -name, -type, -max-token-ttl, -token-locality and -config")
			}
			m := &api.ACLAuthMethod{Name: name}
			if err := f.set(s, m); err != nil {
				return err
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			if m, _, err = c.ACLAuthMethods().Create(m, nil); err != nil {
				return fmt.Errorf("create auth method: %w", err)
			}
			return result(s, o, m, showMethod)
		},
	}
}

func aclMethodUpdate() verb {
	var f methodFlags
	var o output
	return verb{
		args: "NAME", min: 1, max: 1,
		short: "Change an auth method",
		long:  "Changes what is given and leaves the rest.",
		flags: concat(f.rows(), o.rows()),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			m, _, err := c.ACLAuthMethods().Get(args[0], nil)
			if err != nil {
				return fmt.Errorf("read auth method: %w", err)
			}
			if m == nil {
				return fmt.Errorf("read auth method: %w", errEmpty)
			}
			if err := f.set(s, m); err != nil {
				return err
			}
			if m, _, err = c.ACLAuthMethods().Update(m, nil); err != nil {
				return fmt.Errorf("update auth method: %w", err)
			}
			return result(s, o, m, showMethod)
		},
	}
}

func aclMethodDelete() verb {
	return deletion("NAME...", "Delete auth methods", "auth method", func(_ *session, c *api.Client, name string) error {
		_, err := c.ACLAuthMethods().Delete(name, nil)
		return err
	})
}

func aclMethodInfo() verb {
	return page[api.ACLAuthMethod]{
		args: "NAME", short: "Show an auth method", what: "auth method", list: "selfheal acl auth-method list",
		read: func(_ *session, c *api.Client, name string) (*api.ACLAuthMethod, error) {
			m, _, err := c.ACLAuthMethods().Get(name, nil)
			return m, err
		},
		show: showMethod,
	}.verb()
}

// showMethod is the page about an auth method. The client secret is not shown.
func showMethod(p *printer, m *api.ACLAuthMethod) {
	p.pairs([2]string{"Name", m.Name}, [2]string{"Type", m.Type}, [2]string{"Locality", m.TokenLocality},
		[2]string{"Max Token TTL", m.MaxTokenTTL.String()}, [2]string{"Token Name Format", m.TokenNameFormat},
		[2]string{"Default", fmt.Sprint(m.Default)},
		[2]string{"Create Index", fmt.Sprint(m.CreateIndex)}, [2]string{"Modify Index", fmt.Sprint(m.ModifyIndex)})
	c := m.Config
	if c == nil {
		return
	}
	p.section("Auth Method Config")
	rows := [][2]string{
		{"JWT Validation Public Keys", strings.Join(c.JWTValidationPubKeys, ",")}, {"JWKS URL", c.JWKSURL},
		{"OIDC Discovery URL", c.OIDCDiscoveryURL}, {"OIDC Client ID", c.OIDCClientID}, {"OIDC Scopes", strings.Join(c.OIDCScopes, ",")},
		{"Bound Audiences", strings.Join(c.BoundAudiences, ",")}, {"Bound Issuer", strings.Join(c.BoundIssuer, ",")},
		{"Allowed Redirect URIs", strings.Join(c.AllowedRedirectURIs, ",")}, {"Signing Algorithms", strings.Join(c.SigningAlgs, ",")},
		{"Expiration Leeway", c.ExpirationLeeway.String()}, {"NotBefore Leeway", c.NotBeforeLeeway.String()}, {"ClockSkew Leeway", c.ClockSkewLeeway.String()},
		{"Claim Mappings", mappings(c.ClaimMappings)}, {"List Claim Mappings", mappings(c.ListClaimMappings)},
	}
	p.pairs(rows...)
}

func mappings(m map[string]string) string {
	var out []string
	for _, k := range keys(m) {
		out = append(out, "{"+k+": "+m[k]+"}")
	}
	return strings.Join(out, "; ")
}

func aclMethodList() verb {
	type stub = api.ACLAuthMethodListStub
	return listing[stub]{
		short: "List auth methods", what: "auth methods", none: "No ACL auth methods found",
		columns: []column[stub]{
			{"Name", func(_ *printer, x *stub) string { return x.Name }},
			{"Type", func(_ *printer, x *stub) string { return x.Type }},
			{"Default", func(_ *printer, x *stub) string { return fmt.Sprint(x.Default) }},
		},
		read: func(_ *session, c *api.Client, q *api.QueryOptions, _ []string) ([]*stub, *api.QueryMeta, error) {
			return c.ACLAuthMethods().List(q)
		},
	}.verb()
}
