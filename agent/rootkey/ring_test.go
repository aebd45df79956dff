package rootkey

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/state"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// cluster is a state with a log.
type cluster struct {
	*state.Store
	t     *testing.T
	index uint64
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	s, err := state.New(state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{Store: s, t: t, index: 9}
}

func (c *cluster) must(cmd state.Command) any {
	c.t.Helper()
	c.index++
	data, err := state.Encode(epoch.Add(time.Duration(c.index)*time.Second), cmd)
	if err != nil {
		c.t.Fatal(err)
	}
	result := c.Apply(c.index, data)
	if err, refused := result.(error); refused {
		c.t.Fatalf("%T: %v", cmd, err)
	}
	return result
}

func (c *cluster) ring(cfg Config) *Ring {
	c.t.Helper()
	cfg.State, cfg.Region = c, "global"
	r, err := New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// rotate gives the cluster another active key.
func (c *cluster) rotate(r *Ring, rekey bool) string {
	c.t.Helper()
	cmd, err := r.Make(time.Time{})
	if err != nil {
		c.t.Fatal(err)
	}
	cmd.Rekey = rekey
	return c.must(cmd).(*state.RootKey).KeyID
}

func (c *cluster) put(r *Ring, path, value string) *state.Variable {
	c.t.Helper()
	key, sealed, err := r.Seal("default", path, map[string]string{"k": value})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.must(&state.PutVariable{Namespace: "default", Path: path, KeyID: key, Sealed: sealed}).(*state.VariableResult).Variable
}

// reads opens a variable with a ring, as another server would.
func (c *cluster) reads(r *Ring, path string) (string, error) {
	items, err := r.Open(c.Snapshot().Variable(nil, "default", path))
	return items["k"], err
}

func (c *cluster) saved() []byte {
	c.t.Helper()
	var b bytes.Buffer
	if _, err := c.Snapshot().WriteTo(&b); err != nil {
		c.t.Fatal(err)
	}
	return b.Bytes()
}

func TestSeal(t *testing.T) {
	c := newCluster(t)
	r := c.ring(Config{})
	if _, _, err := r.Seal("default", "a", nil); err == nil {
		t.Error("sealed without a key")
	}
	c.rotate(r, false)
	v := c.put(r, "a", "correct-horse")
	if bytes.Contains(v.Sealed, []byte("correct-horse")) {
		t.Error("what is sealed shows the value")
	}
	if got, err := c.reads(c.ring(Config{}), "a"); err != nil || got != "correct-horse" {
		t.Errorf("another server reads %q, %v", got, err)
	}
	moved := *v
	moved.Path = "b"
	if _, err := r.Open(&moved); err == nil {
		t.Error("opened at another path")
	}
	damaged := *v
	damaged.Sealed = bytes.Clone(v.Sealed)
	damaged.Sealed[len(damaged.Sealed)-1] ^= 1
	if _, err := r.Open(&damaged); err == nil {
		t.Error("opened what is damaged")
	}
	damaged.Sealed = damaged.Sealed[:3]
	if _, err := r.Open(&damaged); err == nil {
		t.Error("opened what is cut off")
	}
}

// TestRestored: variables survive with nothing but a saved state, and with a configured
// key only together with it.
func TestRestored(t *testing.T) {
	kek := bytes.Repeat([]byte{7}, keySize)
	for _, tc := range []struct {
		name       string
		made, read Config
		wrong      string
	}{
		{name: "kept in the state"},
		{name: "configured", made: Config{KEK: kek}, read: Config{KEK: kek}},
		{name: "configured and lost", made: Config{KEK: kek}, wrong: "which this server does not have"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCluster(t)
			r := c.ring(tc.made)
			c.rotate(r, false)
			c.put(r, "a", "v")
			saved := c.saved()
			if shown := bytes.Contains(saved, []byte(`"Key":"`)); shown != (tc.made.KEK == nil) {
				t.Errorf("the saved state holds a key-encryption key: %v", shown)
			}
			other := newCluster(t)
			if err := other.Restore(bytes.NewReader(saved)); err != nil {
				t.Fatal(err)
			}
			got, err := other.reads(other.ring(tc.read), "a")
			switch {
			case tc.wrong == "" && (err != nil || got != "v"):
				t.Errorf("read %q, %v", got, err)
			case tc.wrong != "" && !failsToMake(other.ring(tc.read)):
				t.Error("made a key that weaker means open")
			case tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)):
				t.Errorf("read %q, %v, want an error with %q", got, err, tc.wrong)
			}
		})
	}
}

