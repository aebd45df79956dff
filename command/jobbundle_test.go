package command

import (
	"encoding/json"
	"testing"
)

// TestJobStatusJSON holds the shape that scripts read: a list, the job's own fields
// and what belongs to it beside them.
func TestJobStatusJSON(t *testing.T) {
	a := newFakeAgent(t, cluster())
	r := execute(t, a.URL, "", "job", "status", "-json", "web")
	var all []struct {
		ID, Status       string
		Summary          struct{ Summary map[string]any }
		Allocations      []struct{ ID string }
		Evaluations      []struct{ ID string }
		LatestDeployment *struct{ ID string }
	}
	if err := json.Unmarshal([]byte(r.out), &all); err != nil || r.code != 0 {
		t.Fatalf("exit %d, %v: %s%s", r.code, err, r.out, r.err)
	}
	if len(all) != 1 || all[0].ID != "web" || all[0].Status == "" || len(all[0].Summary.Summary) == 0 ||
		len(all[0].Allocations) == 0 || len(all[0].Evaluations) != 2 || all[0].LatestDeployment == nil {
		t.Errorf("got %+v", all)
	}
}
