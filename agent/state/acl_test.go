package state

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// aclToken is a client token number n.
func aclToken(n string) *api.ACLToken {
	return &api.ACLToken{AccessorID: "accessor-" + n, SecretID: "secret-" + n, Type: "client", Policies: []string{"read"}, CreateTime: epoch}
}

// refused applies a command that must be refused and returns why.
func (l *log) refused(cmd Command) string {
	l.t.Helper()
	err, is := l.apply(cmd).(error)
	if !is {
		l.t.Fatalf("%T was not refused", cmd)
	}
	return err.Error()
}

func TestBootstrapOnce(t *testing.T) {
	l := newLog(t)
	l.must(&BootstrapACL{Token: aclToken("1")})
	done := l.index
	if got := l.refused(&BootstrapACL{Token: aclToken("2")}); got != "ACL bootstrap already done (reset index: 10)" {
		t.Error(got)
	}
	l.refused(&BootstrapACL{Token: aclToken("2"), Reset: done - 1})
	l.must(&BootstrapACL{Token: aclToken("2"), Reset: done})
	l.refused(&BootstrapACL{Token: aclToken("3"), Reset: done}) // the index has moved on
	if l.snap().ACLBootstrapIndex() == done || l.snap().ACLTokenBySecret(nil, "secret-2") == nil {
		t.Error("the reset left no trace")
	}
}

func TestTokensKeepWhatTheyAre(t *testing.T) {
	l := newLog(t)
	first := aclToken("1")
	expires := epoch.Add(time.Hour)
	first.ExpirationTime, first.ExpirationTTL = &expires, time.Hour
	l.must(&UpsertACLTokens{Tokens: []*api.ACLToken{first}})
	again := aclToken("1")
	again.SecretID, again.Name, again.CreateTime = "stolen", "other", time.Time{}
	l.must(&UpsertACLTokens{Tokens: []*api.ACLToken{again}})
	got := l.snap().ACLToken(nil, "accessor-1")
	if got.SecretID != "secret-1" || got.Name != "other" || got.ExpirationTime == nil || got.CreateIndex == got.ModifyIndex || got.CreateTime.IsZero() {
		t.Errorf("%+v", got)
	}
	if l.snap().ACLTokenBySecret(nil, "stolen") != nil {
		t.Error("a secret was changed")
	}
	global := aclToken("1")
	global.Global = true
	if got := l.refused(&UpsertACLTokens{Tokens: []*api.ACLToken{global}}); got != "cannot toggle global mode of ACL token accessor-1" {
		t.Error(got)
	}
	thief := aclToken("2")
	thief.SecretID = "secret-1"
	l.refused(&UpsertACLTokens{Tokens: []*api.ACLToken{thief}})
	l.refused(&UpsertACLTokens{Tokens: []*api.ACLToken{nil}})
	l.refused(&DeleteACLTokens{AccessorIDs: []string{"accessor-1", "nope"}})
	if l.snap().ACLToken(nil, "accessor-1") == nil {
		t.Error("half a command was done")
	}
	l.must(&DeleteACLTokens{AccessorIDs: []string{"accessor-1"}})
	if l.snap().ACLTokenBySecret(nil, "secret-1") != nil {
		t.Error("a deleted token is still found")
	}
}

func TestRolesNeedTheirPolicies(t *testing.T) {
	l := newLog(t)
	role := &api.ACLRole{ID: "r1", Name: "ops", Policies: []*api.ACLRolePolicyLink{{Name: "read"}}}
	if got := l.refused(&UpsertACLRoles{Roles: []*api.ACLRole{role}}); got != "cannot find policy read" {
		t.Error(got)
	}
	l.must(&UpsertACLPolicies{Policies: []*api.ACLPolicy{{Name: "read", Rules: "x"}}})
	l.must(&UpsertACLRoles{Roles: []*api.ACLRole{role}})
	l.refused(&UpsertACLRoles{Roles: []*api.ACLRole{{ID: "r2", Name: "ops", Policies: role.Policies}}})
	linked := aclToken("1")
	linked.Roles = []*api.ACLTokenRoleLink{{ID: "r1"}}
	l.must(&UpsertACLTokens{Tokens: []*api.ACLToken{linked}})
	l.must(&DeleteACLRoles{IDs: []string{"r1"}})
	l.refused(&UpsertACLTokens{Tokens: []*api.ACLToken{linked}})
	if l.snap().ACLRoleByName(nil, "ops") != nil {
		t.Error("a deleted role has its name still")
	}
}