func failsToMake(r *Ring) bool {
	_, err := r.Make(time.Time{})
	return err != nil
}

// TestRewrap follows a key-encryption key from the state into a file, to another file,
// and back.
func TestRewrap(t *testing.T) {
	one, two := bytes.Repeat([]byte{1}, keySize), bytes.Repeat([]byte{2}, keySize)
	c := newCluster(t)
	first := c.ring(Config{})
	c.rotate(first, false)
	c.put(first, "a", "v")
	for _, step := range []struct {
		name string
		cfg  Config
		kept bool
	}{
		{"into a file", Config{KEK: one}, false},
		{"to another", Config{KEK: two, Previous: one}, false},
		{"back", Config{Previous: two}, true},
	} {
		r := c.ring(step.cfg)
		cmd, err := r.Rewrap(c.Snapshot())
		if err != nil || cmd == nil {
			t.Fatalf("%s: %v %v", step.name, cmd, err)
		}
		c.must(cmd)
		if cmd, err := r.Rewrap(c.Snapshot()); cmd != nil || err != nil {
			t.Errorf("%s: there is more to seal: %v %v", step.name, cmd, err)
		}
		if kept := c.Snapshot().KeyEncryptionKey(nil) != nil; kept != step.kept {
			t.Errorf("%s: kept in the state: %v", step.name, kept)
		}
		step.cfg.Previous = nil
		if got, err := c.reads(c.ring(step.cfg), "a"); err != nil || got != "v" {
			t.Errorf("%s: read %q, %v", step.name, got, err)
		}
	}
	if _, err := New(Config{KEK: []byte("short")}); err == nil {
		t.Error("took a short key")
	}
}

func TestRekey(t *testing.T) {
	c := newCluster(t)
	r := c.ring(Config{})
	old := c.rotate(r, false)
	for _, path := range []string{"a", "b", "c"} {
		c.put(r, path, path)
	}
	before := c.Snapshot().Index(state.TableVariables)
	c.rotate(r, true)
	for n := range 3 {
		cmd, err := r.Rekey(c.Snapshot(), old, 2)
		if err != nil {
			t.Fatal(err)
		}
		if cmd == nil {
			if n != 2 {
				t.Errorf("done after %d batches of 2, want 2", n)
			}
			break
		}
		c.must(cmd)
	}
	for v := range c.Snapshot().VariablesOfKey(nil, old) {
		t.Errorf("%s is still encrypted with the old key", v.Path)
	}
	if after := c.Snapshot().Index(state.TableVariables); after != before {
		t.Errorf("readers of variables are woken: index %d, then %d", before, after)
	}
	c.must(&state.MoveRootKey{KeyID: old, State: api.RootKeyStateDeprecated})
	c.must(&state.DeleteRootKey{KeyID: old})
	for _, path := range []string{"a", "b", "c"} {
		if got, err := c.reads(c.ring(Config{}), path); err != nil || got != path {
			t.Errorf("%s: read %q, %v", path, got, err)
		}
	}
}

// place gives the cluster a job with one allocation on a node, and returns both.
func (c *cluster) place(parent string) (*state.Alloc, *api.Job) {
	c.t.Helper()
	id, kind := "web", api.JobTypeService
	job := &api.Job{ID: &id, Type: &kind, TaskGroups: []*api.TaskGroup{{
		Name: new("front"), Tasks: []*api.Task{{Name: "server", Driver: "mock_driver", Resources: &api.Resources{CPU: new(1), MemoryMB: new(1)}}},
	}}}
	if parent != "" {
		job.ParentID = &parent
	}
	job.Canonicalize()
	node := &state.Node{SecretID: "s"}
	node.ID, node.Name, node.Datacenter, node.NodePool = "n1", "n1", "dc1", "default"
	c.must(&state.RegisterNode{Node: node})
	eval := c.must(&state.RegisterJob{Job: job}).(*state.JobResult).EvalID
	done := *c.Snapshot().Eval(nil, eval)
	done.Status, done.SnapshotIndex = api.EvalStatusComplete, c.index
	c.must(&state.ApplyPlans{Plans: []state.Plan{{
		EvalID: eval, Namespace: "default", JobID: "web", Nodes: []string{"n1"}, Evals: []*api.Evaluation{&done},
		Placements: []state.Placement{{Group: "front", JobVersion: 0, Metric: -1}},
	}}})
	a := c.Snapshot().Alloc(nil, state.AllocID(eval, 0))
	return a, c.Snapshot().Job(nil, "default", "web")
}

