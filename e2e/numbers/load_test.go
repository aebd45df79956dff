//go:build e2e && linux

package numbers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/e2e/cluster"
)

const (
	// refresh is how often the balancer reads the catalogue.
	refresh = 100 * time.Millisecond
	// leave is the shutdown_delay: how long an instance goes on serving after it has
	// left the catalogue. Many times refresh.
	leave = 2 * time.Second
)

// measureUpdateUnderLoad updates a web server while requests go to whatever the
// catalogue lists, each over a connection of its own, and none is tried again.
func measureUpdateUnderLoad(r *run) {
	f := newFleet(r, cluster.Options{Servers: 3, Clients: 4}, 1)
	if status := f.release(r, "before"); status != api.DeploymentStatusSuccessful {
		r.Fatalf("the first version's deployment is %q", status)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b := &balancer{f: f, since: map[string]time.Time{}}
	var wg sync.WaitGroup
	wg.Go(func() { b.follow(ctx) })
	await(r, "the catalogue lists all instances", func() bool { return len(b.list()) == 6 })
	for range 4 {
		wg.Go(func() { b.load(ctx) })
	}
	status := f.release(r, "after")
	time.Sleep(leave + time.Second) // the last of the old ones leave
	cancel()
	wg.Wait()
	if status != api.DeploymentStatusSuccessful {
		r.Fatalf("the new version's deployment is %q", status)
	}
	r.count("failed", int(b.failed.Load()), int(b.sent.Load()))
	r.note("failed", "n is requests; the catalogue is read every %v, shutdown_delay is %v", refresh, leave)
	if first := b.first.Load(); first != nil {
		r.note("failed", "n is requests; the catalogue is read every %v, shutdown_delay is %v; the first failure came %v", refresh, leave, first)
	}
}

// release registers a version of the web server and returns its deployment's end.
func (f *fleet) release(r *run, version string) string {
	r.Helper()
	j := beaconJob("front", f.beacons, 6)
	g := j.TaskGroups[0]
	g.ShutdownDelay = new(leave)
	g.Networks = []*api.NetworkResource{{DynamicPorts: []api.Port{{Label: "http"}}}}
	g.Services = []*api.Service{{Name: "front", PortLabel: "http", Provider: "nomad", Checks: []api.ServiceCheck{
		{Name: "up", Type: "http", Path: "/health", Interval: time.Second, Timeout: time.Second},
	}}}
	g.Tasks[0].Config = map[string]any{"command": cluster.Binary(r.T, ""), "args": []string{"demo-web"}}
	g.Tasks[0].Env = map[string]string{"RELEASE": version}
	j.Update = canaries("checks")
	resp, _, err := f.Live().API().Jobs().Register(j, nil)
	if err != nil {
		r.Fatal(err)
	}
	return f.deployed("front", resp.JobModifyIndex, time.Minute)
}

// balancer sends requests to the instances that the catalogue lists.
type balancer struct {
	f            *fleet
	mu           sync.Mutex
	addrs        []string
	since        map[string]time.Time // when an address was first listed
	sent, failed atomic.Int64
	first        atomic.Value // the first failure
}

func (b *balancer) follow(ctx context.Context) {
	for ; ctx.Err() == nil; time.Sleep(refresh) {
		found, _, err := b.f.Live().API().Services().Get("front", nil)
		if err != nil {
			continue
		}
		var addrs []string
		for _, s := range found {
			addrs = append(addrs, fmt.Sprintf("%s:%d", s.Address, s.Port))
		}
		b.mu.Lock()
		for _, a := range addrs {
			if b.since[a].IsZero() {
				b.since[a] = time.Now()
			}
		}
		b.addrs = addrs
		b.mu.Unlock()
	}
}

func (b *balancer) list() []string { b.mu.Lock(); defer b.mu.Unlock(); return b.addrs }

// age is for how long an address has been known.
func (b *balancer) age(addr string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Since(b.since[addr]).Round(time.Millisecond)
}

func (b *balancer) load(ctx context.Context) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for ; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		addrs, addr, err := b.list(), "", fmt.Errorf("no instance is listed")
		if len(addrs) > 0 {
			addr = addrs[rand.IntN(len(addrs))]
			err = get(client, "http://"+addr)
		}
		b.sent.Add(1)
		if err != nil {
			b.failed.Add(1)
			b.first.CompareAndSwap(nil, fmt.Sprintf("%v after it was first listed: %v", b.age(addr), err))
		}
	}
}

func get(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}
