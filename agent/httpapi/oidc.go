package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Logging in with OpenID Connect, the authorization code flow (OpenID Connect Core 1.0,
// section 3.1; PKCE: RFC 7636):
//
//	user ── auth-url ──▶ leader: keeps state, nonce, PKCE verifier
//	user ── AuthURL ──▶ provider ── code, state ──▶ user's redirect URI
//	user ── complete-auth ──▶ leader ── code ──▶ provider: ID token ──▶ binding rules ──▶ token
//
// What is kept is in the leader's memory only: after a change of leaders the user begins again.

// oidcPatience is how long a user may take to log in at the provider, and maxLogins how
// many may be about to.
const (
	oidcPatience = 5 * time.Minute
	maxLogins    = 1024
)

// providerDoc is what an OIDC provider says of itself (OpenID Connect Discovery 1.0).
type providerDoc struct {
	Issuer   string `json:"issuer"`
	AuthURL  string `json:"authorization_endpoint"`
	TokenURL string `json:"token_endpoint"`
	UserInfo string `json:"userinfo_endpoint"`
}

// oidcLogin is a login under way.
type oidcLogin struct {
	method, redirect, nonce, verifier string
	began                             time.Time
}

// oidcLogins are the logins under way, by their state.
type oidcLogins struct {
	mu      sync.Mutex
	waiting map[string]oidcLogin
}

// add keeps a login, unless too many are under way.
func (l *oidcLogins) add(state string, login oidcLogin) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = map[string]oidcLogin{}
	}
	for s, w := range l.waiting {
		if login.began.Sub(w.began) > oidcPatience {
			delete(l.waiting, s)
		}
	}
	if len(l.waiting) >= maxLogins {
		return &Error{http.StatusTooManyRequests, "too many logins are under way: try again in a few minutes"}
	}
	l.waiting[state] = login
	return nil
}

// take gives a login once, if it is not too old.
func (l *oidcLogins) take(state string, now time.Time) (oidcLogin, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	login, ok := l.waiting[state]
	delete(l.waiting, state)
	return login, ok && now.Sub(login.began) <= oidcPatience
}

// oidcMethod is the auth method of that name, which must be of type OIDC.
func (a *API) oidcMethod(name string) (*api.ACLAuthMethod, error) {
	m := a.cfg.State.Snapshot().ACLAuthMethod(nil, name)
	switch {
	case name == "":
		return nil, badRequest("missing auth method name")
	case m == nil:
		return nil, badRequest("auth-method %q not found", name)
	case m.Type != api.ACLAuthMethodTypeOIDC:
		return nil, badRequest("auth-method %q is of type %s: log in with one of type OIDC", name, m.Type)
	}
	return m, nil
}

// discover asks the provider of an auth method where its endpoints are.
func discover(ctx context.Context, c *api.ACLAuthMethodConfig) (*http.Client, providerDoc, error) {
	var doc providerDoc
	client, err := providerClient(strings.Join(c.DiscoveryCaPem, "\n"))
	if err != nil {
		return nil, doc, err
	}
	err = fetchJSON(ctx, client, strings.TrimSuffix(c.OIDCDiscoveryURL, "/")+"/.well-known/openid-configuration", &doc)
	if err == nil && (doc.AuthURL == "" || doc.TokenURL == "" || doc.Issuer == "") {
		err = errors.New("the provider does not say its issuer, authorization_endpoint and token_endpoint")
	}
	return client, doc, err
}

// secretText is 256 random bits, fit for a URL.
func secretText() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// aclOIDCAuthURL is PUT /v1/acl/oidc/auth-url: where the user has to go to log in.
func aclOIDCAuthURL(a *API, r *request) (any, error) {
	var body api.ACLOIDCAuthURLRequest
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	m, err := a.oidcMethod(body.AuthMethodName)
	if err != nil {
		return nil, err
	}
	switch {
	case body.ClientNonce == "":
		return nil, badRequest("missing client nonce")
	case !slices.Contains(m.Config.AllowedRedirectURIs, body.RedirectURI):
		return nil, badRequest("unauthorized redirect_uri %q: the auth method does not list it in AllowedRedirectURIs", body.RedirectURI)
	}
	ctx, cancel := context.WithTimeout(r.Context(), keysWait)
	defer cancel()
	client, doc, err := discover(ctx, m.Config)
	if err != nil {
		return nil, fmt.Errorf("ask the provider: %w", err)
	}
	defer client.CloseIdleConnections()
	at, err := url.Parse(doc.AuthURL)
	if err != nil {
		return nil, fmt.Errorf("the provider's authorization_endpoint: %w", err)
	}
	state, login := secretText(), oidcLogin{method: m.Name, redirect: body.RedirectURI, nonce: body.ClientNonce, began: a.now()}
	q := at.Query()
	for k, v := range map[string]string{
		"response_type": "code", "client_id": m.Config.OIDCClientID, "redirect_uri": body.RedirectURI, "state": state, "nonce": body.ClientNonce,
		"scope": strings.Join(append([]string{"openid"}, m.Config.OIDCScopes...), " "),
	} {
		q.Set(k, v)
	}
	if m.Config.OIDCEnablePKCE {
		login.verifier = secretText()
		sum := sha256.Sum256([]byte(login.verifier))
		q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		q.Set("code_challenge_method", "S256")
	}
	if err := a.logins.add(state, login); err != nil {
		return nil, err
	}
	at.RawQuery = q.Encode()
	return &api.ACLOIDCAuthURLResponse{AuthURL: at.String()}, nil
}

