//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/selfheal/selfheal/e2e/cluster"
)

// example is a job file of testdata/examples as a user runs it: what `job run` prints
// and exits with, and then commands until each prints what it must. {alloc} in a
// command is the job's newest allocation.
type example struct {
	file string // without .nomad.hcl
	args []string
	env  map[string]string
	code int
	want string // a regular expression, as all below
	then []check
	also func(t *testing.T, c *cluster.Cluster, job string)
}

type check struct{ command, want string }

var examples = []example{
	{
		file: "web", want: `(?s)Deployment.*successful`,
		then: []check{
			{"job status web", `(?s)Type += service.*Status += running.*web +\d+ +\d+ +2 `},
			{"alloc status {alloc}", `(?s)Client Status += running.*http .*127.0.0.1:\d+`},
			{"deployment list", `web .*successful`},
			{"job history web", `(?m)^Stable += true`},
			{"job inspect web", `"Name": "server"`},
			{"job scale web web 1", ``},
			{"job status web", `web +\d+ +\d+ +1 `},
		},
		also: webAnswers,
	},
	{
		file: "static", code: 2, want: `(?is)collision.*admin=21987|admin=21987`,
		then: []check{
			{"job status static", `(?s)g +1 +0 +2 .*Placement Failure.*admin=21987`},
			{"alloc logs {alloc}", `^port 21987\n$`},
			{"job stop static", `(?i)finished|complete`},
		},
	},
	{
		file: "batch",
		then: []check{
			{"job status batch", `(?s)Type += batch.*Status += dead.*g +0 +0 +0 +0 +3 `},
			{"alloc logs {alloc}", `^instance [012] of batch\n$`},
			{"alloc status {alloc}", `(?s)Client Status += complete.*Exit Code: 0`},
		},
	},
	{
		file: "failing", code: -1,
		then: []check{
			{"job status failing", `(?s)dead.*g +0 +0 +0 +1 `},
			{"alloc status {alloc}", `(?s)Client Status += failed.*Exit Code: 3`},
			{"alloc logs -stderr {alloc}", `^sorry\nsorry\n$`},
			{"alloc status -json {alloc}", `"Restarts": 1,`},
		},
	},
	{
		file: "system",
		then: []check{
			{"job status system", `(?s)Type += system.*Status += running.*agent +0 +0 +2 `},
			{"alloc logs {alloc}", `^on client-[12]\n$`},
			{"node status -allocs", `(?s)client-1 .* ready +\d*[1-9].*client-2 .* ready +\d*[1-9]|client-2 .* ready +\d*[1-9].*client-1`},
			{"alloc restart {alloc}", `(?i)restart`},
			{"alloc logs {alloc}", `^on (client-[12])\non client-[12]\n$`},
		},
	},
	{
		file: "constrained",
		then: []check{
			{"job status constrained", `(?s)g +0 +0 +2 `},
			{"job allocs constrained", `(?s)running.*running`},
		},
	},
	{
		file: "unplaceable", code: 2, want: `(?s)attr.cpu.arch.* = z80.*2 nodes|Constraint.*attr.cpu.arch.*z80`,
		then: []check{
			{"job status unplaceable", `(?s)pending.*Placement Failure.*attr.cpu.arch`},
			{"eval list -job unplaceable", `blocked`},
			{"plan testdata/examples/unplaceable.nomad.hcl", `(?s)`},
		},
	},
	{
		file: "toolarge", code: 2, want: `(?i)memory.*exhausted|exhausted.*memory`,
		then: []check{{"job status toolarge", `(?is)Placement Failure.*memory`}},
	},
	{
		file: "nodriver", code: 2, want: `(?i)driver.*java|java.*driver|missing drivers`,
		then: []check{{"job status nodriver", `(?s)Placement Failure`}},
	},
	{
		file: "periodic", want: `(?i)next launch`,
		then: []check{
			{"job status nightly", `(?s)Periodic += true`},
		},
	},
	{
		file: "parameterized", want: `(?i)registration successful`,
		then: []check{{"job status encode", `(?s)Parameterized += true`}},
	},
	{
		file: "lifecycle",
		then: []check{
			{"alloc status {alloc}", `(?s)Client Status += complete`},
			{"alloc logs -task main {alloc}", `^before\nmain\nafter\n$`},
			{"alloc logs -task beside {alloc}", `beside ends`},
			{"alloc logs -task last {alloc}", `^before\nmain\nafter\nlast\n$`},
		},
	},
	{
		file: "environment",
		then: []check{
			{"alloc logs {alloc}", `(?m)^greeting=hello show where=client-[12]/linux dash=a-b=c d$`},
			{"alloc logs {alloc}", `(?m)^port=(\d+) addr=127.0.0.1:\d+ metrics=\d+$`},
			{"alloc logs {alloc}", `(?m)^meta=team-global/test$`},
			{"alloc logs {alloc}", `(?m)^name=environment.g\[0\] index=0 group=g dc=dc1 namespace=default$`},
			{"alloc logs {alloc}", `(?m)^cpu=60 memory=70$`},
			{"alloc logs {alloc}", `(?m)^directories are there$`},
		},
	},
	{
		file: "variables", args: []string{"-var", `names=["ann","bob"]`, "-var-file", "testdata/examples.vars.hcl"}, env: map[string]string{"NOMAD_VAR_color": "green", "NOMAD_VAR_count": "2"},
		then: []check{
			{"job status variables", `(?s)g +0 +0 +0 +0 +2 `},
			{"alloc logs -task say-ann {alloc}", `^ANN hello ann and bob green v\n$`},
			{"alloc logs -task say-bob {alloc}", `^BOB hello ann and bob green v\n$`},
		},
	},
	{
		file: "signals", args: []string{"-detach"},
		then: []check{
			{"alloc logs {alloc}", `^ready\n$`},
			{"alloc signal -s SIGHUP {alloc}", ``},
			{"alloc logs {alloc}", `^ready\ngot HUP\n$`},
			{"job stop -detach signals", ``},
			{"alloc logs {alloc}", `^ready\ngot HUP\ngot USR1, bye\n$`},
			{"alloc status {alloc}", `Client Status += complete`},
		},
	},
	{
		file: "rotation",
		then: []check{
			{"alloc status {alloc}", `Client Status += complete`},
			{"alloc logs -tail -n 1 {alloc}", `^the end\n$`},
		},
		also: logsAreRotated,
	},
	{
		file: "user",
		then: []check{{"alloc logs {alloc}", `^nobody\nwrote\n$`}},
	},
	{
		file: "reschedule", args: []string{"-detach"},
		then: []check{
			{"job status reschedule", `(?s)dead.*g +0 +0 +0 +2 `},
			{"alloc logs {alloc}", `^tried on client-[12]\n$`},
			{"alloc status {alloc}", `(?i)Replacement|Reschedule`},
		},
	},
	{
		file: "patient", args: []string{"-detach"},
		then: []check{
			{"alloc status {alloc}", `(?s)Client Status += (pending|running)`},
			{"alloc status -json {alloc}", `"Restarts": [3-9]`},
			{"job stop -detach -purge patient", ``},
		},
	},
	{
		file: "groups", args: []string{"-detach"},
		then: []check{
			{"job status groups", `(?s)Priority += 70.*back +0 +0 +1 .*front +0 +0 +2 `},
			{"alloc stop -detach {alloc}", ``},
			{"job status groups", `(?s)back +0 +0 +1 .*front +0 +0 +2 `},
			{"stop -detach groups", ``},
			{"status groups", `(?s)Status += dead`},
		},
	},
}

