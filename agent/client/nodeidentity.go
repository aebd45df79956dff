package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/selfheal/selfheal/agent/nodeapi"
)

// ownIdentity is what the node shows of itself to others: a token that servers sign. It
// is asked for when somebody wants it, and again after half of its life.
type ownIdentity struct {
	mu    sync.Mutex
	token *nodeapi.Identity
}

// IdentityClaims are the claims of the node's identity, without its signature.
func (c *Client) IdentityClaims(ctx context.Context) (map[string]any, error) {
	token := c.own.get()
	if token == nil || !time.Now().Before(identityTime{token.Issued, token.Expires}.renewAt()) {
		if err := c.RenewIdentity(ctx); err != nil {
			return nil, err
		}
		token = c.own.get()
	}
	parts := strings.Split(token.JWT, ".")
	if len(parts) != 3 {
		return nil, errors.New("read node identity: it is not a JWT")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, fmt.Errorf("read node identity: %w", err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(text, &claims); err != nil {
		return nil, fmt.Errorf("read node identity: %w", err)
	}
	return claims, nil
}

// RenewIdentity asks servers for another identity of the node, now.
func (c *Client) RenewIdentity(ctx context.Context) error {
	resp, err := c.cfg.Servers.Identities(ctx, nodeapi.IdentitiesRequest{NodeID: c.cfg.NodeID, Node: true})
	switch {
	case err != nil:
		return fmt.Errorf("renew node identity: %w", err)
	case resp.Node == nil:
		return errors.New("renew node identity: the servers answered none")
	case resp.Node.Error != "":
		return fmt.Errorf("renew node identity: %s", resp.Node.Error)
	}
	c.own.set(resp.Node)
	return nil
}

func (o *ownIdentity) get() *nodeapi.Identity {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.token
}

func (o *ownIdentity) set(token *nodeapi.Identity) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.token = token
}
