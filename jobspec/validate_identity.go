package jobspec

import (
	"path"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// defaultIdentity is the name of the identity that every task has.
const defaultIdentity = "default"

// minIdentityTTL is the shortest life of an identity: it is renewed at half of it, and
// a renewal that fails is tried again after seconds.
const minIdentityTTL = 10 * time.Second

// identities judges what a task shows of itself to others.
func (c checker) identities(t *api.Task) {
	names, files := map[string]bool{}, map[string]string{}
	check := func(id *api.WorkloadIdentity) {
		name := id.Name
		if name == "" {
			name = defaultIdentity
		}
		c := c.in("identity %q", name)
		if names[name] {
			c.errorf("there is another of this name: names are unique in a task, and only one may be left out")
		}
		names[name] = true
		c.identity(id, name)
		if at := path.Clean(id.Filepath); id.File && id.Filepath != "" {
			if other := files[at]; other != "" {
				c.errorf("filepath %s is that of identity %q too", id.Filepath, other)
			}
			files[at] = name
		}
	}
	if t.Identity != nil {
		check(t.Identity)
	}
	for _, id := range t.Identities {
		if id != nil {
			check(id)
		}
	}
}

func (c checker) identity(id *api.WorkloadIdentity, name string) {
	if strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && r != '/' && !('a' <= r && r <= 'z') && !('A' <= r && r <= 'Z') && !('0' <= r && r <= '9')
	}) || len(name) > 128 || strings.Contains(name, "..") {
		c.errorf("its name may hold letters, digits, -, _, . and /, at most 128, and no \"..\": it becomes part of a file name")
	}
	if name != defaultIdentity && len(id.Audience) == 0 {
		c.warnf("aud is missing: whoever gets this identity can pass it on to anyone")
	}
	switch {
	case id.TTL < 0:
		c.errorf("ttl cannot be negative (is %s)", id.TTL)
	case id.TTL > 0 && id.TTL < minIdentityTTL:
		c.errorf("ttl must be at least %s (is %s)", minIdentityTTL, id.TTL)
	case id.TTL == 0 && name != defaultIdentity:
		c.warnf("ttl is missing: others will take this identity for as long as they know its key")
	}
	c.oneOf("change_mode", id.ChangeMode, "", "noop", "signal", "restart")
	switch {
	case id.ChangeMode == "signal" && id.ChangeSignal == "":
		c.errorf(`change_signal is missing, which change_mode "signal" needs`)
	case id.ChangeMode != "signal" && id.ChangeSignal != "":
		c.errorf(`change_signal needs change_mode = "signal"`)
	case id.ChangeSignal != "" && !signalName.MatchString(id.ChangeSignal):
		c.errorf("change_signal %q is not the name of a signal, such as SIGHUP", id.ChangeSignal)
	}
	switch {
	case id.Filepath != "" && !id.File:
		c.errorf("filepath needs file = true")
	case id.Filepath != "":
		c.inside("filepath", id.Filepath)
	}
}
