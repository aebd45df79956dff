package client

import (
	"slices"
	"testing"

	"github.com/hashicorp/nomad/api"
)

func TestCoresOfATask(t *testing.T) {
	group := &api.TaskGroup{Tasks: []*api.Task{
		{Name: "a", Resources: &api.Resources{Cores: new(2)}},
		{Name: "b", Resources: &api.Resources{CPU: new(100)}},
		{Name: "c", Resources: &api.Resources{Cores: new(3)}},
	}}
	given := []int{4, 5, 0, 1, 7}
	for _, tt := range []struct {
		task string
		want []int
		text string
	}{{"a", []int{4, 5}, "4-5"}, {"b", []int{}, ""}, {"c", []int{0, 1, 7}, "0-1,7"}, {"gone", nil, ""}} {
		if got := coresOf(group, tt.task, given); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.task, got, tt.want)
		} else if text := cpuset(got); text != tt.text {
			t.Errorf("%s: %q, want %q", tt.task, text, tt.text)
		}
	}
	if got := coresOf(group, "c", []int{1}); len(got) != 0 {
		t.Errorf("an allocation of an older version: %v", got)
	}
}

func TestReservableCores(t *testing.T) {
	if got := reservable([]uint16{0, 1, 2, 3}, []int{0, 9}); !slices.Equal(got, []uint16{1, 2, 3}) {
		t.Error(got)
	}
}

func TestHostNetworks(t *testing.T) {
	attributes := map[string]string{}
	offered, missing := resolveHostNetworks(map[string]*api.HostNetworkInfo{
		"loop":    {Name: "loop", CIDR: "127.0.0.0/8"},
		"device":  {Name: "device", CIDR: "127.0.0.0/8", Interface: "lo"},
		"nowhere": {Name: "nowhere", CIDR: "203.0.113.0/24"},
		"broken":  {Name: "broken", CIDR: "x"},
	}, attributes)
	if len(offered) != 2 || attributes[attrHostNetwork+"loop"] != "127.0.0.1" || attributes[attrHostNetwork+"device"] != "127.0.0.1" {
		t.Errorf("%v %v", offered, attributes)
	}
	want := []string{`host_network "broken": cidr "x": invalid CIDR address: x`, `host_network "nowhere": no interface has an address in 203.0.113.0/24`}
	if !slices.Equal(missing, want) {
		t.Errorf("%q", missing)
	}
}
