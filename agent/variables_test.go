package agent

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/selfheal/selfheal/agent/config"
)

func (s *sim) writes(path, value string) {
	s.t.Helper()
	s.eventually(20*time.Second, "a variable is written", func() error {
		_, _, err := s.api().Variables().Update(&api.Variable{Path: path, Items: api.VariableItems{"k": value}}, nil)
		return err
	})
}

// reads expects a variable's value at every living server.
func (s *sim) reads(path, value string) {
	s.t.Helper()
	for _, a := range s.servers {
		if a.agent == nil {
			continue
		}
		s.eventually(20*time.Second, a.name+" reads "+path, func() error {
			v, _, err := s.apiOf(a).Variables().Read(path, &api.QueryOptions{AllowStale: true})
			if err != nil {
				return err
			}
			if v.Items["k"] != value {
				return fmt.Errorf("it reads %q", v.Items["k"])
			}
			return nil
		})
	}
}

// lockOp does something with the lock of the variable "leader", at any server. held
// false: somebody else has it.
func (s *sim) lockOp(op func(*api.Variables, *api.Variable) (string, error), id string, ttl, delay time.Duration) (lockID string, held bool, err error) {
	v := &api.Variable{Path: "leader", Lock: &api.VariableLock{ID: id, TTL: ttl.String(), LockDelay: delay.String()}}
	lockID, err = op(s.api().Variables(), v)
	var refused api.UnexpectedResponseError
	if errors.As(err, &refused) && refused.StatusCode() == http.StatusConflict {
		return "", false, nil
	}
	return lockID, err == nil, err
}

func acquire(vars *api.Variables, v *api.Variable) (string, error) {
	out, _, err := vars.AcquireLock(v, nil)
	if err != nil {
		return "", err
	}
	return out.Lock.ID, nil
}

func renew(vars *api.Variables, v *api.Variable) (string, error) {
	_, _, err := vars.RenewLock(v, nil)
	return v.Lock.ID, err
}

// Many want a lock at once and one gets it. It keeps it for as long as it renews it,
// over the death of the leader; when it is silent, another gets it after the TTL and the
// delay, and not before, also when leaders die in between.
func TestLockOverFailover(t *testing.T) {
	const ttl, delay = 10 * time.Second, 5 * time.Second
	bubble(t, 3, 1, func(s *sim) {
		s.writes("leader", "v")
		var mu sync.Mutex
		var won []string
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				id, held, err := s.lockOp(acquire, "", ttl, delay)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					s.t.Errorf("acquire: %v", err)
				}
				if held {
					won = append(won, id)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			s.t.Fatalf("%d of 5 hold the lock", len(won))
		}
		var renewed time.Time
		for i := range 8 { // 40 s, four times the TTL
			lead := s.leader()
			if i%3 == 1 {
				lead.die()
			}
			s.eventually(ttl/2, "the holder renews", func() error {
				renewed = time.Now() // before the call: from then on nothing but this renewal keeps the lock
				_, held, err := s.lockOp(renew, won[0], ttl, delay)
				if err == nil && !held {
					s.t.Fatalf("the lock is lost %v after the last renewal", time.Since(renewed))
				}
				return err
			})
			if _, held, err := s.lockOp(acquire, "", ttl, delay); held || err != nil {
				s.t.Fatalf("a rival acquires what is held: %v, %v", held, err)
			}
			lead.revive()
			time.Sleep(ttl / 2)
		}
		lead := s.leader()
		lead.die()
		s.eventually(2*time.Minute, "a rival acquires what nobody renews", func() error {
			_, held, err := s.lockOp(acquire, "", ttl, delay)
			if err == nil && !held {
				err = errors.New("it is held")
			}
			return err
		})
		if took := time.Since(renewed); took < ttl+delay || took > 2*ttl+delay+ttl {
			s.t.Errorf("the rival got the lock %v after the last renewal, want %v to %v", took, ttl+delay, 3*ttl+delay)
		}
		lead.revive()
		if _, held, err := s.lockOp(renew, won[0], ttl, delay); held || err != nil {
			s.t.Errorf("who lost the lock renews it: %v, %v", held, err)
		}
	})
}

func (a *simAgent) revive() {
	if a.agent == nil {
		a.start()
	}
}

// A full rotation re-encrypts everything, in the background and over a failover, and
// loses nothing.
func TestRotationOverFailover(t *testing.T) {
	bubble(t, 3, 1, func(s *sim) {
		const n = 50
		for i := range n {
			s.writes(fmt.Sprint("v", i), fmt.Sprint("value ", i))
		}
		if _, _, err := s.api().Keyring().Rotate(&api.KeyringRotateOptions{Full: true}, nil); err != nil {
			s.t.Fatal(err)
		}
		lead := s.leader()
		lead.die()
		s.eventually(time.Minute, "the old key encrypts nothing", func() error {
			keys, _, err := s.api().Keyring().List(nil)
			if err != nil {
				return err
			}
			if len(keys) != 2 || keys[0].State != api.RootKeyStateDeprecated || keys[1].State != api.RootKeyStateActive {
				return fmt.Errorf("%+v", keys)
			}
			return nil
		})
		lead.start()
		for i := range n {
			s.reads(fmt.Sprint("v", i), fmt.Sprint("value ", i))
		}
	})
}

// Keys grow old: the next one is published before it is used, the old one goes when
// nothing needs it, and what it encrypted is never lost.
func TestKeysRotateByThemselves(t *testing.T) {
	const rotate, gc = 4 * time.Minute, time.Minute
	bubble(t, 1, 1, func(s *sim) {
		s.writes("kept", "v")
		s.tune = func(_ *simAgent, cfg *config.Config) {
			cfg.Server.RootKeyRotationThreshold, cfg.Server.RootKeyGCThreshold, cfg.Server.RootKeyGCInterval = rotate, gc, 10*time.Second
		}
		begun := time.Now()
		s.servers[0].crash()
		s.servers[0].start()
		state := func(want ...api.RootKeyState) func() error {
			return func() error {
				keys, _, err := s.api().Keyring().List(nil)
				if err != nil {
					return err
				}
				var got []api.RootKeyState
				for _, k := range keys {
					got = append(got, k.State)
				}
				if !slices.Equal(got, want) {
					return fmt.Errorf("keys are %v, want %v", got, want)
				}
				return nil
			}
		}
		const active, published, inactive = api.RootKeyStateActive, api.RootKeyStatePrepublished, api.RootKeyStateInactive
		s.eventually(rotate/2+20*time.Second, "the next key is published at half of the time", state(active, published))
		if early := time.Since(begun); early < rotate/2-time.Minute {
			s.t.Errorf("published after %v", early)
		}
		s.eventually(rotate/2+20*time.Second, "it becomes active", state(inactive, active))
		time.Sleep(rotate + gc) // meanwhile a third came, and the second retired
		if err := state(inactive, inactive, active)(); err != nil {
			s.t.Errorf("the first key encrypts a variable: %v", err)
		}
		s.reads("kept", "v")
		s.writes("kept", "w") // with the active key
		s.eventually(20*time.Second, "the first key is gone", func() error {
			keys, _, err := s.api().Keyring().List(nil)
			if err == nil && time.Since(time.Unix(0, keys[0].CreateTime)) > time.Since(begun) {
				err = errors.New("it is there")
			}
			return err
		})
		s.reads("kept", "w")
	})
}
