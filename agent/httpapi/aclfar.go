package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/acl"
)

// pathWho answers, on the cluster port, who has the token of the request and what
// policies hold for it.
const pathWho = "/v1/internal/acl/who"

// whoTimeout bounds how long a request waits to learn whose its token is.
const whoTimeout = 5 * time.Second

// maxWho bounds the answer in bytes, and maxKnown how many are kept.
const (
	maxWho   = 8 << 20
	maxKnown = 4096
)

// whoAnswer is the answer of pathWho.
type whoAnswer struct {
	Management bool             `json:",omitempty"`
	Token      *api.ACLToken    `json:",omitempty"` // without its secret: who asks has it
	Claims     *Claims          `json:",omitempty"`
	Policies   []*api.ACLPolicy `json:",omitempty"`
}

// aclWho is GET pathWho.
func aclWho(_ *API, r *request) (any, error) {
	out := whoAnswer{Management: r.rights().Management(), Claims: r.caller.claims, Policies: r.caller.policies}
	if r.caller.token != nil {
		token := *r.caller.token
		token.SecretID = ""
		out.Token = &token
	}
	return out, nil
}

// callers remembers what servers said of tokens. The keys are hashes: the secrets of
// others are not to lie about in this agent's memory.
type callers struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]knownCaller
}

type knownCaller struct {
	caller
	at time.Time
}

func newCallers() *callers { return &callers{known: map[[sha256.Size]byte]knownCaller{}} }

func (c *callers) get(secret string) (knownCaller, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.known[sha256.Sum256([]byte(secret))]
	return k, ok
}

func (c *callers) put(secret string, who caller, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxKnown {
		clear(c.known)
	}
	c.known[sha256.Sum256([]byte(secret))] = knownCaller{who, at}
}

func (c *callers) drop(secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, sha256.Sum256([]byte(secret)))
}

// askWho asks servers who sends a request, unless it is known still. While no server
// answers, what was known goes on to hold: people need their logs most during an
// outage. A token's own expiry holds in any case.
func (a *API) askWho(r *request, servers []string) (caller, error) {
	secret := r.secret()
	known, have := a.callers.get(secret)
	have = have && a.cfg.State == nil // a server asks its leader just because it does not know yet
	if have && !known.expires().IsZero() && !a.now().Before(known.expires()) {
		a.callers.drop(secret)
		return caller{}, errTokenExpired
	}
	if have && a.now().Sub(known.at) < cmp.Or(a.cfg.ACL.TokenTTL, defaultTokenTTL) {
		return known.caller, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), whoTimeout)
	defer cancel()
	err := error(errNotServer)
	for _, addr := range servers {
		var who caller
		var refused *Error
		if who, refused, err = a.askOne(ctx, r, addr); err != nil {
			continue
		}
		if refused != nil {
			a.callers.drop(secret)
			return caller{}, refused
		}
		a.callers.put(secret, who, a.now())
		return who, nil
	}
	if have {
		a.log.Warn("no server says whose a token is: what it said last holds", "err", err)
		return known.caller, nil
	}
	return caller{}, &Error{http.StatusInternalServerError, fmt.Sprintf("find out whose the token is: %v", err)}
}

// askOne asks one server; refused is its answer to a token that is not valid.
func (a *API) askOne(ctx context.Context, r *request, addr string) (who caller, refused *Error, err error) {
	hops, _ := strconv.Atoi(r.Header.Get(headerHops))
	if hops >= maxHops {
		return caller{}, nil, fmt.Errorf("the question was forwarded too often")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.cfg.ForwardScheme+"://"+addr+pathWho, nil)
	if err != nil {
		return caller{}, nil, err
	}
	req.Header.Set(headerHops, strconv.Itoa(hops+1))
	if secret := r.secret(); secret != "" {
		req.Header.Set("X-Nomad-Token", secret)
	}
	resp, err := a.cfg.Forward.Do(req)
	if err != nil {
		return caller{}, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxWho))
	if err != nil {
		return caller{}, nil, err
	}
	switch {
	case resp.StatusCode == http.StatusForbidden:
		return caller{}, &Error{resp.StatusCode, string(body)}, nil
	case resp.StatusCode != http.StatusOK:
		return caller{}, nil, fmt.Errorf("server %s: %d %s", addr, resp.StatusCode, body)
	}
	var answer whoAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return caller{}, nil, fmt.Errorf("server %s: %w", addr, err)
	}
	who = caller{far: true, token: answer.Token, claims: answer.Claims, policies: answer.Policies, acl: acl.Everything}
	if !answer.Management {
		who.acl, err = a.compiled.of(who.policies)
	}
	return who, nil, err
}