// TestExamples runs job files in the style of public examples through the program's
// own CLI, on a server and two nodes, and looks at what a user looks at.
func TestExamples(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 1, Clients: 2})
	addr := c.Servers[0].URL()
	// Tasks of other users must get to their directories, which the testing package's
	// temporary directory does not let them.
	if err := os.Chmod(filepath.Dir(c.Dir), 0o711); err != nil {
		t.Fatal(err)
	}
	for _, ex := range examples {
		t.Run(ex.file, func(t *testing.T) {
			if ex.file == "user" && os.Getuid() != 0 {
				t.Skip("only root starts tasks of other users")
			}
			for k, v := range ex.env {
				t.Setenv(k, v)
			}
			path := "testdata/examples/" + ex.file + ".nomad.hcl"
			args := append([]string{"job", "run"}, ex.args...)
			if ex.file == "web" {
				args = append(args, "-var", "program="+cluster.Binary(t, ""))
			}
			out, code := run(t, addr, append(args, path)...)
			if ex.code >= 0 && code != ex.code || !regexp.MustCompile(ex.want).MatchString(out) {
				t.Errorf("job run: exit code %d, want %d and %q:\n%s", code, ex.code, ex.want, out)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			job := regexp.MustCompile(`(?m)^job "(\w+)"`).FindStringSubmatch(string(text))[1]
			if ex.also != nil {
				ex.also(t, c, job)
			}
			for _, check := range ex.then {
				eventually(t, c, addr, job, check)
			}
			if out, code := run(t, addr, "job", "stop", "-detach", "-purge", job); code != 0 && ex.file != "patient" {
				t.Errorf("job stop: exit code %d:\n%s", code, out)
			}
		})
	}
	cluster.Eventually(t, 15*time.Second, "nothing is left", func() error {
		for _, a := range c.Clients {
			if left := a.Processes(); len(left) > 0 {
				return fmt.Errorf("%s: %v", a.Name, left)
			}
		}
		return nil
	})
}

