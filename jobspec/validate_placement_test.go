package jobspec

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

// TestPlacementRules submits what a node can never give.
func TestPlacementRules(t *testing.T) {
	for _, tt := range []struct{ name, resources, volumes, want string }{
		{"numa", `"Cores": 2, "NUMA": {"Affinity": "require", "Devices": ["gpu"]}, "Devices": [{"Name": "gpu"}]`, ``, ""},
		{"numa affinity", `"Cores": 2, "NUMA": {"Affinity": "always"}`, ``, `affinity`},
		{"numa without cores", `"CPU": 100, "NUMA": {"Affinity": "prefer"}`, ``, "needs whole cores"},
		{"numa device", `"Cores": 2, "NUMA": {"Affinity": "require", "Devices": ["gpu"]}`, ``, `device "gpu" is none of the task's devices`},
		{"volume", ``, `"AccessMode": "single-node-single-writer", "AttachmentMode": "file-system"`, ""},
		{"csi mode", ``, `"AccessMode": "multi-node-multi-writer"`, "access_mode"},
		{"block device", ``, `"AttachmentMode": "block-device"`, "attachment_mode"},
		{"reader that writes", ``, `"AccessMode": "single-node-reader-only"`, "needs read_only = true"},
		{"two homes", ``, `"Sticky": true, "PerAlloc": true`, "exclude each other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			volume := strings.TrimSuffix(`"Type": "host", "Source": "data", `+tt.volumes, ", ")
			job := &api.Job{}
			body := `{"ID": "j", "TaskGroups": [{"Name": "g", "Volumes": {"v": {` + volume + `}},
				"Tasks": [{"Name": "t", "Driver": "mock_driver", "Resources": {` + tt.resources + `}}]}]}`
			if err := json.Unmarshal([]byte(body), job); err != nil {
				t.Fatal(err)
			}
			Canonicalize(job)
			err := Validate(job, Limits{}).Err()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestPlacementBounds refuses what would cost the scheduler more than it is worth.
func TestPlacementBounds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(j *api.Job)
		want   string
	}{
		{"at the bounds", func(j *api.Job) {
			j.Constraints = slices.Repeat([]*api.Constraint{api.NewConstraint("${meta.a}", "=", "b")}, 1000)
			j.Spreads = slices.Repeat([]*api.Spread{api.NewSpread("${meta.a}", 1, nil)}, 16)
		}, ""},
		{"constraints", func(j *api.Job) {
			j.Constraints = slices.Repeat([]*api.Constraint{api.NewConstraint("${meta.a}", "=", "b")}, 1001)
		}, "the group has 1001 constraints and affinities, those of the job included; at most 1000 are allowed"},
		{"spreads", func(j *api.Job) {
			j.Spreads = slices.Repeat([]*api.Spread{api.NewSpread("${meta.a}", 1, nil)}, 16)
			j.TaskGroups[0].Constraints = []*api.Constraint{api.NewConstraint("${meta.a}", "distinct_property", "1")}
		}, "the group has 17 spreads and distinct properties"},
		{"ports", func(j *api.Job) {
			network := &api.NetworkResource{}
			for i := range 1001 {
				network.DynamicPorts = append(network.DynamicPorts, api.Port{Label: "p" + strconv.Itoa(i)})
			}
			j.TaskGroups[0].Networks = []*api.NetworkResource{network}
		}, "the group has 1001 ports"},
		{"regular expression", func(j *api.Job) {
			j.Constraints = []*api.Constraint{api.NewConstraint("${meta.a}", "regexp", strings.Repeat("x", 4097))}
		}, "the expression has 4097 bytes; at most 4096 are allowed"},
	} {
		job := valid()
		tt.change(job)
		err := Validate(job, Limits{}).Err()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}
