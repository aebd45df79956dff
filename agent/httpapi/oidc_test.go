package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/hashicorp/nomad/api"
)

// oidcProvider is an OpenID Connect provider whose users log in as the test says.
type oidcProvider struct {
	*provider
	*httptest.Server
	challenge string // of the login under way
	claims    map[string]any
	info      map[string]any
}

const callback = "http://localhost:4649/oidc/callback"

func newOIDCProvider(t *testing.T) *oidcProvider {
	mux := http.NewServeMux()
	p := &oidcProvider{provider: newProvider(t), Server: httptest.NewServer(mux)}
	t.Cleanup(p.Close)
	answer := func(path string, f func(*http.Request) (any, int)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			v, code := f(r)
			w.WriteHeader(code)
			_ = json.NewEncoder(w).Encode(v)
		})
	}
	answer("/.well-known/openid-configuration", func(*http.Request) (any, int) {
		return map[string]string{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/auth?tenant=1", "token_endpoint": p.URL + "/token", "userinfo_endpoint": p.URL + "/info",
		}, 200
	})
	answer("/keys", func(*http.Request) (any, int) {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: p.kid}}}, 200
	})
	answer("/token", func(r *http.Request) (any, int) {
		id, secret, _ := r.BasicAuth()
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		verified := p.challenge == base64.RawURLEncoding.EncodeToString(sum[:])
		if id != "cli" || secret != "s%3Ccret" || !verified || r.FormValue("code") != "good" || r.FormValue("redirect_uri") != callback {
			return map[string]string{"error": "invalid_grant"}, 400
		}
		return map[string]string{"id_token": p.sign(p.claims), "access_token": "at"}, 200
	})
	answer("/info", func(r *http.Request) (any, int) {
		if r.Header.Get("Authorization") != "Bearer at" {
			return nil, 401
		}
		return p.info, 200
	})
	return p
}

// begin asks for the URL and plays the user's browser: it gives the state.
func (g *guarded) begin(p *oidcProvider) (state string) {
	g.t.Helper()
	body := asJSON(g.t, api.ACLOIDCAuthURLRequest{AuthMethodName: "people", RedirectURI: callback, ClientNonce: "nonce-1"})
	code, text := g.as("", "PUT", "/v1/acl/oidc/auth-url", body)
	var resp api.ACLOIDCAuthURLResponse
	if err := json.Unmarshal([]byte(text), &resp); code != 200 || err != nil {
		g.t.Fatalf("%d %s", code, text)
	}
	at, err := url.Parse(resp.AuthURL)
	if err != nil {
		g.t.Fatal(err)
	}
	q := at.Query()
	for k, want := range map[string]string{
		"response_type": "code", "client_id": "cli", "redirect_uri": callback, "scope": "openid groups", "nonce": "nonce-1", "code_challenge_method": "S256", "tenant": "1",
	} {
		if q.Get(k) != want {
			g.t.Errorf("%s is %q, want %q", k, q.Get(k), want)
		}
	}
	p.challenge = q.Get("code_challenge")
	now := time.Now().Unix()
	p.claims = map[string]any{"iss": p.URL, "aud": "cli", "sub": "ann", "iat": now, "exp": now + 60, "nonce": q.Get("nonce"), "groups": []string{"eng"}}
	p.info = map[string]any{"sub": "ann", "team": "web", "groups": []string{"admins"}}
	return q.Get("state")
}

func (g *guarded) complete(state, code string) (int, string) {
	g.t.Helper()
	return g.as("", "PUT", "/v1/acl/oidc/complete-auth", asJSON(g.t, api.ACLOIDCCompleteAuthRequest{
		AuthMethodName: "people", ClientNonce: "nonce-1", State: state, Code: code, RedirectURI: callback,
	}))
}

func oidcGuarded(t *testing.T, p *oidcProvider) *guarded {
	g := newGuarded(t)
	g.put("/v1/acl/auth-method", &api.ACLAuthMethod{
		Name: "people", Type: "OIDC", TokenLocality: "local", MaxTokenTTL: time.Hour, Config: &api.ACLAuthMethodConfig{
			OIDCDiscoveryURL: p.URL, OIDCClientID: "cli", OIDCClientSecret: "s<cret", OIDCEnablePKCE: true, OIDCScopes: []string{"groups"},
			AllowedRedirectURIs: []string{callback}, SigningAlgs: []string{"ES256"},
			ClaimMappings: map[string]string{"team": "team"}, ListClaimMappings: map[string]string{"groups": "groups"},
		},
	})
	g.put("/v1/acl/policy/web", &api.ACLPolicy{Name: "web", Rules: ns("read-job")})
	g.put("/v1/acl/binding-rule", &api.ACLBindingRule{AuthMethod: "people", BindType: "policy", BindName: "${value.team}", Selector: "eng in list.groups"})
	g.put("/v1/acl/binding-rule", &api.ACLBindingRule{AuthMethod: "people", BindType: "management", Selector: "admins in list.groups"})
	return g
}

