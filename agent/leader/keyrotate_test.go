package leader

import (
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

func TestKeyStep(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	policy := KeyPolicy{Rotate: 100 * time.Hour, GC: time.Hour}
	key := func(id string, s api.RootKeyState, created, published, retired time.Duration) *state.RootKey {
		at := func(d time.Duration) int64 {
			if d == 0 {
				return 0
			}
			return now.Add(d * time.Hour).UnixNano()
		}
		k := &state.RootKey{RetiredAt: at(retired)}
		k.KeyID, k.State, k.CreateTime, k.PublishTime = id, s, at(created), at(published)
		return k
	}
	const active, inactive, published = api.RootKeyStateActive, api.RootKeyStateInactive, api.RootKeyStatePrepublished
	for _, tc := range []struct {
		name   string
		keys   []*state.RootKey
		policy KeyPolicy
		want   keyDue
	}{
		{"young", []*state.RootKey{key("a", active, -10, 0, 0)}, policy, keyDue{at: now.Add(40 * time.Hour)}},
		{"half old", []*state.RootKey{key("a", active, -50, 0, 0)}, policy, keyDue{what: keyPublish, at: now.Add(50 * time.Hour)}},
		{"published, waits", []*state.RootKey{key("a", active, -60, 0, 0), key("b", published, -10, 40, 0)}, policy, keyDue{at: now.Add(40 * time.Hour)}},
		{"published, due", []*state.RootKey{key("a", active, -100, 0, 0), key("b", published, -50, -1, 0)}, policy, keyDue{what: keyActivate, key: "b"}},
		{"counted from when it became active", []*state.RootKey{key("b", active, -60, -10, 0)}, policy, keyDue{at: now.Add(40 * time.Hour)}},
		{"nobody led for long", []*state.RootKey{key("a", active, -500, 0, 0)}, policy, keyDue{what: keyPublish, at: now.Add(50 * time.Hour)}},
		{"never by itself", []*state.RootKey{key("a", active, -5000, 0, 0)}, KeyPolicy{GC: time.Hour}, keyDue{}},
		{"retired, still kept", []*state.RootKey{key("a", active, -10, 0, 0), key("o", inactive, -200, 0, -100)}, policy, keyDue{at: now.Add(40 * time.Hour)}},
		{"retired, gone", []*state.RootKey{key("a", active, -10, 0, 0), key("o", inactive, -300, 0, -101)}, policy, keyDue{what: keyDelete, key: "o"}},
		{"retired, needed", []*state.RootKey{key("a", active, -10, 0, 0), key("needed", inactive, -300, 0, -101)}, policy, keyDue{at: now.Add(40 * time.Hour)}},
		{"rekeying comes first", []*state.RootKey{key("a", active, -60, 0, 0), key("o", api.RootKeyStateRekeying, -300, 0, -1)}, policy, keyDue{what: keyRekey, key: "o"}},
	} {
		got := keyStep(tc.keys, tc.policy, now, func(k *state.RootKey) string {
			if k.KeyID == "needed" {
				return "it is"
			}
			return ""
		})
		if got.what != tc.want.what || got.key != tc.want.key || !got.at.Equal(tc.want.at) {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}
