package command

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
	"github.com/hashicorp/nomad/api/contexts"
)

var update = flag.Bool("update", false, "write the golden files")

type contextName = contexts.Context

// scenes are clusters that differ from the usual one in what is named here.
var scenes = map[string]func(map[string]any){
	"pages":  func(map[string]any) {},
	"admin":  adminAnswers,
	"errors": func(a map[string]any) { a["GET /v1/deployments"] = refusal{403, "Permission denied"} },
	"run": func(a map[string]any) {
		a["GET /v1/evaluation/"+eval0] = turns{webEval("pending"), webEval("complete")}
		a["GET /v1/deployment/"+deploy0] = turns{webDeployment("running", 0), webDeployment("running", 1), webDeployment("successful", 2)}
	},
	"rundeploymentfails": func(a map[string]any) {
		a["GET /v1/evaluation/"+eval0] = webEval("complete")
		a["GET /v1/deployment/"+deploy0] = webDeployment("failed", 0)
		sick := webAlloc().Stub()
		sick.DeploymentStatus = &api.AllocDeploymentStatus{Healthy: ptr(false)}
		a["GET /v1/deployment/allocations/"+deploy0] = []*api.AllocationListStub{sick}
	},
	"rununplaced": func(map[string]any) {},
	"plan": func(a map[string]any) {
		a["PUT /v1/job/web/plan"] = &api.JobPlanResponse{
			JobModifyIndex: 12, CreatedEvals: []*api.Evaluation{{}},
			FailedTGAllocs: map[string]*api.AllocationMetric{"cache": tooBig()},
			Annotations:    &api.PlanAnnotations{DesiredTGUpdates: map[string]*api.DesiredUpdates{"web": {Place: 1, DestructiveUpdate: 2}}},
			Diff: &api.JobDiff{Type: "Edited", ID: "web", Fields: []*api.FieldDiff{{Type: "None", Name: "Type", Old: "service"}, {Type: "Edited", Name: "Priority", Old: "50", New: "60"}},
				TaskGroups: []*api.TaskGroupDiff{{Type: "Edited", Name: "web", Updates: map[string]uint64{"create": 1, "create/destroy update": 2},
					Fields: []*api.FieldDiff{{Type: "Edited", Name: "Count", Old: "2", New: "3", Annotations: []string{"forces create"}}},
					Tasks: []*api.TaskDiff{{Type: "Edited", Name: "server", Annotations: []string{"forces create/destroy update"},
						Objects: []*api.ObjectDiff{{Type: "Added", Name: "Env", Fields: []*api.FieldDiff{{Type: "Added", Name: "Env[A]", New: "1"}}}}}}}}},
		}
	},
	"whatif": func(a map[string]any) { foresee(a) },
	"plannothing": func(a map[string]any) {
		a["PUT /v1/job/web/plan"] = &api.JobPlanResponse{
			JobModifyIndex: 12, Diff: &api.JobDiff{Type: "None", ID: "web"},
			Annotations: &api.PlanAnnotations{DesiredTGUpdates: map[string]*api.DesiredUpdates{"web": {Ignore: 2}}},
		}
	},
}

// TestScripts runs testdata/*.txt. A line "$ selfheal ..." is a command; after
// it stands what it printed, lines of standard error behind "! ", and the exit
// code if it is not 0. With -update the outputs are written.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) != len(scenes) {
		t.Fatalf("%d scripts for %d scenes, %v", len(files), len(scenes), err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			scene, ok := scenes[name]
			if !ok {
				t.Fatalf("no scene is called %q", name)
			}
			answers := cluster()
			scene(answers)
			agent := newFakeAgent(t, answers)
			var b strings.Builder
			for _, line := range strings.Split(string(text), "\n") {
				command, ok := strings.CutPrefix(line, "$ selfheal")
				if !ok {
					continue
				}
				b.WriteString(line + "\n")
				r := execute(t, agent.URL, "", strings.Fields(command)...)
				b.WriteString(r.out)
				for _, l := range strings.SplitAfter(r.err, "\n") {
					if l != "" {
						b.WriteString("! " + l)
					}
				}
				if r.code != 0 {
					fmt.Fprintf(&b, "exit %d\n", r.code)
				}
				b.WriteString("\n")
			}
			golden(t, name+".txt", strings.ReplaceAll(b.String(), agent.URL, "http://AGENT"))
		})
	}
}
