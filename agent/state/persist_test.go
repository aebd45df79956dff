package state

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
	"pgregory.net/rapid"

	"github.com/selfheal/selfheal/agent/healapi"
)

func bytesReader(b []byte) io.Reader { return bytes.NewReader(b) }

// commandsOf draws commands over few names, so that they meet.
func commandsOf(t *rapid.T, l *log) Command {
	name := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "job")
	n := rapid.IntRange(0, 2).Draw(t, "n")
	kind := rapid.SampledFrom([]string{"service", "batch", "system"}).Draw(t, "kind")
	alloc := ""
	if all := slices.Collect(l.snap().Allocs(nil, "*", "")); len(all) > 0 {
		alloc = rapid.SampledFrom(all).Draw(t, "alloc").ID
	}
	status := rapid.SampledFrom([]string{"running", "failed", "complete", "pending"}).Draw(t, "status")
	draws := []func() Command{
		func() Command { return &RegisterJob{Job: typedJob(name, kind, n), Token: fmt.Sprint(name, n)} },
		func() Command { return &RegisterJob{Job: typedJob(name, kind, n)} },
		func() Command {
			j := typedJob("cron", "batch", n)
			j.Periodic = &api.PeriodicConfig{Spec: new("* * * * *"), ProhibitOverlap: new(n == 0)}
			return &RegisterJob{Job: j}
		},
		func() Command {
			return &LaunchJobs{Launches: []Launch{{Namespace: "default", ID: "cron", Child: fmt.Sprint("cron/", n), Due: epoch.Add(time.Duration(n) * time.Hour)}}}
		},
		func() Command {
			return &DeregisterJob{Namespace: "default", ID: fmt.Sprint("cron/", n), Purge: n == 0}
		},
		func() Command { return &DeregisterJob{Namespace: "default", ID: name, Purge: n == 0} },
		func() Command { return &EvaluateJob{Namespace: "default", ID: name, ForceReschedule: n == 0} },
		func() Command { return &ScaleJob{Namespace: "default", ID: name, Group: "web", Message: status} },
		func() Command { return &RegisterNode{Node: node(n)} },
		func() Command { r := node(n); r.BootID = status; return &RegisterNode{Node: r} },
		func() Command {
			return &NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(n).ID, Status: rapid.SampledFrom(nodeStatuses).Draw(t, "to")}}}
		},
		func() Command { return &NodeDrain{NodeID: node(n).ID, Strategy: &api.DrainStrategy{}} },
		func() Command { return &NodeDrain{NodeID: node(n).ID, MarkEligible: true} },
		func() Command {
			r := report(alloc, status, int64(rapid.IntRange(0, 9).Draw(t, "at")))
			r.Healthy = new(n == 0)
			return &UpdateAllocs{NodeID: l.nodeOf(alloc), Updates: []AllocUpdate{r}}
		},
		func() Command {
			return &TransitionAllocs{Allocs: map[string]*api.DesiredTransition{alloc: {Migrate: new(n == 0)}}}
		},
		func() Command {
			return &BeginMoves{Moves: []AskedMove{{alloc, node(n).ID, "why"}}, Begun: n == 0}
		},
		func() Command {
			if n == 0 {
				return &EndMoves{Done: []string{alloc}}
			}
			return &EndMoves{Off: []OffMove{{alloc, "why not"}}}
		},
		func() Command { return &SetRebalance{Update: healapi.RebalanceUpdate{MaxParallel: new(n)}} },
		func() Command { return l.drawPlan(t, alloc, n) },
		func() Command { return l.drawPlan(t, alloc, n) },
		func() Command { return drawSecret(t, n) },
		func() Command {
			return &Reap{Allocs: []string{alloc}, Nodes: []string{node(n).ID}, Jobs: []JobKey{{"default", name}}}
		},
		func() Command {
			d := l.snap().LatestDeployment(nil, "default", name)
			if d == nil {
				return &UpsertNodePool{Pool: &api.NodePool{Name: name}}
			}
			return &UpdateDeployment{ID: d.ID, Status: rapid.SampledFrom([]string{"", "paused", "failed"}).Draw(t, "to"), PromoteAll: n == 0, Evaluate: n == 1}
		},
	}
	return rapid.SampledFrom(draws).Draw(t, "command")()
}

func (l *log) nodeOf(alloc string) string {
	if a := l.snap().Alloc(nil, alloc); a != nil {
		return a.NodeID
	}
	return ""
}

