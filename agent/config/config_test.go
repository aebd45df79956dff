package config

import (
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// load is Load of one file for a client, or of no file when text is "".
func load(t *testing.T, text string, args ...string) *Config {
	t.Helper()
	files := map[string]string{"agent.hcl": text}
	src, err := ParseFlags(append([]string{"-client", "-data-dir=/data", "-config", "agent.hcl"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	src.System = machine(files)
	c, _, err := Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultNeedsARole(t *testing.T) {
	if err := Default().Validate(); err == nil {
		t.Error("Default() validates without a role")
	}
	c := Dev()
	c.Name = "box"
	if p := c.resolve(machine(nil)); p != nil {
		t.Fatal(p)
	}
	if err := c.Validate(); err != nil {
		t.Errorf("Dev() does not validate: %v", err)
	}
}

// TestRealMachine loads from disk, with this machine's hostname and addresses.
func TestManyProblems(t *testing.T) {
	ps := make(Problems, 150)
	for i := range ps {
		ps[i].Text = "wrong"
	}
	if got, want := ps.Error(), strings.Repeat("wrong\n", maxShown)+"and 140 more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRealMachine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "nomad123")
	if err := os.WriteFile(path, []byte(`{"data_dir": "`+dir+`", "advertise": {"http": "127.0.0.1"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := ParseFlags([]string{"-dev", "-config=" + path, "--bind", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	src.Version = "1.2.3"
	c, warnings, err := Load(src)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %q", err, warnings)
	}
	host, _ := os.Hostname()
	if c.Name != host || c.Version != "1.2.3" || c.Advertise.RPC != "127.0.0.1:4647" {
		t.Errorf("name %q, version %q, advertise %q", c.Name, c.Version, c.Advertise.RPC)
	}
	if _, _, err := Load(Source{Dev: true, Paths: []string{filepath.Join(dir, "gone.hcl")}}); err == nil {
		t.Error("a missing file is accepted")
	}
}

// TestAdvertise wants an address of the family that the listener hears, a private one
// first, and a warning when only this machine can dial it.
func TestAdvertise(t *testing.T) {
	tests := []struct {
		name, bind, template, want string
		warned                     bool
	}{
		{"private", "0.0.0.0", ownTemplates[true][0], "10.1.1.1:4647", false},
		{"any", "0.0.0.0", ownTemplates[true][1], "10.1.1.1:4647", false},
		{"none", "0.0.0.0", "", "127.0.0.1:4647", true},
		{"IPv6 only", "0.0.0.0", ownTemplates[false][0], "127.0.0.1:4647", true},
		{"both families", "::", ownTemplates[false][0], "10.1.1.1:4647", false},
		{"both, none", "::", "", "[::1]:4647", true},
		{"as bound", "10.0.0.1", ownTemplates[true][0], "10.0.0.1:4647", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src, err := ParseFlags([]string{"-client", "-data-dir=/data", "-bind", tt.bind})
			if err != nil {
				t.Fatal(err)
			}
			src.System = machine(nil)
			src.System.Template = func(text string) (string, error) {
				if text == tt.template {
					return "10.1.1.1", nil
				}
				return "", nil
			}
			c, warnings, err := Load(src)
			if err != nil {
				t.Fatal(err)
			}
			if c.Advertise.RPC != tt.want || (len(warnings) > 0) != tt.warned {
				t.Errorf("advertises %s, warnings %q", c.Advertise.RPC, warnings)
			}
		})
	}
}

func TestNoHostname(t *testing.T) {
	src, _ := ParseFlags([]string{"-client", "-data-dir", "/data"})
	src.System = machine(nil)
	src.System.Hostname = func() (string, error) { return "", errors.New("no hostname") }
	_, _, err := Load(src)
	want := "name: find hostname: no hostname; set name"
	if err == nil || err.Error() != want {
		t.Fatalf("got %v, want %s", err, want)
	}
}

// TestOwnTemplates wants the templates to be understood by the real resolver.
func TestOwnTemplates(t *testing.T) {
	for _, list := range ownTemplates {
		for _, text := range list {
			ip, err := System{}.orReal().Template(text)
			if err != nil {
				t.Error(err)
			}
			if _, bad := netip.ParseAddr(ip); ip != "" && bad != nil {
				t.Error(bad)
			}
		}
	}
}

func TestParseFlags(t *testing.T) {
	if _, err := ParseFlags([]string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
	if _, err := ParseFlags([]string{"-region"}); err == nil {
		t.Error("-region without its argument is accepted")
	}
	src, err := ParseFlags([]string{"-dev=false", "-server", "--config", "a", "-config=b", "-acl-enabled=false"})
	if err != nil {
		t.Fatal(err)
	}
	want := Source{Paths: []string{"a", "b"}, Flags: []Setting{{"server", "true"}, {"acl-enabled", "false"}}}
	if diff := cmp.Diff(want.Paths, src.Paths) + cmp.Diff(want.Flags, src.Flags); diff != "" || src.Dev {
		t.Error(diff)
	}
}

// TestFlagTable wants every row to set an existing key and to have a usage sentence.
func TestFlagTable(t *testing.T) {
	keys := schemaKeys("", reflect.TypeFor[Config]())
	seen := map[string]bool{}
	for _, f := range Flags() {
		if f.Key != "" && !contains(keys, f.Key) {
			t.Errorf("-%s sets %q, which is no key", f.Name, f.Key)
		}
		if !strings.HasSuffix(f.Usage, ".") || seen[f.Name] {
			t.Errorf("-%s: bad usage or a second row", f.Name)
		}
		seen[f.Name] = true
	}
}

// TestTables wants the tables that name keys to name existing ones, and an ignored key
// not to be a key as well.
func TestTables(t *testing.T) {
	keys := schemaKeys("", reflect.TypeFor[Config]())
	for key := range ignored {
		if contains(keys, key) {
			t.Errorf("%s is ignored and means something", key)
		}
		if path, _ := split(key); path != "" && !contains(keys, path) {
			t.Errorf("ignored %s is in no block", key)
		}
	}
	for _, prefix := range reloadable {
		known := false
		for _, key := range keys {
			known = known || key == prefix || strings.HasSuffix(prefix, ".") && strings.HasPrefix(key, prefix)
		}
		if !known {
			t.Errorf("reloadable %s is no key", prefix)
		}
	}
	for from, to := range aliases {
		path, _ := split(from)
		if !contains(keys, join(path, to)) {
			t.Errorf("alias %s leads to no key", from)
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// TestSmallStructs keeps the promise of fewer than 20 fields.
func TestSmallStructs(t *testing.T) {
	for _, v := range []any{Config{}, Identity{}, Network{}, Process{}, Server{}, Client{}, TLS{}, Telemetry{}, Consul{}} {
		if typ := reflect.TypeOf(v); typ.NumField() >= 20 {
			t.Errorf("%s has %d fields", typ, typ.NumField())
		}
	}
}

func TestRawExec(t *testing.T) {
	tests := []struct {
		name, text string
		args       []string
		want       bool
	}{
		{"off by default", "", nil, false},
		{"on with -dev", "", []string{"-dev"}, true},
		{"plugin", `plugin "raw_exec" {` + "\nconfig {\nenabled = true\n}\n}", nil, true},
		{"plugin in quotes", `plugin "raw_exec" {` + "\nconfig {\nenabled = \"1\"\n}\n}", nil, true},
		{"option", "client {\noptions {\n\"driver.raw_exec.enable\" = \"1\"\n}\n}", nil, true},
		{"option off wins", "client {\noptions = { \"driver.raw_exec.enable\" = false }\n}", []string{"-dev"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := load(t, tt.text, tt.args...).RawExec(); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestJoinAddrs(t *testing.T) {
	c := load(t, `
server {
  server_join {
    retry_join = ["10.0.0.1", "10.0.0.2:9000", "[::1]"]
    start_join = ["host"]
  }
}
client {
  servers = ["10.0.0.1", "10.0.0.9:5647"]
  server_join {
    retry_join = ["10.0.0.9:5647"]
  }
}`)
	want := []string{"host:4648", "10.0.0.1:4648", "10.0.0.2:9000", "[::1]:4648", "10.0.0.1:4647", "10.0.0.9:5648", "10.0.0.9:5647"}
	if diff := cmp.Diff(want, c.JoinAddrs()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"10.0.0.1:4647", "10.0.0.9:5647"}, c.ServerAddrs()); diff != "" {
		t.Error(diff)
	}
}

func TestReloadable(t *testing.T) {
	old := load(t, "region = \"eu\"\nlog_level = \"INFO\"\nclient {\nmeta {\na = 1\nb = 1\n}\n}\ntls {\nca_file = \"a\"\n}")
	new := load(t, "region = \"us\"\nlog_level = \"DEBUG\"\nclient {\nmeta {\nb = 2\nc = 1\n}\n}\ntls {\nca_file = \"b\"\n}\nserver {\nretry_join = [\"h\"]\n}")
	changed, ignored := Reloadable(old, new)
	if diff := cmp.Diff([]string{"log_level", "server.server_join.retry_join", "tls.ca_file"}, changed); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"region", "client.meta.a", "client.meta.b", "client.meta.c"}, ignored); diff != "" {
		t.Error(diff)
	}
	if changed, ignored := Reloadable(old, old); changed != nil || ignored != nil {
		t.Errorf("no difference, but %v and %v", changed, ignored)
	}
}

func TestRedacted(t *testing.T) {
	c := load(t, "consul {\ntoken = \"s3cret\"\n}\nplugin \"docker\" {\nconfig {\npassword = \"s3cret\"\n}\n}", "-encrypt", "HHR6mBpbYHZ2MxIQJYHzrQnh7vJD5iCQt9MKUfDmwNU=")
	r := c.Redacted()
	if r.Consul.Token != "<redacted>" || r.Server.Encrypt != "<redacted>" || r.Plugins["docker"].Config != nil {
		t.Errorf("secrets are shown: %+v", r)
	}
	// This is what /v1/agent/self shows; the API's client reads Region and Datacenter.
	text, err := json.Marshal(r)
	if err != nil || strings.Contains(string(text), "s3cret") || !strings.Contains(string(text), `"Region":"global","Datacenter":"dc1"`) {
		t.Errorf("%v: %s", err, text)
	}
	if c.Consul.Token != "s3cret" || c.Plugins["docker"].Config["password"] != "s3cret" || r.ACL.ReplicationToken != "" {
		t.Error("the original was changed, or an empty secret looks like one")
	}
}

func TestKey(t *testing.T) {
	for _, text := range []string{"", "QUJDREVGR0hJSktMTU5PUA==", "QUJDREVGR0hJSktMTU5PUA", "_-_-QUJDREVGR0hJSktMTU5PUFFSU1RV"} {
		key, err := Server{Encrypt: text}.Key()
		if err != nil || len(key) != len(strings.TrimRight(text, "="))*3/4 {
			t.Errorf("%q: %d bytes, %v", text, len(key), err)
		}
	}
}

func TestParsePorts(t *testing.T) {
	got, err := ParsePorts(" 443, 22,8000-8003,8002 ")
	if diff := cmp.Diff([]int{22, 443, 8000, 8001, 8002, 8003}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"enabled", "encrypt", "region", "rpc", "http"}
	tests := map[string]string{"enabeld": "enabled", "enable": "enabled", "regoin": "region", "htpp": "http", "zzz": "", "": "", "r": "", "rcp": "rpc"}
	for name, want := range tests {
		if got, _ := nearest(name, keys); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}
