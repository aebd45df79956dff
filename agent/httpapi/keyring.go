package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Keyring is this agent's keys for gossip.
type Keyring interface {
	// Keys are the keys, the one that encrypts first; none: gossip is not encrypted.
	Keys() [][]byte
	InstallKey(key []byte) error
	UseKey(key []byte) error
	RemoveKey(key []byte) error
}

// keyringWait bounds how long one agent may take to answer: all have to, so the
// slowest decides.
const keyringWait = 10 * time.Second

// keyringVerbs are what a keyring request may do, by the last part of its path.
var keyringVerbs = map[string]func(Keyring, []byte) error{
	"install": Keyring.InstallKey, "use": Keyring.UseKey, "remove": Keyring.RemoveKey,
}

// keyringList is GET /v1/agent/keyring/list: each key, and how many agents have it.
func keyringList(a *API, r *request) (any, error) {
	return a.keyring(r, func(ring Keyring) (*api.KeyringResponse, error) {
		resp := &api.KeyringResponse{Keys: map[string]int{}, NumNodes: 1, Messages: map[string]string{}}
		for _, key := range ring.Keys() {
			resp.Keys[base64.StdEncoding.EncodeToString(key)] = 1
		}
		if len(resp.Keys) == 0 {
			return nil, badRequest("gossip is not encrypted: set server { encrypt = ... } on every agent")
		}
		return resp, nil
	})
}

// keyringChange is PUT /v1/agent/keyring/install, use and remove.
func keyringChange(a *API, r *request) (any, error) {
	var body api.KeyringRequest
	if err := a.decode(r, &body); err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(body.Key)
	if err != nil || len(key) == 0 {
		return nil, badRequest("Key must be the base64 of 16, 24 or 32 bytes")
	}
	verb := keyringVerbs[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
	return a.keyring(r, func(ring Keyring) (*api.KeyringResponse, error) {
		if err := verb(ring, key); err != nil {
			return nil, badRequest("%v", err)
		}
		return &api.KeyringResponse{Keys: map[string]int{}, NumNodes: 1, Messages: map[string]string{}}, nil
	})
}

// keyring does something here and then, unless another agent asks, on all others.
// What this agent refuses goes no further.
func (a *API) keyring(r *request, here func(Keyring) (*api.KeyringResponse, error)) (any, error) {
	if a.cfg.Keyring == nil {
		return nil, notYet("the gossip keyring")
	}
	resp, err := here(a.cfg.Keyring)
	if err != nil || r.Header.Get(headerHops) != "" || a.cfg.Agents == nil {
		return resp, err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, addr := range a.cfg.Agents() {
		if addr == a.cfg.Self {
			continue
		}
		wg.Go(func() {
			other, err := a.askKeyring(r, addr)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				resp.Messages[name] = err.Error()
				return
			}
			resp.NumNodes += other.NumNodes
			for key, n := range other.Keys {
				resp.Keys[key] += n
			}
		})
	}
	wg.Wait()
	if len(resp.Messages) > 0 && r.Method != http.MethodGet {
		return nil, &Error{http.StatusInternalServerError, fmt.Sprintf("%d of %d agents did not do it; repeat the request: %s",
			len(resp.Messages), resp.NumNodes+len(resp.Messages), reasons(resp.Messages))}
	}
	return resp, nil
}

// reasons lists messages by name.
func reasons(messages map[string]string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(messages)) {
		out = append(out, name+": "+messages[name])
	}
	return strings.Join(out, "; ")
}

// askKeyring repeats a keyring request on another agent.
func (a *API) askKeyring(r *request, addr string) (*api.KeyringResponse, error) {
	ctx, cancel := context.WithTimeout(r.Context(), keyringWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, a.cfg.ForwardScheme+"://"+addr+r.URL.EscapedPath(), bytes.NewReader(r.held))
	if err != nil {
		return nil, err
	}
	req.Header.Set(headerHops, "1")
	for _, name := range []string{"X-Nomad-Token", "Authorization"} {
		if v := r.Header.Get(name); v != "" {
			req.Header.Set(name, v)
		}
	}
	resp, err := a.cfg.Forward.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return nil, fmt.Errorf("%s", text)
	}
	out := &api.KeyringResponse{}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return nil, fmt.Errorf("decode the answer: %w", err)
	}
	return out, nil
}
