package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// mockExecKey reads the block exec_command: the keys of a mock task that say how
// long a command runs, what it prints and how it ends.
func mockExecKey(to **mockConfig) func(any) error {
	return func(value any) error {
		config, err := block(value)
		if err != nil {
			return err
		}
		c := new(mockConfig)
		keys := c.schema()
		delete(keys, "exec_command")
		*to = c
		return keys.decode("exec_command", config)
	}
}

// Exec implements Executor. Without an exec_command block the command sends its
// input back until that ends, as cat does, and tells the sizes of its terminal.
func (t *mockTask) Exec(ctx context.Context, cmd Command) (int, error) {
	run := t.current()
	switch {
	case len(cmd.Args) == 0:
		return 0, errors.New("exec: no command is given")
	case isClosed(run.over):
		return 0, ErrNotRunning
	}
	ended := make(chan mockEnd, 1)
	quit := make(chan struct{})
	defer close(quit)
	out, errs := &gate{to: cmd.Stdout}, &gate{to: cmd.Stderr}
	defer out.close()
	defer errs.close()
	cmd.Stdout, cmd.Stderr = out, errs
	if config := run.config.exec; config != nil {
		go config.perform(cmd, ended, quit)
	} else {
		go echo(cmd, ended)
	}
	for {
		select {
		case end := <-ended:
			return end.code, end.err
		case size := <-cmd.Sizes:
			fmt.Fprintf(cmd.Stdout, "%dx%d\n", size.Height, size.Width)
		case <-run.over:
			return 128 + 9, nil
		case <-ctx.Done():
			return 0, fmt.Errorf("exec: %w", ctx.Err())
		}
	}
}

// gate lets nothing through any more once its command is over: whoever called Exec
// has its writers back.
type gate struct {
	mu   sync.Mutex
	to   io.Writer
	shut bool
}

// Write implements io.Writer.
func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return 0, io.ErrClosedPipe
	}
	return g.to.Write(p)
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
}

// mockEnd is how a command of a mock ended.
type mockEnd struct {
	code int
	err  error
}

// echo ends with its input.
func echo(cmd Command, ended chan<- mockEnd) {
	if cmd.Stdin != nil {
		if _, err := io.Copy(cmd.Stdout, cmd.Stdin); err != nil {
			ended <- mockEnd{code: 1}
			return
		}
	}
	ended <- mockEnd{}
}

// perform is a command that does what the configuration says, until quit.
func (c *mockConfig) perform(cmd Command, ended chan<- mockEnd, quit <-chan struct{}) {
	if c.startError != "" {
		ended <- mockEnd{err: errors.New(c.startError)}
		return
	}
	streams := [2]mockOutput{c.stdout, c.stderr}
	outs := [2]io.Writer{cmd.Stdout, cmd.Stderr}
	if cmd.TTY {
		outs[1] = cmd.Stdout
	}
	var due [2]<-chan time.Time
	say := func(i int) {
		due[i] = nil
		if streams[i].text == "" {
			return
		}
		io.Copy(outs[i], strings.NewReader(streams[i].text))
		if streams[i].repeat > 0 {
			streams[i].repeat--
			due[i] = time.After(streams[i].every)
		}
	}
	say(0)
	say(1)
	alive := time.After(c.runFor)
	for alive != nil || due[0] != nil || due[1] != nil {
		select {
		case <-due[0]:
			say(0)
		case <-due[1]:
			say(1)
		case <-alive:
			alive = nil
		case <-quit:
			return
		}
	}
	if c.exitSignal != 0 {
		ended <- mockEnd{code: 128 + c.exitSignal}
		return
	}
	ended <- mockEnd{code: c.exitCode}
}
