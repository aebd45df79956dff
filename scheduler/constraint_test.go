package scheduler

import (
	"maps"
	"slices"
	"testing"
)

func TestOperators(t *testing.T) {
	n := &Node{
		ID: "id", Name: "name", Datacenter: "dc1", Class: "large", Pool: "gpu",
		Attributes: map[string]string{"n": "10", "f": "2.5", "v": "1.10.0", "pre": "1.10.0-rc1", "word": "beta", "set": "a, b,c", "empty": ""},
		Meta:       map[string]string{"rack": "r1"},
	}
	for _, tt := range []struct {
		l, op, r string
		want     bool
	}{
		{"${attr.n}", "=", "10", true},
		{"${attr.n}", "==", "10", true},
		{"${attr.n}", "is", "11", false},
		{"10", "", "${attr.n}", true},
		{"${attr.gone}", "=", "", false},
		{"${attr.empty}", "=", "", true},
		{"${attr.n}", "!=", "11", true},
		{"${attr.n}", "not", "10", false},
		{"${attr.gone}", "!=", "10", true},
		{"${attr.n}", ">", "9", true},
		{"${attr.n}", "<", "9", false},
		{"${attr.n}", ">=", "10", true},
		{"${attr.n}", "<=", "10.0", true},
		{"${attr.f}", ">", "2.25", true},
		{"${attr.word}", ">", "alpha", true},
		{"${attr.gone}", "<", "9", false},
		{"${attr.v}", "version", ">= 1.9, < 2", true},
		{"${attr.v}", "version", "~> 1.9", true},
		{"${attr.v}", "version", "> 1.10", false},
		{"${attr.v}", "version", "nonsense", false},
		{"${attr.word}", "version", "> 1", false},
		{"${attr.pre}", "version", ">= 1.9", false},
		{"${attr.pre}", "semver", ">= 1.9.0", true},
		{"${attr.pre}", "semver", "< 1.10.0", true},
		{"${attr.pre}", "semver", "!= 1.10.0", true},
		{"${attr.pre}", "semver", "<= 1.10.0, > 1.0.0", true},
		{"${attr.v}", "semver", "~> 1.2.0", true},
		{"${attr.v}", "semver", "~> 2.0.0", false},
		{"${attr.v}", "semver", "1.10.0", true},
		{"${attr.word}", "semver", "1.10.0", false},
		{"${attr.v}", "semver", "=", false},
		{"${attr.word}", "regexp", "^b.t", true},
		{"${attr.word}", "regexp", "(", false},
		{"${attr.word}", "regexp", "${meta.rack}", false},
		{"${attr.set}", "set_contains", "c,a", true},
		{"${attr.set}", "set_contains_all", "a,z", false},
		{"${attr.set}", "set_contains_any", "z, b", true},
		{"${attr.n}", "is_set", "", true},
		{"${attr.gone}", "is_set", "", false},
		{"${attr.gone}", "is_not_set", "", true},
		{"${attr.n}", "is_not_set", "", false},
		{"${node.unique.id}", "=", "id", true},
		{"${node.unique.name}", "=", "name", true},
		{"${node.datacenter}", "=", "dc1", true},
		{"${node.class}", "=", "large", true},
		{"${node.pool}", "=", "gpu", true},
		{"${node.unknown}", "is_set", "", false},
		{"${meta.rack}", "=", "r1", true},
		{"${attr.n}", "made up", "10", false},
		{"plain", "=", "plain", true},
	} {
		if got := compile(Constraint{tt.l, tt.op, tt.r}).match(n); got != tt.want {
			t.Errorf("%s %s %s = %v, want %v", tt.l, tt.op, tt.r, got, tt.want)
		}
	}
}

func TestDatacenters(t *testing.T) {
	for _, tt := range []struct {
		pattern, dc string
		want        bool
	}{
		{"*", "", true}, {"*", "x", true}, {"dc1", "dc1", true}, {"dc1", "dc11", false},
		{"eu-*", "eu-1", true}, {"eu-*", "us-1", false}, {"*-1", "eu-1", true}, {"*-1", "eu-12", false},
		{"e*-*1", "eu-west-1", true}, {"e*x*1", "eu-west-1", false}, {"a*a", "a", false},
	} {
		if got := inDatacenters(tt.dc, []string{"never", tt.pattern}); got != tt.want {
			t.Errorf("%q matches %q: %v, want %v", tt.pattern, tt.dc, got, tt.want)
		}
	}
	if !inDatacenters("dc1", nil) {
		t.Error("no datacenters must mean all")
	}
}

