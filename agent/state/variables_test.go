package state

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
	"pgregory.net/rapid"
)

// rootKey is a key as a Ring makes it.
func rootKey(id string) RootKey {
	k := RootKey{KEK: "kek", Wrapped: []byte("sealed"), Public: []byte(`{"kid":"` + id + `"}`)}
	k.KeyID = id
	return k
}

// drawSecret draws a command about root keys and variables.
func drawSecret(t *rapid.T, n int) Command {
	key, path := fmt.Sprint("k", n), fmt.Sprint("p", n)
	return rapid.SampledFrom([]Command{
		&AddRootKey{Key: rootKey(key), Rekey: n == 1, KEK: &KeyEncryptionKey{ID: "kek", Key: []byte("k")}},
		&DeleteRootKey{KeyID: key},
		&WrapRootKeys{Keys: []WrappedKey{{KeyID: key, KEK: "file", Wrapped: []byte("w")}}},
		&PutVariable{Namespace: "default", Path: path, KeyID: key, Sealed: []byte("s")},
		&LockVariable{Op: LockAcquire, Namespace: "default", Path: path, LockID: "a", TTL: time.Second, KeyID: key, Sealed: []byte("s"), KeepItems: true},
		&LockVariable{Op: LockRenew, Namespace: "default", Path: path, LockID: "a"},
		&LockVariable{Op: LockExpire, Namespace: "default", Path: path, LockID: "a"},
		&DeleteVariable{Namespace: "default", Path: path, LockID: "a"},
		&RekeyVariables{Variables: []RekeyedVariable{{Namespace: "default", Path: path, ModifyIndex: 12, From: key, KeyID: "k0", Sealed: []byte("t")}}},
	}).Draw(t, "secret")
}

func (l *log) keyStates() string {
	var out []string
	for k := range l.snap().RootKeys(nil) {
		out = append(out, k.KeyID+" "+string(k.State))
	}
	return strings.Join(out, ", ")
}

func TestRootKeyLife(t *testing.T) {
	l := newLog(t)
	published := rootKey("c")
	published.PublishTime = 1
	for _, step := range []struct {
		cmd  Command
		want string // the states afterwards, or "error: " and what it says
	}{
		{&AddRootKey{Key: rootKey("a"), First: true, KEK: &KeyEncryptionKey{ID: "kek", Key: []byte("k")}}, "a active"},
		{&AddRootKey{Key: rootKey("z"), First: true}, "a active"},
		{&AddRootKey{Key: RootKey{}}, "error: it has no ID"},
		{&AddRootKey{Key: rootKey("b")}, "a inactive, b active"},
		{&AddRootKey{Key: rootKey("b")}, "a inactive, b active"},
		{&AddRootKey{Key: published}, "a inactive, b active, c prepublished"},
		{&MoveRootKey{KeyID: "a", State: api.RootKeyStateActive}, "error: root key a is inactive: it cannot become active"},
		{&MoveRootKey{KeyID: "none", State: api.RootKeyStateActive}, "error: root key not found"},
		{&MoveRootKey{KeyID: "c", State: api.RootKeyStateActive}, "a inactive, b inactive, c active"},
		{&PutVariable{Namespace: "default", Path: "p", KeyID: "c", Sealed: []byte("x")}, "a inactive, b inactive, c active"},
		{&AddRootKey{Key: rootKey("d"), Rekey: true}, "a rekeying, b rekeying, c rekeying, d active"},
		{&MoveRootKey{KeyID: "a", State: api.RootKeyStateDeprecated}, "a deprecated, b rekeying, c rekeying, d active"},
		{&MoveRootKey{KeyID: "c", State: api.RootKeyStateDeprecated}, "error: root key c still encrypts variables, p for one"},
		{&DeleteRootKey{KeyID: "d", Force: true}, "error: root key d is active"},
		{&DeleteRootKey{KeyID: "c"}, "error: root key c is in use: it encrypts variables, p for one"},
		{&DeleteRootKey{KeyID: "a"}, "b rekeying, c rekeying, d active"},
		{&DeleteRootKey{KeyID: "c", Force: true}, "b rekeying, d active"},
	} {
		got := ""
		if err, refused := l.apply(step.cmd).(error); refused {
			got = "error: " + err.Error()
		} else {
			got = l.keyStates()
		}
		if !strings.HasPrefix(got, step.want) && !(strings.HasPrefix(step.want, "error: ") && strings.Contains(got, step.want[len("error: "):])) {
			t.Errorf("%T %+v: %s, want %s", step.cmd, step.cmd, got, step.want)
		}
	}
	l.must(&WrapRootKeys{Keys: []WrappedKey{{"b", "file", []byte("w")}, {"gone", "file", nil}}})
	if l.snap().KeyEncryptionKey(nil) == nil {
		t.Error("the key-encryption key is gone while it seals a key")
	}
	l.must(&WrapRootKeys{Keys: []WrappedKey{{"d", "file", []byte("w")}}})
	if l.snap().KeyEncryptionKey(nil) != nil {
		t.Error("a key-encryption key that seals nothing stays in the state")
	}
}

