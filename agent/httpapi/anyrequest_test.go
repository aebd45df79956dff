package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"pgregory.net/rapid"

	"github.com/selfheal/selfheal/agent/nodeapi"
	"github.com/selfheal/selfheal/agent/state"
)

// names are what variables, parameters and fields of a random request may be: what is
// there, what is not, and what is no name at all.
var names = []string{
	"web", "default", "*", "all", nodeID, nodeKey, nodeID[:8], "global", "mars", "app", "group", "golden", "disk", "leader", "self",
	"", " ", ".", "..", "a/b", "\x00", "\xff\xfe", "日本", "%2F", "-1", "0", "1", "18446744073709551615", "1e9", "1s", "-5m", "true", "maybe",
	"ID == \"web\"", "((((", "null", "[]", "SIGHUP", "csi", "host", "job", "system", strings.Repeat("x", 300),
}

// parameters are every query parameter that a handler reads.
var parameters = []string{
	"namespace", "region", "prefix", "filter", "next_token", "per_page", "reverse", "stale", "pretty", "index", "wait", "all", "purge", "global",
	"diffs", "diff_tag", "diff_version", "version", "task", "type", "path", "offset", "limit", "origin", "follow", "plain", "node_id", "server_id",
	"cas", "choose", "job", "status", "resources", "task_states", "os", "meta", "id", "address", "node", "force", "prune", "format", "seconds", "debug",
	"log_level", "log_json", "tty", "command", "action", "allocID", "ws_handshake", "on_disk", "service_name", "logs_since", "plugin_id", "node_pool",
	"eval_priority", "no_shutdown_delay", "reschedule", "idempotency_token", "related", "include_children", "topic", "id_prefix_template", "snapshot_id",
}

// fields are the names of fields of every body, taken from the types.
var fields = fieldsOf(
	api.JobRegisterRequest{}, api.JobsParseRequest{}, api.ScalingRequest{}, api.JobDispatchRequest{}, api.NodeUpdateDrainRequest{},
	api.SearchRequest{}, api.Namespace{}, api.NodePool{}, api.SchedulerConfiguration{}, api.AutopilotConfiguration{}, api.EvalDeleteRequest{},
	api.CSIVolumeRegisterRequest{}, api.HostVolumeCreateRequest{}, api.NodeMetaApplyRequest{}, api.TagVersionRequest{}, api.AllocSignalRequest{},
	api.DeploymentPromoteRequest{}, api.DeploymentAllocHealthRequest{}, api.AgentSchedulerWorkerConfigRequest{}, api.JobRevertRequest{},
	nodeapi.RegisterRequest{}, nodeapi.AllocsRequest{}, nodeapi.StatusRequest{}, nodeapi.VolumeRequest{},
)

func fieldsOf(bodies ...any) []string {
	seen := map[reflect.Type]bool{}
	found := map[string]bool{}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] {
			return
		}
		seen[t] = true
		for f := range t.NumField() {
			found[t.Field(f).Name] = true
			walk(t.Field(f).Type)
		}
	}
	for _, b := range bodies {
		walk(reflect.TypeOf(b))
	}
	return slices.Sorted(maps.Keys(found))
}

// anyValue draws a JSON value; objects have fields that bodies have.
func anyValue(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 6).Draw(t, "kind")
	if depth == 0 && kind > 4 {
		kind = 0
	}
	switch kind {
	case 0:
		return rapid.SampledFrom(names).Draw(t, "string")
	case 1:
		return rapid.Int64().Draw(t, "number")
	case 2:
		return rapid.Bool().Draw(t, "bool")
	case 3:
		return nil
	case 4:
		return rapid.Float64Range(-1e300, 1e300).Draw(t, "float")
	case 5:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			list = append(list, anyValue(t, depth-1))
		}
		return list
	}
	object := map[string]any{}
	for range rapid.IntRange(0, 6).Draw(t, "size") {
		object[rapid.SampledFrom(fields).Draw(t, "field")] = anyValue(t, depth-1)
	}
	return object
}

// expected are the answers of class 5 that clients of this API know: nothing of them
// is a fault of this agent.
var expected = []string{
	"node " + nodeID + " is", "unknown Nomad server", "Nomad Enterprise", "No cluster leader",
	"forward to 10.0.0.9:4647", "keyring", `"ok":false`, // the test's node and ring are nowhere
}

// TestAnyRequest: whatever is asked of any route, the answer is not a fault.
func TestAnyRequest(t *testing.T) {
	node := &testNode{id: nodeID, frames: func(context.Context, func(*api.StreamFrame, error) bool) {}}
	volumes := &volumeNode{made: map[string]*api.HostVolume{}}
	ag := newAgent(t, func(c *Config) {
		c.Node, c.Allocs, c.Files, c.Exec = node, node, node, cat
		c.HostVolumes = volumes
		c.PlaceVolume = func(*state.Snapshot, *api.HostVolume) (string, error) { return nodeID, nil }
		c.EnablePprof = true
		c.Limits.LeaderWait = time.Millisecond
	})
	volumes.server = ag
	ag.addNode(nodeID)
	node.alloc = ag.place(ag.register(webJob("web")).EvalID, "web", 1, nodeID)[0]
	table := append(routes(), nodeRoutes()...)
	handler := ag.ClusterHandler()

	rapid.Check(t, func(t *rapid.T) {
		row := rapid.SampledFrom(table).Draw(t, "route")
		path := anyPath(t, row.path, node.alloc)
		q := url.Values{}
		for range rapid.IntRange(0, 4).Draw(t, "parameters") {
			q.Add(rapid.SampledFrom(parameters).Draw(t, "parameter"), rapid.SampledFrom(names).Draw(t, "value"))
		}
		q.Del("seconds") // profiles take their time
		body := ""
		switch rapid.IntRange(0, 3).Draw(t, "body") {
		case 0:
			body = rapid.SampledFrom(names).Draw(t, "text")
		case 1, 2:
			text, err := json.Marshal(anyValue(t, 4))
			if err != nil {
				t.Fatal(err)
			}
			body = string(text)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond) // streams and long polls end then
		defer cancel()
		method := row.methods()[0]
		req := httptest.NewRequestWithContext(ctx, method, "/", io.NopCloser(strings.NewReader(body)))
		req.URL = &url.URL{Path: path, RawPath: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
		req.Header.Set(nodeapi.HeaderNode, nodeID)
		req.Header.Set(nodeapi.HeaderSecret, nodeKey)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		text := w.Body.String()
		if w.Code < 500 || w.Code == 501 {
			return
		}
		for _, known := range expected {
			if strings.Contains(text, known) {
				return
			}
		}
		if ctx.Err() != nil && strings.Contains(text, "context deadline exceeded") {
			return // the test's own impatience
		}
		t.Fatalf("%s %s?%s %s: %d %s", method, path, q.Encode(), body, w.Code, text)
	})
}

// anyPath fills a row's variables.
func anyPath(t *rapid.T, pattern, alloc string) string {
	var parts []string
	for _, segment := range strings.Split(strings.TrimPrefix(pattern, "/"), "/") {
		if strings.HasPrefix(segment, "{") {
			segment = rapid.SampledFrom(append([]string{alloc}, names...)).Draw(t, "variable")
		}
		parts = append(parts, segment)
	}
	return "/" + strings.Join(parts, "/")
}
