// Package check asks the services of a node whether they are well, and how fast
// they answer.
//
//	agent/client                       check                        the service
//	Set(owner, specs, changed) ──▶ one goroutine a check ── probe ──▶ http, tcp
//	                                      │ verdict, latency
//	                                      ▼
//	                               state.after(verdict)              (pure)
//	changed() ◀── the status is another ──┤
//	Results(owner) ◀── status, output, ───┘
//	                   the latest runs
//
// # When a check runs
//
// First within a quarter of a second after Set, at a moment that its ID gives: the
// checks of a node do not all run at once, and those of a new instance do not keep a
// deployment waiting for an interval. As long as it has never passed it runs again
// after 0.5 s, 1 s, 2 s, ... up to its interval, so that a program that takes a moment
// to listen is not found healthy an interval late. From its first success on it runs
// every interval, counted from start to start. With initial_status "passing" there
// is nothing to wait for, and it runs every interval from the start.
//
// # Who owns what
//
// A check's goroutine owns its state and publishes a copy under the Runner's lock,
// which is never held across I/O. Close ends all of them and waits.
package check
