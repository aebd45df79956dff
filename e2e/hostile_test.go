//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/selfheal/selfheal/e2e/cluster"
)

// malformed are agent configurations. DIR is the test's directory, TAKEN a port that
// somebody listens on. A row without a file's place in want has no file to blame.
var malformed = []struct {
	name, file, text string
	want             string // a regular expression in the one error
}{
	{"a wrong key", "a.hcl", "data_dri = \"DIR/data\"\nclient {\n  enabled = true\n}", `a.hcl:1:1: data_dri: no such key; did you mean "data_dir"\?`},
	{"a wrong block", "a.hcl", "data_dir = \"DIR/data\"\nserverr {\n}", `a.hcl:2:1: serverr: no such key; did you mean "server"\?`},
	{"a wrong key in a block", "a.hcl", "data_dir = \"DIR/data\"\nclient {\n  enabled = true\n  node_clas = \"x\"\n}", `a.hcl:4:3: client.node_clas: .*"node_class"`},
	{"a word for a boolean", "a.hcl", "data_dir = \"DIR/data\"\nserver {\n  enabled = \"maybe\"\n}", `a.hcl:3:13: server.enabled: wants true or false`},
	{"a list for a text", "a.hcl", "data_dir = \"DIR/data\"\nname = [1]\nclient {\n  enabled = true\n}", `a.hcl:2:8: name: wants`},
	{"a value for a block", "a.hcl", "data_dir = \"DIR/data\"\nclient {\n  enabled = true\n  meta    = 5\n}", `a.hcl:4:\d+: client.meta: wants key = value`},
	{"a port too high", "a.hcl", "data_dir = \"DIR/data\"\nports {\n  http = 70000\n}\nclient {\n  enabled = true\n}", `a.hcl:3:10: ports.http: wants a port`},
	{"a block given twice", "a.hcl", "data_dir = \"DIR/data\"\nports {\n  http = 1\n}\nports {\n  http = 2\n}\nclient {\n  enabled = true\n}", `a.hcl:5:1: ports: given twice; first at .*a.hcl:2:1`},
	{"no data_dir", "a.hcl", "client {\n  enabled = true\n}", `data_dir: is required`},
	{"a relative data_dir", "a.hcl", "data_dir = \"data\"\nclient {\n  enabled = true\n}", `a.hcl:1:12: data_dir: .*absolute`},
	{"a file as data_dir", "a.hcl", "data_dir = \"DIR/a.hcl\"\nclient {\n  enabled = true\n}", `data_dir: .*a.hcl: not a directory`},
	{"no role", "a.hcl", "data_dir = \"DIR/data\"\n", `nothing to run: add server`},
	{"an encryption key that is none", "a.hcl", "data_dir = \"DIR/data\"\nserver {\n  enabled = true\n  encrypt = \"secret\"\n}", `a.hcl:4:13: server.encrypt: wants base64 of 16, 24 or 32 bytes`},
	{"an address that is none", "a.hcl", "data_dir  = \"DIR/data\"\nbind_addr = \"999.1.1.1\"\nclient {\n  enabled = true\n}", `a.hcl:2:13: bind_addr: wants an IP address`},
	{"another machine's address", "a.hcl", "data_dir  = \"DIR/data\"\nbind_addr = \"203.0.113.9\"\nclient {\n  enabled = true\n}", `listen on 203.0.113.9:\d+ .*cannot assign requested address`},
	{"a taken port", "a.hcl", "data_dir  = \"DIR/data\"\nbind_addr = \"127.0.0.1\"\nports {\n  http = TAKEN\n  rpc  = 0\n  serf = 0\n}\nclient {\n  enabled = true\n}", `listen on 127.0.0.1:\d+ for http: .*address already in use .*ports { http = ... }`},
	{"an unknown log level", "a.hcl", "data_dir  = \"DIR/data\"\nlog_level = \"LOUD\"\nclient {\n  enabled = true\n}", `a.hcl:2:13: log_level: no level "LOUD": choose TRACE`},
	{"a server too many", "a.hcl", "data_dir = \"DIR/data\"\nserver {\n  enabled          = true\n  bootstrap_expect = -1\n}", `a.hcl:4:22: server.bootstrap_expect: wants`},
	{"a join address that is none", "a.hcl", "data_dir = \"DIR/data\"\nserver {\n  enabled = true\n  server_join {\n    retry_join = [\"a:b:c\"]\n  }\n}", `a.hcl:5:18: server.server_join.retry_join: wants host`},
	{"a duration that is none", "a.hcl", "data_dir = \"DIR/data\"\nclient {\n  enabled = true\n}\ntelemetry {\n  collection_interval = \"1x\"\n}", `a.hcl:6:25: telemetry.collection_interval: wants a duration`},
	{"a certificate that is not there", "a.hcl", "data_dir = \"DIR/data\"\nclient {\n  enabled = true\n}\ntls {\n  http      = true\n  cert_file = \"/nope\"\n  key_file  = \"/nope\"\n}", `a.hcl:7:15: tls.cert_file: /nope: no such file`},
	{"HCL that is none", "a.hcl", "data_dir = \"DIR/data\" {\n", `a.hcl:1:\d+: `},
	{"an open brace", "a.hcl", "data_dir = \"DIR/data\"\nclient {\n", `a.hcl:2:8: unclosed configuration block`},
	{"JSON that is none", "a.json", `{"data_dir": "DIR/data", }`, `a.json:1:\d+: `},
	{"JSON of another shape", "a.json", `[1, 2]`, `a.json:1:2: wants a block, not a value`},
	{"not text at all", "a.hcl", "\x7fELF\x02\x01\x01\xff\xfe", `a.hcl:1:\d+: `},
	{"an empty file", "a.hcl", "", `nothing to run`},
	{"a file that is not there", "", "", `nope.hcl: read configuration: no such file`},
}

