// Package simnode is a fleet of simulated nodes: thousands in one process, for capacity
// tests and benchmarks of a real cluster.
//
//	                 ┌── node ── register, then a long poll at a time ──▶ servers
//	Fleet ── Run ────┼── node                                            (agent/nodeapi)
//	                 └── node ◀── allocations ── answered as mock_driver would run them
//
// A simulated node speaks to servers as a real one does, over the same routes, and
// nothing runs on it: an allocation is a row in a map and, if it ends by itself
// (run_for), a timer. It is not in gossip: it registers with a lease, and lives by its
// polls.
//
// What it leaves out of a node: restarts within the allocation (a task that ends ends
// its allocation), the order of lifecycle hooks, checks (a task that runs is healthy
// after min_healthy_time), logs and files.
package simnode
