package rootkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/hashicorp/go-uuid"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

const (
	// Audience is who the default identity is for: this API. Fact of the Nomad API.
	Audience = "nomadproject.io"
	// DefaultIdentity is the name of the identity that every task has.
	DefaultIdentity = "default"
	// leeway is by how much the clocks of two servers may differ.
	leeway = time.Minute
)

// Claims is who shows an identity, after it was verified.
type Claims struct {
	Namespace, JobID, Group, Task, AllocID, Service string
	NodeID                                          string
	Expires                                         time.Time // zero: with its allocation
}

// Workload is what a task's identity says.
type Workload struct {
	Alloc *state.Alloc
	Job   *api.Job
	Task  string
	// Identity is what the job file asks for. No audience: Audience for the default
	// one, none for others. TTL 0: valid as long as its allocation runs.
	Identity *api.WorkloadIdentity
}

// Signed is a token with its time.
type Signed struct {
	JWT     string
	Issued  time.Time
	Expires time.Time // zero: never
}

// SignWorkload makes a task's identity. The claims and the subject
// region:namespace:job:group:task:identity are facts of the Nomad API.
func (r *Ring) SignWorkload(w Workload, now time.Time) (Signed, error) {
	name := w.Identity.Name
	if name == "" {
		name = DefaultIdentity
	}
	audience := w.Identity.Audience
	if len(audience) == 0 && name == DefaultIdentity {
		audience = []string{Audience}
	}
	job := jobOf(w.Job, w.Alloc.JobID)
	claims := map[string]any{
		"nomad_namespace": w.Alloc.Namespace, "nomad_job_id": job, "nomad_allocation_id": w.Alloc.ID, "nomad_task": w.Task,
		"sub": fmt.Sprintf("%s:%s:%s:%s:%s:%s", r.cfg.Region, w.Alloc.Namespace, job, w.Alloc.Group, w.Task, name),
	}
	return r.sign(claims, audience, w.Identity.TTL, now)
}

// jobOf is the job that an identity speaks for: of a dispatched or periodic one the
// parent, which is what people write variables and policies for.
func jobOf(job *api.Job, id string) string {
	if job != nil && job.ParentID != nil && *job.ParentID != "" {
		return *job.ParentID
	}
	return id
}

// SignNode makes a node's identity; its claims are facts of the Nomad API.
func (r *Ring) SignNode(n *state.Node, ttl time.Duration, now time.Time) (Signed, error) {
	claims := map[string]any{
		"nomad_node_id": n.ID, "nomad_node_pool": n.NodePool, "nomad_node_datacenter": n.Datacenter,
		"sub": fmt.Sprintf("node:%s:%s:%s:default", r.cfg.Region, n.NodePool, n.ID),
	}
	if n.NodeClass != "" {
		claims["nomad_node_class"] = n.NodeClass
	}
	return r.sign(claims, []string{Audience}, ttl, now)
}

// SignIntroduction makes a token by which a node that is to join can be told from a
// stranger. name may be empty.
func (r *Ring) SignIntroduction(name, pool string, ttl time.Duration, now time.Time) (Signed, error) {
	claims := map[string]any{"nomad_node_pool": pool, "sub": fmt.Sprintf("node-introduction:%s:%s:%s:default", r.cfg.Region, pool, name)}
	if name != "" {
		claims["nomad_node_name"] = name
	}
	return r.sign(claims, []string{Audience}, ttl, now)
}

// sign adds the registered claims (RFC 7519) and signs with the active key.
func (r *Ring) sign(claims map[string]any, audience []string, ttl time.Duration, now time.Time) (Signed, error) {
	snap := r.cfg.State.Snapshot()
	active := snap.ActiveRootKey(nil)
	if active == nil {
		return Signed{}, ErrNoKey
	}
	k, err := r.unwrap(snap, active)
	if err != nil {
		return Signed{}, fmt.Errorf("sign identity: %w", err)
	}
	id, err := uuid.GenerateUUID()
	if err != nil {
		return Signed{}, fmt.Errorf("sign identity: %w", err)
	}
	out := Signed{Issued: now.Truncate(time.Second)}
	claims["jti"], claims["iat"], claims["nbf"] = id, now.Unix(), now.Unix()
	switch len(audience) {
	case 0:
	case 1:
		claims["aud"] = audience[0]
	default:
		claims["aud"] = audience
	}
	if r.cfg.Issuer != "" {
		claims["iss"] = r.cfg.Issuer
	}
	if ttl > 0 {
		out.Expires = now.Add(ttl).Truncate(time.Second)
		claims["exp"] = out.Expires.Unix()
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: k.signer, KeyID: active.KeyID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return Signed{}, fmt.Errorf("sign identity: %w", err)
	}
	if out.JWT, err = jwt.Signed(signer).Claims(claims).Serialize(); err != nil {
		return Signed{}, fmt.Errorf("sign identity: %w", err)
	}
	return out, nil
}