// Every malformed configuration is refused with one clear error, where it stands;
// nothing is started and nothing made.
func TestMalformedConfigurationsAreRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range malformed {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			fill := strings.NewReplacer("DIR", dir, "TAKEN", strconv.Itoa(taken.Addr().(*net.TCPAddr).Port))
			path := filepath.Join(dir, "nope.hcl")
			if tt.file != "" {
				path = filepath.Join(dir, tt.file)
				if err := os.WriteFile(path, []byte(fill.Replace(tt.text)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			refusedAgent(t, tt.want, "-config", path)
			if left, _ := filepath.Glob(filepath.Join(dir, "data*")); len(left) > 0 {
				t.Errorf("it made %v", left)
			}
		})
	}
	t.Run("an unknown flag", func(t *testing.T) { refusedAgent(t, `no such flag: -clint; did you mean -client\?`, "-clint") })
	t.Run("a flag of the wrong type", func(t *testing.T) {
		refusedAgent(t, `-http-port: .*whole number, not "abc"`, "-dev", "-http-port", "abc")
	})
	t.Run("an empty directory", func(t *testing.T) { refusedAgent(t, `nothing to run`, "-config", t.TempDir()) })
	t.Run("a file that may not be read", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.hcl")
		if err := os.WriteFile(path, nil, 0); err != nil {
			t.Fatal(err)
		}
		if f, err := os.Open(path); err == nil { // root may read everything
			f.Close()
			path = t.TempDir() + "/dir.hcl"
			if err := os.Symlink(path, path); err != nil {
				t.Fatal(err)
			}
		}
		refusedAgent(t, `read configuration: (permission denied|too many levels of symbolic links)`, "-config", path)
	})
}

// refusedAgent runs an agent that must end by itself with exit code 1 and one error.
func refusedAgent(t *testing.T, want string, args ...string) {
	t.Helper()
	out, code := run(t, "", append([]string{"agent"}, args...)...)
	if code != 1 || strings.Count(out, "Error: ") != 1 || !regexp.MustCompile(want).MatchString(out) {
		t.Errorf("exit code %d, want 1 and one error like %q:\n%s", code, want, out)
	}
	if strings.Contains(out, "panic") || strings.Contains(out, "agent is up") {
		t.Errorf("it did more than refuse:\n%s", out)
	}
}