// drawPlan answers the first pending evaluation in one of several ways.
func (l *log) drawPlan(t *rapid.T, stop string, n int) Command {
	for e := range l.snap().PendingEvals(nil) {
		p := l.plan(e.ID, e.JobID, n)
		p.Metrics = []*api.AllocationMetric{{NodesEvaluated: n}}
		if rapid.Bool().Draw(t, "deploy") && n > 0 {
			version := p.Placements[0].JobVersion
			p.Deployment = &NewDeployment{JobVersion: version, Groups: map[string]*api.DeploymentState{"web": {DesiredTotal: n, DesiredCanaries: 1}}}
			p.Placements[0].Deployment, p.Placements[0].Canary = DeploymentID(e.ID), true
			p.Placements[0].Ports = []api.PortMapping{{Label: "http", Value: 20000 + n}}
		}
		p.Stops = []Stop{{AllocID: stop, Desired: "stop", Client: rapid.SampledFrom([]string{"", "lost", "unknown"}).Draw(t, "client")}}
		if rapid.Bool().Draw(t, "block") {
			b := *p.Evals[0]
			b.ID, b.Status = "blocked-"+e.ID, api.EvalStatusBlocked
			p.Evals = append(p.Evals, &b)
		}
		return &ApplyPlans{Plans: []Plan{p}}
	}
	return &SetClusterMeta{ClusterID: "c"}
}

// TestReplicasAndRestore applies the same random log to two stores, restores a third
// from a snapshot in the middle, and expects all three to save the same.
func TestReplicasAndRestore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		leader, follower, late := newLog(t), newLog(t), newLog(t)
		cut := rapid.IntRange(0, 25).Draw(rt, "cut")
		for i := range 30 {
			if i == cut {
				if err := late.s.Restore(bytesReader(save(t, leader.s))); err != nil {
					rt.Fatal(err)
				}
				late.index = leader.index
			}
			c := commandsOf(rt, leader)
			a, b := leader.apply(c), follower.apply(c)
			if diff := cmp.Diff(fmt.Sprint(a), fmt.Sprint(b)); diff != "" && !strings.Contains(diff, "0x") {
				rt.Fatalf("results of %T differ: %s", c, diff)
			}
			if i >= cut {
				late.apply(c)
			}
		}
		want := string(save(t, leader.s))
		if diff := cmp.Diff(want, string(save(t, follower.s))); diff != "" {
			rt.Errorf("replicas differ: %s", diff)
		}
		if diff := cmp.Diff(want, string(save(t, late.s))); diff != "" {
			rt.Errorf("a restored replica differs: %s", diff)
		}
		checkInvariants(rt, leader.snap())
	})
}

// checkInvariants are what holds after any log.
func checkInvariants(t *rapid.T, s *Snapshot) {
	blocked := map[string]int{}
	for e := range s.BlockedEvals(nil) {
		if blocked[e.JobID]++; blocked[e.JobID] > 1 {
			t.Errorf("job %s has several blocked evaluations", e.JobID)
		}
	}
	counts := map[string]api.TaskGroupSummary{}
	n := 0
	for a := range s.Allocs(nil, "*", "") {
		n++
		g := counts[fmt.Sprint(a.JobID, a.JobCreateIndex)]
		switch a.Client {
		case "pending":
			g.Starting++
		case "running":
			g.Running++
		case "unknown":
			g.Unknown++
		}
		counts[fmt.Sprint(a.JobID, a.JobCreateIndex)] = g
	}
	byJob := 0
	for j := range s.Jobs(nil, "*", "") {
		byJob += len(slices.Collect(s.AllocsByJob(nil, "default", *j.ID)))
		got, want := s.JobSummary(nil, "default", *j.ID).Summary["web"], counts[fmt.Sprint(*j.ID, *j.CreateIndex)]
		got.Queued, got.Complete, got.Failed, got.Lost = 0, 0, 0, 0 // what ended stays counted when it is forgotten
		if got != want {
			t.Errorf("job %s: summary %+v, counted %+v", *j.ID, got, want)
		}
	}
	if byJob > n {
		t.Errorf("%d allocations by job, %d in all", byJob, n)
	}
}

func TestRestoreRefusesDamage(t *testing.T) {
	l := newLog(t)
	l.placed("web", 2)
	good := save(t, l.s)
	if err := newLog(t).s.Restore(bytesReader(good)); err != nil {
		t.Fatal(err)
	}
	damage := map[string]func([]byte) []byte{
		"empty":        func([]byte) []byte { return nil },
		"other file":   func([]byte) []byte { return []byte("hello, this is some other file altogether") },
		"cut":          func(b []byte) []byte { return b[:len(b)-20] },
		"no checksum":  func(b []byte) []byte { return b[:len(b)-4] },
		"bit flipped":  func(b []byte) []byte { b[len(b)-5-30] ^= 1; return b },
		"unknown kind": func(b []byte) []byte { b[len(saveHeader)] = 200; return b },
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			before := save(t, l.s)
			if err := l.s.Restore(bytesReader(do(slices.Clone(good)))); err == nil {
				t.Error("it was taken")
			}
			if !slices.Equal(before, save(t, l.s)) {
				t.Error("a refused restore changed the state")
			}
		})
	}
}

