package jobspec

import (
	"encoding/json"
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
