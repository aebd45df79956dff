package agent

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
)

var updateStories = flag.Bool("update", false, "rewrite the stories in testdata/deploy")

// story is a cluster of one server in a bubble, driven over HTTP, and all that a user
// could see of it meanwhile: the answers of `job plan`, and from the event stream what
// became of every deployment and allocation, step by step.
//
//	job plan twice ─▶ register ─▶ events ─▶ testdata/deploy/NAME.txt
type story struct {
	*sim
	out  strings.Builder
	stop context.CancelFunc

	mu          sync.Mutex
	deployments map[string]*chronicle
	allocs      map[string]*chronicle
	evals       map[string]*chronicle
}

// chronicle is one row's history: what changed, in order.
type chronicle struct {
	title   string
	created uint64
	steps   []string
	last    map[string]string
	foot    string
}

// note adds a step for every fact that is another than before.
func (c *chronicle) note(facts ...[2]string) {
	var news []string
	for _, f := range facts {
		if c.last[f[0]] != f[1] {
			c.last[f[0]] = f[1]
			if f[1] != "" {
				news = append(news, f[1])
			}
		}
	}
	if len(news) > 0 {
		c.steps = append(c.steps, strings.Join(news, " "))
	}
}

// scenario is one story to tell.
type scenario struct {
	name    string
	clients int
	tell    func(*story)
}

// tell plays scenarios and compares what was seen with testdata/deploy/FILE.txt.
func tell(t *testing.T, file string, scenarios []scenario) {
	t.Helper()
	path := filepath.Join("testdata", "deploy", file+".txt")
	raw, err := os.ReadFile(path)
	if err != nil && !*updateStories {
		t.Fatal(err)
	}
	want, got := splitStories(string(raw)), map[string]string{}
	for _, sc := range scenarios {
		t.Run(strings.ReplaceAll(sc.name, " ", "-"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got[sc.name] = play(t, sc)
			})
			if d := gocmp.Diff(strings.Split(want[sc.name], "\n"), strings.Split(got[sc.name], "\n")); d != "" && !*updateStories {
				t.Errorf("another story (-want +got; -update accepts it):\n%s", d)
			}
		})
	}
	if !*updateStories {
		return
	}
	var all strings.Builder
	for _, sc := range scenarios {
		text, played := got[sc.name]
		if !played {
			text = want[sc.name]
		}
		all.WriteString("== " + sc.name + "\n" + text)
	}
	if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func splitStories(raw string) map[string]string {
	out := map[string]string{}
	for _, part := range strings.Split("\n"+raw, "\n== ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		out[name] = strings.TrimSuffix(text, "\n") + "\n"
	}
	return out
}

func play(t *testing.T, sc scenario) string {
	st := &story{sim: newSim(t, 0, 1, sc.clients), deployments: map[string]*chronicle{}, allocs: map[string]*chronicle{}, evals: map[string]*chronicle{}}
	defer st.sim.stop()
	st.follow()
	defer st.stop()
	sc.tell(st)
	synctest.Wait()
	st.tellRest()
	return st.out.String()
}

// follow reads the event stream until the story ends.
func (st *story) follow() {
	ctx, cancel := context.WithCancel(context.Background())
	st.stop = cancel
	observer := st.net.Host("10.0.0.251")
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return observer.Dial(ctx, addr) }}
	c, err := api.NewClient(&api.Config{Address: "http://" + st.servers[0].ip + ":4646", HttpClient: &http.Client{Transport: tr}})
	if err != nil {
		st.t.Fatal(err)
	}
	events, err := c.EventStream().Stream(ctx, map[api.Topic][]string{api.TopicDeployment: {"*"}, api.TopicAllocation: {"*"}, api.TopicEvaluation: {"*"}}, 0, &api.QueryOptions{Namespace: "*"})
	if err != nil {
		st.t.Fatal(err)
	}
	go func() {
		for batch := range events {
			for _, e := range batch.Events {
				st.see(e)
			}
		}
	}()
}

func (st *story) see(e api.Event) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if d, err := e.Deployment(); err == nil && d != nil {
		c := st.chronicle(st.deployments, d.ID, fmt.Sprintf("deployment of %s version %d", d.JobID, d.JobVersion), d.CreateIndex)
		c.note([2]string{"status", d.Status + ": " + d.StatusDescription})
		c.foot = groupsOf(d)
	}
	if a, err := e.Allocation(); err == nil && a != nil {
		c := st.chronicle(st.allocs, a.ID, childID.ReplaceAllString(a.Name, "$1-N."), a.CreateIndex)
		c.note(factsOf(a)...)
	}
	if ev, err := e.Evaluation(); err == nil && ev != nil {
		c := st.chronicle(st.evals, ev.ID, ev.TriggeredBy, ev.CreateIndex)
		c.note([2]string{"status", ev.Status})
	}
}