// eventually runs a command until it succeeds and prints what it must.
func eventually(t *testing.T, c *cluster.Cluster, addr, job string, ch check) {
	t.Helper()
	want := regexp.MustCompile(ch.want)
	var out string
	var code int
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		command := strings.ReplaceAll(ch.command, "{alloc}", newest(c, job))
		if out, code = run(t, addr, strings.Fields(command)...); (code == 0 || strings.HasPrefix(command, "plan ")) && want.MatchString(out) {
			return
		}
	}
	t.Errorf("%s: exit code %d, want %q:\n%s", ch.command, code, ch.want, out)
}

// newest is the job's newest allocation, running ones first.
func newest(c *cluster.Cluster, job string) string {
	allocs, _, err := c.Live().API().Jobs().Allocations(job, true, nil)
	if err != nil || len(allocs) == 0 {
		return "no-allocation-yet"
	}
	best := allocs[0]
	for _, a := range allocs[1:] {
		if a.CreateIndex > best.CreateIndex || a.CreateIndex == best.CreateIndex && a.ID < best.ID {
			best = a
		}
	}
	return best.ID
}

// webAnswers asks every instance at the port that it was given.
func webAnswers(t *testing.T, c *cluster.Cluster, job string) {
	for _, stub := range c.WaitRunning(job, 2, 20*time.Second) {
		alloc, _, err := c.Live().API().Allocations().Info(stub.ID, nil)
		if err != nil {
			t.Fatal(err)
		}
		port := alloc.AllocatedResources.Shared.Ports[0]
		resp, err := http.Get(fmt.Sprintf("http://%s:%d/", port.HostIP, port.Value))
		if err != nil {
			t.Error(err)
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || len(text) == 0 {
			t.Errorf("%s: %d %q %v", resp.Request.URL, resp.StatusCode, text, err)
		}
	}
}

// logsAreRotated wants two files of about a megabyte where three were written.
func logsAreRotated(t *testing.T, c *cluster.Cluster, job string) {
	pattern := filepath.Join(c.Dir, "*", "data", "alloc", newest(c, job), "alloc", "logs", "t.stdout.*")
	cluster.Eventually(t, 20*time.Second, "two log files", func() error {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) != 2 {
			return fmt.Errorf("%v %v", files, err)
		}
		for _, f := range files {
			if info, err := os.Stat(f); err != nil || info.Size() > 1<<20 || strings.HasSuffix(f, ".0") {
				return fmt.Errorf("%s: %v %v", f, info, err)
			}
		}
		return nil
	})
}
