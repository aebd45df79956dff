package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/nomad/api"
	"golang.org/x/sys/unix"
)

const secretText = "the secret"

// trapDir is an allocation directory full of ways out of it.
func trapDir(t testing.TB) allocDir {
	t.Helper()
	base := t.TempDir()
	dir := allocDir(filepath.Join(base, allocID(1)))
	if _, err := dir.build("web", ""); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"../outside": secretText, "web/secrets/token": secretText, "web/local/file": "public", "alloc/data/page": "public",
	} {
		if err := os.WriteFile(filepath.Join(string(dir), name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"alloc/out": filepath.Join(base, "outside"), "alloc/up": "../../outside", "alloc/token": "../web/secrets/token",
		"alloc/inside": "../web/secrets", "alloc/task": "../web", "alloc/page": "data/page", "alloc/loop": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(string(dir), name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(string(dir), "alloc/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOpenIsConfined(t *testing.T) {
	dir := trapDir(t)
	tests := []struct {
		name string
		code int // 0: opens
	}{
		{"/", 0},
		{"", 0},
		{"alloc/data/page", 0},
		{"/web/local/file", 0},
		{"alloc/page", 0},            // a link inside
		{"alloc/task/local/file", 0}, // a linked directory inside
		{"alloc/pipe", 0},            // opens without waiting; reading is refused elsewhere
		{"alloc/nothing", 404},
		{"alloc/loop", 403},
		{"alloc/out", 403},
		{"alloc/up", 403},
		{"alloc/token", 403},
		{"alloc/inside/token", 403},
		{"alloc/task/secrets/token", 403},
		{"web/secrets", 403},
		{"web/secrets/token", 403},
		{"web/./local/../secrets/token", 403},
		{"../outside", 404}, // ".." stops at the top
	}
	for _, tt := range tests {
		f, err := dir.open(tt.name)
		if err == nil {
			f.Close()
		}
		var refused *Error
		switch {
		case tt.code == 0 && err != nil, tt.code != 0 && (!errors.As(err, &refused) || refused.Code != tt.code):
			t.Errorf("open %q: %v, want code %d", tt.name, err, tt.code)
		}
	}
}

func FuzzOpenIsConfined(f *testing.F) {
	dir := trapDir(f)
	for _, seed := range []string{"alloc/token", "../outside", "web//secrets/token", "alloc/task/secrets/token", "alloc/inside/../secrets/token"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		file, err := dir.open(name)
		if err != nil {
			return
		}
		defer file.Close()
		if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
			return
		}
		if text, _ := io.ReadAll(file); strings.Contains(string(text), secretText) {
			t.Errorf("%q leads to a secret", name)
		}
	})
}

// logNode is a node whose allocation 1 has a running task "web".
func logNode(t *testing.T) (*node, string) {
	servers := newFakeServers()
	n := newNode(t, servers)
	n.boot()
	servers.place(allocID(1), testJob("service", forever("web")))
	time.Sleep(time.Second)
	wantStatus(t, servers, allocID(1), "running")
	return n, filepath.Join(n.dir, "alloc", allocID(1), "alloc", "logs")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestLogsAcrossRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, dir := logNode(t)
		defer n.end()
		for i, text := range []string{"aaaa", "bbbb", "cc"} {
			os.Remove(filepath.Join(dir, fmt.Sprintf("web.stderr.%d", i+3)))
			write(t, filepath.Join(dir, fmt.Sprintf("web.stderr.%d", i+3)), text)
		}
		os.Remove(filepath.Join(dir, "web.stderr.0")) // the driver's, empty
		tests := []struct {
			origin string
			offset int64
			want   string
		}{
			{"start", 0, "aaaabbbbcc"},
			{"", 0, "aaaabbbbcc"},
			{"start", 4, "bbbbcc"},
			{"start", 6, "bbcc"},
			{"start", 99, ""},
			{"end", 0, ""},
			{"end", 1, "c"},
			{"end", 5, "bbbcc"},
			{"end", 99, "aaaabbbbcc"},
		}
		for _, tt := range tests {
			var got strings.Builder
			for frame, err := range n.client.Logs(t.Context(), allocID(1), "web", "stderr", tt.origin, tt.offset, false) {
				if err != nil {
					t.Fatal(err)
				}
				got.Write(frame.Data)
			}
			if got.String() != tt.want {
				t.Errorf("origin %q offset %d: %q, want %q", tt.origin, tt.offset, got.String(), tt.want)
			}
		}
	})
}

func TestLogsAreFollowedThroughRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, dir := logNode(t)
		defer n.end()
		first := filepath.Join(dir, "web.stdout.0")
		write(t, first, "one ")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var got []api.StreamFrame
		done := make(chan struct{})
		go func() {
			defer close(done)
			for frame, err := range n.client.Logs(ctx, allocID(1), "web", "stdout", "start", 0, true) {
				if err != nil {
					t.Error(err)
					return
				}
				got = append(got, *frame)
			}
		}()
		time.Sleep(time.Second)
		write(t, first, "two ")
		time.Sleep(time.Second)
		write(t, first, "three ")
		write(t, filepath.Join(dir, "web.stdout.1"), "four ")
		time.Sleep(time.Second)
		cancel()
		<-done
		want := []api.StreamFrame{
			{Offset: 4, Data: []byte("one "), File: "alloc/logs/web.stdout.0"},
			{Offset: 8, Data: []byte("two "), File: "alloc/logs/web.stdout.0"},
			{Offset: 14, Data: []byte("three "), File: "alloc/logs/web.stdout.0"},
			{Offset: 5, Data: []byte("four "), File: "alloc/logs/web.stdout.1"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLogRequestsThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := logNode(t)
		defer n.end()
		n.servers.place(allocID(2), testJob("service", mockTask("web", map[string]any{"start_block_for": "1h"})))
		synctest.Wait()
		tests := []struct {
			alloc, task, logType, origin string
			offset                       int64
			code                         int
		}{
			{allocID(9), "web", "stdout", "", 0, 404},
			{allocID(1), "other", "stdout", "", 0, 404},
			{allocID(1), "", "stdout", "", 0, 400},
			{allocID(1), "web", "stdin", "", 0, 400},
			{allocID(1), "web", "stdout", "middle", 0, 400},
			{allocID(1), "web", "stdout", "", -1, 400},
			{allocID(2), "web", "stdout", "", 0, 404},
		}
		for _, tt := range tests {
			for _, err := range n.client.Logs(t.Context(), tt.alloc, tt.task, tt.logType, tt.origin, tt.offset, false) {
				var refused *Error
				if !errors.As(err, &refused) || refused.Code != tt.code {
					t.Errorf("%+v: %v", tt, err)
				}
			}
		}
	})
}

func TestFilesOfAnAllocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, logs := logNode(t)
		defer n.end()
		c, id := n.client, allocID(1)
		infos, err := c.List(id, "/")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, info := range infos {
			names = append(names, info.Name)
		}
		slices.Sort(names)
		if diff := cmp.Diff([]string{"alloc", "web"}, names); diff != "" {
			t.Error(diff)
		}
		file := filepath.Join(logs, "../data/page")
		write(t, file, "<html>0123456789")
		info, err := c.Stat(id, "alloc/data/page")
		if err != nil || info.Size != 16 || info.IsDir || !strings.HasPrefix(info.ContentType, "text/html") {
			t.Errorf("stat: %+v, %v", info, err)
		}
		r, err := c.ReadAt(id, "alloc/data/page", 6, 4)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(r); string(got) != "0123" {
			t.Errorf("read %q, want 0123", got)
		}
		r.Close()
		if _, err := c.ReadAt(id, "alloc/data", 0, 0); err == nil {
			t.Error("a directory was read")
		}

		var got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for frame, err := range c.Stream(t.Context(), id, "alloc/data/page", "end", 2, true) {
				if err != nil {
					t.Error(err)
					return
				}
				got = append(got, fmt.Sprintf("%d %s%s", frame.Offset, frame.Data, frame.FileEvent))
			}
		}()
		time.Sleep(time.Second)
		write(t, file, "ab")
		time.Sleep(time.Second)
		if err := os.Truncate(file, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		write(t, file, "new")
		time.Sleep(time.Second)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		<-done
		if diff := cmp.Diff([]string{"16 89", "18 ab", "0 file truncated", "3 new", "3 file deleted"}, got); diff != "" {
			t.Error(diff)
		}
	})
}
