package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/selfheal/selfheal/agent/httpapi"
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