// aclOIDCCompleteAuth is PUT /v1/acl/oidc/complete-auth: the code that the provider gave
// to the user becomes a token.
func aclOIDCCompleteAuth(a *API, r *request) (any, error) {
	var body api.ACLOIDCCompleteAuthRequest
	if err := a.aclOn(); err != nil {
		return nil, err
	}
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	m, err := a.oidcMethod(body.AuthMethodName)
	if err != nil {
		return nil, err
	}
	login, ok := a.logins.take(body.State, a.now())
	same := ok && login.method == m.Name && login.redirect == body.RedirectURI &&
		subtle.ConstantTimeCompare([]byte(login.nonce), []byte(body.ClientNonce)) == 1
	if !same || body.Code == "" {
		return nil, denied("no such login is under way: begin again")
	}
	ctx, cancel := context.WithTimeout(r.Context(), keysWait)
	defer cancel()
	claims, err := a.exchange(ctx, m.Config, login, body.Code)
	if err != nil {
		a.log.Info("login refused", "method", m.Name, "err", err)
		return nil, denied("log in at the provider: %v", err)
	}
	return a.logIn(r, m, mapClaims(m.Config, claims))
}

// exchange gives the code to the provider and checks the ID token that it answers.
func (a *API) exchange(ctx context.Context, c *api.ACLAuthMethodConfig, login oidcLogin, code string) (map[string]any, error) {
	client, doc, err := discover(ctx, c)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {login.redirect}, "client_id": {c.OIDCClientID}}
	if login.verifier != "" {
		form.Set("code_verifier", login.verifier)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, doc.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.OIDCClientSecret != "" {
		req.SetBasicAuth(url.QueryEscape(c.OIDCClientID), url.QueryEscape(c.OIDCClientSecret))
	}
	var answer struct {
		IDToken     string `json:"id_token"`
		AccessToken string `json:"access_token"`
	}
	if err := doJSON(client, req, &answer); err != nil {
		return nil, err
	}
	bound := *c // an ID token is for the client that asked, by the issuer that was asked
	bound.BoundIssuer, bound.BoundAudiences = []string{doc.Issuer}, []string{c.OIDCClientID}
	claims, err := a.verifyLogin(ctx, &bound, answer.IDToken)
	if err != nil {
		return nil, fmt.Errorf("the ID token: %w", err)
	}
	nonce, _ := claims["nonce"].(string)
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(login.nonce)) != 1 {
		return nil, errors.New("the ID token is of another login (its nonce differs)")
	}
	if len(c.BoundAudiences) > 0 && !slices.ContainsFunc(audiences(claims), func(aud string) bool { return slices.Contains(c.BoundAudiences, aud) }) {
		return nil, errors.New("no audience of the ID token is bound to the auth method")
	}
	if doc.UserInfo == "" || c.OIDCDisableUserInfo || answer.AccessToken == "" {
		return claims, nil
	}
	return claims, addUserInfo(ctx, client, doc.UserInfo, answer.AccessToken, claims)
}

// audiences are the aud claim, which may be one text or several.
func audiences(claims map[string]any) []string {
	var out []string
	switch aud := claims["aud"].(type) {
	case string:
		out = append(out, aud)
	case []any:
		for _, v := range aud {
			if s, ok := v.(string); ok {
				out = append(out, s)
			}
		}
	}
	return out
}

// addUserInfo adds what the provider tells of a user beyond the ID token, whose own
// claims stand.
func addUserInfo(ctx context.Context, client *http.Client, at, token string, claims map[string]any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	more := map[string]any{}
	if err := doJSON(client, req, &more); err != nil {
		return fmt.Errorf("user info: %w", err)
	}
	if more["sub"] != claims["sub"] {
		return errors.New("the user info is of another user (its sub differs)")
	}
	for k, v := range more {
		if _, known := claims[k]; !known {
			claims[k] = v
		}
	}
	return nil
}
