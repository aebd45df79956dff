package httpapi

import (
	"fmt"

	"github.com/selfheal/selfheal/agent/state"
)

// apply commits a command and returns its result as T; the entry's index becomes
// X-Nomad-Index. A command that the state machine refused is an error.
func apply[T any](a *API, r *request, cmd state.Command) (T, error) {
	var none T
	data, err := state.Encode(a.now(), cmd)
	if err != nil {
		return none, fmt.Errorf("encode command: %w", err)
	}
	result, index, err := a.cfg.Raft.Apply(r.Context(), data)
	if err != nil {
		return none, err
	}
	r.index = max(index, 1)
	if refused, ok := result.(error); ok && refused != nil {
		return none, refused
	}
	typed, ok := result.(T)
	if !ok && result != nil {
		return none, fmt.Errorf("apply %T: unexpected result %T", cmd, result)
	}
	return typed, nil
}
