// Package scheduler decides what runs where.
//
//	Request ──▶ Schedule ──▶ Plan
//	(the job, the cluster,     (what to place, stop, update,
//	 the time, the settings)    and why the rest could not be)
//
// It is a pure function: no clock, no random source, no I/O, so the same
// request always gives the same plan. The caller keeps a Cluster current change
// by change and tells every request the time.
//
// The package imports the standard library and hashicorp/go-version only.
package scheduler