func TestAuthMethodsAndTheirRules(t *testing.T) {
	l := newLog(t)
	rule := &api.ACLBindingRule{ID: "b1", AuthMethod: "sso"}
	l.refused(&UpsertACLBindingRules{Rules: []*api.ACLBindingRule{rule}})
	l.must(&UpsertACLAuthMethods{Methods: []*api.ACLAuthMethod{{Name: "sso", Type: "JWT", Default: true}}})
	l.refused(&UpsertACLAuthMethods{Methods: []*api.ACLAuthMethod{{Name: "other", Type: "JWT", Default: true}}})
	l.must(&UpsertACLAuthMethods{Methods: []*api.ACLAuthMethod{{Name: "oidc", Type: "OIDC", Default: true}}})
	l.must(&UpsertACLBindingRules{Rules: []*api.ACLBindingRule{rule}})
	l.must(&DeleteACLAuthMethods{Names: []string{"sso"}})
	if n := len(slices.Collect(l.snap().ACLBindingRules(nil, ""))); n != 0 {
		t.Errorf("%d binding rules are left of a method that is gone", n)
	}
}

func TestOneTimeTokensWorkOnce(t *testing.T) {
	l := newLog(t)
	l.must(&UpsertOneTimeToken{Token: &api.OneTimeToken{OneTimeSecretID: "a", AccessorID: "accessor-1", ExpiresAt: epoch.Add(time.Hour)}})
	l.must(&UpsertOneTimeToken{Token: &api.OneTimeToken{OneTimeSecretID: "old", ExpiresAt: epoch}})
	if got := l.must(&UseOneTimeToken{Secret: "a"}).(*api.OneTimeToken); got.AccessorID != "accessor-1" {
		t.Errorf("%+v", got)
	}
	l.refused(&UseOneTimeToken{Secret: "a"})
	l.refused(&UseOneTimeToken{Secret: "old"})
	l.must(&ExpireACLTokens{Max: 10})
	if l.snap().OneTimeToken("old") != nil {
		t.Error("an expired one-time token was kept")
	}
}

func TestExpiredTokensGo(t *testing.T) {
	l := newLog(t)
	soon, late := epoch.Add(5*time.Second), epoch.Add(time.Hour)
	for n, at := range map[string]*time.Time{"1": &soon, "2": &late, "3": nil, "4": &soon} {
		token := aclToken(n)
		token.ExpirationTime = at
		l.must(&UpsertACLTokens{Tokens: []*api.ACLToken{token}})
	}
	l.must(&ExpireACLTokens{Max: 10, Keep: int64(time.Minute)})
	if n := len(slices.Collect(l.snap().ACLTokens(nil, ""))); n != 4 {
		t.Errorf("%d tokens within the minute", n)
	}
	l.must(&ExpireACLTokens{Max: 1})
	l.must(&ExpireACLTokens{Max: 1})
	var left []string
	for token := range l.snap().ACLTokens(nil, "") {
		left = append(left, token.AccessorID)
	}
	if !slices.Equal(left, []string{"accessor-2", "accessor-3"}) {
		t.Error(left)
	}
}

