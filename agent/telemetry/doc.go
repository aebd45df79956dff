// Package telemetry counts and measures for one agent, and shows the result as JSON and to
// Prometheus.
//
//	leader, client, httpapi, ...                 hashicorp/raft    memberlist
//	      | IncrCounter SetGauge AddSample             |               |
//	      | MeasureSince Loop                          v               v
//	      |                                   hashicorp/go-metrics (its global)
//	      v                                            |  InstallBridge
//	  *Telemetry  <------------------------------------+
//	      |  prefix "nomad", label host, prefix filter (armon/go-metrics)
//	      +--> in memory, 10 s buckets for 1 min  --> DisplayMetrics     /v1/metrics
//	      +--> Prometheus registry                --> PrometheusHandler  /v1/metrics?format=prometheus
//
// # Names
//
// The service prefix is "nomad", because the dashboards and alerts that exist look for
// nomad_client_allocs_running, nomad_raft_apply, nomad_runtime_num_goroutines and the like, and
// a metric that nobody finds measures nothing. What a Nomad server calls nomad.nomad.x is
// the key {"nomad", "x"} here. Gauges carry the label host, not a name that contains it;
// disable_hostname takes it off. Times are in milliseconds. Metrics of ours that Nomad does
// not have live under {"loop", ...}, {"heal", ...} and {"liveness", ...}.
//
// # State
//
// The package keeps none of its own. InstallBridge sets the one global that there is, the
// default of hashicorp/go-metrics, since raft and memberlist write nowhere else; with
// several agents in one process the last one that called it gets their metrics.
package telemetry
