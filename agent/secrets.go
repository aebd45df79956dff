package agent

import (
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/httpapi"
	"github.com/selfheal/selfheal/agent/rootkey"
	"github.com/selfheal/selfheal/agent/state"
)

// openRing opens the root keyring over the state.
func (a *Agent) openRing(store *state.Store) (*rootkey.Ring, error) {
	kek, previous, err := a.cfg.KEKs()
	if err != nil {
		return nil, err
	}
	return rootkey.New(rootkey.Config{State: store, KEK: kek, Previous: previous, Region: a.cfg.Region, Issuer: a.cfg.Server.OIDCIssuer})
}

// identities checks what tasks and nodes show, as the API asks for it.
type identities struct{ ring *rootkey.Ring }

// Verify tells which task shows a token that this cluster signed. A node's identity is
// none to act with.
func (i identities) Verify(token string) (httpapi.Claims, error) {
	c, err := i.ring.Verify(token, time.Now())
	if err == nil && c.AllocID == "" {
		err = fmt.Errorf("%w: it is a node's", rootkey.ErrDenied)
	}
	return httpapi.Claims(c), err
}

// SignTask signs an identity of a task.
func (i identities) SignTask(alloc *state.Alloc, job *api.Job, task string, identity *api.WorkloadIdentity) (httpapi.Token, error) {
	s, err := i.ring.SignWorkload(rootkey.Workload{Alloc: alloc, Job: job, Task: task, Identity: identity}, time.Now())
	return httpapi.Token(s), err
}

// SignNode signs a node's identity.
func (i identities) SignNode(node *state.Node, ttl time.Duration) (httpapi.Token, error) {
	s, err := i.ring.SignNode(node, ttl, time.Now())
	return httpapi.Token(s), err
}

// SignIntroduction signs who a node that is to join will be.
func (i identities) SignIntroduction(name, pool string, ttl time.Duration) (httpapi.Token, error) {
	s, err := i.ring.SignIntroduction(name, pool, ttl, time.Now())
	return httpapi.Token(s), err
}
