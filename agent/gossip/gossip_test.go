package gossip

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"pgregory.net/rapid"

	"github.com/selfheal/selfheal/agent/simnet"
)

func TestMetaRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abc-é")), 0, 30, 40)
		uuid := rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
		port := rapid.IntRange(0, 65535)
		m := Meta{
			ID: rapid.OneOf(uuid, rapid.Just("x"), rapid.Just("0A-")).Draw(t, "id"), Name: text.Draw(t, "name"), Region: text.Draw(t, "region"),
			Datacenter: text.Draw(t, "dc"), Server: rapid.Bool().Draw(t, "server"), Client: rapid.Bool().Draw(t, "client"),
			HTTPPort: port.Draw(t, "http"), RPCPort: port.Draw(t, "rpc"), BootID: rapid.OneOf(uuid, text).Draw(t, "boot"),
			Version: text.Draw(t, "version"), Expect: rapid.IntRange(0, 9).Draw(t, "expect"),
			Restarting: rapid.Bool().Draw(t, "restarting"), HTTPAddr: text.Draw(t, "httpaddr"), RPCAddr: text.Draw(t, "rpcaddr"),
		}
		leaving := rapid.Bool().Draw(t, "leaving")
		b, err := m.encode(leaving)
		if err != nil {
			t.Fatal(err)
		}
		got, gone, err := decodeMeta(b)
		if err != nil || gone != leaving {
			t.Fatal(gone, err)
		}
		if d := cmp.Diff(m, got); d != "" {
			t.Fatal(d)
		}
		// A later version appends: what we know is read all the same.
		b[0]++
		if got, _, err := decodeMeta(append(b, 1, 2, 3)); err != nil || got != m {
			t.Fatalf("a later version: %+v, %v", got, err)
		}
	})
}

func TestMetaOfAUsualNodeIsSmall(t *testing.T) {
	m := Meta{
		ID: id(1), BootID: id(2), Name: "ip-10-12-13-14", Region: "global", Datacenter: "dc1",
		Server: true, Client: true, HTTPPort: 4646, RPCPort: 4647, Version: "1.0.0", Expect: 3,
	}
	b, err := m.encode(false)
	if err != nil || len(b) > 80 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	m.Name, m.Region, m.Datacenter = strings.Repeat("n", 250), strings.Repeat("r", 250), strings.Repeat("d", 250)
	if _, err := m.encode(false); err == nil || !strings.Contains(err.Error(), "shorten") {
		t.Errorf("too long: %v", err)
	}
}

func FuzzDecodeMeta(f *testing.F) {
	b, _ := Meta{ID: id(1), Name: "n", Server: true, HTTPPort: 4646}.encode(true)
	f.Add(b)
	f.Add([]byte{1, 0, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, leaving, err := decodeMeta(b)
		if err != nil {
			return
		}
		again, err := m.encode(leaving)
		if err != nil {
			return // longer than what was sent
		}
		if back, _, err := decodeMeta(again); err != nil || back != m {
			t.Fatalf("%+v became %+v, %v", m, back, err)
		}
	})
}

func FuzzDecodeOrder(f *testing.F) {
	f.Add(order{id: "x", prune: true}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, ok := decodeOrder(b); ok {
			if again, _ := decodeOrder(o.encode()); again != o {
				t.Fatalf("%+v became %+v", o, again)
			}
		}
	})
}

// TestRoster reads as a story: what is heard, and what is reported.
func TestRoster(t *testing.T) {
	addr := netip.MustParseAddrPort("10.0.0.1:4648")
	moved := netip.MustParseAddrPort("10.0.0.2:4648")
	m := Meta{ID: "a", Name: "one", BootID: "1"}
	reboot := m
	reboot.BootID = "2"
	type r = *roster
	for _, c := range []struct {
		name string
		do   []func(r, time.Time)
		want string
	}{
		{"joins once", []func(r, time.Time){saw(m, addr), saw(m, addr)}, "joined/alive"},
		{"reboots", []func(r, time.Time){saw(m, addr), saw(reboot, addr)}, "joined/alive updated/alive"},
		{"moves", []func(r, time.Time){saw(m, addr), saw(m, moved)}, "joined/alive updated/alive"},
		{"fails and returns", []func(r, time.Time){saw(m, addr), lost, lost, saw(m, addr)}, "joined/alive failed/failed joined/alive"},
		{"leaves", []func(r, time.Time){saw(m, addr), leaving(m, addr), lost}, "joined/alive left/left"},
		{"leaves and returns", []func(r, time.Time){saw(m, addr), leaving(m, addr), saw(m, addr)}, "joined/alive left/left joined/alive"},
		{"leaves before it was known", []func(r, time.Time){leaving(m, addr), lost}, ""},
		{"dismissed when failed", []func(r, time.Time){saw(m, addr), lost, dismiss(false), dismiss(false)}, "joined/alive failed/failed left/left"},
		{"not dismissed alive", []func(r, time.Time){saw(m, addr), dismiss(true), saw(m, addr)}, "joined/alive"},
		{"pruned", []func(r, time.Time){saw(m, addr), lost, dismiss(true), dismiss(true), saw(m, addr)}, "joined/alive failed/failed left/left joined/alive"},
		{"never heard of", []func(r, time.Time){lost, dismiss(true)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			r := &roster{members: map[string]*Member{}, emit: func(e Event) {
				got = append(got, string(e.Kind)+"/"+string(e.Member.Status))
			}}
			for i, f := range c.do {
				f(r, time.Unix(int64(i), 0))
			}
			if d := cmp.Diff(c.want, strings.Join(got, " ")); d != "" {
				t.Error(d)
			}
		})
	}
}

