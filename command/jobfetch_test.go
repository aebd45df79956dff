package command

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestJobFileFromURL(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/web.nomad.hcl" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, `job "fetched" { }`)
	}))
	t.Cleanup(files.Close)
	if r := execute(t, "", "", "job", "run", "-output", files.URL+"/web.nomad.hcl"); r.code != 0 || !strings.Contains(r.out, `"ID": "fetched"`) {
		t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
	}
	if r := execute(t, "", "", "job", "run", "-output", files.URL+"/none"); r.code != 1 || !strings.Contains(r.err, "answered 404") {
		t.Errorf("missing: exit %d: %s%s", r.code, r.out, r.err)
	}
	if r := execute(t, "", "", "job", "run", "-output", "http://127.0.0.1:1/x"); r.code != 1 || !strings.Contains(r.err, "fetch") {
		t.Errorf("nobody there: exit %d: %s%s", r.code, r.out, r.err)
	}
}