// aclFilled is a log whose state has a row in every table of access control.
func aclFilled(t testing.TB) *log {
	l := newLog(t)
	l.must(&UpsertACLPolicies{Policies: []*api.ACLPolicy{{Name: "read", Rules: "x", JobACL: &api.JobACL{JobID: "web"}}}})
	l.must(&UpsertACLRoles{Roles: []*api.ACLRole{{ID: "r1", Name: "ops", Policies: []*api.ACLRolePolicyLink{{Name: "read"}}}}})
	l.must(&BootstrapACL{Token: aclToken("1")})
	token := aclToken("2")
	expires := epoch.Add(time.Hour)
	token.Roles, token.ExpirationTime, token.ExpirationTTL = []*api.ACLTokenRoleLink{{ID: "r1"}}, &expires, time.Hour
	l.must(&UpsertACLTokens{Tokens: []*api.ACLToken{token}})
	l.must(&UpsertACLAuthMethods{Methods: []*api.ACLAuthMethod{{
		Name: "sso", Type: "OIDC", MaxTokenTTL: time.Minute, Config: &api.ACLAuthMethodConfig{OIDCClientSecret: "hush-hush", ClockSkewLeeway: time.Second},
	}}})
	l.must(&UpsertACLBindingRules{Rules: []*api.ACLBindingRule{{ID: "b1", AuthMethod: "sso"}}})
	l.must(&UpsertOneTimeToken{Token: &api.OneTimeToken{OneTimeSecretID: "one", ExpiresAt: expires}})
	return l
}

func TestACLSurvivesARestore(t *testing.T) {
	l := aclFilled(t)
	saved := save(t, l.s)
	other := newLog(t)
	if err := other.s.Restore(bytesReader(saved)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(saved, save(t, other.s)) {
		t.Error("a restored state is not the saved one")
	}
	if got := other.snap().ACLTokenBySecret(nil, "secret-2"); got == nil || got.ExpirationTTL != time.Hour || got.Roles[0].ID != "r1" {
		t.Errorf("%+v", got)
	}
	other.index = l.index
	other.refused(&BootstrapACL{Token: aclToken("9")})
}

func TestACLEventsKeepSecrets(t *testing.T) {
	l := aclFilled(t)
	sub := l.s.Events().Subscribe(1, nil, AllNamespaces)
	var seen []string
	for range 6 {
		ev, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range ev.Events {
			seen = append(seen, string(e.Topic)+" "+e.Type+" "+e.Key)
		}
		text, err := json.Marshal(ev)
		if err != nil || strings.Contains(string(text), "secret-") || strings.Contains(string(text), "hush-hush") {
			t.Errorf("%s %v", text, err)
		}
	}
	want := []string{
		"ACLPolicy ACLPolicyUpserted read", "ACLRole ACLRoleUpserted r1", "ACLToken ACLTokenUpserted accessor-1", "ACLToken ACLTokenUpserted accessor-2",
		"ACLAuthMethod ACLAuthMethodUpserted sso", "ACLBindingRule ACLBindingRuleUpserted b1",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("%q", seen)
	}
	l.must(&DeleteACLTokens{AccessorIDs: []string{"accessor-2"}})
	ev, err := sub.Next(t.Context())
	if err != nil || ev.Events[0].Type != "ACLTokenDeleted" {
		t.Errorf("%+v %v", ev, err)
	}
}

func TestReplicaBecomesLikeItsSource(t *testing.T) {
	l := newLog(t)
	global := aclToken("1")
	global.Global = true
	l.must(&ReplicateACL{
		Policies: []*api.ACLPolicy{{Name: "read", Rules: "x"}}, Roles: []*api.ACLRole{{ID: "r1", Name: "ops"}},
		AuthMethods: []*api.ACLAuthMethod{{Name: "sso"}}, BindingRules: []*api.ACLBindingRule{{ID: "b1", AuthMethod: "sso"}}, Tokens: []*api.ACLToken{global},
	})
	l.must(&ReplicateACL{
		Roles: []*api.ACLRole{{ID: "r2", Name: "ops"}}, // deleted and made again, there
		Gone:  map[string][]string{TableACLPolicies: {"read", "unknown"}, TableACLTokens: {"accessor-1"}, TableACLBindingRules: {"b1"}, TableACLAuthMethods: {"sso"}},
	})
	s := l.snap()
	if s.ACLPolicy(nil, "read") != nil || s.ACLRole(nil, "r1") != nil || s.ACLRoleByName(nil, "ops").ID != "r2" || s.ACLTokenBySecret(nil, "secret-1") != nil ||
		s.ACLAuthMethod(nil, "sso") != nil || s.ACLBindingRule(nil, "b1") != nil {
		t.Error("the replica is not like its source")
	}
}
