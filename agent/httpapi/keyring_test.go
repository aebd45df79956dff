package httpapi

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
)

// testKeyring is a keyring in memory.
type testKeyring struct {
	mu   sync.Mutex
	keys []string
	fail error
}

func (k *testKeyring) Keys() (out [][]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.keys {
		out = append(out, []byte(key))
	}
	return out
}

func (k *testKeyring) change(how func()) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail == nil {
		how()
	}
	return k.fail
}

func (k *testKeyring) InstallKey(key []byte) error {
	return k.change(func() { k.keys = append(k.keys, string(key)) })
}

func (k *testKeyring) UseKey(key []byte) error {
	return k.change(func() { k.keys = slices.Insert(k.without(key), 0, string(key)) })
}

func (k *testKeyring) RemoveKey(key []byte) error {
	return k.change(func() { k.keys = k.without(key) })
}

func (k *testKeyring) without(key []byte) []string {
	return slices.DeleteFunc(slices.Clone(k.keys), func(s string) bool { return s == string(key) })
}

func TestKeyringChangesEverywhere(t *testing.T) {
	const first, second = "0123456789abcdef", "fedcba9876543210"
	encoded := func(key string) string { return base64.StdEncoding.EncodeToString([]byte(key)) }
	agents := map[string]string{"self": "self"}
	there := &testKeyring{keys: []string{first}}
	other := newAgent(t, func(c *Config) { c.Keyring = there; c.Agents = func() map[string]string { return agents } })
	agents["other"] = other.rpcAddr()
	here := &testKeyring{keys: []string{first}}
	ag := newAgent(t, func(c *Config) { c.Keyring = here; c.Agents = func() map[string]string { return agents } })

	ops := ag.client().Agent()
	if resp, err := ops.InstallKey(encoded(second)); err != nil || resp.NumNodes != 2 {
		t.Fatalf("install: %+v %v", resp, err)
	}
	if _, err := ops.UseKey(encoded(second)); err != nil {
		t.Fatal(err)
	}
	list, err := ops.ListKeys()
	if err != nil || list.NumNodes != 2 || list.Keys[encoded(first)] != 2 || list.Keys[encoded(second)] != 2 {
		t.Errorf("list: %+v %v", list, err)
	}
	for name, ring := range map[string]*testKeyring{"here": here, "there": there} {
		if want := []string{second, first}; !slices.Equal(ring.keys, want) {
			t.Errorf("keys %s: %q, want %q", name, ring.keys, want)
		}
	}
	there.fail = errors.New("disk full")
	if _, err := ops.RemoveKey(encoded(first)); err == nil || !strings.Contains(err.Error(), "500 (1 of 2 agents did not do it; repeat the request: other: disk full)") {
		t.Errorf("one agent fails: %v", err)
	}
	// What the asked agent refuses goes no further.
	here.fail, there.fail = errors.New("no such key"), nil
	if _, err := ops.RemoveKey(encoded(first)); err == nil || !strings.Contains(err.Error(), "400 (no such key)") || len(there.keys) != 2 {
		t.Errorf("refused here: %v, keys there %q", err, there.keys)
	}
	if _, err := ops.InstallKey("no base64!"); err == nil || !strings.Contains(err.Error(), "400 (Key must be the base64 of 16, 24 or 32 bytes)") {
		t.Errorf("bad key: %v", err)
	}
}
