package httpapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/hashicorp/go-cleanhttp"
	"github.com/hashicorp/nomad/api"
	"github.com/mitchellh/pointerstructure"
)

// signingAlgs are the signatures that an auth method may accept: all are of public keys.
var signingAlgs = []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}

// Leeways where an auth method sets none: facts of the Nomad API.
const (
	expiryLeeway = 150 * time.Second
	skewLeeway   = 60 * time.Second
)

// Keys of an identity provider are fetched at most every keysFresh, and again for a key
// that is not among them, but not more often than keysAgain: whoever may try to log in
// must not be able to make this server a hammer.
const (
	keysFresh = 5 * time.Minute
	keysAgain = 10 * time.Second
	keysWait  = 10 * time.Second
	maxKeys   = 1 << 20 // bytes
)

// maxLoginToken bounds a login token in bytes.
const maxLoginToken = 64 << 10

// verifyLogin checks a JWT as an auth method says, and gives its claims.
func (a *API) verifyLogin(ctx context.Context, c *api.ACLAuthMethodConfig, text string) (map[string]any, error) {
	if len(text) > maxLoginToken {
		return nil, fmt.Errorf("the token is longer than %d bytes", maxLoginToken)
	}
	algs := []jose.SignatureAlgorithm{jose.RS256}
	if len(c.SigningAlgs) > 0 {
		algs = nil
		for _, alg := range c.SigningAlgs {
			algs = append(algs, jose.SignatureAlgorithm(alg))
		}
	}
	token, err := jwt.ParseSigned(text, algs)
	if err != nil {
		return nil, err
	}
	kid := ""
	if len(token.Headers) > 0 {
		kid = token.Headers[0].KeyID
	}
	keys, err := a.loginKeys(ctx, c, kid)
	if err != nil {
		return nil, err
	}
	var std jwt.Claims
	var all map[string]any
	err = errors.New("no known key")
	for _, key := range keys {
		if kid != "" && key.KeyID != "" && key.KeyID != kid {
			continue
		}
		if err = token.Claims(key.Key, &std, &all); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("verify the signature: %w", err)
	}
	return all, checkClaims(c, std, a.now())
}

// checkClaims holds the standard claims of a verified token against the auth method.
func checkClaims(c *api.ACLAuthMethodConfig, std jwt.Claims, now time.Time) error {
	if len(c.BoundIssuer) > 0 && !slices.Contains(c.BoundIssuer, std.Issuer) {
		return fmt.Errorf("issuer %q is not bound to the auth method", std.Issuer)
	}
	if len(c.BoundAudiences) > 0 && !slices.ContainsFunc(c.BoundAudiences, func(aud string) bool { return std.Audience.Contains(aud) }) {
		return fmt.Errorf("no audience of the token (%s) is bound to the auth method", strings.Join(std.Audience, ", "))
	}
	leeway := func(set, def time.Duration) time.Duration { return max(0, cmp.Or(set, def)) }
	skew := leeway(c.ClockSkewLeeway, skewLeeway)
	var expiry, begin time.Time
	switch {
	case std.NotBefore != nil:
		begin = std.NotBefore.Time()
	case std.IssuedAt != nil:
		begin = std.IssuedAt.Time()
	case std.Expiry != nil && c.NotBeforeLeeway > 0:
		begin = std.Expiry.Time().Add(-c.NotBeforeLeeway)
	}
	switch {
	case std.Expiry != nil:
		expiry = std.Expiry.Time()
	case begin.IsZero():
		return errors.New("the token has no iat, nbf or exp: nothing says for how long it is good")
	default:
		expiry = begin.Add(leeway(c.ExpirationLeeway, expiryLeeway))
	}
	switch {
	case !now.Before(expiry.Add(skew)):
		return errors.New("the token has expired")
	case !begin.IsZero() && now.Before(begin.Add(-skew)):
		return errors.New("the token is not valid yet")
	}
	return nil
}

// publicKey reads a public key, or the key of a certificate, in PEM.
func publicKey(text string) (any, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("no key in PEM")
	}
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return cert.PublicKey, nil
	}
	return nil, fmt.Errorf("a %s is no public key", block.Type)
}