// childID is the part of a launched job's ID that follows from the clock or from chance.
var childID = regexp.MustCompile(`(periodic|dispatch)-[-0-9a-f]+\.`)

func (st *story) chronicle(of map[string]*chronicle, id, title string, created uint64) *chronicle {
	c := of[id]
	if c == nil {
		c = &chronicle{title: title, created: created, last: map[string]string{}}
		of[id] = c
	}
	return c
}

// groupsOf are the counts of a deployment's groups.
func groupsOf(d *api.Deployment) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(d.TaskGroups)) {
		g := d.TaskGroups[name]
		line := fmt.Sprintf("%s: desired %d placed %d healthy %d unhealthy %d", name, g.DesiredTotal, g.PlacedAllocs, g.HealthyAllocs, g.UnhealthyAllocs)
		if g.DesiredCanaries > 0 {
			line += fmt.Sprintf(" canaries %d/%d promoted %v", len(g.PlacedCanaries), g.DesiredCanaries, g.Promoted)
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n        ")
}

// factsOf is what a user sees change of an allocation.
func factsOf(a *api.Allocation) [][2]string {
	canary, health := "", ""
	if s := a.DeploymentStatus; s != nil {
		if s.Canary {
			canary = "canary"
		}
		if s.Healthy != nil {
			health = map[bool]string{true: "healthy", false: "unhealthy"}[*s.Healthy]
		}
	}
	desired := ""
	if a.DesiredStatus != api.AllocDesiredStatusRun {
		desired = fmt.Sprintf("%s (%s)", a.DesiredStatus, a.DesiredDescription)
	}
	return [][2]string{
		{"canary", canary}, {"desired", desired}, {"client", a.ClientStatus}, {"health", health},
	}
}

// tellRest writes down what was seen of deployments and allocations.
func (st *story) tellRest() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, c := range inOrder(st.deployments, func(c *chronicle) string { return "" }) {
		st.line("%s", c.title)
		for _, step := range c.steps {
			st.line("    %s", step)
		}
		if c.foot != "" {
			st.line("        %s", strings.ReplaceAll(c.foot, "\n        ", "\n            "))
		}
	}
	st.versions()
	for _, c := range inOrder(st.allocs, func(c *chronicle) string { return c.title }) {
		st.line("%s: %s", c.title, strings.Join(c.steps, " > "))
	}
	var evals []string
	for _, c := range st.evals {
		if c.title == "reconnect" {
			continue // only where the allocation is heard of after its node
		}
		end := c.steps[len(c.steps)-1]
		if c.title == "deployment-watcher" && end == "complete" {
			continue // whether the rollout asks between two instances depends on their being healthy in one report or in two
		}
		evals = append(evals, c.title+" "+end)
	}
	slices.Sort(evals)
	st.line("evaluations: %s", strings.Join(slices.Compact(evals), ", "))
}

// versions adds to the titles of allocations the job version that they have at the end.
func (st *story) versions() {
	list, _, err := st.api().Allocations().List(&api.QueryOptions{Namespace: "*"})
	if err != nil {
		st.t.Fatal(err)
	}
	for _, a := range list {
		if c := st.allocs[a.ID]; c != nil {
			c.title += fmt.Sprintf(" v%d", a.JobVersion)
		}
	}
}

func inOrder(of map[string]*chronicle, key func(*chronicle) string) []*chronicle {
	return slices.SortedFunc(maps.Values(of), func(a, b *chronicle) int {
		return cmp.Or(strings.Compare(key(a), key(b)), cmp.Compare(a.created, b.created), strings.Compare(fmt.Sprint(a.steps), fmt.Sprint(b.steps)))
	})
}

// line writes one indented line of the story.
func (st *story) line(format string, args ...any) {
	fmt.Fprintf(&st.out, "    "+format+"\n", args...)
}

// run plans a job twice, which must give the same and change nothing, and registers it.
func (st *story) run(job *api.Job) {
	st.t.Helper()
	st.plan(job)
	if _, _, err := st.api().Jobs().Register(job, nil); err != nil {
		st.t.Fatalf("register: %v", err)
	}
	st.line("register")
}

