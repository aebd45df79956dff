package httpapi

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// provider is somebody who says who people are.
type provider struct {
	t   *testing.T
	key crypto.Signer
	alg jose.SignatureAlgorithm
	kid string
}

func newProvider(t *testing.T) *provider {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &provider{t: t, key: key, alg: jose.ES256, kid: "k1"}
}

// pem is the provider's public key.
func (p *provider) pem() string {
	der, err := x509.MarshalPKIXPublicKey(p.key.Public())
	if err != nil {
		p.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// claims are those of a token that is good for the test's method.
func goodClaims() map[string]any {
	return map[string]any{
		"iss": "https://people", "aud": []string{"selfheal", "other"}, "sub": "ann", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		"team": "web", "groups": []string{"eng", "ops"}, "nested": map[string]any{"role": "lead"},
	}
}

func (p *provider) sign(claims map[string]any) string {
	p.t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: p.alg, Key: p.key}, (&jose.SignerOptions{}).WithHeader("kid", p.kid))
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// method is an auth method that trusts a key.
func method(cfg *api.ACLAuthMethodConfig) *api.ACLAuthMethod {
	cfg.SigningAlgs, cfg.BoundAudiences, cfg.BoundIssuer = []string{"ES256"}, []string{"selfheal"}, []string{"https://people"}
	cfg.ClaimMappings = map[string]string{"team": "team", "/nested/role": "role"}
	cfg.ListClaimMappings = map[string]string{"groups": "groups"}
	return &api.ACLAuthMethod{
		Name: "people", Type: "JWT", TokenLocality: "local", MaxTokenTTL: 10 * time.Minute, TokenNameFormat: "${auth_method_name}-${value.team}", Config: cfg,
	}
}

// put sends an object as a manager, which must be taken.
func (g *guarded) put(path string, v any) string {
	g.t.Helper()
	code, text := g.as(g.boss, "PUT", path, asJSON(g.t, v))
	if code != 200 {
		g.t.Fatalf("%s: %d %s", path, code, text)
	}
	return text
}

func (g *guarded) login(token string) (*api.ACLToken, int, string) {
	g.t.Helper()
	code, text := g.as("", "PUT", "/v1/acl/login", asJSON(g.t, &api.ACLLoginRequest{AuthMethodName: "people", LoginToken: token}))
	out := &api.ACLToken{}
	if code == 200 {
		if err := json.Unmarshal([]byte(text), out); err != nil {
			g.t.Fatal(err)
		}
	}
	return out, code, text
}

func TestLoginBindsRolesAndPolicies(t *testing.T) {
	g, p := newGuarded(t), newProvider(t)
	g.put("/v1/acl/auth-method", method(&api.ACLAuthMethodConfig{JWTValidationPubKeys: []string{p.pem()}}))
	g.put("/v1/acl/policy/team-web", &api.ACLPolicy{Name: "team-web", Rules: ns("read-job")})
	g.put("/v1/acl/role", &api.ACLRole{Name: "lead", Policies: []*api.ACLRolePolicyLink{{Name: "team-web"}}})
	for _, rule := range []*api.ACLBindingRule{
		{AuthMethod: "people", BindType: "policy", BindName: "team-${value.team}", Selector: "ops in list.groups"},
		{AuthMethod: "people", BindType: "role", BindName: "${value.role}", Selector: `value.role == "lead"`},
		{AuthMethod: "people", BindType: "policy", BindName: "no-such-policy"},
		{AuthMethod: "people", BindType: "management", Selector: "admins in list.groups"},
		{AuthMethod: "people", BindType: "policy", BindName: "nothing", Selector: `value.unknown == "x"`},
	} {
		g.put("/v1/acl/binding-rule", rule)
	}
	tok, code, text := g.login(p.sign(goodClaims()))
	if code != 200 {
		t.Fatalf("%d %s", code, text)
	}
	if tok.Type != "client" || tok.Name != "people-web" || !slices.Equal(tok.Policies, []string{"team-web"}) || len(tok.Roles) != 1 || tok.Roles[0].Name != "lead" ||
		tok.Global || tok.ExpirationTime == nil || tok.ExpirationTime.Sub(tok.CreateTime) != 10*time.Minute {
		t.Errorf("%+v", tok)
	}
	if code, text := g.as(tok.SecretID, "GET", "/v1/job/web", ""); code != 200 {
		t.Errorf("the token is good for nothing: %d %s", code, text)
	}
	admin := goodClaims()
	admin["groups"] = []string{"admins"}
	if tok, _, text := g.login(p.sign(admin)); tok.Type != "management" || len(tok.Policies) != 0 {
		t.Error(text)
	}
	nobody := goodClaims()
	nobody["groups"], nobody["nested"] = []string{"guests"}, nil
	if _, code, text := g.login(p.sign(nobody)); code != 403 || text != "Permission denied: no role or policy bindings matched" {
		t.Errorf("%d %s", code, text)
	}
}

func TestLoginRefusesWhatIsNotGood(t *testing.T) {
	g, p, stranger := newGuarded(t), newProvider(t), newProvider(t)
	g.put("/v1/acl/auth-method", method(&api.ACLAuthMethodConfig{JWTValidationPubKeys: []string{p.pem()}}))
	g.put("/v1/acl/binding-rule", &api.ACLBindingRule{AuthMethod: "people", BindType: "management"})
	with := func(key string, v any) map[string]any {
		c := goodClaims()
		if c[key] = v; v == nil {
			delete(c, key)
		}
		return c
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := p.sign(goodClaims())
	head, rest, _ := strings.Cut(good, ".")
	noTimes := with("exp", nil)
	delete(noTimes, "iat")
	for name, c := range map[string]struct{ token, want string }{
		"stranger":     {stranger.sign(goodClaims()), "verify the signature"},
		"other alg":    {(&provider{t: t, key: edKey, alg: jose.EdDSA}).sign(goodClaims()), "unexpected signature algorithm"},
		"none":         {"eyJhbGciOiJub25lIn0." + strings.SplitN(rest, ".", 2)[0] + ".", "unexpected signature algorithm"},
		"cut":          {head + ".e30.AA", ""},
		"not a token":  {"hello", ""},
		"long":         {strings.Repeat("a", maxLoginToken+1), "longer than"},
		"issuer":       {p.sign(with("iss", "https://others")), `issuer "https://others" is not bound`},
		"audience":     {p.sign(with("aud", "somebody")), "no audience of the token (somebody) is bound"},
		"no audience":  {p.sign(with("aud", nil)), "no audience"},
		"expired":      {p.sign(with("exp", time.Now().Add(-2*time.Minute).Unix())), "expired"},
		"not yet":      {p.sign(with("nbf", time.Now().Add(2*time.Minute).Unix())), "not valid yet"},
		"no times":     {p.sign(noTimes), "no iat, nbf or exp"},
		"old, no exp":  {p.sign(map[string]any{"iss": "https://people", "aud": "selfheal", "iat": time.Now().Add(-5 * time.Minute).Unix()}), "expired"},
		"wrong method": {"", "missing login token"},
	} {
		t.Run(name, func(t *testing.T) {
			_, code, text := g.login(c.token)
			if (code != 403 && c.token != "" || code == 200) || !strings.Contains(text, c.want) {
				t.Errorf("%d %s", code, text)
			}
		})
	}
	within := with("exp", time.Now().Add(-30*time.Second).Unix()) // a minute of skew is allowed
	if _, code, text := g.login(p.sign(within)); code != 200 {
		t.Errorf("within the leeway: %d %s", code, text)
	}
	if code, text := g.as("", "PUT", "/v1/acl/login", `{"AuthMethodName": "nobody", "LoginToken": "x"}`); code != 400 || text != `auth-method "nobody" not found` {
		t.Errorf("%d %s", code, text)
	}
}

// Keys come from a JWKS document, or from where an issuer says it is; a key that is new
// there is found.
func TestLoginFetchesKeys(t *testing.T) {
	p, fetched := newProvider(t), 0
	set := func() jose.JSONWebKeySet {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: p.kid, Algorithm: "ES256", Use: "sig"}}}
	}
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	defer srv.Close()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		fetched++
		_ = json.NewEncoder(w).Encode(set())
	})
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": srv.URL, "jwks_uri": srv.URL + "/keys"})
	})
	for name, cfg := range map[string]*api.ACLAuthMethodConfig{"jwks": {JWKSURL: srv.URL + "/keys"}, "discovery": {OIDCDiscoveryURL: srv.URL}} {
		t.Run(name, func(t *testing.T) {
			g := newGuarded(t)
			at := time.Now()
			g.API.now = func() time.Time { return at }
			g.put("/v1/acl/auth-method", method(cfg))
			g.put("/v1/acl/binding-rule", &api.ACLBindingRule{AuthMethod: "people", BindType: "management"})
			before := fetched
			for range 3 {
				if _, code, text := g.login(p.sign(goodClaims())); code != 200 {
					t.Fatalf("%d %s", code, text)
				}
			}
			if fetched != before+1 {
				t.Errorf("fetched %d times", fetched-before)
			}
			*p = *newProvider(t)
			p.kid = "next-" + name
			if _, code, _ := g.login(p.sign(goodClaims())); code != 403 {
				t.Error("keys were fetched again within seconds")
			}
			at = at.Add(11 * time.Second)
			if _, code, text := g.login(p.sign(goodClaims())); code != 200 {
				t.Errorf("a new key: %d %s", code, text)
			}
		})
	}
}

