package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const mockName = "mock_driver"

// Mock is the driver "mock_driver": its tasks are timers that do what their
// config block says. The value is the machine on which they run: an agent that
// restarts with the same value recovers them.
type Mock struct {
	mu     sync.Mutex
	tasks  map[string]*mockTask // by task ID
	closed bool
	runs   sync.WaitGroup // one goroutine for each run
}

// NewMock makes a machine without tasks. Close it to end them.
func NewMock() *Mock { return &Mock{tasks: make(map[string]*mockTask)} }

// Close is the machine's power going off: every task ends by SIGKILL, nothing
// can be recovered or started. It returns when all goroutines have ended.
func (m *Mock) Close() error {
	m.mu.Lock()
	m.closed = true
	tasks := slices.Collect(maps.Values(m.tasks))
	clear(m.tasks)
	m.mu.Unlock()
	for _, t := range tasks {
		t.current().kill(signalled(9))
	}
	m.runs.Wait()
	return nil
}

// Name is "mock_driver".
func (m *Mock) Name() string { return mockName }

// Fingerprint is always healthy.
func (m *Mock) Fingerprint(context.Context) Fingerprint {
	return Fingerprint{
		Detected:    true,
		Healthy:     true,
		Description: "Healthy",
		Attributes:  map[string]string{"driver.mock_driver": "1"},
	}
}

// ValidateConfig checks the config block of a mock_driver task.
func (m *Mock) ValidateConfig(config map[string]any) error {
	_, err := parseMockConfig(config)
	return err
}