// run runs the program to its end and returns what it printed and its exit code.
func run(t *testing.T, addr string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, cluster.Binary(t, ""), args...)
	cmd.Env = append(os.Environ(), "NOMAD_ADDR="+addr, "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// A second agent on the same data directory is told whose it is; the first goes on.
func TestTwoAgentsOneDataDirectory(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 1})
	first := c.Servers[0]
	refusedAgent(t, fmt.Sprintf(`data_dir .* is in use by another agent \(process %d\)`, first.PID()), "-config", filepath.Join(first.Dir, "agent.hcl"))
	if _, err := first.API().Agent().Self(); err != nil {
		t.Errorf("the first agent: %v", err)
	}
}

// malformedJobs are job files; at is the line and column to blame.
var malformedJobs = []struct {
	name, text string
	at         string // "line:column", "" for anywhere
	want       string
}{
	{"syntax", "job \"bad\" {\n  group \"g\" {\n", "2:13", "unclosed configuration block"},
	{"not HCL", "#!/bin/sh\necho hello; exit 1\n", "2:11", "not valid"},
	{"not text", "\xff\xfe\x00", "1:1", ""},
	{"empty", "", "", "no job"},
	{"two jobs", "job \"a\" {}\njob \"b\" {}\n", "2:1", "job"},
	{"an unknown block", frame("  grup \"g\" {}", ""), "2:3", `did you mean "group"`},
	{"an unknown attribute", frame("  priorty = 50", ""), "2:3", `did you mean "priority"`},
	{"an unknown attribute of a task", frame("", "      drvier = \"x\""), "7:7", `did you mean "driver"`},
	{"a word for a number", frame("  priority = \"high\"", ""), "2:14", "a number expected"},
	{"a priority too high", frame("  priority = 1000", ""), "2:14", "between 1 and 100"},
	{"an unknown type", frame("  type = \"servce\"", ""), "2:10", `"servce"`},
	{"no driver", "job \"bad\" {\n  group \"g\" {\n    task \"t\" {\n    }\n  }\n}\n", "3:5", "driver is missing"},
	{"no task", "job \"bad\" {\n  group \"g\" {\n  }\n}\n", "2:3", "no task"},
	{"no group", "job \"bad\" {\n}\n", "1:1", "no group"},
	{"a group twice", strings.Replace(frame("", ""), "\n  group", "\n  group \"g\" {\n    task \"t\" {\n      driver = \"raw_exec\"\n      config { command = \"/bin/true\" }\n    }\n  }\n  group", 1), "9:3", `group "g" exists twice`},
	{"negative resources", frame("", "      resources {\n        cpu = -5\n      }"), "8:15", "cpu must be at least 1"},
	{"a count of a million", strings.Replace(frame("", ""), "group \"g\" {", "group \"g\" {\n    count = 1000000", 1), "", "limit of 50000"},
	{"a negative count", strings.Replace(frame("", ""), "group \"g\" {", "group \"g\" {\n    count = -1", 1), "4:13", "count must be at least 0"},
	{"a static port too high", strings.Replace(frame("", ""), "group \"g\" {", "group \"g\" {\n    network {\n      port \"a\" {\n        static = 99999\n      }\n    }", 1), "6:18", "between 1 and 65535"},
	{"a port twice", strings.Replace(frame("", ""), "group \"g\" {", "group \"g\" {\n    network {\n      port \"a\" {}\n      port \"a\" {}\n    }", 1), "", "twice"},
	{"an unknown operator", frame("  constraint {\n    attribute = \"${attr.kernel.name}\"\n    operator  = \"resembles\"\n    value     = \"x\"\n  }", ""), "", "resembles"},
	{"a pattern that is none", frame("  constraint {\n    attribute = \"${attr.kernel.name}\"\n    operator  = \"regexp\"\n    value     = \"[\"\n  }", ""), "", "missing closing"},
	{"a bad cron", frame("  type = \"batch\"\n  periodic {\n    cron = \"99 * * * *\"\n  }", ""), "4:12", "syntax error in minute field"},
	{"a duration that is none", frame("", "      kill_timeout = \"soon\""), "7:22", "kill_timeout"},
	{"a signal that is none", frame("", "      kill_signal = \"please\""), "7:21", "SIGTERM"},
	{"an unknown variable", frame("  name = var.nope", ""), "2:10", `variable "nope" is not declared`},
	{"a variable without a value", frame("  name = var.x", "") + "variable \"x\" {\n  type = string\n}\n", "11:10", "has no value"},
	{"locals in a circle", "locals {\n  a = local.b\n  b = local.a\n}\n" + frame("  name = local.a", ""), "2:3", "itself"},
	{"an unknown function", frame("  name = shout(\"x\")", ""), "2:10", "shout"},
	{"a block not supported", frame("", "      vault {\n        role = \"x\"\n      }"), "7:7", "vault"},
	{"a secret", frame("", "      secret \"x\" {\n        provider = \"nomad\"\n        path     = \"x\"\n      }"), "7:7", "secret"},
	{"an artifact outside the task's directory", frame("", "      artifact {\n        source      = \"http://x/\"\n        destination = \"../../etc\"\n      }"), "7:7", "artifact"},
}