func TestIdentity(t *testing.T) {
	c := newCluster(t)
	r := c.ring(Config{Issuer: "https://cluster.example.com"})
	c.rotate(r, false)
	alloc, job := c.place("")
	now := epoch.Add(time.Hour)
	sign := func(id api.WorkloadIdentity) Signed {
		t.Helper()
		s, err := r.SignWorkload(Workload{Alloc: alloc, Job: job, Task: "server", Identity: &id}, now)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	plain, timed := sign(api.WorkloadIdentity{}), sign(api.WorkloadIdentity{Name: "vault", Audience: []string{"vault.io"}, TTL: time.Minute})
	short := sign(api.WorkloadIdentity{TTL: time.Minute})

	// Anyone can check it with the published keys alone.
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(r.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(timed.JWT, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := parsed.Claims(set, &claims); err != nil {
		t.Fatal(err)
	}
	delete(claims, "jti")
	want := map[string]any{
		"aud": "vault.io", "iss": "https://cluster.example.com", "sub": "global:default:web:front:server:vault",
		"iat": float64(now.Unix()), "nbf": float64(now.Unix()), "exp": float64(now.Add(time.Minute).Unix()),
		"nomad_namespace": "default", "nomad_job_id": "web", "nomad_allocation_id": alloc.ID, "nomad_task": "server",
	}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Error(diff)
	}

	got, err := r.Verify(plain.JWT, now)
	if diff := cmp.Diff(Claims{Namespace: "default", JobID: "web", Group: "front", Task: "server", AllocID: alloc.ID, NodeID: "n1"}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	stranger := newCluster(t)
	rs := stranger.ring(Config{Issuer: "https://cluster.example.com"})
	stranger.rotate(rs, false)
	foreign, err := rs.SignWorkload(Workload{Alloc: alloc, Job: job, Task: "server", Identity: &api.WorkloadIdentity{}}, now)
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(plain.JWT, ".")
	for name, tc := range map[string]struct {
		token string
		at    time.Time
	}{
		"for somebody else":          {timed.JWT, now},
		"expired":                    {short.JWT, now.Add(time.Minute)},
		"not yet valid":              {plain.JWT, now.Add(-time.Hour)},
		"of another cluster":         {foreign.JWT, now},
		"with another body":          {head + "." + body[:8] + "A" + body[9:], now},
		"without a signature":        {plain.JWT[:strings.LastIndexByte(plain.JWT, '.')+1], now},
		"nothing":                    {"", now},
		"a secret ID, as tokens are": {"6b3ccaac-9e23-088f-405b-23797ca64c1a", now},
	} {
		if got, err := r.Verify(tc.token, tc.at); err == nil {
			t.Errorf("accepted a token %s: %+v", name, got)
		}
	}

	if _, err := c.ring(Config{Issuer: "https://other.example.com"}).Verify(plain.JWT, now); err != nil {
		t.Errorf("after the issuer was configured anew: %v", err)
	}

	// It outlives a rotation, and its key the allocation.
	c.rotate(r, false)
	if _, err := r.Verify(plain.JWT, now); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	c.must(&state.UpdateAllocs{NodeID: "n1", Updates: []state.AllocUpdate{{ID: alloc.ID, ClientStatus: "complete"}}})
	if _, err := r.Verify(plain.JWT, now); err == nil {
		t.Error("accepted a token of an allocation that has ended")
	}
}

// TestChildIdentity: a dispatched job speaks for its parent.
func TestChildIdentity(t *testing.T) {
	c := newCluster(t)
	r := c.ring(Config{})
	c.rotate(r, false)
	alloc, job := c.place("encode")
	s, err := r.SignWorkload(Workload{Alloc: alloc, Job: job, Task: "server", Identity: &api.WorkloadIdentity{}}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Verify(s.JWT, epoch); err != nil || got.JobID != "encode" {
		t.Errorf("%+v %v", got, err)
	}
}
