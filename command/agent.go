package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/posener/complete"

	"github.com/selfheal/selfheal/agent"
	"github.com/selfheal/selfheal/agent/config"
)

func agentVerbs() entries {
	return entries{{name: "agent", make: agentVerb}}
}

func agentVerb() verb {
	v := verb{
		short: "Run the agent of this node",
		long: `Runs an agent: a server that decides, a client that runs jobs, or both. -dev is a whole cluster of one, in memory, to try things with.

Configuration is HCL or JSON, in the same keys as this stack's other agents; flags win over files. SIGHUP reads it again. SIGINT and SIGTERM stop the agent in order; tasks go on, and the agent that starts next takes them back, unless it was -dev or leaves for good (leave_on_interrupt, leave_on_terminate).`,
		local: true, verbatim: true, run: runAgent,
	}
	for _, f := range config.Flags() {
		row := flagRow{name: f.Name, arg: f.Arg, usage: f.Usage}
		if f.Arg == "PATH" {
			row.predict = complete.PredictFiles("*")
		}
		v.flags = append(v.flags, row)
	}
	return v
}

// How long an agent may take to stop: one that will be back only says so and
// closes; one that leaves may have to wait for its tasks.
const (
	restartPatience = 5 * time.Second
	leavePatience   = time.Minute
)

// runAgent is the process of an agent, from its command line to its end.
func runAgent(s *session, args []string) error {
	src, err := config.ParseFlags(args)
	if err != nil {
		return usageError{err.Error()}
	}
	src.Version = Version
	cfg, warnings, err := config.Load(src)
	if err != nil {
		return err
	}
	log, logFile, err := agentLogger(s.err, cfg)
	if err != nil {
		return err
	}
	defer logFile.Close()
	// Signals are caught before anything is started, so that none is lost.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer signal.Stop(signals)

	reload := func() (*config.Config, error) {
		next, _, err := config.Load(src)
		return next, err
	}
	agent.TuneMemory()
	a, err := agent.New(cfg, agent.Options{Logger: log, Version: Version, Warnings: warnings, Reload: reload})
	if err != nil {
		return err
	}
	exit, patience := untilStopped(a, cfg, log, signals, reload)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() { // ends with the process
		for sig := range signals {
			if sig == os.Interrupt || sig == syscall.SIGTERM {
				cancel()
			}
		}
	}()
	if err := a.Shutdown(ctx, exit); err != nil {
		return fmt.Errorf("stop agent: %w", err)
	}
	return nil
}

// untilStopped serves signals until one asks the agent to stop, and says how.
func untilStopped(a *agent.Agent, cfg *config.Config, log hclog.Logger, signals <-chan os.Signal, reload func() (*config.Config, error)) (agent.Exit, time.Duration) {
	for sig := range signals {
		switch sig {
		case syscall.SIGPIPE: // whoever read our log is gone
		case syscall.SIGHUP:
			next, err := reload()
			if err == nil {
				err = a.Reload(next)
			}
			if err != nil {
				log.Error("the configuration was not reloaded; the old one stays", "err", err)
				continue
			}
			log.Info("reloaded the configuration")
		default:
			leave := sig == os.Interrupt && cfg.LeaveOnInterrupt || sig == syscall.SIGTERM && cfg.LeaveOnTerminate
			log.Info("stopping", "signal", sig.String(), "leave", leave)
			if leave {
				return agent.Leave, leavePatience
			}
			return agent.Restart, restartPatience
		}
	}
	return agent.Restart, restartPatience
}

// agentLogger logs to w, and to a file where the configuration names one.
func agentLogger(w io.Writer, cfg *config.Config) (hclog.InterceptLogger, io.Closer, error) {
	var file io.Closer = io.NopCloser(nil)
	if cfg.LogFile != "" {
		f, err := openLog(logFileConfig{
			path: cfg.LogFile, maxBytes: int64(cfg.LogRotateBytes),
			maxAge: cfg.LogRotateDuration, keep: cfg.LogRotateMaxFiles,
		})
		if err != nil {
			return nil, nil, err
		}
		w, file = io.MultiWriter(w, f), f
	}
	return hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Level: hclog.LevelFromString(cfg.LogLevel), Output: ignoreErrors{w},
		JSONFormat: cfg.LogJSON, IncludeLocation: cfg.LogIncludeLocation,
	}), file, nil
}

// ignoreErrors keeps an agent alive when whoever reads its log is gone.
type ignoreErrors struct{ w io.Writer }

// Write never fails.
func (i ignoreErrors) Write(p []byte) (int, error) {
	_, _ = i.w.Write(p)
	return len(p), nil
}