func TestWrongAuthMethodsAndRules(t *testing.T) {
	g, p := newGuarded(t), newProvider(t)
	g.put("/v1/acl/auth-method", method(&api.ACLAuthMethodConfig{JWTValidationPubKeys: []string{p.pem()}}))
	change := func(f func(*api.ACLAuthMethod)) *api.ACLAuthMethod {
		m := method(&api.ACLAuthMethodConfig{JWTValidationPubKeys: []string{p.pem()}})
		m.Name = "new"
		f(m)
		return m
	}
	for want, m := range map[string]*api.ACLAuthMethod{
		"invalid name":                 change(func(m *api.ACLAuthMethod) { m.Name = "a b" }),
		"invalid auth-method type":     change(func(m *api.ACLAuthMethod) { m.Type = "SAML" }),
		"invalid token locality":       change(func(m *api.ACLAuthMethod) { m.TokenLocality = "" }),
		"invalid MaxTokenTTL 0s":       change(func(m *api.ACLAuthMethod) { m.MaxTokenTTL = 0 }),
		"invalid MaxTokenTTL 48h0m0s":  change(func(m *api.ACLAuthMethod) { m.MaxTokenTTL = 48 * time.Hour }),
		"Config is missing":            change(func(m *api.ACLAuthMethod) { m.Config = nil }),
		"exactly one of":               change(func(m *api.ACLAuthMethod) { m.Config.JWKSURL = "https://x/y" }),
		"JWTValidationPubKeys[0]":      change(func(m *api.ACLAuthMethod) { m.Config.JWTValidationPubKeys[0] = "x" }),
		"invalid signing algorithm":    change(func(m *api.ACLAuthMethod) { m.Config.SigningAlgs = []string{"HS256"} }),
		"invalid URL":                  change(func(m *api.ACLAuthMethod) { m.Config.OIDCDiscoveryURL = "ftp://x" }),
		"holds no certificate":         change(func(m *api.ACLAuthMethod) { m.Config.JWKSCACert = "x" }),
		"invalid TokenNameFormat":      change(func(m *api.ACLAuthMethod) { m.TokenNameFormat = "${" }),
		"missing OIDCDiscoveryURL":     change(func(m *api.ACLAuthMethod) { m.Type = "OIDC" }),
		"cannot change the type of an": {Name: "people", Type: "OIDC"},
	} {
		if code, text := g.as(g.boss, "PUT", "/v1/acl/auth-method", asJSON(t, m)); code != 400 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", want, code, text)
		}
	}
	for want, r := range map[string]api.ACLBindingRule{
		"auth method is missing":     {BindType: "management"},
		`"nobody" not found`:         {AuthMethod: "nobody", BindType: "management"},
		"invalid bind type":          {AuthMethod: "people", BindType: "root"},
		"bind name is missing":       {AuthMethod: "people", BindType: "role"},
		"bind name should be empty":  {AuthMethod: "people", BindType: "management", BindName: "x"},
		"invalid bind name":          {AuthMethod: "people", BindType: "role", BindName: "${value.x"},
		"invalid selector":           {AuthMethod: "people", BindType: "role", BindName: "x", Selector: "=="},
		"description longer than":    {AuthMethod: "people", BindType: "management", Description: strings.Repeat("x", 257)},
		"cannot specify ID: send it": {ID: newID(), AuthMethod: "people", BindType: "management"},
	} {
		if code, text := g.as(g.boss, "PUT", "/v1/acl/binding-rule", asJSON(t, &r)); code != 400 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", want, code, text)
		}
	}
	if code, _ := g.as(g.boss, "PUT", "/v1/acl/auth-method/nobody", asJSON(t, change(func(m *api.ACLAuthMethod) { m.Name = "nobody" }))); code != 404 {
		t.Errorf("updated a method that is not there: %d", code)
	}
	if code, text := g.as("", "GET", "/v1/acl/auth-methods", ""); code != 200 || strings.Contains(text, "PUBLIC KEY") {
		t.Errorf("%d %s", code, text)
	}
}