// frame is a job around lines for the job and lines for the task; the task begins in
// line 4 and its own lines in line 7.
func frame(inJob, inTask string) string {
	return "job \"bad\" {\n" + inJob + "\n  group \"g\" {\n    task \"t\" {\n      driver = \"raw_exec\"\n      config { command = \"/bin/true\" }\n" +
		inTask + "\n    }\n  }\n}\n"
}

// Every malformed job file is refused by validate, plan and run alike, with its place
// and source line; nothing is registered, and a good job runs afterwards.
func TestMalformedJobFilesAreRefused(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 1, Clients: 1})
	addr := c.Servers[0].URL()
	for _, tt := range malformedJobs {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.hcl")
			if err := os.WriteFile(path, []byte(tt.text), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, verb := range []string{"validate", "plan", "run"} {
				out, code := run(t, addr, "job", verb, path)
				if want := map[string]int{"plan": 255}[verb]; code != max(want, 1) {
					t.Errorf("%s: exit code %d:\n%s", verb, code, out)
				}
				wantPlace(t, verb, out, path, tt.at, tt.text)
				if !strings.Contains(out, tt.want) || strings.Contains(out, "panic") {
					t.Errorf("%s: want %q:\n%s", verb, tt.want, out)
				}
			}
		})
	}
	jobs, _, err := c.Live().API().Jobs().List(nil)
	if err != nil || len(jobs) > 0 {
		t.Errorf("registered: %v, %v", jobs, err)
	}
	c.Run(sleeper, 6)
}

// wantPlace wants the line and column, and the source line below it; any place when
// at is "" and there is a file to show.
func wantPlace(t *testing.T, verb, out, path, at, text string) {
	t.Helper()
	place := regexp.MustCompile(regexp.QuoteMeta(path) + `:(\d+):(\d+)`).FindStringSubmatch(out)
	if text == "" {
		return
	}
	if place == nil || at != "" && place[1]+":"+place[2] != at {
		t.Errorf("%s: want the place %s:\n%s", verb, at, out)
		return
	}
	line, _ := strconv.Atoi(place[1])
	if source := strings.Split(text, "\n")[line-1]; !strings.Contains(out, fmt.Sprintf("%d | %s", line, strings.TrimRight(source, "\r"))) {
		t.Errorf("%s: the source line %q is not shown:\n%s", verb, source, out)
	}
}

const noUUID = "11111111-2222-3333-4444-555555555555"