// loginKeys are the keys that an auth method trusts.
func (a *API) loginKeys(ctx context.Context, c *api.ACLAuthMethodConfig, kid string) ([]jose.JSONWebKey, error) {
	var keys []jose.JSONWebKey
	for _, text := range c.JWTValidationPubKeys {
		key, err := publicKey(text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, jose.JSONWebKey{Key: key})
	}
	switch {
	case len(keys) > 0:
		return keys, nil
	case c.JWKSURL != "":
		return a.keys.get(ctx, keySource{c.JWKSURL, c.JWKSCACert, false}, kid, a.now())
	}
	return a.keys.get(ctx, keySource{c.OIDCDiscoveryURL, strings.Join(c.DiscoveryCaPem, "\n"), true}, kid, a.now())
}

// keySource is where keys come from: a JWKS document, or an issuer that says where one is.
type keySource struct {
	url, ca  string
	discover bool
}

// keyCache holds the keys of identity providers.
type keyCache struct {
	mu  sync.Mutex
	got map[keySource]fetchedKeys
}

type fetchedKeys struct {
	at   time.Time
	keys []jose.JSONWebKey
}

// get gives a source's keys, fresh ones when kid is not among them.
func (k *keyCache) get(ctx context.Context, from keySource, kid string, now time.Time) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	have, ok := k.got[from]
	k.mu.Unlock()
	known := func(key jose.JSONWebKey) bool { return kid == "" || key.KeyID == kid }
	age := now.Sub(have.at)
	if ok && (age < keysAgain || age < keysFresh && slices.ContainsFunc(have.keys, known)) {
		return have.keys, nil
	}
	keys, err := fetchKeys(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("fetch the provider's keys: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.got == nil || len(k.got) > maxTerms {
		k.got = map[keySource]fetchedKeys{}
	}
	k.got[from] = fetchedKeys{now, keys}
	return keys, nil
}

// fetchKeys reads a provider's keys; of an issuer it first asks where they are.
func fetchKeys(ctx context.Context, from keySource) ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(ctx, keysWait)
	defer cancel()
	client, err := providerClient(from.ca)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	at := from.url
	if from.discover {
		var doc struct {
			JWKSURI string `json:"jwks_uri"`
		}
		if err := fetchJSON(ctx, client, strings.TrimSuffix(from.url, "/")+"/.well-known/openid-configuration", &doc); err != nil {
			return nil, err
		}
		at = doc.JWKSURI
	}
	var set jose.JSONWebKeySet
	if err := fetchJSON(ctx, client, at, &set); err != nil {
		return nil, err
	}
	return set.Keys, nil
}

// providerClient trusts the CA of an auth method, or those of the system.
func providerClient(ca string) (*http.Client, error) {
	transport := cleanhttp.DefaultTransport()
	if strings.TrimSpace(ca) != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(ca)) {
			return nil, errors.New("the CA of the auth method holds no certificate in PEM")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport}, nil
}

func fetchJSON(ctx context.Context, client *http.Client, url string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	return doJSON(client, req, out)
}

// doJSON makes a request to a provider, whose answer is JSON.
func doJSON(client *http.Client, req *http.Request, out any) error {
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeys))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", req.URL, resp.Status)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s: %w", req.URL, err)
	}
	return nil
}

// mapClaims turns claims into what the auth method's rules look at. A claim is named, or
// written as a JSON pointer when it lies deeper.
func mapClaims(c *api.ACLAuthMethodConfig, claims map[string]any) person {
	p := person{Value: map[string]string{}, List: map[string][]string{}}
	for claim, name := range c.ClaimMappings {
		if v, ok := claimText(claimAt(claims, claim)); ok {
			p.Value[name] = v
		}
	}
	for claim, name := range c.ListClaimMappings {
		switch v := claimAt(claims, claim).(type) {
		case []any:
			for _, e := range v {
				if s, ok := claimText(e); ok {
					p.List[name] = append(p.List[name], s)
				}
			}
		default:
			if s, ok := claimText(v); ok {
				p.List[name] = []string{s}
			}
		}
	}
	return p
}

func claimAt(claims map[string]any, name string) any {
	if !strings.HasPrefix(name, "/") {
		return claims[name]
	}
	v, err := pointerstructure.Get(claims, name)
	if err != nil {
		return nil
	}
	return v
}

// claimText is a claim of one word, number or truth as text.
func claimText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case json.Number:
		return v.String(), true
	}
	return "", false
}
