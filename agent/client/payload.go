package client

import (
	"fmt"
	"os"
	"path"
)

// payload is what a job was dispatched with, on its way into a task's directory.
type payload struct {
	file string // relative to the task's local directory; "" for none
	data []byte
}

// payload is what the task's dispatch_payload block asks for.
func (t *task) payload() payload {
	spec := t.spec.DispatchPayload
	if spec == nil || spec.File == "" || len(t.a.job.Payload) == 0 {
		return payload{}
	}
	scope := t.scope()
	_, look := scope.build()
	return payload{interpolate(spec.File, look), t.a.job.Payload}
}

// write puts the payload into a task's local directory. The task may have left
// symbolic links there in an earlier run: none is followed out of it.
func (p payload) write(local string) error {
	if p.file == "" {
		return nil
	}
	root, err := os.OpenRoot(local)
	if err != nil {
		return fmt.Errorf("write dispatch payload: %w", err)
	}
	defer root.Close()
	if err := root.MkdirAll(path.Dir(p.file), 0o755); err != nil {
		return fmt.Errorf("write dispatch payload: %w", err)
	}
	if err := root.WriteFile(p.file, p.data, 0o644); err != nil {
		return fmt.Errorf("write dispatch payload to %s of the task's local directory: %w", p.file, err)
	}
	return nil
}
