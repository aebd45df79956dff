// Package e2e tests real processes: agents of the built binary, kill -9, cut
// cables, full disks, and everything malformed that a stranger may send. Build tag
// e2e; `make e2e`.
//
// The soak is the long one: ROUNDS=20 makes twenty rounds of every disaster, SEED
// repeats an order of them, KEEP_LOGS names a directory for the agents' logs of a
// run that failed.
package e2e
