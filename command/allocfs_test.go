package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

func TestAllocFS(t *testing.T) {
	const text = "one\ntwo\nthree\n"
	answers := cluster()
	fake := newFakeAgent(t, answers)
	mux := http.NewServeMux()
	mux.HandleFunc("/", fake.serve)
	mux.HandleFunc("/v1/client/fs/stat/{id}", func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Query().Get("path")
		_ = json.NewEncoder(w).Encode(&api.AllocFileInfo{Name: path, IsDir: path == "/", Size: int64(len(text)), FileMode: "-rw-r--r--", ModTime: at})
	})
	mux.HandleFunc("/v1/client/fs/ls/{id}", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode([]*api.AllocFileInfo{{Name: "alloc", IsDir: true, ModTime: at}, nil, {Name: "f", Size: 2048, ModTime: at}})
	})
	mux.HandleFunc("/v1/client/fs/readat/{id}", func(w http.ResponseWriter, r *http.Request) {
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		fmt.Fprint(w, text[offset:offset+limit])
	})
	mux.HandleFunc("/v1/client/fs/stream/{id}", func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("origin") != "end" || q.Get("offset") != "6" {
			t.Errorf("asked for %s", r.URL.RawQuery)
		}
		for _, part := range []string{"three\n", "four\n"} {
			_ = json.NewEncoder(w).Encode(&api.StreamFrame{Data: []byte(part), File: "f"})
		}
	})
	agent := httptest.NewServer(mux)
	defer agent.Close()
	answers["GET /v1/node/"+nodeA].(*api.Node).HTTPAddr = strings.TrimPrefix(agent.URL, "http://")
	for line, want := range map[string]string{
		"1111":                 "Mode    Size     Modified Time         Name\n<none>  0 B      2026-11-20T12:00:00Z  alloc/\n<none>  2.0 KiB  2026-11-20T12:00:00Z  f\n",
		"-H -stat 1111 f":      "Mode        Size  Modified Time         Name\n-rw-r--r--  14    2026-11-20T12:00:00Z  /f\n",
		"1111 f":               text,
		"-job web f":           text,
		"-tail -n 2 1111 f":    "two\nthree\n",
		"-tail -c 4 1111 f":    "ree\n",
		"-f -tail -c 6 1111 f": "three\nfour\n",
	} {
		r := execute(t, agent.URL, "", append([]string{"alloc", "fs"}, strings.Fields(line)...)...)
		if r.code != 0 || r.out != want {
			t.Errorf("%s: exit %d, got %q, want %q %s", line, r.code, r.out, want, r.err)
		}
	}
}
