package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/driver"
	"github.com/selfheal/selfheal/agent/nodeapi"
)

// What happens to a task whose identity was renewed.
const (
	changeNoop    = "noop"
	changeSignal  = "signal"
	changeRestart = "restart"
)

// defaultIdentity is the name of the identity that every task has.
const defaultIdentity = "default"

// identityTime is when an identity was signed, and until when it is valid.
type identityTime struct{ Issued, Expires time.Time }

// renewAt is the middle of its life; zero for one that ends with its allocation.
func (i identityTime) renewAt() time.Time {
	if i.Expires.IsZero() {
		return time.Time{}
	}
	return i.Issued.Add(i.Expires.Sub(i.Issued) / 2)
}

// identityOrder is what a task is to be given of identities: how they are asked for and
// where they go. It is a value, for what runs beside the owner.
type identityOrder struct {
	nodeID  string
	allocID string
	task    string
	user    string
	dir     string // the task's directory
	specs   []api.WorkloadIdentity
	ask     func(context.Context, nodeapi.IdentitiesRequest) (*nodeapi.IdentitiesResponse, error)
}

// exposed are the identities that a task's job file exposes.
func exposed(spec *api.Task) []api.WorkloadIdentity {
	var out []api.WorkloadIdentity
	for _, id := range append([]*api.WorkloadIdentity{spec.Identity}, spec.Identities...) {
		if id != nil && (id.Env || id.File) {
			out = append(out, *id)
		}
	}
	return out
}

// identityName is the identity's name as it is written to servers and files.
func identityName(id api.WorkloadIdentity) string {
	if id.Name == "" {
		return defaultIdentity
	}
	return id.Name
}

// identityEnv and identityFile say where a task finds an identity. Facts of the Nomad API.
func identityEnv(id api.WorkloadIdentity) string {
	if name := identityName(id); name != defaultIdentity {
		return "NOMAD_TOKEN_" + envName(name)
	}
	return "NOMAD_TOKEN"
}

func identityFile(id api.WorkloadIdentity) string {
	switch name := identityName(id); {
	case id.Filepath != "":
		return id.Filepath
	case name != defaultIdentity:
		return path.Join(secretsDir, "nomad_"+name+".jwt")
	}
	return path.Join(secretsDir, "nomad_token")
}

// identityOrder is what the task is to be given.
func (t *task) identityOrder(specs []api.WorkloadIdentity) identityOrder {
	h := t.a.shared
	return identityOrder{
		nodeID: h.nodeID, allocID: t.a.id, task: t.spec.Name, user: t.spec.User,
		dir: t.a.dir.of(t.spec.Name).task, specs: specs, ask: h.identities,
	}
}

// fetch asks servers until they answer: a task does not run without what it was promised.
func (o identityOrder) fetch(ctx context.Context) ([]nodeapi.Identity, error) {
	if len(o.specs) == 0 {
		return nil, nil
	}
	req := nodeapi.IdentitiesRequest{NodeID: o.nodeID}
	for _, id := range o.specs {
		req.Tasks = append(req.Tasks, nodeapi.TaskIdentity{AllocID: o.allocID, Task: o.task, Name: identityName(id)})
	}
	var backoff nodeapi.Backoff
	for {
		resp, err := o.ask(ctx, req)
		if err == nil {
			return resp.Tasks, refusedIdentity(resp.Tasks)
		}
		if !sleep(ctx, backoff.Next()) {
			return nil, fmt.Errorf("get identities: %w", errors.Join(ctx.Err(), err))
		}
	}
}

func refusedIdentity(tokens []nodeapi.Identity) error {
	for _, token := range tokens {
		if token.Error != "" {
			return fmt.Errorf("get identities: %s", token.Error)
		}
	}
	return nil
}

// deliver puts identities into the task's environment and files; its directory exists.
// env may be nil.
func (o identityOrder) deliver(tokens []nodeapi.Identity, env map[string]string) error {
	if len(tokens) == 0 {
		return nil
	}
	// The task may have left symbolic links there: none is followed out of its directory.
	root, err := os.OpenRoot(o.dir)
	if err != nil {
		return fmt.Errorf("write identities: %w", err)
	}
	defer root.Close()
	for i, id := range o.specs {
		if id.Env && env != nil {
			env[identityEnv(id)] = tokens[i].JWT
		}
		if !id.File {
			continue
		}
		if err := o.write(root, filepath.Clean(identityFile(id)), tokens[i].JWT); err != nil {
			return fmt.Errorf("write identity %q: %w", identityName(id), err)
		}
	}
	return nil
}

