package state

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

// deployed places version 0 of a job with 2 instances, then its version 1 as a
// deployment with one canary.
func (l *log) deployed() (deployment, canary string) {
	l.t.Helper()
	l.placed("web", 2)
	j := job("web", 2)
	j.Meta = map[string]string{"release": "2"}
	e := l.must(&RegisterJob{Job: j}).(*JobResult).EvalID
	p := l.plan(e, "web", 1)
	p.Deployment = &NewDeployment{JobVersion: 1, Groups: map[string]*api.DeploymentState{
		"web": {DesiredTotal: 2, DesiredCanaries: 1, ProgressDeadline: 10 * time.Minute},
	}}
	p.Placements[0].Canary, p.Placements[0].Deployment = true, DeploymentID(e)
	l.must(&ApplyPlans{Plans: []Plan{p}})
	return DeploymentID(e), AllocID(e, 0)
}

func (l *log) group(deployment string) api.DeploymentState {
	return *l.snap().Deployment(nil, deployment).TaskGroups["web"]
}

func TestDeploymentCounters(t *testing.T) {
	l := newLog(t)
	d, canary := l.deployed()
	want := api.DeploymentState{
		PlacedCanaries: []string{canary}, PlacedAllocs: 1, DesiredTotal: 2, DesiredCanaries: 1, ProgressDeadline: 10 * time.Minute,
		RequireProgressBy: epoch.Add(time.Duration(l.index)*time.Second + 10*time.Minute),
	}
	check := func() {
		t.Helper()
		if diff := cmp.Diff(want, l.group(d)); diff != "" {
			t.Error(diff)
		}
	}
	check()
	healthy := report(canary, "running", 10)
	healthy.Healthy, healthy.HealthyAt = new(true), epoch.Add(time.Minute)
	for range 2 { // counted once
		l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{healthy}})
	}
	want.HealthyAllocs, want.RequireProgressBy = 1, epoch.Add(time.Duration(l.index-1)*time.Second+10*time.Minute)
	check()
	if s := l.snap().Alloc(nil, canary).DeploymentStatus; !s.Canary || !*s.Healthy || !s.Timestamp.Equal(epoch.Add(time.Minute)) {
		t.Errorf("the canary's health: %+v", s)
	}
	l.must(&UpdateDeployment{ID: d, Unhealthy: []string{canary}})
	want.HealthyAllocs, want.UnhealthyAllocs = 0, 1
	check()
	if got := l.snap().LatestDeployment(nil, "default", "web").ID; got != d {
		t.Errorf("latest deployment %s", got)
	}
}

func TestPromote(t *testing.T) {
	l := newLog(t)
	d, canary := l.deployed()
	if got := l.apply(&UpdateDeployment{ID: d, PromoteAll: true}); got != (ErrConflict{`can't promote group "web": 0/1 canaries are healthy`}) {
		t.Errorf("promoting an unhealthy canary: %v", got)
	}
	if got := l.apply(&UpdateDeployment{ID: d, Promote: []string{"db"}}); got != (ErrInvalid{`deployment has no group "db"`}) {
		t.Errorf("promoting an unknown group: %v", got)
	}
	healthy := report(canary, "running", 10)
	healthy.Healthy = new(true)
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{healthy}})
	r := l.must(&UpdateDeployment{ID: d, PromoteAll: true, Evaluate: true}).(*DeploymentResult)
	a := l.snap().Alloc(nil, canary)
	if !l.group(d).Promoted || a.DeploymentStatus.Canary || a.AllocModifyIndex != l.index || r.EvalID == "" {
		t.Errorf("promoted %v, still a canary %v, evaluation %q", l.group(d).Promoted, a.DeploymentStatus.Canary, r.EvalID)
	}
}

func TestDeploymentEnds(t *testing.T) {
	l := newLog(t)
	d, _ := l.deployed()
	l.must(&MarkJobStable{Namespace: "default", ID: "web", Version: 0, Stable: true})
	fail := &UpdateDeployment{ID: d, Status: "failed", Description: "bad", AutoRevert: true, Evaluate: true, Trigger: "deployment-watcher"}
	r := l.must(fail).(*DeploymentResult)
	j := l.snap().Job(nil, "default", "web")
	if *r.RevertedJobVersion != 0 || *j.Version != 2 || j.Meta["release"] != "" {
		t.Errorf("reverted to %d: version %d, release %q", *r.RevertedJobVersion, *j.Version, j.Meta["release"])
	}
	if r := l.must(fail).(*DeploymentResult); r.RevertedJobVersion != nil || *l.snap().Job(nil, "default", "web").Version != 2 {
		t.Error("a repeated command reverts again")
	}
	if _, ok := l.apply(&UpdateDeployment{ID: d, Status: "running"}).(ErrConflict); !ok {
		t.Error("a failed deployment runs again")
	}
	var notFound ErrNotFound
	if err, _ := l.apply(&UpdateDeployment{ID: "none", Status: "failed"}).(error); !errors.As(err, &notFound) {
		t.Errorf("unknown deployment: %v", err)
	}
}

