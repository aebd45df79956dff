package jobspec

import (
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

func TestValidateActions(t *testing.T) {
	task := api.NewTask("web", "raw_exec").SetConfig("command", "/bin/true")
	task.Actions = []*api.Action{{Name: "good", Command: "true"}, nil, {Name: "a b", Command: "true"}, {Name: "good", Command: "true"}, {Name: "idle"}}
	job := api.NewServiceJob("web", "web", "global", 50).AddDatacenter("dc1").AddTaskGroup(api.NewTaskGroup("g", 1).AddTask(task))
	job.Canonicalize()
	err := Validate(job, Limits{}).Err()
	if err == nil {
		t.Fatal("it was taken")
	}
	text := err.Error()
	for _, want := range []string{"action 2: is null", `action "a b": the name must have`, `action "good": there is another`, `action "idle": command is missing`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}
