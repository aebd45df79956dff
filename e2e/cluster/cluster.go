//go:build linux

package cluster

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Options of a cluster. Zero values: one server, no clients, loopback.
type Options struct {
	Servers, Clients int
	// Hosts gives every agent a network namespace of its own (root only).
	Hosts bool
	// Binary is the program; "" = $SELFHEAL. Agent configuration and API are the
	// same for a peer of ours, so it may be another's.
	Binary string
	// Extra is HCL that is added to every agent's configuration.
	Extra string
}

// Cluster is a set of agents.
type Cluster struct {
	T       testing.TB
	Servers []*Agent
	Clients []*Agent
	Dir     string
	binary  string
	extra   string
	hosts   *hosts
}

// New starts a cluster and waits until it has a leader and every client is ready.
func New(t testing.TB, o Options) *Cluster {
	t.Helper()
	c := &Cluster{T: t, Dir: t.TempDir(), binary: Binary(t, o.Binary), extra: o.Extra}
	if o.Hosts {
		c.hosts = newHosts(t)
	}
	total := o.Servers + o.Clients
	for i := range total {
		a := &Agent{c: c, Name: fmt.Sprintf("client-%d", i-o.Servers+1), index: i}
		if i < o.Servers {
			a.Name, a.Server = fmt.Sprintf("server-%d", i+1), true
		}
		a.Dir = filepath.Join(c.Dir, a.Name)
		if c.hosts != nil {
			a.host = c.hosts.add(t, i+1)
			a.IP, a.http, a.rpc, a.serf = a.host.ip, 4646, 4647, 4648
		} else {
			ports := freePorts(t, 3)
			a.IP, a.http, a.rpc, a.serf = "127.0.0.1", ports[0], ports[1], ports[2]
		}
		if a.Server {
			c.Servers = append(c.Servers, a)
		} else {
			c.Clients = append(c.Clients, a)
		}
	}
	t.Cleanup(c.Stop)
	for _, a := range c.All() {
		a.writeConfig(o.Servers)
	}
	for _, a := range c.All() {
		a.Start()
	}
	c.WaitReady(30 * time.Second)
	return c
}

// Binary is the program under test.
func Binary(t testing.TB, path string) string {
	t.Helper()
	if path == "" {
		path = os.Getenv("SELFHEAL")
	}
	if path == "" {
		t.Fatal("set SELFHEAL to the program under test (make e2e does)")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(abs); err != nil {
		t.Fatal(err)
	}
	return abs
}

// All lists servers, then clients.
func (c *Cluster) All() []*Agent { return append(append([]*Agent{}, c.Servers...), c.Clients...) }

// Stop kills every agent and everything that its tasks left running.
func (c *Cluster) Stop() {
	if c.T.Failed() {
		for _, a := range c.All() {
			a.dumpLog()
		}
	}
	for _, a := range c.All() {
		a.KillHost()
	}
	if c.hosts != nil {
		c.hosts.remove()
	}
}

// WaitReady waits for a leader, and for every client to be ready.
func (c *Cluster) WaitReady(limit time.Duration) {
	c.T.Helper()
	Eventually(c.T, limit, "the cluster is up", func() error {
		var last error
		for _, s := range c.Servers {
			nodes, _, err := s.API().Nodes().List(nil)
			if err != nil {
				last = err
				continue
			}
			ready := 0
			for _, n := range nodes {
				if n.Status == api.NodeStatusReady {
					ready++
				}
			}
			if ready == len(c.Clients) {
				return nil
			}
			last = fmt.Errorf("%d of %d clients are ready", ready, len(c.Clients))
		}
		return last
	})
}

// Leader is the server that leads.
func (c *Cluster) Leader() *Agent {
	c.T.Helper()
	var leader *Agent
	Eventually(c.T, 15*time.Second, "a leader", func() error {
		for _, s := range c.Servers {
			if !s.Running() {
				continue
			}
			addr, err := s.API().Status().Leader()
			if err != nil || addr == "" {
				continue
			}
			for _, l := range c.Servers {
				if addr == fmt.Sprintf("%s:%d", l.IP, l.rpc) && l.Running() {
					leader = l
					return nil
				}
			}
		}
		return fmt.Errorf("no server names a running leader")
	})
	return leader
}

// Client is the client with this node ID.
func (c *Cluster) Client(nodeID string) *Agent {
	c.T.Helper()
	for _, a := range c.Clients {
		if a.NodeID() == nodeID {
			return a
		}
	}
	c.T.Fatalf("no client has the node ID %s", nodeID)
	return nil
}

// Live is a server that runs, to ask.
func (c *Cluster) Live() *Agent {
	for _, s := range c.Servers {
		if s.Running() && !s.cut {
			return s
		}
	}
	c.T.Fatal("no server runs")
	return nil
}

// Running are the allocations of a job that run and should.
func (c *Cluster) Running(job string) []*api.AllocationListStub {
	allocs, _, err := c.Live().API().Jobs().Allocations(job, false, nil)
	if err != nil {
		return nil
	}
	var out []*api.AllocationListStub
	for _, a := range allocs {
		if a.ClientStatus == api.AllocClientStatusRunning && a.DesiredStatus == api.AllocDesiredStatusRun {
			out = append(out, a)
		}
	}
	return out
}

// WaitRunning waits until exactly n allocations of a job run.
func (c *Cluster) WaitRunning(job string, n int, limit time.Duration) []*api.AllocationListStub {
	c.T.Helper()
	var got []*api.AllocationListStub
	Eventually(c.T, limit, fmt.Sprintf("%d of job %s run", n, job), func() error {
		if got = c.Running(job); len(got) != n {
			return fmt.Errorf("%d run", len(got))
		}
		return nil
	})
	return got
}

// Run registers a job from HCL and waits until n allocations of it run.
func (c *Cluster) Run(hcl string, n int) string {
	c.T.Helper()
	client := c.Live().API()
	job, err := client.Jobs().ParseHCL(hcl, true)
	if err != nil {
		c.T.Fatalf("parse job: %v", err)
	}
	if _, _, err := client.Jobs().Register(job, nil); err != nil {
		c.T.Fatalf("register job: %v", err)
	}
	c.WaitRunning(*job.ID, n, 20*time.Second)
	return *job.ID
}

// Command runs the program's CLI against an agent and returns what it printed.
func (c *Cluster) Command(a *Agent, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	name, argv := c.binary, args
	if a.host != nil {
		name, argv = "ip", append([]string{"netns", "exec", a.host.ns, c.binary}, args...)
	}
	cmd := exec.CommandContext(ctx, name, argv...)
	cmd.Env = append(os.Environ(), "NOMAD_ADDR="+a.URL(), "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Eventually calls f every few milliseconds until it returns nil.
func Eventually(t testing.TB, limit time.Duration, what string, f func() error) {
	t.Helper()
	end := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited %v for: %s: %v", limit, what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// httpClient dials from where the agent can be reached.
func (c *Cluster) httpClient() *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 8, DisableCompression: true}
	if c.hosts != nil {
		tr.DialContext = c.hosts.dial
	}
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// Trim shortens an ID for messages.
func Trim(id string) string { return strings.SplitN(id, "-", 2)[0] }
