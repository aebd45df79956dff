package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// putRaw sends raw JSON to the API of a server and returns the answer.
func (s *sim) putRaw(path string, body []byte) (status int, text string) {
	s.t.Helper()
	observer := s.net.Host("10.0.0.252")
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return observer.Dial(ctx, addr) }}
	req, err := http.NewRequest(http.MethodPut, "http://"+s.servers[0].ip+":4646"+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: tr, Timeout: time.Minute}).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// hostile is one way to spoil a job.
type hostile struct {
	name  string
	spoil func(*api.Job)
	want  []string // in the answer, all of it
}

func spoilTask(f func(*api.Task)) func(*api.Job) {
	return func(j *api.Job) { f(j.TaskGroups[0].Tasks[0]) }
}

func spoilGroup(f func(*api.TaskGroup)) func(*api.Job) {
	return func(j *api.Job) { f(j.TaskGroups[0]) }
}

func constrained(l, op, r string) func(*api.Job) {
	return func(j *api.Job) { j.Constrain(&api.Constraint{LTarget: l, Operand: op, RTarget: r}) }
}

var hostiles = []hostile{
	{"a count of a million", spoilGroup(func(g *api.TaskGroup) { g.Count = ptr(1_000_000) }), []string{"counts of all groups", "50000"}},
	{"a negative count", spoilGroup(func(g *api.TaskGroup) { g.Count = ptr(-3) }), []string{`group "group"`, "count", "-3"}},
	{"ten thousand groups", func(j *api.Job) {
		for i := range 10_000 {
			g := *j.TaskGroups[0]
			g.Name = ptr(fmt.Sprint("g", i))
			j.TaskGroups = append(j.TaskGroups, &g)
		}
	}, []string{"10001 tasks"}},
	{"no group", func(j *api.Job) { j.TaskGroups = nil }, []string{"no group"}},
	{"no task", spoilGroup(func(g *api.TaskGroup) { g.Tasks = nil }), []string{`group "group"`, "no task"}},
	{"two groups of one name", func(j *api.Job) { j.TaskGroups = append(j.TaskGroups, j.TaskGroups[0]) }, []string{`"group"`, "twice"}},
	{"two tasks of one name", spoilGroup(func(g *api.TaskGroup) { g.Tasks = append(g.Tasks, g.Tasks[0]) }), []string{`"task"`, "twice"}},
	{"two ports of one name", spoilGroup(func(g *api.TaskGroup) {
		g.Networks = []*api.NetworkResource{{DynamicPorts: []api.Port{{Label: "a"}, {Label: "a"}}}}
	}), []string{`port "a"`}},
	{"a port beyond 65535", spoilGroup(func(g *api.TaskGroup) {
		g.Networks = []*api.NetworkResource{{ReservedPorts: []api.Port{{Label: "a", Value: 70000}}}}
	}), []string{`port "a"`, "65535", "70000"}},
	{"a negative port", spoilGroup(func(g *api.TaskGroup) {
		g.Networks = []*api.NetworkResource{{ReservedPorts: []api.Port{{Label: "a", Value: -1}}}}
	}), []string{`port "a"`, "-1"}},
	{"negative cpu", spoilTask(func(t *api.Task) { t.Resources.CPU = ptr(-5) }), []string{`task "task"`, "cpu", "-5"}},
	{"negative memory", spoilTask(func(t *api.Task) { t.Resources.MemoryMB = ptr(-1) }), []string{"memory", "-1"}},
	{"memory of an exabyte", spoilTask(func(t *api.Task) { t.Resources.MemoryMB = ptr(1 << 50) }), []string{"memory"}},
	{"memory_max below memory", spoilTask(func(t *api.Task) { t.Resources.MemoryMaxMB = ptr(8) }), []string{"memory_max"}},
	{"negative disk", spoilGroup(func(g *api.TaskGroup) { g.EphemeralDisk = &api.EphemeralDisk{SizeMB: ptr(-1)} }), []string{"ephemeral_disk", "-1"}},
	{"a negative kill_timeout", spoilTask(func(t *api.Task) { t.KillTimeout = ptr(-time.Second) }), []string{"kill_timeout", "-1s"}},
	{"a negative shutdown_delay", spoilGroup(func(g *api.TaskGroup) { g.ShutdownDelay = ptr(-time.Second) }), []string{"shutdown_delay"}},
	{"a negative min_healthy_time", spoilGroup(func(g *api.TaskGroup) {
		g.Update = update(1, 0)
		g.Update.MinHealthyTime = ptr(-time.Second)
	}), []string{"min_healthy_time"}},
	{"min_healthy_time above healthy_deadline", spoilGroup(func(g *api.TaskGroup) {
		g.Update = update(1, 0)
		g.Update.MinHealthyTime = ptr(time.Hour)
	}), []string{"min_healthy_time", "healthy_deadline"}},
	{"healthy_deadline above progress_deadline", spoilGroup(func(g *api.TaskGroup) {
		g.Update = update(1, 0)
		g.Update.HealthyDeadline = ptr(time.Hour)
	}), []string{"healthy_deadline", "progress_deadline"}},
	{"negative canaries", spoilGroup(func(g *api.TaskGroup) { g.Update = update(1, -1) }), []string{"canary", "-1"}},
	{"negative max_parallel", spoilGroup(func(g *api.TaskGroup) { g.Update = update(-1, 0) }), []string{"max_parallel", "-1"}},
	{"auto_promote without canaries", spoilGroup(func(g *api.TaskGroup) {
		g.Update = update(1, 0)
		g.Update.AutoPromote = ptr(true)
	}), []string{"auto_promote", "canary"}},
	{"an unknown health_check", spoilGroup(func(g *api.TaskGroup) {
		g.Update = update(1, 0)
		g.Update.HealthCheck = ptr("hope")
	}), []string{"health_check", "hope"}},
	{"an unknown type", func(j *api.Job) { j.Type = ptr("daemon") }, []string{"type", "daemon"}},
	{"priority 0", func(j *api.Job) { j.Priority = ptr(-1) }, []string{"priority", "-1"}},
	{"an unknown node pool", func(j *api.Job) { j.NodePool = ptr("nowhere") }, []string{"nowhere"}},
	{"an unknown namespace", func(j *api.Job) { j.Namespace = ptr("nowhere") }, []string{"nowhere"}},
	{"a bad cron", func(j *api.Job) {
		j.Type, j.Periodic = ptr("batch"), &api.PeriodicConfig{Spec: ptr("61 * * * *"), SpecType: ptr("cron")}
	}, []string{"periodic", "61"}},
	{"an unknown time zone", func(j *api.Job) {
		j.Type, j.Periodic = ptr("batch"), &api.PeriodicConfig{Spec: ptr("* * * * *"), SpecType: ptr("cron"), TimeZone: ptr("Mars/Olympus")}
	}, []string{"time_zone", "Mars"}},
	{"a periodic service", func(j *api.Job) { j.Periodic = &api.PeriodicConfig{Spec: ptr("* * * * *"), SpecType: ptr("cron")} }, []string{"periodic"}},
	{"a bad regular expression", constrained("${attr.kernel.name}", "regexp", "("), []string{"constraint", "regexp"}},
	{"a bad version", constrained("${attr.kernel.version}", "version", ">= banana"), []string{"constraint", "version"}},
	{"a bad semver", constrained("${attr.kernel.version}", "semver", "~~1"), []string{"constraint", "semver"}},
	{"an unknown operator", constrained("${attr.x}", "resembles", "y"), []string{"operator", "resembles"}},
	{"an affinity of 200", func(j *api.Job) {
		j.Affinities = []*api.Affinity{{LTarget: "${attr.x}", RTarget: "y", Operand: "=", Weight: ptr(int8(101))}}
	}, []string{"affinity", "weight", "101"}},
	{"a spread of more than all", func(j *api.Job) {
		j.Spreads = []*api.Spread{{Attribute: "${node.datacenter}", Weight: ptr(int8(50)), SpreadTarget: []*api.SpreadTarget{{Value: "a", Percent: 70}, {Value: "b", Percent: 70}}}}
	}, []string{"spread", "140"}},
	{"a name with a NUL", func(j *api.Job) { j.ID, j.Name = ptr("a\x00b"), ptr("a\x00b") }, []string{"ID"}},
	{"a name with a space", func(j *api.Job) { j.ID = ptr("a b") }, []string{"ID", "space"}},
	{"a task with a slash", spoilTask(func(t *api.Task) { t.Name = "../etc" }), []string{"task", "../etc"}},
	{"a name of ten megabytes", func(j *api.Job) { j.ID = ptr(strings.Repeat("x", 10<<20)) }, []string{"10485760 bytes"}},
	{"an unknown driver mode", spoilGroup(func(g *api.TaskGroup) { g.Networks = []*api.NetworkResource{{Mode: "cni/none"}} }), []string{"network", "cni"}},
	{"a check without an interval", spoilGroup(func(g *api.TaskGroup) {
		g.Networks = []*api.NetworkResource{{DynamicPorts: []api.Port{{Label: "a"}}}}
		g.Services = []*api.Service{{Name: "web", PortLabel: "a", Checks: []api.ServiceCheck{{Type: "tcp"}}}}
	}), []string{"check", "interval"}},
	{"reschedule without end", spoilGroup(func(g *api.TaskGroup) {
		g.ReschedulePolicy = &api.ReschedulePolicy{Attempts: ptr(1), Interval: ptr(time.Second), Delay: ptr(time.Millisecond), DelayFunction: ptr("often"), MaxDelay: ptr(time.Hour), Unlimited: ptr(false)}
	}), []string{"reschedule", "often"}},
	{"everything at once", func(j *api.Job) {
		j.Type, j.Priority = ptr("daemon"), ptr(1000)
		j.TaskGroups[0].Count = ptr(-1)
		j.TaskGroups[0].Tasks[0].Resources.CPU = ptr(0)
		j.TaskGroups[0].Tasks[0].Driver = ""
	}, []string{"daemon", "1000", "-1", "cpu", "driver"}},
}

