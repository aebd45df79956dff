package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"runtime/pprof"
	"runtime/trace"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"
)

// monitorLines is how many log lines wait for a slow reader; more are dropped, and
// the reader is told how many.
const monitorLines = 512

// agentMonitor is GET /v1/agent/monitor (?log_level, ?log_json, ?plain): this agent's
// log as it happens, at a level of its own.
func agentMonitor(a *API, r *request) (any, error) {
	level := hclog.Info
	if name := r.query.Get("log_level"); name != "" {
		if level = hclog.LevelFromString(name); level == hclog.NoLevel {
			return nil, badRequest("Unknown log level: %s", name)
		}
	}
	asJSON, err := r.flag("log_json", true)
	if err != nil {
		return nil, err
	}
	plain, err := r.flag("plain", true)
	if err != nil {
		return nil, err
	}
	return a.streamFrames(r, plain, func(ctx context.Context) iter.Seq2[*api.StreamFrame, error] {
		return func(yield func(*api.StreamFrame, error) bool) {
			tap := &logTap{lines: make(chan []byte, monitorLines)}
			sink := hclog.NewSinkAdapter(&hclog.LoggerOptions{Level: level, Output: tap, JSONFormat: asJSON})
			a.cfg.Logger.RegisterSink(sink)
			defer a.cfg.Logger.DeregisterSink(sink)
			for {
				select {
				case <-ctx.Done():
					return
				case line := <-tap.lines:
					if !yield(&api.StreamFrame{Data: line}, nil) {
						return
					}
				}
			}
		}
	})
}

// logTap hands log lines on without ever making the logger wait.
type logTap struct{ lines chan []byte }

func (t *logTap) Write(line []byte) (int, error) {
	select {
	case t.lines <- append([]byte(nil), line...):
	default: // the reader is too slow: logging goes on without it
	}
	return len(line), nil
}

// maxProfile bounds how long a profile may run, in seconds.
const maxProfile = 300

// agentPprof is GET /v1/agent/pprof/:profile (?seconds, ?debug, ?gc).
func agentPprof(a *API, r *request) (any, error) {
	if !a.cfg.EnablePprof && !a.cfg.ACL.Enabled { // a token that may write to agents will do
		return nil, notFound("profiles are switched off: set enable_debug = true")
	}
	seconds, err := r.number("seconds", 1)
	if err != nil {
		return nil, err
	}
	debug, err := r.number("debug", 0)
	if err != nil {
		return nil, err
	}
	d := time.Duration(min(max(seconds, 1), maxProfile)) * time.Second
	switch name := r.vars["profile"]; name {
	case "cmdline":
		return raw{"text/plain; charset=utf-8", []byte(readText("/proc/self/cmdline"))}, nil
	case "profile":
		return a.record(r, d, pprof.StartCPUProfile, pprof.StopCPUProfile)
	case "trace":
		return a.record(r, d, trace.Start, trace.Stop)
	default:
		p := pprof.Lookup(name)
		if p == nil {
			return nil, notFound("Pprof profile not found profile: %s", name)
		}
		var buf bytes.Buffer
		if err := p.WriteTo(&buf, int(debug)); err != nil {
			return nil, fmt.Errorf("write profile: %w", err)
		}
		return raw{"application/octet-stream", buf.Bytes()}, nil
	}
}

// record runs a profile that takes time; a client that goes ends it.
func (a *API) record(r *request, d time.Duration, start func(io.Writer) error, stop func()) (any, error) {
	var buf bytes.Buffer
	if err := start(&buf); err != nil {
		return nil, badRequest("start profile: %v", err)
	}
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
	stop()
	return raw{"application/octet-stream", buf.Bytes()}, nil
}
