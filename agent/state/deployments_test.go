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
	revert := uint64(0)
	r := l.must(&UpdateDeployment{ID: d, Status: "failed", Description: "bad", Revert: &revert, Evaluate: true, Trigger: "deployment-watcher"}).(*DeploymentResult)
	j := l.snap().Job(nil, "default", "web")
	if *r.RevertedJobVersion != 0 || *j.Version != 2 || j.Meta["release"] != "" {
		t.Errorf("reverted to %d: version %d, release %q", *r.RevertedJobVersion, *j.Version, j.Meta["release"])
	}
	if _, ok := l.apply(&UpdateDeployment{ID: d, Status: "running"}).(ErrConflict); !ok {
		t.Error("a failed deployment runs again")
	}
	var notFound ErrNotFound
	if err, _ := l.apply(&UpdateDeployment{ID: "none", Status: "failed"}).(error); !errors.As(err, &notFound) {
		t.Errorf("unknown deployment: %v", err)
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