// Start begins the task, or attaches to the one of that ID; see Driver.
func (m *Mock) Start(ctx context.Context, cfg TaskConfig) (Task, error) {
	m.mu.Lock()
	known := m.tasks[cfg.ID]
	m.mu.Unlock()
	if known != nil {
		return known, nil
	}
	t := &mockTask{mock: m, id: cfg.ID, job: cfg.JobName, run: newMockRun()}
	t.run.end(Exit{})
	if err := t.begin(ctx, cfg); err != nil {
		return nil, fmt.Errorf("start task: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tasks[cfg.ID] = t
	return t, nil
}

// Running counts the tasks of a job that run: the truth that a simulated
// cluster is held against.
func (m *Mock) Running(job string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, t := range m.tasks {
		t.mu.Lock()
		select {
		case <-t.run.over:
		default:
			if t.job == job {
				n++
			}
		}
		t.mu.Unlock()
	}
	return n
}

// Recover finds a task that was started on the same Mock and not destroyed.
func (m *Mock) Recover(_ context.Context, handle Handle) (Task, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.tasks[handle.TaskID]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("recover task %s: %w", handle.TaskID, ErrGone)
}

// mockConfig is the config block of mock_driver.
type mockConfig struct {
	runFor     time.Duration // the run lasts this long, and until its output is written
	exitCode   int
	exitSignal int
	exitErr    string // makes Exit.Err

	startError       string // Start fails with it
	startRecoverable bool
	startBlockFor    time.Duration // Start takes this long

	killAfter   time.Duration // from Stop's signal to the end
	signalError string        // Signal fails with it

	stdout, stderr mockOutput

	exec *mockConfig // what commands of Exec do; nil: they send their input back
}

// mockOutput is written once, and again repeat times, every interval.
type mockOutput struct {
	text   string
	repeat int
	every  time.Duration
}

func parseMockConfig(config map[string]any) (mockConfig, error) {
	var c mockConfig
	return c, c.schema().decode(mockName, config)
}

func (c *mockConfig) schema() schema {
	return schema{
		"run_for":                 durationKey(&c.runFor),
		"exit_code":               intKey(&c.exitCode),
		"exit_signal":             intKey(&c.exitSignal),
		"exit_err_msg":            stringKey(&c.exitErr),
		"start_error":             stringKey(&c.startError),
		"start_error_recoverable": boolKey(&c.startRecoverable),
		"start_block_for":         durationKey(&c.startBlockFor),
		"kill_after":              durationKey(&c.killAfter),
		"signal_error":            stringKey(&c.signalError),
		"stdout_string":           stringKey(&c.stdout.text),
		"stdout_repeat":           intKey(&c.stdout.repeat),
		"stdout_repeat_duration":  durationKey(&c.stdout.every),
		"stderr_string":           stringKey(&c.stderr.text),
		"stderr_repeat":           intKey(&c.stderr.repeat),
		"stderr_repeat_duration":  durationKey(&c.stderr.every),
		"exec_command":            mockExecKey(&c.exec),
	}
}

// mockTask is one task of a Mock.
type mockTask struct {
	mock *Mock
	id   string
	job  string

	mu  sync.Mutex
	run *mockRun
}

// mockRun is one run: a goroutine that waits for its end.
type mockRun struct {
	config mockConfig
	killed chan Exit     // room for one: the end that somebody else decided
	exits  chan Exit     // room for one
	over   chan struct{} // closed with the exit
}

func newMockRun() *mockRun {
	return &mockRun{killed: make(chan Exit, 1), exits: make(chan Exit, 1), over: make(chan struct{})}
}

// end is called once, by the run's own goroutine.
func (r *mockRun) end(exit Exit) {
	exit.At = time.Now()
	r.exits <- exit
	close(r.exits)
	close(r.over)
}

// kill ends a run from outside; the first one decides.
func (r *mockRun) kill(exit Exit) {
	select {
	case r.killed <- exit:
	default:
	}
}

func signalled(sig int) Exit { return Exit{Code: 128 + sig, Signal: sig} }

func (t *mockTask) begin(ctx context.Context, cfg TaskConfig) error {
	config, err := parseMockConfig(cfg.Config)
	if err != nil {
		return err
	}
	if config.startBlockFor > 0 {
		block := time.NewTimer(config.startBlockFor)
		defer block.Stop()
		select {
		case <-block.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if config.startError != "" {
		err := errors.New(config.startError)
		if config.startRecoverable {
			return &recoverableError{err}
		}
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !isClosed(t.run.over) {
		return ErrRunning
	}
	run := newMockRun()
	run.config = config
	out, err := run.outputs(cfg)
	if err != nil {
		return err
	}
	t.mock.mu.Lock()
	defer t.mock.mu.Unlock()
	if t.mock.closed {
		return errors.New("driver is closed")
	}
	t.run = run
	t.mock.runs.Go(func() { run.live(out) })
	return nil
}

// mockStream is what is left to write of one stream.
type mockStream struct {
	mockOutput
	log *rotator
	due <-chan time.Time
}

// outputs opens the logs of the streams that say anything.
func (r *mockRun) outputs(cfg TaskConfig) (out [2]mockStream, err error) {
	for i, o := range []mockOutput{r.config.stdout, r.config.stderr} {
		if o.text == "" || cfg.Logs.Disabled || cfg.LogDir == "" {
			continue
		}
		stream := []string{Stdout, Stderr}[i]
		log, err := openRotator(cfg.LogDir, cfg.Name, stream, cfg.Logs.rotation())
		if err != nil {
			return out, err
		}
		out[i] = mockStream{mockOutput: o, log: log}
	}
	return out, nil
}

// write writes once and sets the time of the next.
func (s *mockStream) write() {
	s.due = nil
	if s.log == nil {
		return
	}
	s.log.Write([]byte(s.text)) // like a supervisor: what the disk refuses is lost
	if s.repeat > 0 {
		s.repeat--
		s.due = time.After(s.every)
	}
}

// live is a run's goroutine.
func (r *mockRun) live(out [2]mockStream) {
	for i := range out {
		out[i].write()
	}
	lifetime := time.NewTimer(r.config.runFor)
	defer lifetime.Stop()
	alive := true
	exit := Exit{Code: r.config.exitCode, Signal: r.config.exitSignal}
	if r.config.exitErr != "" {
		exit.Err = errors.New(r.config.exitErr)
	}
	for alive || out[0].due != nil || out[1].due != nil {
		select {
		case <-out[0].due:
			out[0].write()
		case <-out[1].due:
			out[1].write()
		case <-lifetime.C:
			alive = false
		case exit = <-r.killed:
			alive, out[0].due, out[1].due = false, nil, nil
		}
	}
	for _, s := range out {
		if s.log != nil {
			s.log.Close()
		}
	}
	r.end(exit)
}

func (t *mockTask) current() *mockRun {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.run
}

func (t *mockTask) Handle() Handle {
	return Handle{Driver: mockName, TaskID: t.id, State: json.RawMessage("{}")}
}

func (t *mockTask) PID() int          { return 0 }
func (t *mockTask) Wait() <-chan Exit { return t.current().exits }

// Signal ends the task where the signal's default is to end a process that
// does not catch it; of the others it takes no notice.
func (t *mockTask) Signal(name string) error {
	sig, err := ParseSignal(name)
	if err != nil {
		return err
	}
	run := t.current()
	if isClosed(run.over) {
		return ErrNotRunning
	}
	if run.config.signalError != "" {
		return fmt.Errorf("signal task: %s", run.config.signalError)
	}
	if strings.Contains("SIGKILL SIGTERM SIGINT SIGQUIT SIGABRT", signalName(sig)) {
		run.kill(signalled(int(sig)))
		<-run.over
	}
	return nil
}

func (t *mockTask) Stop(ctx context.Context, signal string, timeout time.Duration) error {
	if signal != "" {
		if _, err := ParseSignal(signal); err != nil {
			return fmt.Errorf("stop task: %w", err)
		}
	}
	run := t.current()
	exit, after := Exit{}, run.config.killAfter // it obeys, after a while
	if after > timeout {
		exit, after = signalled(9), timeout
	}
	grace := time.NewTimer(after)
	defer grace.Stop()
	select {
	case <-run.over:
	case <-grace.C:
		run.kill(exit)
		<-run.over
	case <-ctx.Done():
		return fmt.Errorf("stop task: %w", ctx.Err())
	}
	return nil
}

func (t *mockTask) Restart(ctx context.Context, cfg TaskConfig) error {
	if !isClosed(t.current().over) {
		return fmt.Errorf("restart task: %w", ErrRunning)
	}
	if err := t.begin(ctx, cfg); err != nil {
		return fmt.Errorf("restart task: %w", err)
	}
	return nil
}

func (t *mockTask) Stats(context.Context) (Stats, error) {
	if isClosed(t.current().over) {
		return Stats{}, ErrNotRunning
	}
	return Stats{PIDs: []int{}, At: time.Now()}, nil
}

func (t *mockTask) Destroy() error {
	if !isClosed(t.current().over) {
		return ErrRunning
	}
	t.mock.mu.Lock()
	defer t.mock.mu.Unlock()
	if t.mock.tasks[t.id] == t {
		delete(t.mock.tasks, t.id)
	}
	return nil
}
