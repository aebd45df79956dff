package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

// testSecrets seals by turning the text round: nobody finds it in the log by accident.
type testSecrets struct{ store *state.Store }

func (s testSecrets) Seal(_, _ string, items map[string]string) (string, []byte, error) {
	key := s.store.Snapshot().ActiveRootKey(nil)
	if key == nil {
		return "", nil, errors.New("no key yet")
	}
	text, err := json.Marshal(items)
	slices.Reverse(text)
	return key.KeyID, text, err
}

func (s testSecrets) Open(v *state.Variable) (map[string]string, error) {
	text := slices.Clone(v.Sealed)
	slices.Reverse(text)
	var items map[string]string
	return items, json.Unmarshal(text, &items)
}

func (s testSecrets) Make(publishAt time.Time) (*state.AddRootKey, error) {
	n := 0
	for range s.store.Snapshot().RootKeys(nil) {
		n++
	}
	cmd := &state.AddRootKey{Key: state.RootKey{KEK: "kek", Wrapped: []byte("w")}}
	cmd.Key.KeyID = fmt.Sprintf("key-%d", n)
	if !publishAt.IsZero() {
		cmd.Key.PublishTime = publishAt.UnixNano()
	}
	return cmd, nil
}

func (s testSecrets) Rekey(snap *state.Snapshot, keyID string, _ int) (*state.RekeyVariables, error) {
	cmd := &state.RekeyVariables{}
	for v := range snap.VariablesOfKey(nil, keyID) {
		cmd.Variables = append(cmd.Variables, state.RekeyedVariable{
			Namespace: v.Namespace, Path: v.Path, ModifyIndex: v.ModifyIndex, From: v.KeyID,
			KeyID: snap.ActiveRootKey(nil).KeyID, Sealed: v.Sealed,
		})
	}
	if len(cmd.Variables) == 0 {
		return nil, nil
	}
	return cmd, nil
}

