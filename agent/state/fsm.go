package state

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// header is a log entry's type byte and its time, big-endian nanoseconds since 1970.
const header = 1 + 8

// Encode makes a log entry of a command. The time is the leader's: it is the only
// clock that the state ever sees.
func Encode(at time.Time, cmd Command) ([]byte, error) {
	body, err := json.Marshal(cmd)
	if err != nil {
		return nil, fmt.Errorf("encode command %d: %w", cmd.Type(), err)
	}
	b := make([]byte, header, header+len(body))
	b[0] = byte(cmd.Type())
	binary.BigEndian.PutUint64(b[1:], uint64(at.UnixNano()))
	return append(b, body...), nil
}

// Apply applies one entry and returns its result as documented at the command. An
// error as the result means that the command was refused and changed nothing. A
// malformed entry is refused; it never panics.
func (s *Store) Apply(index uint64, data []byte) any {
	s.apply.Lock()
	defer s.apply.Unlock()
	return s.applyEntry(index, data)
}

func (s *Store) applyEntry(index uint64, data []byte) any {
	if len(data) < header {
		return invalidf("log entry %d: %d bytes are too short for a command", index, len(data))
	}
	cmd := Type(data[0])
	if int(cmd) >= len(commands) || commands[cmd] == nil {
		return invalidf("log entry %d: unknown command %d: this server is older than the one that wrote it", index, cmd)
	}
	apply, err := commands[cmd](data[header:])
	if err != nil {
		return invalidf("log entry %d: decode command %d: %v", index, cmd, err)
	}
	at := int64(binary.BigEndian.Uint64(data[1:]))
	result, changes := s.transact(s.begin(index, at, cmd), apply)
	s.publish(cmd, changes)
	return result
}

// transact runs a command in its transaction and commits it, unless it is refused.
func (s *Store) transact(t *tx, apply func(*tx) any) (result any, changes []Change) {
	defer func() {
		if p := recover(); p != nil { // every replica panics alike, so they stay equal
			t.txn.Abort()
			s.log.Error("log entry broke an invariant and was refused", "index", t.index, "command", t.cmd, "err", fmt.Sprint(p))
			result, changes = invalidf("log entry %d: command %d: %v", t.index, t.cmd, p), nil
		}
	}()
	result = apply(t)
	if _, refused := result.(error); refused {
		t.txn.Abort()
		return result, nil
	}
	return result, t.commit()
}

// handler decodes a command and returns what applies it.
type handler func(body []byte) (apply func(*tx) any, err error)

// on makes the handler of a command from the function that applies it.
func on[C any](apply func(*tx, *C) any) handler {
	return func(body []byte) (func(*tx) any, error) {
		c := new(C)
		if err := json.Unmarshal(body, c); err != nil {
			return nil, err
		}
		return func(t *tx) any { return apply(t, c) }, nil
	}
}

// commands says how each command is applied, by its number.
var commands = [...]handler{
	TypeRegisterJob:        on(applyRegisterJob),
	TypeDeregisterJob:      on(applyDeregisterJob),
	TypeEvaluateJob:        on(applyEvaluateJob),
	TypeMarkJobStable:      on(applyMarkJobStable),
	TypeRegisterNode:       on(applyRegisterNode),
	TypeNodeStatus:         on(applyNodeStatus),
	TypeNodeEligibility:    on(applyNodeEligibility),
	TypeNodeDrain:          on(applyNodeDrain),
	TypeUpdateAllocs:       on(applyUpdateAllocs),
	TypeTransitionAllocs:   on(applyTransitionAllocs),
	TypeApplyPlans:         on(applyPlans),
	TypeUpsertEvals:        on(applyUpsertEvals),
	TypeUpdateDeployment:   on(applyUpdateDeployment),
	TypeReap:               on(applyReap),
	TypeSetSchedulerConfig: on(applySetSchedulerConfig),
	TypeDeleteServices:     on(applyDeleteServices),
	TypeUpsertNamespace:    on(applyUpsertNamespace),
	TypeDeleteNamespace:    on(applyDeleteNamespace),
	TypeUpsertNodePool:     on(applyUpsertNodePool),
	TypeDeleteNodePool:     on(applyDeleteNodePool),
	TypeSetClusterMeta:     on(applySetClusterMeta),
	TypeScaleJob:           on(applyScaleJob),
	TypeLaunchJobs:         on(applyLaunchJobs),
	TypeUpdateNodes:        on(applyUpdateNodes),

	TypeSetRebalance: on(applySetRebalance),
	TypeBeginMoves:   on(applyBeginMoves),
	TypeEndMoves:     on(applyEndMoves),

	TypeBootstrapACL:          on(applyBootstrapACL),
	TypeUpsertACLPolicies:     on(applyUpsertACLPolicies),
	TypeDeleteACLPolicies:     on(applyDeleteACLPolicies),
	TypeUpsertACLTokens:       on(applyUpsertACLTokens),
	TypeDeleteACLTokens:       on(applyDeleteACLTokens),
	TypeUpsertACLRoles:        on(applyUpsertACLRoles),
	TypeDeleteACLRoles:        on(applyDeleteACLRoles),
	TypeUpsertACLAuthMethods:  on(applyUpsertACLAuthMethods),
	TypeDeleteACLAuthMethods:  on(applyDeleteACLAuthMethods),
	TypeUpsertACLBindingRules: on(applyUpsertACLBindingRules),
	TypeDeleteACLBindingRules: on(applyDeleteACLBindingRules),
	TypeUpsertOneTimeToken:    on(applyUpsertOneTimeToken),
	TypeUseOneTimeToken:       on(applyUseOneTimeToken),
	TypeExpireACLTokens:       on(applyExpireACLTokens),
	TypeReplicateACL:          on(applyReplicateACL),
	TypeAddRootKey:            on(applyAddRootKey),
	TypeMoveRootKey:           on(applyMoveRootKey),
	TypeDeleteRootKey:         on(applyDeleteRootKey),
	TypeWrapRootKeys:          on(applyWrapRootKeys),
	TypePutVariable:           on(applyPutVariable),
	TypeDeleteVariable:        on(applyDeleteVariable),
	TypeLockVariable:          on(applyLockVariable),
	TypeRekeyVariables:        on(applyRekeyVariables),

	TypeUpsertCSIVolume:     on(applyUpsertCSIVolume),
	TypeDeregisterCSIVolume: on(applyDeregisterCSIVolume),
	TypeUpsertHostVolume:    on(applyUpsertHostVolume),
	TypeDeleteHostVolume:    on(applyDeleteHostVolume),
	TypeSetAutopilot:        on(applySetAutopilot),
	TypeTagVersion:          on(applyTagVersion),
	TypeUntagVersion:        on(applyUntagVersion),
}
