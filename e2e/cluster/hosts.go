//go:build linux

package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// hosts are network namespaces on a switch, which is a bridge in a namespace of
// its own; the test looks in through one more.
type hosts struct {
	t      testing.TB
	prefix string
	all    []*host
	self   *host // the observer's
}

// host is one namespace with one cable.
type host struct {
	ns, ip, port string // port: the switch's end of the cable
	sw           string
}

func newHosts(t testing.TB) *hosts {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("network namespaces need the ip command (iproute2)")
	}
	h := &hosts{t: t, prefix: fmt.Sprintf("sh%d", os.Getpid()%100000)}
	sw := h.prefix + "sw"
	ip(t, "netns", "add", sw)
	ip(t, "-n", sw, "link", "add", "br0", "type", "bridge")
	ip(t, "-n", sw, "link", "set", "br0", "up")
	h.self = h.add(t, 250)
	return h
}

// add makes the host 10.77.0.n.
func (h *hosts) add(t testing.TB, n int) *host {
	t.Helper()
	sw := h.prefix + "sw"
	out := &host{ns: fmt.Sprintf("%sh%d", h.prefix, n), ip: fmt.Sprintf("10.77.0.%d", n), port: fmt.Sprintf("p%d", n), sw: sw}
	ip(t, "netns", "add", out.ns)
	ip(t, "-n", sw, "link", "add", out.port, "type", "veth", "peer", "name", "eth0", "netns", out.ns)
	ip(t, "-n", sw, "link", "set", out.port, "master", "br0", "up")
	ip(t, "-n", out.ns, "addr", "add", out.ip+"/24", "dev", "eth0")
	ip(t, "-n", out.ns, "link", "set", "eth0", "up")
	ip(t, "-n", out.ns, "link", "set", "lo", "up")
	h.all = append(h.all, out)
	return out
}

// cable takes the host's port out of the switch, or puts it back. The host's own
// interface stays up, as with a switch that fails: nothing is told to anyone.
func (o *host) cable(t testing.TB, in bool) {
	t.Helper()
	if in {
		ip(t, "-n", o.sw, "link", "set", o.port, "master", "br0")
		return
	}
	ip(t, "-n", o.sw, "link", "set", o.port, "nomaster")
}

// remove deletes the namespaces. The agents in them have ended.
func (h *hosts) remove() {
	for _, o := range h.all {
		_ = exec.Command("ip", "netns", "del", o.ns).Run()
	}
	_ = exec.Command("ip", "netns", "del", h.prefix+"sw").Run()
}

// dial connects from the observer's host. A socket stays in the namespace that
// its thread was in when it was made.
func (h *hosts) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	ch := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		f, err := os.Open("/run/netns/" + h.self.ns)
		if err != nil {
			ch <- result{nil, err}
			return
		}
		defer f.Close()
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			ch <- result{nil, err}
			return
		}
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, addr)
		ch <- result{conn, err}
	}()
	r := <-ch
	return r.conn, r.err
}

func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}
