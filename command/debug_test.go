package command

import (
	stdbytes "bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

func TestRedactor(t *testing.T) {
	r := &redactor{token: "5ec7e7"}
	in := `{"Name":"web","Env":{"DB":"postgres://u:p@h"},"SecretID":"x","Config":{"args":["--token=5ec7e7"],"password":["a",{"b":"c"}]},
		"Count":12345678901234567890,"Items":{"k":"v"},"Payload":"cGF5","VaultToken":"","Tasks":[{"Driver":"docker","Meta":{"api_key":"k","plain":"yes"}}]}`
	out := string(r.json([]byte(in)))
	for _, secret := range []string{"postgres", `"x"`, "5ec7e7", `"a"`, `"c"`, `"v"`, "cGF5", `"k"`} {
		if strings.Contains(strings.ReplaceAll(out, `"k":`, ""), secret) {
			t.Errorf("shows %s:\n%s", secret, out)
		}
	}
	for _, plain := range []string{`"Name": "web"`, `"docker"`, `"plain": "yes"`, "12345678901234567890", `"VaultToken": ""`} {
		if !strings.Contains(out, plain) {
			t.Errorf("hides %s:\n%s", plain, out)
		}
	}
	if got := string(r.text([]byte("not JSON 5ec7e7"))); got != "not JSON [redacted]" {
		t.Errorf("text: %q", got)
	}
}

func TestDebug(t *testing.T) {
	answers := cluster()
	answers["GET /v1/agent/host"] = map[string]any{"HostData": map[string]any{"Environment": map[string]string{"PASSWORD": "hunter2"}}}
	answers["GET /v1/agent/monitor"] = `{"Data":"` + "bG9nIGxpbmUK" + `"}`
	for _, name := range append([]string{"profile", "trace"}, profileNames...) {
		answers["GET /v1/agent/pprof/"+name] = "profile of " + name
	}
	answers["GET /v1/agent/pprof/heap"] = refusal{500, "no heap today"}
	agent := newFakeAgent(t, answers)
	dir := t.TempDir()
	r := execute(t, agent.URL, "", "operator", "debug", "-duration", "1s", "-interval", "1s", "-max-nodes", "1", "-output", dir)
	if r.code != 0 {
		t.Fatal(r.err)
	}
	root := strings.TrimSpace(strings.TrimPrefix(r.out, "Created debug archive: "))
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if host := read("server/server-1.global/host.json"); strings.Contains(host, "hunter2") || !strings.Contains(host, redacted) {
		t.Errorf("host: %s", host)
	}
	if log := read("client/" + nodeA + "/monitor.log"); !strings.HasPrefix(log, "log line\n") {
		t.Errorf("log: %q", log)
	}
	if jobs := read("interval/0000/jobs.json"); !strings.Contains(jobs, `"ID": "web"`) {
		t.Errorf("jobs: %s", jobs)
	}
	var index struct{ Agents, Errors []string }
	if err := json.Unmarshal([]byte(read("index.json")), &index); err != nil {
		t.Fatal(err)
	}
	if len(index.Agents) != 3 || !strings.Contains(strings.Join(index.Errors, "\n"), "heap.prof: no heap today") {
		t.Errorf("agents %q, errors %q", index.Agents, index.Errors)
	}
	_, err := os.Stat(filepath.Join(root, "client", nodeB))
	if err == nil {
		t.Error("a node that is down was asked")
	}
}

// snapshotFile writes a snapshot of these records.
func snapshotFile(t testing.TB, records ...api.Job) []byte {
	t.Helper()
	var state, file stdbytes.Buffer
	state.WriteString("selfheal state 1\n")
	for _, r := range records {
		body, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		state.Write(binary.AppendUvarint([]byte{8}, uint64(len(body))))
		state.Write(body)
	}
	state.WriteByte(0)
	state.Write(binary.BigEndian.AppendUint32(nil, crc32.Checksum(state.Bytes(), crc32.MakeTable(crc32.Castagnoli))))
	z := gzip.NewWriter(&file)
	fmt.Fprintf(z, `{"Format":"selfheal backup 1","Index":7,"Term":2,"Size":%d}`+"\n", state.Len())
	z.Write(state.Bytes())
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestSnapshots(t *testing.T) {
	file := snapshotFile(t, *webJob(), *webJob())
	whole, restored := file, 0
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			body, _ := io.ReadAll(r.Body)
			restored = len(body)
			return
		}
		sum := sha256.Sum256(file)
		w.Header().Set("Digest", "sha-256="+base64.StdEncoding.EncodeToString(sum[:]))
		w.Write(file)
	}))
	defer agent.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.snap")
	if r := execute(t, agent.URL, "", "operator", "snapshot", "save", path); r.code != 0 || !strings.Contains(r.out, "index 7") {
		t.Fatalf("save: %s%s", r.out, r.err)
	}
	if r := execute(t, agent.URL, "", "operator", "snapshot", "inspect", path); r.code != 0 || !strings.Contains(r.out, "Job   2") {
		t.Errorf("inspect: %s%s", r.out, r.err)
	}
	if r := execute(t, agent.URL, "", "operator", "snapshot", "state", path); strings.Count(r.out, `{"Kind":"Job","Record":{`) != 2 {
		t.Errorf("state: %s%s", r.out, r.err)
	}
	if r := execute(t, agent.URL, "", "operator", "snapshot", "restore", "-yes", path); r.code != 0 || restored != len(whole) {
		t.Errorf("restore: %s%s", r.out, r.err)
	}
	file = file[:len(file)-20]
	if r := execute(t, agent.URL, "", "operator", "snapshot", "save", filepath.Join(dir, "b.snap")); r.code != 1 || !strings.Contains(r.err, "damaged") {
		t.Errorf("save of half: exit %d: %s", r.code, r.err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A damaged snapshot is refused, and never read as another one.
func FuzzReadSnapshot(f *testing.F) {
	whole := snapshotFile(f, *webJob())
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("selfheal state 1\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		var info snapshotInfo
		err := info.read(stdbytes.NewReader(file), func(byte, []byte) error { return nil })
		if err == nil && !strings.HasPrefix(info.Format, snapshotFormat) {
			t.Errorf("accepted %+v", info)
		}
	})
}