// malformed are bodies that are no jobs at all.
var malformed = []struct{ name, body, want string }{
	{"nothing", ``, "Request body is empty"},
	{"no JSON", `{"Job": {`, "decode request body"},
	{"a number for a name", `{"Job": {"ID": 7}}`, "ID must be a string"},
	{"NaN", `{"Job": {"ID": "x", "Priority": NaN}}`, "decode request body"},
	{"a huge number", `{"Job": {"ID": "x", "Priority": 1e400}}`, "Priority must be an integer"},
	{"a fraction", `{"Job": {"ID": "x", "Priority": 0.5}}`, "Priority must be an integer"},
	{"a duration in words", `{"Job": {"ID": "x", "TaskGroups": [{"ShutdownDelay": "soon"}]}}`, "ShutdownDelay must be an integer"},
	{"a job that is a list", `{"Job": []}`, "Job must be an object"},
	{"no job", `{}`, "Job must be specified"},
	{"a null job", `{"Job": null}`, "Job must be specified"},
	{"deeply nested", `{"Job": ` + strings.Repeat(`[`, 100_000) + `}`, "decode request body"},
}

// What nobody can run is refused with 400 by name, and whoever else submits a job
// meanwhile has it placed at once.
func TestHostileJobs(t *testing.T) {
	bubble(t, 1, 2, func(s *sim) {
		placed := 0
		swift := func(beside string) {
			placed++
			id := fmt.Sprint("good-", placed)
			began := time.Now()
			s.register(service(id, 1))
			for s.check(id, 1) != nil {
				if time.Sleep(time.Millisecond); time.Since(began) > time.Second {
					s.t.Errorf("beside %s: a good job is not placed within a second", beside)
					return
				}
			}
			s.api().Jobs().Deregister(id, true, nil)
		}
		for _, h := range hostiles {
			job := service("bad", 1)
			h.spoil(job)
			body, err := json.Marshal(api.JobRegisterRequest{Job: job})
			if err != nil {
				s.t.Fatal(err)
			}
			for _, path := range []string{"/v1/jobs", "/v1/validate/job"} {
				status, text := s.putRaw(path, body)
				if path == "/v1/jobs" && status != http.StatusBadRequest || path != "/v1/jobs" && status != http.StatusOK && status != http.StatusBadRequest {
					s.t.Errorf("%s: %s answers %d %.200q", h.name, path, status, text)
				}
				for _, want := range h.want {
					if path == "/v1/jobs" && !strings.Contains(text, want) {
						s.t.Errorf("%s: %.300q lacks %q", h.name, text, want)
					}
				}
			}
			swift(h.name)
		}
		for _, m := range malformed {
			status, text := s.putRaw("/v1/jobs", []byte(m.body))
			if status != http.StatusBadRequest || !strings.Contains(text, m.want) {
				s.t.Errorf("%s: %d %.200q, want 400 with %q", m.name, status, text, m.want)
			}
		}
		if jobs, _, err := s.api().Jobs().List(&api.QueryOptions{Prefix: "bad"}); err != nil || len(jobs) > 0 {
			s.t.Errorf("%d bad jobs are registered (%v)", len(jobs), err)
		}
	})
}

