package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// NodeIdentity is the local client's own identity.
type NodeIdentity interface {
	// IdentityClaims are the claims of the node's identity, without its signature.
	IdentityClaims(ctx context.Context) (map[string]any, error)
	// RenewIdentity asks servers for another one, now.
	RenewIdentity(ctx context.Context) error
}

var identityRoutes = []route{
	{method: get, path: "/v1/client/identity", right: nodeRead, where: onNode, do: nodeIdentityInfo},
	{method: put, path: "/v1/client/identity/renew", right: nodeWrite, where: here, do: nodeIdentityRenew},
	{method: put, path: "/v1/acl/identity/client-introduction-token", right: nodeWrite, where: leaderRepeat, do: introductionToken},
}

// nodeIdentityInfo is GET /v1/client/identity (?node_id): its claims, not its token.
func nodeIdentityInfo(a *API, r *request) (any, error) {
	if a.cfg.NodeIdentity == nil {
		return nil, errNotClient
	}
	claims, err := a.cfg.NodeIdentity.IdentityClaims(r.Context())
	if err != nil {
		return nil, err
	}
	return &api.NodeIdentityGetResponse{Claims: claims}, nil
}

// nodeIdentityRenew is PUT /v1/client/identity/renew. The node is named in the body.
func nodeIdentityRenew(a *API, r *request) (any, error) {
	var body api.NodeIdentityRenewRequest
	if err := a.decodeOptional(r, &body); err != nil {
		return nil, err
	}
	if id := cmp.Or(body.NodeID, r.query.Get("node_id")); id != "" {
		r.query.Set("node_id", id)
		u := *r.URL
		u.RawQuery = r.query.Encode()
		r.URL = &u
	}
	if out, done, err := a.carryToNode(r); done {
		return out, err
	}
	if a.cfg.NodeIdentity == nil {
		return nil, errNotClient
	}
	if err := a.cfg.NodeIdentity.RenewIdentity(r.Context()); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

// Limits of introduction tokens. Facts of the Nomad API: 5 minutes by default, 30 at most.
const (
	defaultIntroduction = 5 * time.Minute
	maxIntroduction     = 30 * time.Minute
)

// introductionToken is PUT /v1/acl/identity/client-introduction-token: a token by which a
// new node can be told from a stranger. This version's servers do not ask for one.
func introductionToken(a *API, r *request) (any, error) {
	var body api.ACLIdentityClientIntroductionTokenRequest
	if err := a.decodeOptional(r, &body); err != nil {
		return nil, err
	}
	body.TTL, body.NodePool = cmp.Or(body.TTL, defaultIntroduction), cmp.Or(body.NodePool, api.NodePoolDefault)
	switch {
	case body.TTL < 0 || body.TTL > maxIntroduction:
		return nil, badRequest("TTL %s is out of range: it may be up to %s", body.TTL, maxIntroduction)
	case !validName(body.NodePool):
		return nil, badRequest("invalid node pool %q, must match regex %s", body.NodePool, namePattern)
	case len(body.NodeName) > 256 || strings.ContainsAny(body.NodeName, ":\x00"):
		return nil, badRequest("invalid node name %q", body.NodeName)
	}
	token, err := a.cfg.Signer.SignIntroduction(body.NodeName, body.NodePool, body.TTL)
	if err != nil {
		return nil, &Error{http.StatusInternalServerError, err.Error()}
	}
	return &api.ACLIdentityClientIntroductionTokenResponse{JWT: token.JWT}, nil
}