// What a failed deployment says of its revert, and when it leaves the job alone.
func TestAutoRevertOutcomes(t *testing.T) {
	for _, tc := range []struct {
		name    string
		prepare func(*log)
		want    string
		version uint64
	}{
		{"to the stable version", func(l *log) { l.must(&MarkJobStable{Namespace: "default", ID: "web", Version: 0, Stable: true}) }, "bad - rolling back to job version 0", 2},
		{"none is stable", func(*log) {}, "bad - no stable job version to auto revert to", 1},
		{"the job was registered again", func(l *log) {
			l.must(&MarkJobStable{Namespace: "default", ID: "web", Version: 0, Stable: true})
			l.must(&RegisterJob{Job: job("web", 7)})
		}, "bad", 2},
		{"the job was stopped", func(l *log) {
			l.must(&MarkJobStable{Namespace: "default", ID: "web", Version: 0, Stable: true})
			l.must(&DeregisterJob{Namespace: "default", ID: "web"})
		}, "bad", 2},
	} {
		l := newLog(t)
		d, _ := l.deployed()
		tc.prepare(l)
		l.must(&UpdateDeployment{ID: d, Status: "failed", Description: "bad", AutoRevert: true})
		if got, v := l.snap().Deployment(nil, d).StatusDescription, *l.snap().Job(nil, "default", "web").Version; got != tc.want || v != tc.version {
			t.Errorf("%s: %q at version %d, want %q at version %d", tc.name, got, v, tc.want, tc.version)
		}
	}
}

// A version that says the same as the stable one before it would only fail again.
func TestAutoRevertIsNoLoop(t *testing.T) {
	l := newLog(t)
	d, _ := l.deployed()
	l.must(&MarkJobStable{Namespace: "default", ID: "web", Version: 0, Stable: true})
	l.must(&UpdateDeployment{ID: d, Status: "failed", Description: "bad", AutoRevert: true})
	e := l.must(&EvaluateJob{Namespace: "default", ID: "web"}).(*JobResult).EvalID
	p := l.plan(e, "web", 0)
	p.Deployment = &NewDeployment{JobVersion: 2, Groups: map[string]*api.DeploymentState{"web": {DesiredTotal: 2}}}
	l.must(&ApplyPlans{Plans: []Plan{p}})
	r := l.must(&UpdateDeployment{ID: DeploymentID(e), Status: "failed", Description: "bad", AutoRevert: true}).(*DeploymentResult)
	want := "bad - not rolling back to stable job version 0 as current job has same specification"
	if got := l.snap().Deployment(nil, DeploymentID(e)).StatusDescription; r.RevertedJobVersion != nil || got != want {
		t.Errorf("%q, reverted %v; want %q and no revert", got, r.RevertedJobVersion, want)
	}
}

// A pause and a wait for promotion do not count against the progress deadline.
func TestProgressDeadlineStartsAnew(t *testing.T) {
	l := newLog(t)
	d, canary := l.deployed()
	now := func() time.Time { return epoch.Add(time.Duration(l.index) * time.Second) }
	l.must(&UpdateDeployment{ID: d, Status: "paused", Description: "Deployment is paused"})
	l.index += 3600
	l.must(&UpdateDeployment{ID: d, Status: "running"})
	if got := l.group(d).RequireProgressBy; !got.Equal(now().Add(10 * time.Minute)) {
		t.Errorf("after a pause progress is due by %v, want ten minutes from %v", got, now())
	}
	healthy := report(canary, "running", 10)
	healthy.Healthy = new(true)
	l.must(&UpdateAllocs{NodeID: node(0).ID, Updates: []AllocUpdate{healthy}})
	l.index += 3600
	l.must(&UpdateDeployment{ID: d, PromoteAll: true})
	if got := l.group(d).RequireProgressBy; !got.Equal(now().Add(10 * time.Minute)) {
		t.Errorf("after the promotion progress is due by %v, want ten minutes from %v", got, now())
	}
}

func TestDeploymentMakesVersionStable(t *testing.T) {
	l := newLog(t)
	d, _ := l.deployed()
	l.must(&UpdateDeployment{ID: d, Status: "successful", Stable: true})
	if s := l.snap(); !*s.JobVersion(nil, "default", "web", 1).Stable || *s.JobVersion(nil, "default", "web", 0).Stable || !*s.Job(nil, "default", "web").Stable {
		t.Error("the deployed version, and no other, has to be stable")
	}
}

func TestInPlaceUpdate(t *testing.T) {
	l := newLog(t)
	_, ids := l.placed("web", 1)
	e := l.must(&RegisterJob{Job: job("web", 2)}).(*JobResult).EvalID
	p := l.plan(e, "web", 0)
	p.Deployment = &NewDeployment{JobVersion: 1, Groups: map[string]*api.DeploymentState{"web": {DesiredTotal: 1}}}
	p.Updates = []InPlace{{AllocID: ids[0], JobVersion: 1, Deployment: DeploymentID(e)}}
	l.must(&ApplyPlans{Plans: []Plan{p}})
	a := l.snap().Alloc(nil, ids[0])
	if a.JobVersion != 1 || a.DeploymentID != DeploymentID(e) || a.AllocModifyIndex != l.index || l.group(DeploymentID(e)).PlacedAllocs != 1 {
		t.Errorf("updated in place: version %d, deployment %s, placed %d", a.JobVersion, a.DeploymentID, l.group(DeploymentID(e)).PlacedAllocs)
	}
}