// ErrDenied: a token that says nothing, or no longer.
var ErrDenied = errors.New("the identity is not valid")

// tokenClaims are those that Verify looks at.
type tokenClaims struct {
	jwt.Claims
	Namespace string `json:"nomad_namespace"`
	Job       string `json:"nomad_job_id"`
	Alloc     string `json:"nomad_allocation_id"`
	Task      string `json:"nomad_task"`
	Service   string `json:"nomad_service"`
	Node      string `json:"nomad_node_id"`
}

// Verify tells who shows a token that this cluster signed for this API. A task's ends
// with its allocation, also before it expires.
func (r *Ring) Verify(token string, now time.Time) (Claims, error) {
	snap := r.cfg.State.Snapshot()
	c, err := r.parse(snap, token)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrDenied, err)
	}
	// The issuer says nothing that the signature does not, and may be configured later.
	expected := jwt.Expected{AnyAudience: jwt.Audience{Audience}, Time: now}
	if err := c.ValidateWithLeeway(expected, leeway); err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrDenied, err)
	}
	if c.Expiry != nil && !now.Before(c.Expiry.Time()) {
		return Claims{}, fmt.Errorf("%w: it has expired", ErrDenied)
	}
	out := Claims{Namespace: c.Namespace, JobID: c.Job, Task: c.Task, AllocID: c.Alloc, Service: c.Service, NodeID: c.Node}
	if c.Expiry != nil {
		out.Expires = c.Expiry.Time()
	}
	if c.Alloc == "" {
		if c.Node == "" || snap.Node(nil, c.Node) == nil {
			return Claims{}, fmt.Errorf("%w: it belongs to no allocation and no node", ErrDenied)
		}
		return out, nil
	}
	a := snap.Alloc(nil, c.Alloc)
	if a == nil || a.ClientTerminal() {
		return Claims{}, fmt.Errorf("%w: its allocation has ended", ErrDenied)
	}
	out.Group, out.NodeID = a.Group, a.NodeID
	return out, nil
}

// parse checks the signature.
func (r *Ring) parse(snap *state.Snapshot, token string) (*tokenClaims, error) {
	odd := func(c rune) bool {
		return c != '-' && c != '_' && c != '.' && !('a' <= c && c <= 'z') && !('A' <= c && c <= 'Z') && !('0' <= c && c <= '9')
	}
	if strings.ContainsFunc(token, odd) { // the library would look past white space, and take other forms
		return nil, errors.New("it is not a JWT in its compact form")
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	if len(parsed.Headers) != 1 {
		return nil, errors.New("it has more than one signature")
	}
	row := snap.RootKey(nil, parsed.Headers[0].KeyID)
	if row == nil {
		return nil, errors.New("no key of this cluster signed it")
	}
	var public jose.JSONWebKey
	if err := json.Unmarshal(row.Public, &public); err != nil {
		return nil, fmt.Errorf("read public key %s: %w", row.KeyID, err)
	}
	var c tokenClaims
	if err := parsed.Claims(public.Key, &c); err != nil {
		return nil, err
	}
	return &c, nil
}

// JWKS is the document of /.well-known/jwks.json: the public half of every key that
// may verify something, now or soon.
func (r *Ring) JWKS() json.RawMessage {
	doc := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	for k := range r.cfg.State.Snapshot().RootKeys(nil) {
		doc.Keys = append(doc.Keys, k.Public)
	}
	text, err := json.Marshal(doc)
	if err != nil { // they are JSON already
		return json.RawMessage(`{"keys":[]}`)
	}
	return text
}

// Discovery is the document of /.well-known/openid-configuration (OpenID Connect
// Discovery 1.0, 3), nil without an issuer.
func (r *Ring) Discovery() any {
	if r.cfg.Issuer == "" {
		return nil
	}
	return struct {
		Issuer   string   `json:"issuer"`
		JWKS     string   `json:"jwks_uri"`
		Response []string `json:"response_types_supported"`
		Subject  []string `json:"subject_types_supported"`
		Signing  []string `json:"id_token_signing_alg_values_supported"`
	}{r.cfg.Issuer, strings.TrimSuffix(r.cfg.Issuer, "/") + "/.well-known/jwks.json", []string{"code"}, []string{"public"}, []string{string(jose.RS256)}}
}