// keyed is an agent with a root key.
func keyed(t *testing.T) *agent {
	ag := newAgent(t)
	cmd, err := testSecrets{ag.store}.Make(time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	ag.must(cmd)
	return ag
}

func (ag *agent) must(cmd state.Command) {
	ag.t.Helper()
	if err, refused := ag.apply(cmd).(error); refused {
		ag.t.Fatal(err)
	}
}

func TestVariableRefusals(t *testing.T) {
	ag := keyed(t)
	long := strings.Repeat("x", 129)
	big := fmt.Sprintf(`{"Items":{"k":%q}}`, strings.Repeat("v", 64<<10))
	for _, tc := range []struct {
		method, path, body string
		code               int
		text               string
	}{
		{"PUT", "/v1/var/a", `{"Path":"a"}`, 400, "variable missing required Items object"},
		{"PUT", "/v1/var/a", `{"Items":{}}`, 400, "variable has no items: give at least one, or delete it"},
		{"PUT", "/v1/var/a", `{"Path":"b","Items":{"k":"v"}}`, 400, `variable path "b" does not match "a" of the URL`},
		{"PUT", "/v1/var/a.b", `{"Items":{"k":"v"}}`, 400, `invalid path "a.b": it must match ^[a-zA-Z0-9-_~/]{1,128}$`},
		{"PUT", "/v1/var/" + long, `{"Items":{"k":"v"}}`, 400, "invalid path"},
		{"PUT", "/v1/var/nomad/x", `{"Items":{"k":"v"}}`, 400, "is reserved"},
		{"PUT", "/v1/var/nomad", `{"Items":{"k":"v"}}`, 400, "is reserved"},
		{"PUT", "/v1/var/a", big, 400, "limited to 64KiB"},
		{"PUT", "/v1/var/a?cas=x", `{"Items":{"k":"v"}}`, 400, `can not parse cas: "x" is not an index`},
		{"PUT", "/v1/var/a?namespace=no", `{"Items":{"k":"v"}}`, 400, `namespace "no" does not exist`},
		{"PUT", "/v1/var/a?namespace=*", `{"Items":{"k":"v"}}`, 400, "name the one that is meant"},
		{"PUT", "/v1/var/a?namespace=default", `{"Namespace":"b","Items":{"k":"v"}}`, 400, "does not match"},
		{"PUT", "/v1/var/a", ``, 400, "Request body is empty"},
		{"GET", "/v1/var/none", ``, 404, "variable not found"},
		{"PUT", "/v1/var/a?lock-acquire&lock-renew", `{}`, 400, "one thing with a lock"},
		{"PUT", "/v1/var/a?lock-operation=steal", `{}`, 400, "unknown lock-operation"},
		{"PUT", "/v1/var/a?lock-acquire", `{"Lock":{"TTL":"9s"}}`, 400, "lock TTL 9s is out of range: it may be 10s to 24h0m0s"},
		{"PUT", "/v1/var/a?lock-acquire", `{"Lock":{"TTL":"25h"}}`, 400, "out of range"},
		{"PUT", "/v1/var/a?lock-acquire", `{"Lock":{"LockDelay":"-1s"}}`, 400, "out of range"},
		{"PUT", "/v1/var/a?lock-acquire", `{"Lock":{"TTL":"soon"}}`, 400, "not a duration"},
		{"PUT", "/v1/var/a?lock-renew", `{}`, 400, "the lock's ID is missing"},
		{"PUT", "/v1/var/a?lock-release", `{"Lock":{"ID":"x"}}`, 409, `"Path":"a"`},
	} {
		code, body, _ := ag.call(tc.method, tc.path, tc.body)
		if code != tc.code || !strings.Contains(body, tc.text) {
			t.Errorf("%s %.60s: %d %s, want %d with %q", tc.method, tc.path, code, body, tc.code, tc.text)
		}
	}
	for v := range ag.store.Snapshot().Variables(nil, "*", "") {
		t.Errorf("a refused write left %s", v.Path)
	}
}

// TestVariableSealed: neither the log nor a saved state shows an item.
func TestVariableSealed(t *testing.T) {
	ag := keyed(t)
	vars := ag.client().Variables()
	if _, _, err := vars.Create(&api.Variable{Path: "nomad/jobs/web", Items: api.VariableItems{"password": "correct-horse"}}, nil); err != nil {
		t.Fatal(err)
	}
	for _, entry := range ag.raft.entries {
		if strings.Contains(string(entry), "correct-horse") || strings.Contains(string(entry), "password") {
			t.Errorf("the log shows the item: %s", entry)
		}
	}
	var saved strings.Builder
	if _, err := ag.store.Snapshot().WriteTo(&saved); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(saved.String(), "nomad/jobs/web") || strings.Contains(saved.String(), "correct-horse") {
		t.Error("the saved state lacks the variable, or shows its item")
	}
	got, _, err := vars.Read("nomad/jobs/web", nil)
	if err != nil || got.Items["password"] != "correct-horse" {
		t.Errorf("read: %v %v", got, err)
	}
}

func TestVariableLists(t *testing.T) {
	ag := keyed(t)
	ag.must(&state.UpsertNamespace{Namespace: &api.Namespace{Name: "prod"}})
	vars := ag.client().Variables()
	for _, v := range []api.Variable{{Path: "a/1"}, {Path: "a/2"}, {Path: "b"}, {Path: "a/1", Namespace: "prod"}} {
		v.Items = api.VariableItems{"k": "v"}
		if _, _, err := vars.Create(&v, nil); err != nil {
			t.Fatal(err)
		}
	}
	names := func(q *api.QueryOptions) (out []string, next string) {
		t.Helper()
		l, meta, err := vars.List(q)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range l {
			out = append(out, v.Namespace+"."+v.Path)
		}
		return out, meta.NextToken
	}
	for _, tc := range []struct {
		q    *api.QueryOptions
		want []string
		next string
	}{
		{&api.QueryOptions{}, []string{"default.a/1", "default.a/2", "default.b"}, ""},
		{&api.QueryOptions{Prefix: "a/"}, []string{"default.a/1", "default.a/2"}, ""},
		{&api.QueryOptions{Namespace: "*", Prefix: "a/1"}, []string{"default.a/1", "prod.a/1"}, ""},
		{&api.QueryOptions{PerPage: 2}, []string{"default.a/1", "default.a/2"}, "default.b"},
		{&api.QueryOptions{PerPage: 2, NextToken: "default.b"}, []string{"default.b"}, ""},
		{&api.QueryOptions{Filter: `Path == "b"`}, []string{"default.b"}, ""},
	} {
		got, next := names(tc.q)
		if diff := cmp.Diff(tc.want, got); diff != "" || next != tc.next {
			t.Errorf("%+v: next %q, want %q; %s", *tc.q, next, tc.next, diff)
		}
	}
	found, _, err := ag.client().Search().PrefixSearch("a/", "vars", nil)
	if err != nil || !slices.Equal(found.Matches["vars"], []string{"a/1", "a/2"}) {
		t.Errorf("search: %+v %v", found, err)
	}
	if code, body, _ := ag.call("DELETE", "/v1/namespace/prod", ""); code != 409 || !strings.Contains(body, `has variables, "a/1" for one`) {
		t.Errorf("deleting a namespace with variables: %d %s", code, body)
	}
}

// TestVariableLock goes through a lock's life as two rivals see it.
func TestVariableLock(t *testing.T) {
	ag := keyed(t)
	c := ag.client()
	spec := api.Variable{Path: "leader", Lock: &api.VariableLock{TTL: "10s", LockDelay: "1s"}}
	mine, err := c.Locks(api.WriteOptions{}, spec)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := c.Locks(api.WriteOptions{}, spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mine.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Acquire(t.Context()); !errors.Is(err, api.ErrLockConflict) {
		t.Errorf("the second to acquire: %v, want a conflict", err)
	}
	_, body, _ := ag.call("PUT", "/v1/var/leader?lock-acquire", `{}`)
	if held := ag.store.Snapshot().VariableLock(nil, "default", "leader"); held == nil || strings.Contains(body, held.ID) {
		t.Errorf("the loser was told the lock's ID, or there is none: %s", body)
	}
	before := ag.store.Snapshot().Index(state.TableVariables)
	if err := mine.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := ag.store.Snapshot().Index(state.TableVariables); after != before {
		t.Errorf("a renewal moved the index of variables from %d to %d", before, after)
	}
	if code, _, _ := ag.call("PUT", "/v1/var/leader", `{"Items":{"k":"v"}}`); code != 409 {
		t.Errorf("writing without the lock's ID: %d, want 409", code)
	}
	if code, _, _ := ag.call("DELETE", "/v1/var/leader", ``); code != 409 {
		t.Errorf("deleting a locked variable: %d, want 409", code)
	}
	id := ag.store.Snapshot().VariableLock(nil, "default", "leader").ID
	if code, body, _ := ag.call("PUT", "/v1/var/leader", `{"Items":{"k":"v"},"Lock":{"ID":"`+id+`"}}`); code != 200 {
		t.Errorf("writing with the lock's ID: %d %s", code, body)
	}
	if code, body, _ := ag.call("PUT", "/v1/var/leader", `{"Items":{"k":"w"},"Lock":{"ID":"`+id+`","TTL":"1m"}}`); code != 400 || !strings.Contains(body, "release it to change them") {
		t.Errorf("changing the terms of a held lock: %d %s", code, body)
	}
	if code, body, _ := ag.call("PUT", "/v1/var/leader", `{"Items":{"k":"v"},"Lock":{"ID":"`+id+`","TTL":"10000ms"}}`); code != 200 {
		t.Errorf("writing with the same terms: %d %s", code, body)
	}
	if err := mine.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Acquire(t.Context()); err != nil {
		t.Errorf("acquiring what was released: %v", err)
	}
	if v, _, err := c.Variables().Read("leader", nil); err != nil || v.Items["k"] != "v" {
		t.Errorf("the items did not outlive the lock: %v %v", v, err)
	}
}

// TestVariableRepeats: a request whose answer got lost is sent again with its token, and
// is answered as the first time.
func TestVariableRepeats(t *testing.T) {
	ag := keyed(t)
	for _, tc := range []struct{ path, body string }{
		{"/v1/var/a?cas=0&idempotency_token=t1", `{"Items":{"k":"v"}}`},
		{"/v1/var/b?lock-acquire&idempotency_token=t2", `{"Items":{"k":"v"}}`},
	} {
		code1, body1, _ := ag.call("PUT", tc.path, tc.body)
		code2, body2, _ := ag.call("PUT", tc.path, tc.body)
		if code1 != 200 || code2 != 200 || body1 != body2 {
			t.Errorf("%s: %d %s, then %d %s", tc.path, code1, body1, code2, body2)
		}
	}
	release := `{"Lock":{"ID":"` + ag.store.Snapshot().VariableLock(nil, "default", "b").ID + `"}}`
	for range 2 {
		if code, body, _ := ag.call("PUT", "/v1/var/b?lock-release&idempotency_token=t3", release); code != 200 {
			t.Errorf("release: %d %s", code, body)
		}
	}
}

func TestRootKeyring(t *testing.T) {
	ag := keyed(t)
	c := ag.client()
	if _, _, err := c.Variables().Create(&api.Variable{Path: "a", Items: api.VariableItems{"k": "v"}}, nil); err != nil {
		t.Fatal(err)
	}
	states := func() (out []string) {
		t.Helper()
		keys, _, err := c.Keyring().List(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			out = append(out, k.KeyID+" "+string(k.State))
		}
		return out
	}
	if _, _, err := c.Keyring().Rotate(&api.KeyringRotateOptions{PublishTime: time.Now().Add(time.Hour).UnixNano()}, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Keyring().Rotate(&api.KeyringRotateOptions{Full: true}, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"key-0 rekeying", "key-1 prepublished", "key-2 active"}, states()); diff != "" {
		t.Error(diff)
	}
	for _, tc := range []struct{ method, path, text string }{
		{"DELETE", "/v1/operator/keyring/key/key-2?force=true", "is active"},
		{"DELETE", "/v1/operator/keyring/key/key-0", "it encrypts variables, a for one"},
		{"DELETE", "/v1/operator/keyring/key/none", "root key not found"},
		{"PUT", "/v1/operator/keyring/rotate?algo=rot13", "unknown algorithm"},
		{"PUT", "/v1/operator/keyring/rotate?publish_time=soon", "invalid publish_time"},
		{"PUT", "/v1/operator/keyring/rotate?publish_time=1&full=true", "exclude each other"},
	} {
		if code, body, _ := ag.call(tc.method, tc.path, ""); code < 400 || !strings.Contains(body, tc.text) {
			t.Errorf("%s %s: %d %s, want %q", tc.method, tc.path, code, body, tc.text)
		}
	}
	if _, err := c.Keyring().Delete(&api.KeyringDeleteOptions{KeyID: "key-0", Force: true}, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"key-1 prepublished", "key-2 active"}, states()); diff != "" {
		t.Error(diff)
	}
	if v, _, err := c.Variables().Read("a", nil); err != nil || v.Items["k"] != "v" {
		t.Errorf("the variable went with the deleted key: %v %v", v, err)
	}
	if code, body, _ := ag.call("GET", "/.well-known/openid-configuration", ""); code != 404 || !strings.Contains(body, "oidc_issuer") {
		t.Errorf("discovery without an issuer: %d %s", code, body)
	}
}
