// Package driver runs tasks: it turns a task's configuration into running
// processes, and reports what becomes of them.
//
// In comes a TaskConfig, already interpolated. Out come a Task to hold, one
// Exit when its command ends, rotated log files, and a Handle small enough to
// journal, from which a later agent finds the task again.
//
//	      agent                                 one per task
//	+----------------+   unix socket   +-----------------------------+
//	| RawExec        |  JSON lines     | selfheal supervise DIR      |
//	|   Start -------|---------------->|   reaps every descendant    |
//	|   Restart -----|---------------->|   rotates the logs          |
//	|   Stop, Signal |---------------->|   kills the whole tree      |
//	|   Exec --------|-- descriptors ->|   forks beside the task     |
//	|   Wait <-------|-----------------|   pushes the exit           |
//	|   Recover      |                 |   DIR/state.json            |
//	+----------------+                 +-------------+---------------+
//	    may die at any moment                        | pipes, SIGKILL if it dies
//	                                           the task's processes
//
// # Who may die
//
// The agent: its supervisors stay, keep the task and its logs going, and keep
// the exit until somebody asks. Recover dials the socket of a living
// supervisor, and reads the state file of a dead one.
//
// A supervisor: the kernel kills the task with it (PDEATHSIG), the agent sweeps
// what the task had forked, and Wait says that the exit is unknown.
//
// The machine: the state file carries the boot ID; a task of another boot is
// gone unless its exit was recorded.
//
// A command of Exec: with the agent, whose connection it hangs on, and with the
// task.
//
// A supervisor stays in the agent's cgroup. Under systemd the agent's unit
// therefore needs KillMode=process, or stopping the agent ends the tasks:
// a supervisor that gets SIGTERM stops its task in order, records the exit and
// leaves.
//
// # Threads of a supervisor
//
// One goroutine, locked to the main thread, owns all state and forks the task;
// a connection has a goroutine that turns lines into calls to that loop; each
// log stream has one that copies a pipe into a file. Nothing else shares memory.
//
// Mock is the same interface without processes: timers and channels only, for
// virtual time.
package driver
