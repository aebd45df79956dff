package leader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"

	"github.com/selfheal/selfheal/agent/state"
)

// Log is the replicated log, as the leader writes it.
type Log interface {
	// Apply returns the command's result once a majority has it.
	Apply(ctx context.Context, data []byte) (result any, index uint64, err error)
}

// Busy measures how much of its time a loop works: call it when work starts, and
// what it returns when the work ends.
type Busy func() (done func())

// Config is what a Leader needs.
type Config struct {
	Logger  hclog.Logger
	State   *state.Store
	Log     Log
	Members Members
	Prober  Prober
	Raft    Raft
	Graces  Graces
	Brake   Brake
	GC      GC
	// Autopilot says how servers join and leave the consensus group until something
	// else is set over the API.
	Autopilot *api.AutopilotConfiguration
	ACL       ACL
	// Keys keeps the root keyring; nil: there is none to keep.
	Keys      Keys
	KeyPolicy KeyPolicy
	// Scheduler is what a new cluster's scheduler is set to; nil: the built-in settings.
	Scheduler *api.SchedulerConfiguration
	// Busy gives a loop its busy meter; nil measures nothing.
	Busy func(loop string) Busy
}

// Default is how a Leader behaves unless told otherwise.
func Default() Config {
	return Config{
		Graces: Graces{AgentDead: 1200 * time.Millisecond, AgentFrozen: 10 * time.Second, Restarting: 5 * time.Minute},
		Brake:  Brake{Share: 0.34, Window: 30 * time.Second, Pace: 5 * time.Second},
		GC:     DefaultGC(), KeyPolicy: DefaultKeyPolicy(),

		Autopilot: state.DefaultAutopilot(),
	}
}

// Leader runs the loops while this server leads.
type Leader struct {
	cfg   Config
	log   hclog.Logger
	feeds []*feed

	evaluate *evaluator
	liveness *liveness
	rollout  *rollout
	drain    *drainer
	members  *membership
	gc       *collector
	periodic *periodic
	leases   *leases
	balancer *rebalancer
	tokens   *tokenJanitor
	replica  *replicator
	keyring  *keyring
	locks    *locks
	turn     chan struct{} // held by who asks a long question
}

// New subscribes to the state. Nothing runs before Run.
func New(cfg Config) *Leader {
	if cfg.Busy == nil {
		cfg.Busy = func(string) Busy { return func() func() { return func() {} } }
	}
	l := &Leader{cfg: cfg, log: cfg.Logger.Named("leader"), turn: make(chan struct{}, 1)}
	l.evaluate = newEvaluator(l, l.subscribe(state.TableNodes, state.TableAllocs, state.TableEvals, state.TableJobs, state.TableScheduler))
	l.liveness = newLiveness(l, l.subscribe(state.TableNodes, tableMembers))
	l.rollout = newRollout(l, l.subscribe(state.TableDeployments, state.TableAllocs))
	l.drain = newDrainer(l, l.subscribe(state.TableNodes, state.TableAllocs))
	l.members = newMembership(l)
	l.gc = newCollector(l)
	l.periodic = newPeriodic(l, l.subscribe(state.TableJobs))
	l.leases = newLeases(l, l.subscribe(state.TableNodes))
	l.balancer = newRebalancer(l, l.subscribe(state.TableNodes, state.TableAllocs, state.TableRebalance, state.TableScheduler))
	l.tokens, l.replica = newTokenJanitor(l), &replicator{l, l.log.Named("acl")}
	l.keyring = newKeyring(l, l.subscribe(state.TableRootKeys))
	l.locks = newLocks(l, l.subscribe(state.TableLocks))
	cfg.State.Changes(func(changes []state.Change) {
		for _, f := range l.feeds {
			f.put(changes)
		}
	})
	return l
}

func (l *Leader) subscribe(tables ...string) *feed {
	f := newFeed(tables...)
	l.feeds = append(l.feeds, f)
	return f
}

// Run leads until ctx ends, which must be when leadership is lost. The state must
// hold everything that was agreed on before. An error of a
// loop ends all of them; the caller starts Run again while it still leads.
func (l *Leader) Run(ctx context.Context) error {
	for _, f := range l.feeds {
		f.open()
		defer f.close()
	}
	if err := l.seedSettings(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, loop := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"evaluate", l.evaluate.run},
		{"liveness", l.liveness.run},
		{"rollout", l.rollout.run},
		{"drain", l.drain.run},
		{"membership", l.members.run},
		{"gc", l.gc.run},
		{"periodic", l.periodic.run},
		{"leases", l.leases.run},
		{"rebalance", l.balancer.run},
		{"tokens", l.tokens.run},
		{"acl replica", l.replica.run},
		{"keyring", l.keyring.run},
		{"locks", l.locks.run},
	} {
		g.Go(func() error {
			if err := loop.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s loop: %w", loop.name, err)
			}
			return ctx.Err()
		})
	}
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// apply writes one command and returns its result; a refusal by the state is an error.
func (l *Leader) apply(ctx context.Context, cmd state.Command) (any, error) {
	data, err := state.Encode(time.Now(), cmd)
	if err != nil {
		return nil, fmt.Errorf("encode command: %w", err)
	}
	result, _, err := l.cfg.Log.Apply(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	if refused, ok := result.(error); ok {
		return nil, refused
	}
	return result, nil
}
