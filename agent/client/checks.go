package client

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/check"
)

// Checks runs the health checks of services; *check.Runner is the real one. Set says
// what is to be checked for an allocation, and changed is called, without waiting,
// when a status changes; Results is what is known of each check, by its ID.
type Checks interface {
	Set(allocID string, specs []check.Spec, changed func())
	Results(allocID string) map[string]check.Result
}

// offeredCheck is one check of an offered service.
type offeredCheck struct {
	spec     check.Spec
	shown    api.AllocCheckStatus // what of it does not change
	onUpdate string               // what it has to say about deployments
	restart  checkRestart
	tasks    []string // that restart when it stays unhealthy
}

// initialStatuses are a job file's words for them.
var initialStatuses = map[string]check.Status{
	"passing": check.Success, "warning": check.Warning, "critical": check.Failure,
}

// Modes of a check as the API shows them: whether deployments look at it.
const (
	modeHealthiness = "healthiness"
	modeReadiness   = "readiness"
)

// check is the nth check of a service. It asks where the task listens on this node,
// not where the service's address sends others.
func (s serviceScope) check(svc *api.Service, n int, reg *api.ServiceRegistration) offeredCheck {
	c := &svc.Checks[n]
	label := cmp.Or(interpolate(c.PortLabel, s.look), interpolate(svc.PortLabel, s.look))
	ip, port, _ := s.endpoint(label) // port 0 refuses: the check says so
	name := cmp.Or(interpolate(c.Name, s.look), "service: "+strconv.Quote(reg.ServiceName)+" check")
	sum := sha256.Sum256([]byte(strings.Join([]string{reg.ID, strconv.Itoa(n), name}, "\x00")))
	out := offeredCheck{
		spec: check.Spec{
			ID: hex.EncodeToString(sum[:16]), Type: c.Type, Addr: net.JoinHostPort(ip, strconv.Itoa(port)),
			Scheme: interpolate(c.Protocol, s.look), Method: interpolate(c.Method, s.look), Path: interpolate(c.Path, s.look),
			Body: interpolate(c.Body, s.look), TLSServerName: interpolate(c.TLSServerName, s.look), TLSSkipVerify: c.TLSSkipVerify,
			Interval: c.Interval, Timeout: c.Timeout, Initial: initialStatuses[c.InitialStatus],
			SuccessBeforePassing: c.SuccessBeforePassing, FailuresBeforeCritical: c.FailuresBeforeCritical, FailuresBeforeWarning: c.FailuresBeforeWarning,
		},
		onUpdate: cmp.Or(c.OnUpdate, svc.OnUpdate, api.OnUpdateRequireHealthy),
		restart:  checkRestartOf(c),
	}
	for key, values := range c.Header {
		if out.spec.Header == nil {
			out.spec.Header = map[string][]string{}
		}
		out.spec.Header[interpolate(key, s.look)] = s.all(values)
	}
	out.shown = api.AllocCheckStatus{
		ID: out.spec.ID, Check: name, Group: s.a.want.Name, Service: reg.ServiceName, Task: s.task, Mode: modeHealthiness,
	}
	if out.onUpdate == api.OnUpdateIgnore {
		out.shown.Mode = modeReadiness
	}
	known := len(s.tasks) > 0 // what ran well under the agent before this one is taken to be well
	only := cmp.Or(c.TaskName, svc.TaskName)
	for _, t := range s.tasks {
		known = known && t.wasWell
		if only == "" || s.task != "" || t.spec.Name == only {
			out.tasks = append(out.tasks, t.spec.Name)
		}
	}
	if known {
		out.spec.Initial = check.Success
	}
	return out
}

// tendServices brings services and checks in step with the tasks, and tells the
// servers if what is offered, or whether it is well, is another than they know.
func (a *alloc) tendServices() {
	if key := a.offersKey(); key != a.serving.key {
		a.serving.key, a.offers = key, a.offered()
		a.unlist()
		if a.shared.checks != nil {
			a.shared.checks.Set(a.id, a.checkSpecs(), a.poke)
		}
	}
	services, failing := a.present()
	if !reflect.DeepEqual(services, a.services) || !slices.Equal(failing, a.failing) {
		a.services, a.failing, a.changed = services, failing, true
	}
}

