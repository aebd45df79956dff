//go:build linux

package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// NewDev prepares a cluster of one `agent -dev` on free ports of loopback. It is
// not started: what a start costs is for the caller to see. Stop finds its tasks.
func NewDev(t testing.TB, o Options) *Agent {
	t.Helper()
	c := &Cluster{T: t, Dir: t.TempDir(), binary: Binary(t, o.Binary)}
	ports := freePorts(t, 3)
	a := &Agent{c: c, Name: "dev", Server: true, Dir: filepath.Join(c.Dir, "dev"), IP: "127.0.0.1", http: ports[0], rpc: ports[1], serf: ports[2], dev: true}
	c.Servers = []*Agent{a}
	a.writeFile(fmt.Sprintf("name = \"dev\"\nports {\n  http = %d\n  rpc  = %d\n  serf = %d\n}\n%s", a.http, a.rpc, a.serf, o.Extra))
	if err := os.MkdirAll(filepath.Join(a.Dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return a
}