// plan asks twice what registering a job would do.
func (st *story) plan(job *api.Job) *api.JobPlanResponse {
	st.t.Helper()
	_, before, err := st.api().Jobs().List(nil)
	if err != nil {
		st.t.Fatal(err)
	}
	first, _, err := st.api().Jobs().Plan(job, true, nil)
	if err != nil {
		st.t.Fatalf("plan: %v", err)
	}
	second, _, err := st.api().Jobs().Plan(job, true, nil)
	if err != nil {
		st.t.Fatalf("plan: %v", err)
	}
	if d := gocmp.Diff(first, second); d != "" {
		st.t.Errorf("two plans of the same job differ:\n%s", d)
	}
	_, after, err := st.api().Jobs().List(nil)
	if err != nil || after.LastIndex != before.LastIndex {
		st.t.Errorf("planning moved the index of jobs from %d to %d (%v)", before.LastIndex, after.LastIndex, err)
	}
	st.line("plan (%s): %s", first.Diff.Type, desiredOf(first.Annotations))
	for _, a := range first.Annotations.PreemptedAllocs {
		st.line("    preempts %s", a.Name)
	}
	for _, g := range slices.Sorted(maps.Keys(first.FailedTGAllocs)) {
		m := first.FailedTGAllocs[g]
		st.line("    cannot place %d of %s: filtered %v exhausted %v", m.CoalescedFailures+1, g, m.ConstraintFiltered, m.DimensionExhausted)
	}
	return first
}

// desiredOf are the counts of a plan, without those that are 0.
func desiredOf(a *api.PlanAnnotations) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(a.DesiredTGUpdates)) {
		u := a.DesiredTGUpdates[name]
		line := name + ":"
		for _, c := range []struct {
			name string
			n    uint64
		}{
			{"ignore", u.Ignore}, {"place", u.Place}, {"stop", u.Stop}, {"migrate", u.Migrate}, {"in-place", u.InPlaceUpdate},
			{"destructive", u.DestructiveUpdate}, {"canary", u.Canary}, {"preempt", u.Preemptions}, {"disconnect", u.Disconnect},
			{"reconnect", u.Reconnect}, {"reschedule-now", u.RescheduleNow}, {"reschedule-later", u.RescheduleLater},
		} {
			if c.n > 0 {
				line += fmt.Sprintf(" %s %d", c.name, c.n)
			}
		}
		out = append(out, line)
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, "; ")
}

// latest is a job's latest deployment.
func (st *story) latest(job string) *api.Deployment {
	st.t.Helper()
	d, _, err := st.api().Jobs().LatestDeployment(job, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	return d
}

// until waits for the latest deployment of web to have a status at a version.
func (st *story) until(version uint64, status string) {
	st.t.Helper()
	took := st.deployed("web", status, version, 5*time.Minute)
	st.line("version %d is %s after %s", version, status, took.Round(time.Second))
}

// sleep lets time pass.
func (st *story) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	st.line("%s later", d)
}

// show tells a job's status, summary and versions.
func (st *story) show(job string) {
	st.t.Helper()
	j, _, err := st.api().Jobs().Info(job, nil)
	if err != nil {
		st.line("%s: %v", job, err)
		return
	}
	sum, _, err := st.api().Jobs().Summary(job, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	st.line("%s is %s", job, *j.Status)
	for _, g := range slices.Sorted(maps.Keys(sum.Summary)) {
		s := sum.Summary[g]
		st.line("    %s: queued %d starting %d running %d complete %d failed %d lost %d unknown %d", g, s.Queued, s.Starting, s.Running, s.Complete, s.Failed, s.Lost, s.Unknown)
	}
	versions, _, _, err := st.api().Jobs().Versions(job, false, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	var marks []string
	for _, v := range slices.Backward(versions) {
		mark := fmt.Sprintf("v%d", *v.Version)
		if v.Stable != nil && *v.Stable {
			mark += " stable"
		}
		marks = append(marks, mark)
	}
	st.line("    versions: %s", strings.Join(marks, ", "))
}

// answer tells what a write was answered.
func (st *story) answer(what string, err error) {
	if err != nil {
		st.line("%s: refused: %s", what, st.scrub(err.Error()))
		return
	}
	st.line("%s", what)
}

// scrub takes IDs out of a text, which follow from the clock.
func (st *story) scrub(text string) string {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, ids := range []map[string]*chronicle{st.deployments, st.allocs, st.evals} {
		for id := range ids {
			text = strings.ReplaceAll(text, id, "ID")
		}
	}
	return text
}