// What is odd but allowed does not hold up others either.
func TestOddJobsStallNobody(t *testing.T) {
	bubble(t, 1, 3, func(s *sim) {
		odd := map[string]func(*api.Job){
			"a thousand constraints": func(j *api.Job) {
				for i := range 1000 {
					j.Constrain(api.NewConstraint(fmt.Sprintf("${meta.m%d}", i), "!=", "x"))
				}
			},
			"cyclic interpolation": spoilTask(func(t *api.Task) {
				t.Env = map[string]string{"A": "${B}", "B": "${A}", "C": "${NOMAD_META_x}"}
				t.Meta = map[string]string{"x": "${meta.x}", "y": "${NOMAD_META_y}"}
			}),
			"fifty thousand that fit nowhere": func(j *api.Job) { *j.TaskGroups[0].Count = 50_000; sized(100_000)(j) },
			"a constraint on itself": func(j *api.Job) {
				j.Constrain(api.NewConstraint("${meta.${meta.x}}", "=", "${meta.x}"))
			},
		}
		for name, spoil := range odd {
			job := service("odd", 1)
			spoil(job)
			began := time.Now()
			if _, _, err := s.api().Jobs().Register(job, nil); err != nil && !strings.Contains(err.Error(), "400") {
				s.t.Errorf("%s: %v", name, err)
			}
			good := service("good", 3)
			s.register(good)
			if took := s.whole("good", 3, 2*time.Second); time.Since(began) > 2*time.Second {
				s.t.Errorf("%s: a good job took %v", name, took)
			}
			for _, id := range []string{"odd", "good"} {
				s.api().Jobs().Deregister(id, true, nil)
			}
			time.Sleep(2 * time.Second)
		}
	})
}