// malformedRequests: what must be answered with the code and a text that says what
// to change.
var malformedRequests = []struct {
	method, path, body string
	code               int
	want               string
}{
	{"PUT", "/v1/jobs", `{"Job": {`, 400, "line 1, column"},
	{"PUT", "/v1/jobs", `{"Job": 5}`, 400, "Job must be an object, not number"},
	{"PUT", "/v1/jobs", `{"Job":{"ID":"x","Priority":"high"}}`, 400, "Job.Priority must be an integer, not string"},
	{"PUT", "/v1/jobs", `{"Job":{"ID":"x"}} {"again":1}`, 400, "after top-level value"},
	{"PUT", "/v1/jobs", ``, 400, "Request body is empty"},
	{"PUT", "/v1/jobs", `null`, 400, "Request body is empty"},
	{"PUT", "/v1/jobs", `[]`, 400, "must be an object"},
	{"PUT", "/v1/jobs", "{\"Job\":{\"ID\":\"a\\u0000b\"}}", 400, "control character"},
	{"PUT", "/v1/jobs", "\x00\x00\x00", 400, "line 1, column 1"},
	{"PUT", "/v1/jobs", `{"Job":{"ID":"x","TaskGroups":[{"Name":"g","Count":1000000,"Tasks":[{"Name":"t","Driver":"raw_exec"}]}]}}`, 400, "limit of 50000"},
	{"PUT", "/v1/jobs", `{"Job":` + strings.Repeat(`[`, 100_000), 400, "depth"},
	{"PUT", "/v1/jobs", strings.Repeat("a", 20_000_000), 413, "larger than"},
	{"PUT", "/v1/jobs", `{"Job":{"ID":"` + strings.Repeat("a", 2_000_000) + `"}}`, 400, "job ID has 2000000 bytes"},
	{"PUT", "/v1/jobs/parse", `{"JobHCL":"job \"a\" {"}`, 400, "1:9"},
	{"PUT", "/v1/job/x", `{"Job":{"ID":"y"}}`, 400, "does not match"},
	{"PUT", "/v1/job/x/plan", `{"Job":{}}`, 400, "Job ID is missing"},
	{"PUT", "/v1/job/x/scale", `{"Count":1}`, 400, "Target"},
	{"PUT", "/v1/validate/job", `{}`, 400, "Job must be specified"},
	{"GET", "/v1/job/nope", ``, 404, "job not found"},
	{"GET", "/v1/allocation/" + noUUID, ``, 404, "alloc not found"},
	{"PUT", "/v1/allocation/" + noUUID + "/stop", ``, 404, "alloc not found"},
	{"GET", "/v1/node/" + noUUID, ``, 404, "node not found"},
	{"GET", "/v1/evaluation/" + noUUID, ``, 404, "eval not found"},
	{"GET", "/v1/client/fs/logs/" + noUUID + "?task=t&type=stdout", ``, 404, "Unknown allocation"},
	{"GET", "/v1/client/fs/cat/" + noUUID + "?path=../../../../etc/passwd", ``, 404, "Unknown allocation"},
	{"PUT", "/v1/node/" + noUUID + "/drain", `{"DrainSpec":{"Deadline":"x"}}`, 400, "DrainSpec.Deadline must be"},
	{"PUT", "/v1/node/" + noUUID + "/eligibility", `{"Eligibility":"maybe"}`, 404, "node not found"},
	{"PATCH", "/v1/jobs", ``, 405, "Invalid method"},
	{"DELETE", "/v1/nodes", ``, 405, "Invalid method"},
	{"GET", "/v1/system/gc", ``, 405, "Invalid method"},
	{"GET", "/v1/jobs?filter=ID+%3D%3D", ``, 400, "filter expression"},
	{"GET", "/v1/nodes?filter=Nope+%3D%3D+%22x%22", ``, 400, "filter expression"},
	{"GET", "/v1/jobs?index=abc", ``, 400, "Invalid index"},
	{"GET", "/v1/jobs?index=-1", ``, 400, "Invalid index"},
	{"GET", "/v1/jobs?index=5&wait=soon", ``, 400, "Invalid wait time"},
	{"GET", "/v1/jobs?per_page=-4", ``, 400, "Invalid per_page"},
	{"GET", "/v1/jobs?stale=perhaps", ``, 400, "stale"},
	{"GET", "/v1/nope", ``, 404, ""},
	{"GET", "/v1/job/%00%ff", ``, 404, "job not found"},
	{"GET", "/../../etc/passwd", ``, 404, ""},
	{"PUT", "/v1/agent/join", ``, 400, "address"},
	{"PUT", "/v1/operator/scheduler/configuration", `{"SchedulerAlgorithm":"magic"}`, 400, "use binpack or spread"},
	{"PUT", "/v1/search", `{"Prefix":5}`, 400, "Prefix must be a string"},
	{"GET", "/v1/event/stream?topic=a:b:c", ``, 400, "topic"},
}

