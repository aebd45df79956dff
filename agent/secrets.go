package agent

import (
	"time"

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

// Verify tells who shows a token that this cluster signed.
func (i identities) Verify(token string) (httpapi.Claims, error) {
	c, err := i.ring.Verify(token, time.Now())
	return httpapi.Claims(c), err
}
