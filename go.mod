module github.com/selfheal/selfheal

go 1.26.0

require (
	charm.land/bubbletea/v2 v2.1.1 // selfheal top: the terminal dashboard
	charm.land/lipgloss/v2 v2.0.6 // selfheal top: its colours and layout
	github.com/armon/go-metrics v0.4.1 // metrics sinks; v0.4.1 is the last under this name
	github.com/coder/websocket v1.8.15 // exec over the API: a terminal in a task
	github.com/creack/pty v1.1.24 // terminals for exec
	github.com/go-jose/go-jose/v4 v4.1.8 // workload identities and login: JWT, JWKS
	github.com/google/go-cmp v0.7.0 // tests: readable differences
	github.com/hashicorp/cli v1.1.7 // the command tree that users of this stack know
	github.com/hashicorp/cronexpr v1.1.3 // periodic jobs' schedules
	github.com/hashicorp/go-bexpr v0.1.17 // the API's filter expressions
	github.com/hashicorp/go-cty-funcs v0.1.0 // functions of the job file
	github.com/hashicorp/go-hclog v1.6.3 // logging; raft takes it, the monitor reads it
	github.com/hashicorp/go-memdb v1.3.5 // the state's tables: transactions, watches
	github.com/hashicorp/go-metrics v0.7.0 // raft and memberlist write to it; bridged
	github.com/hashicorp/go-sockaddr v1.0.7 // address templates of the agent's configuration
	github.com/hashicorp/go-uuid v1.0.4 // random IDs
	github.com/hashicorp/go-version v1.7.0 // version and semver constraints
	github.com/hashicorp/hcl/v2 v2.25.0 // job files and agent configuration
	github.com/hashicorp/memberlist v0.7.0 // gossip: who is alive
	github.com/hashicorp/nomad/api v0.0.0-20260907080526-08ef8f3d26da // the model and the wire; no tags exist, pinned
	github.com/hashicorp/raft v1.8.0 // consensus
	github.com/hashicorp/raft-wal v0.4.1 // raft's log on disk; v0.4.2 does not compile here
	github.com/mitchellh/mapstructure v1.5.0 // indirect; loosely typed maps of the API
	github.com/posener/complete v1.2.3 // shell completion
	github.com/prometheus/client_golang v1.25.0 // the Prometheus endpoint
	github.com/rogpeppe/go-internal v1.16.0 // tests: scripts of commands and what they print
	github.com/ryanuber/columnize v2.1.2+incompatible // the CLI's tables
	github.com/shirou/gopsutil/v4 v4.26.10 // what a machine has and uses
	github.com/zclconf/go-cty v1.20.0 // values of HCL
	github.com/zclconf/go-cty-yaml v1.2.0 // yamldecode and yamlencode in job files
	go.etcd.io/bbolt v1.5.0 // the client's journal
	golang.org/x/sync v0.23.0 // groups of goroutines
	golang.org/x/sys v0.49.0 // processes, namespaces, file locks
	golang.org/x/term v0.47.0 // is this a terminal, and raw mode for exec
	pgregory.net/rapid v1.3.0 // tests: properties over random inputs
)

require (
	github.com/google/btree v1.1.3 // compact indexes of allocations: 13 B an entry, where memdb takes 523
	github.com/hashicorp/go-cleanhttp v0.5.2 // HTTP clients without shared state
	github.com/mitchellh/pointerstructure v1.2.1 // paths into values, for filters
)

require (
	github.com/Masterminds/goutils v1.1.1 // indirect
	github.com/Masterminds/semver/v3 v3.2.0 // indirect
	github.com/Masterminds/sprig/v3 v3.2.3 // indirect
	github.com/agext/levenshtein v1.2.1 // indirect
	github.com/apparentlymart/go-cidr v1.1.0 // indirect
	github.com/apparentlymart/go-textseg/v15 v15.0.0 // indirect
	github.com/apparentlymart/go-textseg/v17 v17.0.1 // indirect
	github.com/armon/go-radix v1.0.0 // indirect
	github.com/benbjohnson/immutable v0.4.0 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/bgentry/speakeasy v0.1.0 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/charmbracelet/colorprofile v0.4.3 // indirect
	github.com/charmbracelet/ultraviolet v0.0.0-20261008173134-6b8d4baf91b4 // indirect
	github.com/charmbracelet/x/ansi v0.11.9 // indirect
	github.com/charmbracelet/x/term v0.2.2 // indirect
	github.com/charmbracelet/x/termios v0.1.1 // indirect
	github.com/charmbracelet/x/windows v0.2.2 // indirect
	github.com/clipperhouse/displaywidth v0.11.0 // indirect
	github.com/clipperhouse/uax29/v2 v2.7.0 // indirect
	github.com/coreos/etcd v3.3.27+incompatible // indirect
	github.com/coreos/go-systemd v0.0.0-20191104093116-d3cd4ed1dbcf // indirect
	github.com/coreos/pkg v0.0.0-20220810130054-c7d1c02cb6cf // indirect
	github.com/ebitengine/purego v0.11.2 // indirect
	github.com/fatih/color v1.16.0 // indirect
	github.com/go-ole/go-ole v1.2.6 // indirect
	github.com/go-viper/mapstructure/v2 v2.5.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/gorilla/websocket v1.5.3 // indirect
	github.com/hashicorp/errwrap v1.1.0 // indirect
	github.com/hashicorp/go-immutable-radix v1.3.1 // indirect
	github.com/hashicorp/go-msgpack/v2 v2.1.5 // indirect
	github.com/hashicorp/go-multierror v1.1.1 // indirect
	github.com/hashicorp/go-rootcerts v1.0.2 // indirect
	github.com/hashicorp/golang-lru v1.0.2 // indirect
	github.com/huandu/xstrings v1.3.3 // indirect
	github.com/imdario/mergo v0.3.11 // indirect
	github.com/lucasb-eyer/go-colorful v1.4.1 // indirect
	github.com/lufia/plan9stats v0.0.0-20211012122336-39d0f177ccd0 // indirect
	github.com/mattn/go-colorable v0.1.13 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	github.com/mattn/go-runewidth v0.0.30 // indirect
	github.com/miekg/dns v1.1.73 // indirect
	github.com/mitchellh/copystructure v1.0.0 // indirect
	github.com/mitchellh/go-homedir v1.1.0 // indirect
	github.com/mitchellh/go-wordwrap v1.0.1 // indirect
	github.com/mitchellh/reflectwalk v1.0.0 // indirect
	github.com/muesli/cancelreader v0.2.2 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/power-devops/perfstat v0.0.0-20260805114148-88456608a4f6 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/sean-/seed v0.0.0-20170313163322-e2103e2c3529 // indirect
	github.com/shopspring/decimal v1.2.0 // indirect
	github.com/spf13/cast v1.3.1 // indirect
	github.com/tklauser/go-sysconf v0.4.0 // indirect
	github.com/tklauser/numcpus v0.12.0 // indirect
	github.com/xo/terminfo v1.0.0 // indirect
	github.com/yusufpapurcu/wmi v1.2.4 // indirect
	golang.org/x/crypto v0.57.0 // indirect
	golang.org/x/exp v0.0.0-20231006140011-7918f672742d // indirect
	golang.org/x/mod v0.41.0 // indirect
	golang.org/x/net v0.59.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	golang.org/x/tools v0.49.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