// write replaces a file in one step: who reads it finds the old or the new one. It is for
// the task's user alone.
func (o identityOrder) write(root *os.Root, name, token string) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	next := name + ".next"
	if err := root.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(token)
	if o.user != "" && os.Geteuid() == 0 && err == nil {
		var uid, gid int
		if uid, gid, err = userIDs(o.user); err == nil {
			err = f.Chown(uid, gid)
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return root.Rename(next, name)
}

// issued notes when the task's identities were signed.
func (t *task) issued(specs []api.WorkloadIdentity, tokens []nodeapi.Identity) {
	if len(tokens) == 0 {
		return
	}
	if t.identities == nil {
		t.identities = map[string]identityTime{}
	}
	for i, id := range specs {
		t.identities[identityName(id)] = identityTime{tokens[i].Issued, tokens[i].Expires}
	}
	t.renewFailed = time.Time{}
}

// renewable are the exposed identities that a running task can be given anew: those in
// files, and those for which it is restarted.
func (t *task) renewable() []api.WorkloadIdentity {
	var out []api.WorkloadIdentity
	for _, id := range exposed(t.spec) {
		if id.File || id.ChangeMode == changeRestart {
			out = append(out, id)
		}
	}
	return out
}

// renewRetry is the pause after a renewal that failed: short against half of the
// shortest TTL that a job may ask for.
const renewRetry = 5 * time.Second

// renewAt is when the next identity is to be renewed, zero never.
func (t *task) renewAt() time.Time {
	var next time.Time
	if t.m.Phase != phaseRunning || t.renewing || len(t.identities) == 0 {
		return next
	}
	for _, id := range t.renewable() {
		at := t.identities[identityName(id)].renewAt()
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if !next.IsZero() && !t.renewFailed.IsZero() {
		next = later(next, t.renewFailed.Add(renewRetry))
	}
	return next
}

// renewIdentities renews what is due.
func (t *task) renewIdentities(now time.Time) {
	at := t.renewAt()
	if at.IsZero() || at.After(now) {
		return
	}
	var due []api.WorkloadIdentity
	for _, id := range t.renewable() {
		if at := t.identities[identityName(id)].renewAt(); !at.IsZero() && !at.After(now) {
			due = append(due, id)
		}
	}
	t.renewing = true
	order := t.identityOrder(due)
	t.beside(func() func() {
		ctx, cancel := context.WithTimeout(t.a.ctx, renewRetry)
		defer cancel()
		tokens, err := order.fetch(ctx)
		if err == nil {
			err = order.deliver(tokens, nil)
		}
		return func() {
			t.renewing = false
			t.renewed(due, tokens, err)
		}
	})
}

// renewed does what the job file asks for when an identity changed: at most one thing,
// a restart rather than signals.
func (t *task) renewed(due []api.WorkloadIdentity, tokens []nodeapi.Identity, err error) {
	if err != nil {
		t.renewFailed = time.Now()
		t.a.log.Warn("renewing identities failed, will be tried again", "task", t.spec.Name, "err", err)
		return
	}
	t.issued(due, tokens)
	t.save()
	signals := map[string]bool{}
	for _, id := range due {
		switch id.ChangeMode {
		case changeRestart:
			if t.m.Phase == phaseRunning {
				t.apply(event{kind: evRestart, reason: "Identity " + identityName(id) + " was renewed"})
			}
			return
		case changeSignal:
			signals[id.ChangeSignal] = true
		}
	}
	for signal := range signals {
		t.signal(signal)
	}
}

// signal sends a signal to the running task.
func (t *task) signal(signal string) {
	if t.m.Phase != phaseRunning || t.running == nil {
		return
	}
	t.apply(event{kind: evSignal, reason: signal})
	running := t.running
	t.beside(func() func() {
		if err := running.Signal(signal); err != nil && !errors.Is(err, driver.ErrGone) {
			t.a.log.Warn("signalling a task failed", "task", t.spec.Name, "signal", signal, "err", err)
		}
		return nil
	})
}