func TestOIDCLogin(t *testing.T) {
	p := newOIDCProvider(t)
	g := oidcGuarded(t, p)
	state := g.begin(p)
	code, text := g.complete(state, "good")
	var tok api.ACLToken
	if err := json.Unmarshal([]byte(text), &tok); code != 200 || err != nil {
		t.Fatalf("%d %s", code, text)
	}
	// The user info adds the team; it does not make an administrator of ann.
	if tok.Type != "client" || len(tok.Policies) != 1 || tok.Policies[0] != "web" || tok.Name != "OIDC-people" || tok.ExpirationTTL != time.Hour {
		t.Errorf("%+v", tok)
	}
	if code, text := g.complete(state, "good"); code != 403 || text != "Permission denied: no such login is under way: begin again" {
		t.Errorf("the same login twice: %d %s", code, text)
	}
}

func TestOIDCLoginRefuses(t *testing.T) {
	p := newOIDCProvider(t)
	g := oidcGuarded(t, p)
	for name, c := range map[string]struct {
		change func()
		code   string
		want   string
	}{
		"wrong code":       {func() {}, "bad", "400 Bad Request"},
		"wrong verifier":   {func() { p.challenge = "other" }, "good", "400 Bad Request"},
		"other nonce":      {func() { p.claims["nonce"] = "nonce-2" }, "good", "its nonce differs"},
		"other issuer":     {func() { p.claims["iss"] = "https://others" }, "good", "is not bound"},
		"other client":     {func() { p.claims["aud"] = "another" }, "good", "is bound"},
		"expired":          {func() { p.claims["exp"] = time.Now().Add(-time.Hour).Unix() }, "good", "expired"},
		"other user":       {func() { p.info["sub"] = "bob" }, "good", "its sub differs"},
		"nothing is bound": {func() { p.claims["groups"] = nil; delete(p.claims, "groups"); p.info = map[string]any{"sub": "ann"} }, "good", "no role or policy bindings matched"},
		"no code":          {func() {}, "", "no such login is under way"},
	} {
		t.Run(name, func(t *testing.T) {
			state := g.begin(p)
			c.change()
			if code, text := g.complete(state, c.code); code != 403 || !strings.Contains(text, c.want) {
				t.Errorf("%d %s", code, text)
			}
		})
	}
	if code, _ := g.complete("no-such-state", "good"); code != 403 {
		t.Error(code)
	}
	state := g.begin(p)
	g.API.now = func() time.Time { return time.Now().Add(oidcPatience + time.Minute) }
	if code, _ := g.complete(state, "good"); code != 403 {
		t.Errorf("a login of long ago: %d", code)
	}
	body := asJSON(t, api.ACLOIDCAuthURLRequest{AuthMethodName: "people", RedirectURI: "http://evil/", ClientNonce: "n"})
	if code, text := g.as("", "PUT", "/v1/acl/oidc/auth-url", body); code != 400 || !strings.HasPrefix(text, `unauthorized redirect_uri "http://evil/"`) {
		t.Errorf("%d %s", code, text)
	}
	body = asJSON(t, api.ACLOIDCAuthURLRequest{AuthMethodName: "people", RedirectURI: callback})
	if code, _ := g.as("", "PUT", "/v1/acl/oidc/auth-url", body); code != 400 {
		t.Errorf("no nonce: %d", code)
	}
}

func TestLoginsUnderWayAreBounded(t *testing.T) {
	var l oidcLogins
	at := time.Unix(1_000_000, 0)
	for range maxLogins {
		if err := l.add(secretText(), oidcLogin{began: at}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.add("one more", oidcLogin{began: at}); err == nil {
		t.Error("more logins are kept than memory was given")
	}
	if err := l.add("later", oidcLogin{began: at.Add(oidcPatience + time.Second)}); err != nil || len(l.waiting) != 1 {
		t.Errorf("%v, %d kept", err, len(l.waiting))
	}
}
