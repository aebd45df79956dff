package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/selfheal/selfheal/agent/httpapi"
	"github.com/selfheal/selfheal/agent/leader"
	"github.com/selfheal/selfheal/agent/state"
)

// resetFile is where an operator who has lost the last management token proves to have
// the server's disk: a fact of the Nomad API.
const resetFile = "acl-bootstrap-reset"

// accessControl is the acl block as the API takes it.
func (a *Agent) accessControl() httpapi.ACL {
	c := a.cfg.ACL
	out := httpapi.ACL{
		Enabled: c.Enabled, TokenTTL: min(c.TokenTTL, c.PolicyTTL, c.RoleTTL), // an answer holds a token with its policies and roles
		MinTTL: c.TokenMinExpirationTTL, MaxTTL: c.TokenMaxExpirationTTL, AuthoritativeRegion: a.cfg.Server.AuthoritativeRegion,
	}
	if dir := a.serverDir(); dir != "" && a.server != nil {
		out.ResetIndex = func() uint64 { return readReset(filepath.Join(dir, resetFile)) }
	}
	return out
}

// readReset is the number in a reset file, 0 without one.
func readReset(path string) uint64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// leaderACL is what the leader does for access control.
func (a *Agent) leaderACL() leader.ACL {
	out := leader.ACL{Keep: a.cfg.Server.ACLTokenGCThreshold}
	home := a.cfg.Server.AuthoritativeRegion
	switch {
	case !a.cfg.ACL.Enabled || home == "" || home == a.cfg.Region:
	case a.cfg.ACL.ReplicationToken == "":
		a.log.Warn("policies and global tokens are not copied from the authoritative region: set acl { replication_token = ... }", "region", home)
	default:
		out.Source = aclSource{a, home}
	}
	return out
}

// replicaWait is how long the authoritative region may wait for something new, and
// replicaBytes the most that it may answer.
const (
	replicaWait  = time.Minute
	replicaBytes = 256 << 20
)

// aclSource reads what holds in all regions from the servers of the authoritative one.
type aclSource struct {
	a      *Agent
	region string
}

// Fetch implements leader.ACLSource.
func (s aclSource) Fetch(ctx context.Context, index uint64) (*state.ReplicateACL, uint64, error) {
	err := fmt.Errorf("no server of region %q is known", s.region)
	for _, addr := range (peers{s.a}).Servers(s.region) {
		var rows *state.ReplicateACL
		var at uint64
		if rows, at, err = s.from(ctx, addr, index); err == nil {
			return rows, at, nil
		}
	}
	return nil, 0, err
}

func (s aclSource) from(ctx context.Context, addr string, index uint64) (*state.ReplicateACL, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, replicaWait+replicaWait/2)
	defer cancel()
	url := fmt.Sprintf("https://%s%s?index=%d&wait=%s", addr, httpapi.PathReplica, index, replicaWait)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("X-Nomad-Token", s.a.cfg.ACL.ReplicationToken)
	resp, err := s.a.port.Client().Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, replicaBytes))
	if err != nil {
		return nil, 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("server %s: %d %s", addr, resp.StatusCode, body)
	}
	rows := &state.ReplicateACL{}
	if err := json.Unmarshal(body, rows); err != nil {
		return nil, 0, fmt.Errorf("server %s: %w", addr, err)
	}
	at, err := strconv.ParseUint(resp.Header.Get("X-Nomad-Index"), 10, 64)
	if err != nil || at == 0 {
		return nil, 0, errors.Join(fmt.Errorf("server %s answered without an index", addr), err)
	}
	return rows, at, nil
}
