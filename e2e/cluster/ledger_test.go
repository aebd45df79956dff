//go:build linux

package cluster

import (
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

func TestCompare(t *testing.T) {
	version := func(v uint64, counter int) *api.Job {
		j := ledgerJob("a", counter)
		j.Version = &v
		return j
	}
	foreign := version(0, 3)
	foreign.Meta["sum"] = sum("b", 3)
	for _, tt := range []struct {
		name             string
		attempted, acked int
		stored           []*api.Job // newest first
		want             string     // "": nothing is wrong
	}{
		{"as acknowledged", 3, 3, []*api.Job{version(2, 3), version(1, 2)}, ""},
		{"without an answer, but stored", 4, 3, []*api.Job{version(3, 4), version(2, 3)}, ""},
		{"one lost", 3, 3, []*api.Job{version(1, 2)}, "has content 2, acknowledged was 3"},
		{"never tried", 3, 3, []*api.Job{version(3, 4)}, "tried 3"},
		{"stored twice", 3, 3, []*api.Job{version(3, 3), version(2, 3)}, "version 2 has content 3, the one after it 3"},
		{"another's content", 3, 3, []*api.Job{foreign}, "its content is"},
	} {
		e := &entry{id: "a", attempted: tt.attempted, acked: tt.acked}
		got := strings.Join(e.compare(tt.stored), "\n")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