// TestRootKeyNeeded: a key stays while an allocation may show what it signed.
func TestRootKeyNeeded(t *testing.T) {
	l := newLog(t)
	l.must(&AddRootKey{Key: rootKey("a")})
	_, allocs := l.placed("web", 1)
	l.must(&AddRootKey{Key: rootKey("b")})
	if why := l.snap().RootKeyNeeded(l.snap().RootKey(nil, "a")); !strings.Contains(why, allocs[0]) {
		t.Errorf("not needed (%q), though %s runs", why, allocs[0])
	}
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{report(allocs[0], "failed", 1)}})
	if why := l.snap().RootKeyNeeded(l.snap().RootKey(nil, "a")); why != "" {
		t.Errorf("needed: %s", why)
	}
}

// TestLocks goes through what may happen to a lock. Time moves a second with each entry.
func TestLocks(t *testing.T) {
	l := newLog(t)
	l.must(&AddRootKey{Key: rootKey("k")})
	lock := func(op, id string) *LockVariable {
		c := &LockVariable{Op: op, Namespace: "default", Path: "p", LockID: id}
		if op == LockAcquire {
			c.TTL, c.Delay, c.KeyID, c.Sealed, c.KeepItems = 10*time.Second, 3*time.Second, "k", []byte("none"), true
		}
		return c
	}
	expire := func(id string, renewals uint64) *LockVariable {
		c := lock(LockExpire, id)
		c.Renewals = renewals
		return c
	}
	write := func(id string) *PutVariable {
		return &PutVariable{Namespace: "default", Path: "p", KeyID: "k", Sealed: []byte("items"), LockID: id}
	}
	for i, step := range []struct {
		cmd  Command
		want string // who holds it afterwards; "!" first: the command lost
	}{
		{lock(LockRenew, "a"), "!"},
		{lock(LockAcquire, "a"), "a"},
		{lock(LockAcquire, "a"), "a"},
		{lock(LockAcquire, "b"), "!a"},
		{lock(LockRenew, "b"), "!a"},
		{lock(LockRelease, "b"), "!a"},
		{lock(LockRenew, "a"), "a"},
		{write(""), "!a"},
		{write("b"), "!a"},
		{write("a"), "a"},
		{&DeleteVariable{Namespace: "default", Path: "p"}, "!a"},
		{expire("a", 0), "!a"}, // it was renewed since
		{expire("a", 1), ""},
		{lock(LockRenew, "a"), "!"},
		{lock(LockAcquire, "b"), "!"}, // the delay: 3 s
		{lock(LockAcquire, "b"), "b"},
		{lock(LockRelease, "b"), ""},
		{lock(LockAcquire, "c"), "c"}, // what was released is free at once
		{&DeleteVariable{Namespace: "default", Path: "p", LockID: "c"}, ""},
	} {
		r, ok := l.apply(step.cmd).(*VariableResult)
		if !ok {
			t.Fatalf("step %d: refused: %v", i, r)
		}
		got := ""
		if r.Conflict {
			got = "!"
		}
		shown := ""
		if held := l.snap().VariableLock(nil, "default", "p"); held != nil {
			got += held.ID
			shown = held.ID
		}
		if got != step.want {
			t.Errorf("step %d, %T %+v: %q, want %q", i, step.cmd, step.cmd, got, step.want)
		}
		if v := l.snap().Variable(nil, "default", "p"); v != nil && (v.Lock == nil) != (shown == "") {
			t.Errorf("step %d: the variable shows %v, the lock is %q", i, v.Lock, shown)
		}
	}
}

