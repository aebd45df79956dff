package agent

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/config"
)

// boss is the secret of the regions' first token, and the one they copy with.
const boss = "2b778dd9-f5f1-6f29-b4b4-9a5fa948757a"

// twoRegions is a server of the region earth, which is authoritative, one of mars, and a
// client of mars, all with access control.
func twoRegions(t *testing.T, seed uint64) (s *sim, earth, mars, node *simAgent) {
	s = emptySim(t, seed)
	s.expect = 1
	earth, mars, node = s.add(true), s.add(true), s.add(false)
	s.tune = func(a *simAgent, cfg *config.Config) {
		cfg.Region = "mars"
		if a == earth {
			cfg.Region = "earth"
		}
		if a == node {
			cfg.Client.Join.RetryJoin = []string{mars.ip + ":4647"}
		}
		cfg.ACL.Enabled, cfg.ACL.ReplicationToken, cfg.Server.AuthoritativeRegion = true, boss, "earth"
	}
	for _, a := range s.all() {
		a.start()
	}
	return s, earth, mars, node
}

// as is the API of an agent with a token.
func (a *simAgent) as(secret string) *api.Client {
	c := a.s.apiOf(a)
	c.SetSecretID(secret)
	return c
}

func denied(err error) error {
	if err == nil || !strings.Contains(err.Error(), "403") {
		return fmt.Errorf("not denied: %v", err)
	}
	return nil
}

// What holds in all regions is written in one and copied to the others; what is local stays.
func TestAccessControlAcrossRegions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, earth, mars, node := twoRegions(t, 1)
		defer s.stop()
		s.eventually(time.Minute, "bootstrap through the other region", func() error {
			_, _, err := mars.as("").ACLTokens().BootstrapOpts(boss, nil)
			return err
		})
		s.eventually(time.Minute, "the first token, in mars", func() error {
			_, _, err := mars.as(boss).ACLTokens().Self(nil)
			return err
		})
		if err := denied(func() error { _, _, err := mars.as("").Nodes().List(nil); return err }()); err != nil {
			t.Error(err)
		}
		s.eventually(time.Minute, "the node of mars is ready", func() error {
			nodes, _, err := mars.as(boss).Nodes().List(nil)
			if err == nil && (len(nodes) != 1 || nodes[0].Status != api.NodeStatusReady) {
				err = errors.New("not yet")
			}
			return err
		})
		if _, err := mars.as(boss).ACLPolicies().Upsert(&api.ACLPolicy{Name: "look", Rules: "node { policy = \"read\" }\nagent { policy = \"read\" }"}, nil); err != nil {
			t.Fatal(err)
		}
		if p, _, err := earth.as(boss).ACLPolicies().Info("look", nil); err != nil || p.Name != "look" {
			t.Errorf("the policy was not written in earth: %v", err)
		}
		everywhere, _, err := mars.as(boss).ACLTokens().Create(&api.ACLToken{Type: "client", Policies: []string{"look"}, Global: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		here, _, err := mars.as(boss).ACLTokens().Create(&api.ACLToken{Type: "client", Policies: []string{"look"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []*simAgent{earth, mars, node} {
			s.eventually(time.Minute, "the global token, on "+at.name, func() error {
				_, err := at.as(everywhere.SecretID).Agent().Self()
				return err
			})
		}
		if _, _, err := mars.as(here.SecretID).Nodes().List(nil); err != nil {
			t.Errorf("a local token, at home: %v", err)
		}
		if err := denied(func() error { _, _, err := earth.as(here.SecretID).Nodes().List(nil); return err }()); err != nil {
			t.Errorf("a local token, abroad: %v", err)
		}
		if _, err := earth.as(boss).ACLTokens().Delete(everywhere.AccessorID, nil); err != nil {
			t.Fatal(err)
		}
		s.eventually(5*time.Second, "a token deleted in earth is gone in mars", func() error {
			_, _, err := mars.as(everywhere.SecretID).Nodes().List(nil)
			return denied(err)
		})
		s.eventually(time.Minute, "the node forgets it", func() error {
			_, err := node.as(everywhere.SecretID).Agent().Self()
			return denied(err)
		})
		marsGoesOnAlone(t, s, earth, mars, here)
	})
}

// marsGoesOnAlone: without the authoritative region everything that was copied holds;
// when it is back, so does what was changed there meanwhile.
func marsGoesOnAlone(t *testing.T, s *sim, earth, mars *simAgent, token *api.ACLToken) {
	s.net.Unplug(mars.ip)
	if _, err := earth.as(boss).ACLPolicies().Upsert(&api.ACLPolicy{Name: "look", Rules: `agent { policy = "read" }`}, nil); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
	s.net.Plug(mars.ip)
	s.eventually(2*time.Minute, "mars learns what changed while it was cut off", func() error {
		_, _, err := mars.as(token.SecretID).Nodes().List(nil)
		return denied(err)
	})
}

// Expired tokens are refused at once and forgotten later.
func TestExpiredTokensAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := emptySim(t, 0)
		defer s.stop()
		s.expect = 1
		server := s.add(true)
		s.tune = func(_ *simAgent, cfg *config.Config) {
			cfg.ACL.Enabled, cfg.Server.ACLTokenGCThreshold = true, 10*time.Minute
		}
		server.start()
		s.eventually(time.Minute, "bootstrap", func() error {
			_, _, err := server.as("").ACLTokens().BootstrapOpts(boss, nil)
			return err
		})
		token, _, err := server.as(boss).ACLTokens().Create(&api.ACLToken{Type: "management", ExpirationTTL: time.Minute}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := server.as(token.SecretID).Nodes().List(nil); err != nil {
			t.Error(err)
		}
		time.Sleep(61 * time.Second)
		_, _, err = server.as(token.SecretID).Nodes().List(nil)
		if err == nil || !strings.Contains(err.Error(), "ACL token expired") {
			t.Errorf("after its life: %v", err)
		}
		if _, _, err := server.as(boss).ACLTokens().Info(token.AccessorID, nil); err != nil {
			t.Errorf("it is not to be looked at any more: %v", err)
		}
		time.Sleep(20 * time.Minute)
		if _, _, err := server.as(boss).ACLTokens().Info(token.AccessorID, nil); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("it was not forgotten: %v", err)
		}
	})
}