func TestChangesAreInOrder(t *testing.T) {
	l := newLog(t)
	var got []string
	rows := map[string]any{} // as a subscriber knows them
	l.s.Changes(func(cs []Change) {
		for _, c := range cs {
			got = append(got, fmt.Sprint(c.Index, " ", c.Table))
			if a, ok := c.After.(*Alloc); ok {
				if before, known := rows[a.ID]; known && before != c.Before {
					t.Errorf("index %d: Before of %s is not what the last change left", c.Index, a.ID)
				}
				rows[a.ID] = a
			}
		}
	})
	_, ids := l.placed("web", 1)
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{report(ids[0], "running", 1)}})
	want := []string{
		"10 nodes", "11 jobs", "11 evals", "11 job_summaries",
		"12 allocs", "12 evals", "12 job_summaries", "12 jobs", "13 allocs", "13 job_summaries",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = nil
	if err := l.s.Restore(bytesReader(save(t, l.s))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"13 restore"}, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzApply(f *testing.F) {
	for kind := range len(commands) {
		f.Add(byte(kind), []byte(`{"Job":{"ID":"web","Namespace":"default","Type":"service","Priority":50,"TaskGroups":[{"Name":"web","Tasks":[{}]}]}}`))
	}
	f.Add(byte(TypeApplyPlans), []byte(`{"Plans":[{"EvalID":"x","Namespace":"default","JobID":"web","Placements":[{"Group":"web"}],"Nodes":["a"],"Evals":[null]}]}`))
	for kind, body := range map[Type]string{
		TypeBootstrapACL: `{"Token":{"AccessorID":"a","SecretID":"b"}}`, TypeUpsertACLTokens: `{"Tokens":[{"AccessorID":"a","SecretID":"b","Roles":[null]},null]}`,
		TypeUpsertACLPolicies: `{"Policies":[{"Name":"p"},null]}`, TypeUpsertACLRoles: `{"Roles":[{"ID":"a","Name":"b","Policies":[null]}]}`,
		TypeUpsertACLAuthMethods: `{"Methods":[{"Name":"m"}]}`, TypeUpsertACLBindingRules: `{"Rules":[{"ID":"a","AuthMethod":"m"}]}`,
		TypeUpsertOneTimeToken: `{"Token":{"OneTimeSecretID":"a"}}`, TypeExpireACLTokens: `{"Max":1}`,
		TypeReplicateACL: `{"Tokens":[{"AccessorID":"a","SecretID":"b"},null],"Roles":[{"ID":"x","Name":"y"}],"Gone":{"acl_tokens":["a"]}}`,
	} {
		f.Add(byte(kind), []byte(body))
	}
	f.Add(byte(TypeRegisterNode), []byte(`{"Node":{"ID":"a","SecretID":"b"}}`))
	l := newLog(f)
	l.placed("web", 1)
	saved := save(f, l.s)
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		s, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Restore(bytesReader(saved)); err != nil {
			t.Fatal(err)
		}
		entry := append([]byte{kind, 0, 0, 0, 0, 0, 0, 0, 1}, body...)
		if err, refused := s.Apply(100, entry).(error); refused && strings.Contains(err.Error(), "runtime error") {
			t.Errorf("an invariant broke: %v", err)
		}
		s.Apply(101, entry)
		s.Apply(102, body)
	})
}

func FuzzRestore(f *testing.F) {
	l := newLog(f)
	l.placed("web", 1)
	for kind, body := range records(f, save(f, l.s)) {
		f.Add(kind, body)
	}
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		var b bytes.Buffer
		sv := &saver{w: bufio.NewWriter(&b)}
		sv.raw([]byte(saveHeader))
		sv.raw(binary.AppendUvarint([]byte{kind}, uint64(len(body))))
		sv.raw(body)
		sv.raw([]byte{recEnd})
		sv.raw(binary.BigEndian.AppendUint32(nil, sv.sum))
		if err := sv.w.Flush(); err != nil {
			t.Fatal(err)
		}
		s := newLog(t)
		if err := s.s.Restore(&b); err == nil {
			save(t, s.s)
			s.apply(&RegisterJob{Job: job("web", 2)})
			s.apply(&NodeStatus{Updates: []NodeStatusUpdate{{NodeID: node(0).ID, Status: "down"}}})
		}
	})
}

// records takes a saved state apart.
func records(t testing.TB, saved []byte) map[byte][]byte {
	out := map[byte][]byte{}
	for b := saved[len(saveHeader):]; b[0] != recEnd; {
		size, n := binary.Uvarint(b[1:])
		if n <= 0 {
			t.Fatal("a saved state has a damaged length")
		}
		out[b[0]] = b[1+n : 1+n+int(size)]
		b = b[1+n+int(size):]
	}
	return out
}