func TestVariableCAS(t *testing.T) {
	l := newLog(t)
	l.must(&AddRootKey{Key: rootKey("k")})
	put := func(cas uint64) *VariableResult {
		return l.must(&PutVariable{Namespace: "default", Path: "p", KeyID: "k", Sealed: []byte("x"), CAS: &cas}).(*VariableResult)
	}
	if r := put(7); !r.Conflict || r.Variable != nil {
		t.Errorf("created although it should exist: %+v", r)
	}
	first := put(0)
	if first.Conflict || put(0).Conflict != true || put(first.Variable.ModifyIndex).Conflict {
		t.Errorf("create, create again, update: %+v", first)
	}
	stale := &DeleteVariable{Namespace: "default", Path: "p", CAS: &first.Variable.ModifyIndex}
	if r := l.must(stale).(*VariableResult); !r.Conflict {
		t.Error("deleted another version")
	}
	l.must(&AddRootKey{Key: rootKey("l")})
	if r := l.must(&PutVariable{Namespace: "default", Path: "p", KeyID: "k", Sealed: []byte("x")}).(*VariableResult); !r.StaleKey {
		t.Errorf("wrote with a key that retired: %+v", r)
	}
	if err, refused := l.apply(&PutVariable{Namespace: "none", Path: "p", KeyID: "l", Sealed: []byte("x")}).(error); !refused {
		t.Errorf("wrote into a namespace that does not exist: %v", err)
	}
}

// TestVariableEvents: the stream shows metadata, and no lock's ID.
func TestVariableEvents(t *testing.T) {
	l := newLog(t)
	l.must(&AddRootKey{Key: rootKey("k")})
	sub := l.s.Events().Subscribe(0, map[string][]string{"Variable": {"*"}}, "default")
	l.must(&LockVariable{Op: LockAcquire, Namespace: "default", Path: "p", LockID: "secret", TTL: time.Minute, KeyID: "k", Sealed: []byte("sealed-items")})
	l.must(&LockVariable{Op: LockRenew, Namespace: "default", Path: "p", LockID: "secret"})
	l.must(&DeleteVariable{Namespace: "default", Path: "p", LockID: "secret"})
	var got []string
	for range 2 {
		events, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events.Events {
			got = append(got, fmt.Sprintf("%s %s %s", e.Topic, e.Type, e.Key))
			m := e.Payload["Variable"].(*api.VariableMetadata)
			if m.Path != "p" || m.Lock == nil || m.Lock.ID != "" {
				t.Errorf("payload %+v", m)
			}
		}
	}
	if diff := cmp.Diff([]string{"Variable VariableUpserted p", "Variable VariableDeleted p"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestLockModel draws what three rivals and the leader do to one lock, and holds the
// state against a model of one line: who holds it, or until when nobody may.
func TestLockModel(t *testing.T) {
	const delay = 3 * time.Second
	rapid.Check(t, func(rt *rapid.T) {
		l := newLog(t)
		l.must(&AddRootKey{Key: rootKey("k")})
		holder, free := "", time.Time{}
		for range 40 {
			who := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "who")
			op := rapid.SampledFrom([]string{LockAcquire, LockRenew, LockRelease, LockExpire}).Draw(rt, "op")
			c := &LockVariable{Op: op, Namespace: "default", Path: "p", LockID: who, TTL: time.Minute, Delay: delay, KeyID: "k", Sealed: []byte("s")}
			if held := l.snap().VariableLock(nil, "default", "p"); held != nil {
				c.Renewals = held.Renewals - uint64(rapid.IntRange(0, 1).Draw(rt, "late"))
			}
			current := l.snap().VariableLock(nil, "default", "p")
			ok := !l.must(c).(*VariableResult).Conflict
			now := epoch.Add(time.Duration(l.index) * time.Second)
			want := holder == who
			switch op {
			case LockAcquire:
				want = want || holder == "" && !free.After(now)
			case LockExpire:
				want = want && c.Renewals == current.Renewals
			}
			if ok != want {
				rt.Fatalf("%s %s: %v, want %v (held by %q, free at %v, now %v)", who, op, ok, want, holder, free, now)
			}
			switch {
			case !ok || op == LockRenew:
			case op == LockAcquire:
				holder = who
			case op == LockExpire:
				holder, free = "", now.Add(delay)
			default:
				holder, free = "", time.Time{}
			}
		}
	})
}
