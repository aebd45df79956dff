package jobspec

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

func TestValidateIdentity(t *testing.T) {
	long := time.Hour
	for _, tc := range []struct {
		name string
		own  *api.WorkloadIdentity
		more []*api.WorkloadIdentity
		want string // "" for no error
	}{
		{"none", nil, nil, ""},
		{"both kinds", &api.WorkloadIdentity{Env: true, File: true}, []*api.WorkloadIdentity{{Name: "a", TTL: long}, {Name: "b", TTL: long}}, ""},
		{"a name twice", nil, []*api.WorkloadIdentity{{Name: "a"}, {Name: "a"}}, `identity "a": there is another of this name`},
		{"default twice", &api.WorkloadIdentity{}, []*api.WorkloadIdentity{{Name: "default"}}, `identity "default": there is another`},
		{"a path as name", nil, []*api.WorkloadIdentity{{Name: "../x"}}, "may hold letters"},
		{"negative ttl", &api.WorkloadIdentity{TTL: -1}, nil, "ttl cannot be negative"},
		{"short ttl", &api.WorkloadIdentity{TTL: time.Second}, nil, "ttl must be at least 10s (is 1s)"},
		{"unknown mode", &api.WorkloadIdentity{ChangeMode: "script"}, nil, "change_mode"},
		{"signal without one", &api.WorkloadIdentity{ChangeMode: "signal"}, nil, "change_signal is missing"},
		{"signal that is none", &api.WorkloadIdentity{ChangeMode: "signal", ChangeSignal: "hup"}, nil, `change_signal "hup" is not the name of a signal`},
		{"signal without its mode", &api.WorkloadIdentity{ChangeSignal: "SIGHUP"}, nil, "change_signal needs change_mode"},
		{"a signal", &api.WorkloadIdentity{ChangeMode: "signal", ChangeSignal: "SIGHUP"}, nil, ""},
		{"a path without a file", &api.WorkloadIdentity{Filepath: "local/x"}, nil, "filepath needs file = true"},
		{"a path out of the task", &api.WorkloadIdentity{File: true, Filepath: "../x"}, nil, "filepath"},
		{"one path twice", &api.WorkloadIdentity{File: true, Filepath: "local/x"}, []*api.WorkloadIdentity{{Name: "a", File: true, Filepath: "local//x"}}, "filepath local//x is that of identity \"default\" too"},
		{"null", nil, []*api.WorkloadIdentity{nil}, ""},
	} {
		job := valid()
		job.TaskGroups[0].Tasks[0].Identity, job.TaskGroups[0].Tasks[0].Identities = tc.own, tc.more
		err := Validate(job, Limits{}).Err()
		if (err != nil) != (tc.want != "") || !strings.Contains(fmt.Sprint(err), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}