func TestDeviceNames(t *testing.T) {
	d := &Device{Vendor: "nvidia", Type: "gpu", Name: "t4", IDs: []string{"x"}, Attributes: map[string]string{"memory": "16 GiB", "clock": "1.5 GHz", "power": "250 W", "cores": "3072", "driver": "550.54"}}
	for _, tt := range []struct {
		name string
		con  []Constraint
		want bool
	}{
		{"gpu", nil, true}, {"nvidia/gpu", nil, true}, {"nvidia/gpu/t4", nil, true},
		{"fpga", nil, false}, {"amd/gpu", nil, false}, {"nvidia/gpu/a100", nil, false},
		{"gpu", []Constraint{{"${device.attr.memory}", ">=", "8 GiB"}}, true},
		{"gpu", []Constraint{{"${device.attr.memory}", ">", "16384 MiB"}}, false},
		{"gpu", []Constraint{{"${device.attr.memory}", "=", "16384MiB"}}, true},
		{"gpu", []Constraint{{"${device.attr.memory}", "!=", "16384 MiB"}}, false},
		{"gpu", []Constraint{{"${device.attr.memory}", "<", "17 GB"}}, false},
		{"gpu", []Constraint{{"${device.attr.memory}", ">", "8 GHz"}}, false},
		{"gpu", []Constraint{{"${device.attr.memory}", "<", "8 GHz"}}, false},
		{"gpu", []Constraint{{"${device.attr.memory}", "!=", "8 GHz"}}, true},
		{"gpu", []Constraint{{"${device.attr.clock}", ">=", "1500 MHz"}}, true},
		{"gpu", []Constraint{{"${device.attr.power}", "<=", "0.25 kW"}}, true},
		{"gpu", []Constraint{{"${device.attr.cores}", ">", "900"}}, true},
		{"gpu", []Constraint{{"${device.attr.driver}", "version", ">= 550"}}, true},
		{"gpu", []Constraint{{"${device.attr.gone}", "is_not_set", ""}, {"${device.attr.gone}", "!=", "x"}}, true},
		{"gpu", []Constraint{{"${device.attr.gone}", "<", "1"}}, false},
		{"gpu", []Constraint{{"${device.model}", "regexp", "^t[0-9]$"}}, true},
		{"gpu", []Constraint{{"${device.model}", "=", "t4"}, {"${device.vendor}", "=", "nvidia"}, {"${device.type}", "=", "gpu"}}, true},
	} {
		ask := compileDevices([]DeviceAsk{{Name: tt.name, Count: 1, Constraints: tt.con}})[0]
		if got := len(ask.choices(&Node{Devices: []Device{*d}})) == 1; got != tt.want {
			t.Errorf("%s %v = %v, want %v", tt.name, tt.con, got, tt.want)
		}
	}
}

// FuzzOperators: no constraint panics, an answer is the same when asked twice, "is_set"
// and "is_not_set" are opposites, and so are "=" and "!=".
func FuzzOperators(f *testing.F) {
	for _, op := range slices.Sorted(maps.Keys(operators)) {
		f.Add(op, "1.2.3", ">= 1.0, < 2")
		f.Add(op, "", "${attr.x}")
		f.Add(op, "a,b", "b")
	}
	f.Fuzz(func(t *testing.T, op, value, right string) {
		n := &Node{Attributes: map[string]string{"x": value}}
		con := compile(Constraint{"${attr.x}", op, right})
		if con.match(n) != con.match(n) {
			t.Fatal("two answers")
		}
		for _, pair := range [][2]string{{"=", "!="}, {"is_set", "is_not_set"}} {
			a := compile(Constraint{"${attr.x}", pair[0], right}).match(n)
			b := compile(Constraint{"${attr.x}", pair[1], right}).match(n)
			if a == b {
				t.Fatalf("%s and %s agree on %q and %q", pair[0], pair[1], value, right)
			}
		}
	})
}