// Every malformed request is answered with a 4xx that says what to change, by a
// server and by a client's agent alike; the agents go on, and stay small.
func TestMalformedRequestsAreRefused(t *testing.T) {
	c := cluster.New(t, cluster.Options{Servers: 1, Clients: 1})
	before := map[*cluster.Agent]int{}
	for _, a := range c.All() {
		before[a] = residentMiB(t, a.PID())
		for _, tt := range malformedRequests {
			code, text := request(t, a, tt.method, tt.path, strings.NewReader(tt.body), nil)
			if code != tt.code || !strings.Contains(text, tt.want) || strings.Contains(text, "goroutine") {
				t.Errorf("%s: %s %s %.40q: got %d %.200q, want %d %q", a.Name, tt.method, tt.path, tt.body, code, text, tt.code, tt.want)
			}
		}
		code, text := request(t, a, "GET", "/v1/jobs", nil, http.Header{"X-Big": {strings.Repeat("a", 1_500_000)}})
		if code != 431 {
			t.Errorf("%s: a giant header: got %d %.200q, want 431", a.Name, code, text)
		}
		garbage(t, a)
	}
	slowly(t, c.Servers[0], 50)
	jobs, _, err := c.Live().API().Jobs().List(nil)
	if err != nil || len(jobs) > 0 {
		t.Errorf("registered: %v, %v", jobs, err)
	}
	c.Run(sleeper, 6)
	for _, a := range c.All() {
		if !a.Running() || strings.Contains(a.Log(), "panic") {
			t.Errorf("%s did not survive it", a.Name)
		}
		if now := residentMiB(t, a.PID()); now > before[a]+150 {
			t.Errorf("%s grew from %d MiB to %d MiB", a.Name, before[a], now)
		}
	}
}

func request(t *testing.T, a *cluster.Agent, method, path string, body io.Reader, header http.Header) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, a.URL()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Errorf("%s: %s %s: %v", a.Name, method, path, err)
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		t.Errorf("%s: %s %s: %v", a.Name, method, path, err)
	}
	return resp.StatusCode, string(text)
}

// garbage sends what is not HTTP to the port for people; the answer, if any, is a 400.
func garbage(t *testing.T, a *cluster.Agent) {
	t.Helper()
	for _, text := range []string{"\x00\x01\x02\x03\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "PUT /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(a.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
		_, _ = conn.Write([]byte(text))
		_ = conn.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if s := string(answer); s != "" && !regexp.MustCompile(`^HTTP/1\.[01] (400|505) `).MatchString(s) {
			t.Errorf("%s: %q was answered %.100q", a.Name, text, s)
		}
	}
}

// slowly opens many requests whose bodies do not come, and wants others answered.
func slowly(t *testing.T, a *cluster.Agent, n int) {
	t.Helper()
	var open []net.Conn
	for range n {
		conn, err := net.Dial("tcp", strings.TrimPrefix(a.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
		fmt.Fprintf(conn, "PUT /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
	}
	start := time.Now()
	if code, text := request(t, a, "GET", "/v1/jobs", nil, nil); code != 200 || time.Since(start) > 5*time.Second {
		t.Errorf("with %d slow requests open: %d %q after %v", n, code, text, time.Since(start))
	}
	for _, conn := range open {
		conn.Close()
	}
}

// residentMiB is a process's resident memory.
func residentMiB(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "VmRSS:") })
	kb, err := strconv.Atoi(strings.Fields(lines[i])[1])
	if err != nil {
		t.Fatal(err)
	}
	return kb >> 10
}