func (a *alloc) checkSpecs() []check.Spec {
	var specs []check.Spec
	for _, o := range a.offers {
		for _, c := range o.checks {
			specs = append(specs, c.spec)
		}
	}
	return specs
}

// checkResults is what is known of the allocation's checks.
func (a *alloc) checkResults() map[string]check.Result {
	if a.shared.checks == nil || !slices.ContainsFunc(a.offers, func(o offer) bool { return len(o.checks) > 0 }) {
		return nil
	}
	return a.shared.checks.Results(a.id)
}

// unlist forgets what is not offered any more: its next run has to prove itself anew.
func (a *alloc) unlist() {
	listed := map[string]bool{}
	for _, o := range a.offers {
		listed[o.reg.ID] = a.listed[o.reg.ID]
	}
	a.listed = listed
}

// present is what the allocation offers, and which of it does not pass its checks. A
// warning does: the service answers. What has never passed is not offered: a task that
// runs need not listen yet.
func (a *alloc) present() (services []*api.ServiceRegistration, failing []string) {
	results := a.checkResults()
	answers := func(c offeredCheck) bool {
		status := results[c.spec.ID].Status
		return a.shared.checks == nil || status == check.Success || status == check.Warning
	}
	for _, o := range a.offers {
		silent := slices.ContainsFunc(o.checks, func(c offeredCheck) bool { return !answers(c) })
		a.listed[o.reg.ID] = a.listed[o.reg.ID] || !silent
		if !a.listed[o.reg.ID] {
			continue
		}
		services = append(services, o.reg)
		if silent {
			failing = append(failing, o.reg.ID)
		}
	}
	return services, failing
}

// checksSince is since when all checks pass that deployments look at; zero while one
// does not. nil: there are none, or nobody runs them.
func (a *alloc) checksSince() *time.Time {
	declared := a.declaredChecks()
	if a.shared.checks == nil || declared == 0 {
		return nil
	}
	results, since := a.checkResults(), time.Time{}
	for _, o := range a.offers {
		for _, c := range o.checks {
			if c.onUpdate == api.OnUpdateIgnore {
				continue
			}
			r := results[c.spec.ID]
			if r.Status != check.Success && !(r.Status == check.Warning && c.onUpdate == api.OnUpdateIgnoreWarn) {
				return &time.Time{}
			}
			since = later(since, r.Since)
			declared--
		}
	}
	if declared > 0 { // some are not run yet, or their port is not there
		return &time.Time{}
	}
	return &since
}

// declaredChecks counts the checks of the job file that deployments look at. Those
// of tasks that end by themselves nobody waits for.
func (a *alloc) declaredChecks() int {
	n := 0
	count := func(services []*api.Service) {
		for _, svc := range services {
			for _, c := range svc.Checks {
				if cmp.Or(c.OnUpdate, svc.OnUpdate) != api.OnUpdateIgnore {
					n++
				}
			}
		}
	}
	count(a.group.Services)
	for _, t := range a.tasks {
		if !t.role.ephemeral() {
			count(t.spec.Services)
		}
	}
	return n
}

// poke makes the allocation look at its checks. It never waits.
func (a *alloc) poke() {
	select {
	case a.poked <- struct{}{}:
	default:
	}
}

// CheckStatuses is the status of every check of an allocation, by its ID. A check of
// a service whose task does not run is not there.
func (c *Client) CheckStatuses(allocID string) (api.AllocCheckStatuses, error) {
	out := api.AllocCheckStatuses{}
	err := c.ask(allocID, func(a *alloc) error {
		results := a.checkResults()
		for _, o := range a.offers {
			for _, each := range o.checks {
				out[each.spec.ID] = shownStatus(each.shown, results[each.spec.ID])
			}
		}
		return nil
	})
	return out, err
}

// shownStatus is a result in the API's words: it knows pending, success and failure.
func shownStatus(s api.AllocCheckStatus, r check.Result) api.AllocCheckStatus {
	s.Status, s.Output, s.StatusCode = string(cmp.Or(r.Status, check.Pending)), r.Output, r.Code
	if r.Status == check.Warning {
		s.Status = string(check.Failure)
	}
	if r.At.IsZero() {
		s.Output = "the check has not run yet"
	} else {
		s.Timestamp = r.At.Unix()
	}
	return s
}
