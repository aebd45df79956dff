package httpapi

import (
	"context"
	"fmt"

	"github.com/selfheal/selfheal/agent/state"
)

// apply commits a command and returns its result as T; the entry's index becomes
// X-Nomad-Index. A command that the state machine refused is an error.
func apply[T any](a *API, r *request, cmd state.Command) (T, error) {
	result, index, err := commit[T](r.Context(), a, cmd)
	if index > 0 {
		r.index = index
	}
	return result, err
}

// commit is apply for a command that belongs to no single request. The index is 0 when
// nothing was committed.
func commit[T any](ctx context.Context, a *API, cmd state.Command) (T, uint64, error) {
	var none T
	data, err := state.Encode(a.now(), cmd)
	if err != nil {
		return none, 0, fmt.Errorf("encode command: %w", err)
	}
	result, index, err := a.cfg.Raft.Apply(ctx, data)
	if err != nil {
		return none, 0, err
	}
	index = max(index, 1)
	if refused, ok := result.(error); ok && refused != nil {
		return none, index, refused
	}
	typed, ok := result.(T)
	if !ok && result != nil {
		return none, index, fmt.Errorf("apply %T: unexpected result %T", cmd, result)
	}
	return typed, index, nil
}
