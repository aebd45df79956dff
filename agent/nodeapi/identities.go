package nodeapi

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// IdentitiesRequest asks for identities (JWT) of tasks of the node's own allocations,
// and for the node's own.
type IdentitiesRequest struct {
	NodeID string
	Tasks  []TaskIdentity
	Node   bool `json:",omitempty"`
}

// TaskIdentity names one identity of a task's job file; Name "" is the default one.
type TaskIdentity struct{ AllocID, Task, Name string }

// IdentitiesResponse answers in the order of the request.
type IdentitiesResponse struct {
	Tasks []Identity
	Node  *Identity `json:",omitempty"`
}

// Identity is a signed identity, or why there is none.
type Identity struct {
	JWT     string
	Issued  time.Time
	Expires time.Time `json:",omitzero"` // zero: with the allocation
	Error   string    `json:",omitempty"`
}

// Identities asks any server to sign identities; hedged like Register.
func (c *Client) Identities(ctx context.Context, req IdentitiesRequest) (*IdentitiesResponse, error) {
	resp, err := race(ctx, c, hedgeAfter, func(ctx context.Context, server string) (*IdentitiesResponse, error) {
		return send[IdentitiesResponse](ctx, c, server, http.MethodPost, PathIdentities, req)
	})
	if err == nil && len(resp.Tasks) != len(req.Tasks) {
		err = fmt.Errorf("%d identities were asked for and %d answered", len(req.Tasks), len(resp.Tasks))
	}
	if err != nil {
		return nil, fmt.Errorf("ask for identities: %w", err)
	}
	return resp, nil
}
