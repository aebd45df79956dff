// Package healapi is what the routes of healing say on the wire, beyond the API of
// github.com/hashicorp/nomad/api.
//
//	GET /v1/node/:id/drain-plan   DrainPlan     where everything on a node would go
//	GET /v1/heal/resilience       Resilience    which nodes can be lost with everything placed
//	PUT /v1/heal/resilience       Resilience    the same after a change of a job
//	GET /v1/heal/rebalance        Rebalance     settings, moves that are made, moves proposed
//	PUT /v1/heal/rebalance        RebalanceSet  change the settings
//
// Names follow the API: PascalCase, durations in nanoseconds, IDs as strings.
package healapi
