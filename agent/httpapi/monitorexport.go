package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// defaultLogsSince is how far back journald is asked. A fact of the Nomad API.
const defaultLogsSince = 72 * time.Hour

// agentMonitorExport is GET /v1/agent/monitor/export: what this agent has logged, out
// of its log file (?on_disk) or out of journald (?service_name, ?logs_since, ?follow).
func agentMonitorExport(a *API, r *request) (any, error) {
	var onDisk, follow, plain bool
	for name, to := range map[string]*bool{"on_disk": &onDisk, "follow": &follow, "plain": &plain} {
		var err error
		if *to, err = r.flag(name, true); err != nil {
			return nil, err
		}
	}
	service, since := r.query.Get("service_name"), defaultLogsSince
	if text := r.query.Get("logs_since"); text != "" {
		var err error
		if since, err = time.ParseDuration(text); err != nil || since < 0 {
			return nil, badRequest("Invalid value for \"logs_since\": %q is not a duration such as 72h", text)
		}
	}
	switch {
	case onDisk && (service != "" || follow):
		return nil, badRequest("on_disk excludes service_name and follow: the log file is sent as it is")
	case onDisk && a.cfg.LogFile == "":
		return nil, badRequest("this agent writes no log file: set log_file, or ask journald with service_name")
	case onDisk:
		return a.streamFrames(r, plain, func(context.Context) iter.Seq2[*api.StreamFrame, error] {
			return readFrames(a.cfg.LogFile, func() (io.ReadCloser, error) { return os.Open(a.cfg.LogFile) })
		})
	case !unitName(service):
		return nil, badRequest("service_name %q is not the name of a systemd unit of this agent: it must hold \"selfheal\" or \"nomad\"; or set on_disk", service)
	}
	return a.streamFrames(r, plain, func(ctx context.Context) iter.Seq2[*api.StreamFrame, error] {
		return readFrames(service, func() (io.ReadCloser, error) { return journal(ctx, service, since, follow) })
	})
}

// unitName accepts units of the agent alone: journald has the logs of everything.
func unitName(name string) bool {
	if !strings.Contains(name, "selfheal") && !strings.Contains(name, "nomad") || strings.HasPrefix(name, "-") {
		return false
	}
	return !strings.ContainsFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.@:", c))
	})
}

// journal runs journalctl until ctx ends or, without follow, until it has said all.
func journal(ctx context.Context, unit string, since time.Duration, follow bool) (io.ReadCloser, error) {
	args := []string{"--no-pager", "--quiet", "--unit", unit, "--since", time.Now().Add(-since).Format("2006-01-02 15:04:05")}
	if follow {
		args = append(args, "--follow")
	}
	cmd := exec.CommandContext(ctx, "journalctl", args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, &Error{http.StatusBadRequest, "this machine has no journalctl: set log_file, and on_disk=true here"}
		}
		return nil, err
	}
	return &journalReader{ReadCloser: out, cmd: cmd}, nil
}

// journalReader reaps journalctl when its output is closed.
type journalReader struct {
	io.ReadCloser
	cmd *exec.Cmd
}

// Close ends journalctl.
func (j *journalReader) Close() error {
	err := j.ReadCloser.Close()
	_ = j.cmd.Process.Kill() // it may have ended
	_ = j.cmd.Wait()
	return err
}

// readFrames yields what a reader has, in frames.
func readFrames(name string, open func() (io.ReadCloser, error)) iter.Seq2[*api.StreamFrame, error] {
	return func(yield func(*api.StreamFrame, error) bool) {
		in, err := open()
		if err != nil {
			yield(nil, fmt.Errorf("read log: %w", err))
			return
		}
		defer in.Close()
		for offset := int64(0); ; {
			buf := make([]byte, maxFrame)
			n, err := in.Read(buf)
			if n > 0 {
				if !yield(&api.StreamFrame{Offset: offset, Data: buf[:n], File: name}, nil) {
					return
				}
				offset += int64(n)
			}
			switch {
			case err == io.EOF:
				return
			case err != nil:
				yield(nil, fmt.Errorf("read log: %w", err))
				return
			}
		}
	}
}