func TestWrongTokensRolesAndPolicies(t *testing.T) {
	g := newGuarded(t)
	g.put("/v1/acl/policy/read", &api.ACLPolicy{Name: "read", Rules: ns("read-job")})
	good := newID()
	g.put("/v1/acl/token/"+good, &api.ACLToken{AccessorID: good, SecretID: newID(), Type: "client", Policies: []string{"read"}})
	past := time.Now().Add(-time.Hour)
	for _, c := range []struct {
		path, body string
		code       int
		want       string
	}{
		{"policy/a_b", `{"Rules": "node { policy = \"read\" }"}`, 400, "invalid name"},
		{"policy/a", `{"Name": "b"}`, 400, `policy "b" of the body does not match "a" of the path`},
		{"policy/a", `{"Rules": "node { policy = \"fly\" }"}`, 400, `line 1, column 8: Invalid node policy "fly"`},
		{"policy/a", `{"Rules": ""}`, 400, "the policy has no rules"},
		{"policy/a", asJSON(t, api.ACLPolicy{Description: strings.Repeat("x", 257)}), 400, "description longer than 256"},
		{"policy/a", `{"Rules": "node { policy = \"read\" }", "JobACL": {"Group": "x"}}`, 400, "JobACL.JobID is missing"},
		{"policy/a", `{"Rules": "node { policy = \"read\" }", "JobACL": {"JobID": "a", "Task": "x"}}`, 400, "JobACL.Group is missing"},
		{"token", `{"Type": "root"}`, 400, "token type must be client or management"},
		{"token", `{"Type": "client"}`, 400, "client token missing policies or roles"},
		{"token", `{"Type": "management", "Policies": ["read"]}`, 400, "management token cannot be associated with policies or roles"},
		{"token", `{"Type": "client", "Roles": [{"Name": "nope"}]}`, 400, "cannot find role nope"},
		{"token", `{"Type": "management", "ExpirationTTL": "10s"}`, 400, "expiration time must be 1m0s to 24h0m0s from now (is 10s)"},
		{"token", `{"Type": "management", "ExpirationTTL": "25h"}`, 400, "expiration time must be"},
		{"token", `{"Type": "management", "ExpirationTTL": "-1h"}`, 400, "should not be negative"},
		{"token", asJSON(t, &api.ACLToken{Type: "management", ExpirationTime: &past}), 400, "expiration time must be"},
		{"token", asJSON(t, &api.ACLToken{Type: "management", Name: strings.Repeat("x", 257)}), 400, "token name too long"},
		{"token", `{"AccessorID": "x", "Type": "management"}`, 400, "cannot specify AccessorID"},
		{"token/" + newID(), `{"Type": "client", "Policies": ["read"]}`, 404, "ACL token not found"},
		{"token/x", `{"Type": "client", "Policies": ["read"], "SecretID": "y"}`, 400, "must be UUIDs"},
		{"token/" + newID(), `{"Type": "management", "SecretID": "` + newID() + `"}`, 400, "cannot upload management tokens"},
		{"token/" + good, `{"Type": "management"}`, 400, "cannot change the type of a token"},
		{"token/" + good, `{"Type": "client", "Policies": ["read"], "Global": true}`, 400, "cannot toggle global mode"},
		{"token/" + good, `{"AccessorID": "other"}`, 400, "does not match"},
		{"role", `{"Name": "a"}`, 400, "at least one policy should be specified"},
		{"role", `{"Name": "a", "Policies": [{"Name": "nope"}]}`, 400, "cannot find policy nope"},
		{"role", `{"Name": "", "Policies": [{"Name": "read"}]}`, 400, "invalid name"},
		{"role/" + newID(), `{"Name": "a", "Policies": [{"Name": "read"}]}`, 404, "ACL role not found"},
		{"bootstrap", `{"BootstrapSecret": "x"}`, 400, "invalid acl token"},
	} {
		code, text := g.as(g.boss, "PUT", "/v1/acl/"+c.path, c.body)
		if code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %d %s", c.path, c.body, code, text)
		}
	}
	for path, want := range map[string]string{"policy/nope": "ACL policy not found", "token/nope": "ACL token not found", "role/nope": "ACL role not found"} {
		if code, text := g.as(g.boss, "DELETE", "/v1/acl/"+path, ""); code != 404 || text != want {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	for _, path := range []string{"/v1/acl/tokens", "/v1/acl/tokens?prefix=" + good[:4]} {
		if _, text := g.as(g.boss, "GET", path, ""); strings.Contains(text, "SecretID") || !strings.Contains(text, good) {
			t.Errorf("%s: %s", path, text)
		}
	}
}

func TestBootstrapThroughTheResetFile(t *testing.T) {
	reset := uint64(0)
	g := newGuarded(t, func(c *Config) { c.ACL.ResetIndex = func() uint64 { return reset } })
	if code, text := g.as("", "PUT", "/v1/acl/bootstrap", ""); code != 200 {
		t.Fatalf("%d %s", code, text)
	}
	code, text := g.as("", "PUT", "/v1/acl/bootstrap", "")
	at := g.store.Snapshot().ACLBootstrapIndex()
	if code != 400 || !strings.HasPrefix(text, "ACL bootstrap already done (reset index: ") {
		t.Errorf("%d %s", code, text)
	}
	reset = at
	if code, text := g.as("", "PUT", "/v1/acl/bootstrap", ""); code != 200 {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := g.as("", "PUT", "/v1/acl/bootstrap", ""); code != 400 {
		t.Errorf("the same reset file worked twice: %d", code)
	}
}

func TestOneTimeToken(t *testing.T) {
	g := newGuarded(t)
	var made api.OneTimeTokenUpsertResponse
	if err := json.Unmarshal([]byte(g.put("/v1/acl/token/onetime", struct{}{})), &made); err != nil {
		t.Fatal(err)
	}
	body := asJSON(t, api.OneTimeTokenExchangeRequest{OneTimeSecretID: made.OneTimeToken.OneTimeSecretID})
	if code, text := g.as("", "PUT", "/v1/acl/token/onetime/exchange", body); code != 200 || !strings.Contains(text, g.boss) {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := g.as("", "PUT", "/v1/acl/token/onetime/exchange", body); code != 403 {
		t.Errorf("exchanged twice: %d", code)
	}
	entries := g.raft.applied()
	if code, _ := g.as("", "PUT", "/v1/acl/token/onetime/exchange", `{"OneTimeSecretID": "guess"}`); code != 403 || g.raft.applied() != entries {
		t.Errorf("a guess: %d, or it cost an entry", code)
	}
}

func FuzzLogin(f *testing.F) {
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	p := person{Value: map[string]string{"a": "b"}, List: map[string][]string{"l": {"x"}}}
	snap := func() *state.Snapshot { s, _ := state.New(state.Config{}); return s.Snapshot() }()
	f.Fuzz(func(t *testing.T, text string) {
		if matches, err := newSelector(text); err == nil {
			matches(p)
		}
		_, _ = interpolate(text, map[string]string{"value.a": "b"})
		if _, err := bind(snap, &api.ACLAuthMethod{Name: "m", Type: "JWT", TokenNameFormat: text}, p); err == nil {
			t.Error("a token for nothing")
		}
	})
}