func saw(m Meta, at netip.AddrPort) func(*roster, time.Time) {
	return func(r *roster, now time.Time) { r.saw(m, at, false, now) }
}

func leaving(m Meta, at netip.AddrPort) func(*roster, time.Time) {
	return func(r *roster, now time.Time) { r.saw(m, at, true, now) }
}

func lost(r *roster, now time.Time) { r.lost("a", now) }

func dismiss(prune bool) func(*roster, time.Time) {
	return func(r *roster, now time.Time) { r.dismiss("a", prune, now) }
}

func TestFindByName(t *testing.T) {
	r := &roster{members: map[string]*Member{}, emit: func(Event) {}}
	for _, m := range []Meta{{ID: "1", Name: "web", Region: "eu"}, {ID: "2", Name: "web", Region: "us"}, {ID: "3", Name: "db", Region: "us"}} {
		r.saw(m, netip.MustParseAddrPort("10.0.0.1:1"), false, time.Time{})
	}
	for name, want := range map[string]int{"1": 1, "web": 2, "web.us": 1, "db": 1, "db.eu": 0} {
		if got := len(r.find(name)); got != want {
			t.Errorf("%s: %d members, want %d", name, got, want)
		}
	}
}

func TestMemberAddresses(t *testing.T) {
	m := Member{Meta: Meta{HTTPPort: 4646, RPCPort: 4647}, Addr: netip.MustParseAddr("10.0.0.1"), Port: 4648}
	over := m
	over.HTTPAddr, over.RPCAddr = "web.example", "[fd00::1]:9"
	six := m
	six.Addr = netip.MustParseAddr("fd00::2")
	for _, row := range [][2]string{
		{m.HTTP(), "10.0.0.1:4646"}, {m.RPC(), "10.0.0.1:4647"}, {m.GossipAddr(), "10.0.0.1:4648"},
		{over.HTTP(), "web.example:4646"}, {over.RPC(), "[fd00::1]:9"}, {six.RPC(), "[fd00::2]:4647"},
	} {
		if row[0] != row[1] {
			t.Errorf("got %s, want %s", row[0], row[1])
		}
	}
}

func TestSlowListenerMissesNothing(t *testing.T) {
	var got []int
	release := make(chan struct{})
	e := newEvents(func(ev Event) { <-release; got = append(got, ev.Member.Port) })
	second := 0
	e.subscribe(func(Event) { second++ })
	done := make(chan struct{})
	go func() { e.run(); close(done) }()
	for i := range 1000 {
		e.push(Event{Member: Member{Port: i}})
	}
	e.close()
	close(release)
	<-done
	if len(got) != 1000 || got[0] != 0 || got[999] != 999 || second != 1000 {
		t.Errorf("%d and %d of 1000 events", len(got), second)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(*Config)
	}{
		{"", func(*Config) {}},
		{"", func(c *Config) { c.AdvertiseAddr = "10.1.1.1:9" }},
		{"set Network", func(c *Config) { c.Network = nil }},
		{"set Logger", func(c *Config) { c.Logger = nil }},
		{"set Meta.ID", func(c *Config) { c.Meta.ID = "" }},
		{"port 70000", func(c *Config) { c.Port = 70000 }},
		{"not an IP address", func(c *Config) { c.BindAddr = "eth0" }},
		{"key 1 has 5 bytes: use 16, 24 or 32", func(c *Config) { c.Keys = [][]byte{[]byte("short")} }},
		{"below half the probe interval", func(c *Config) { c.ProbeTimeout = c.ProbeInterval / 2 }},
		{"others can reach", func(c *Config) { c.AdvertiseAddr = "0.0.0.0" }},
		{"bad port", func(c *Config) { c.AdvertiseAddr = "10.1.1.1:x" }},
		{"at most", func(c *Config) { c.Meta.Name = strings.Repeat("x", 300) }},
	} {
		cfg := Default()
		cfg.Network, cfg.Logger = simnet.New(simnet.Config{}).Host("10.0.0.1"), hclog.NewNullLogger()
		cfg.Meta.ID = "a"
		c.change(&cfg)
		err := cfg.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
