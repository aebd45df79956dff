package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Flag is one flag of `selfheal agent`. The command room makes its help from the rows.
type Flag struct {
	// Name is without a dash.
	Name string
	// Arg names the argument in the help; empty for a flag that takes none.
	Arg string
	// Key is the key path that the flag sets; empty for -dev and -config.
	Key string
	// Pairs marks a flag whose argument is key=value. Such flags, and those whose key is
	// a list, may be given several times.
	Pairs bool
	// Usage is one sentence.
	Usage string
}

// Flags is the flag table in the order of the help.
func Flags() []Flag { return slices.Clone(flagTable) }

var flagTable = []Flag{
	{Name: "dev", Usage: "Run a one-agent cluster in memory on the loopback interface; raw_exec is allowed."},
	{Name: "config", Arg: "PATH", Usage: "Read this file, or the .hcl and .json files of this directory; may be repeated."},
	{Name: "server", Key: "server.enabled", Usage: "Be a server."},
	{Name: "client", Key: "client.enabled", Usage: "Be a client: run jobs on this node."},
	{Name: "bootstrap-expect", Arg: "N", Key: "server.bootstrap_expect", Usage: "Form a new cluster once N servers see each other."},
	{Name: "data-dir", Arg: "PATH", Key: "data_dir", Usage: "Keep everything that survives a restart here."},
	{Name: "bind", Arg: "IP", Key: "bind_addr", Usage: "Listen on this address."},
	{Name: "http-port", Arg: "PORT", Key: "ports.http", Usage: "Serve the API on this port (default 4646)."},
	{Name: "rpc-port", Arg: "PORT", Key: "ports.rpc", Usage: "Serve the cluster on this port (default 4647)."},
	{Name: "serf-port", Arg: "PORT", Key: "ports.serf", Usage: "Gossip on this port (default 4648)."},
	{Name: "node", Arg: "NAME", Key: "name", Usage: "Be known by this name (default: the hostname)."},
	{Name: "name", Arg: "NAME", Key: "name", Usage: "The same as -node."},
	{Name: "region", Arg: "NAME", Key: "region", Usage: "Belong to this region (default global)."},
	{Name: "dc", Arg: "NAME", Key: "datacenter", Usage: "Belong to this datacenter (default dc1)."},
	{Name: "join", Arg: "ADDR", Key: "server.server_join.start_join", Usage: "Join the cluster that this agent belongs to; may be repeated."},
	{Name: "retry-join", Arg: "ADDR", Key: "server.server_join.retry_join", Usage: "The same, and go on trying; may be repeated."},
	{Name: "retry-interval", Arg: "DURATION", Key: "server.server_join.retry_interval", Usage: "Longest pause between two tries (default 30s)."},
	{Name: "retry-max", Arg: "N", Key: "server.server_join.retry_max", Usage: "Give up after N tries (default 0: never)."},
	{Name: "rejoin", Key: "server.rejoin_after_leave", Usage: "Join again although this agent had left."},
	{Name: "encrypt", Arg: "KEY", Key: "server.encrypt", Usage: "Encrypt gossip with this key: base64 of 16, 24 or 32 bytes."},
	{Name: "servers", Arg: "ADDR", Key: "client.servers", Usage: "Register with this server; may be repeated."},
	{Name: "node-class", Arg: "NAME", Key: "client.node_class", Usage: "Put this node in a class."},
	{Name: "node-pool", Arg: "NAME", Key: "client.node_pool", Usage: "Put this node in a pool (default \"default\")."},
	{Name: "meta", Arg: "KEY=VALUE", Key: "client.meta", Pairs: true, Usage: "Give this node an attribute; may be repeated."},
	{Name: "network-interface", Arg: "NAME", Key: "client.network_interface", Usage: "Give jobs the addresses of this interface."},
	{Name: "cpu-total-compute", Arg: "MHZ", Key: "client.cpu_total_compute", Usage: "Offer this much CPU instead of what is found."},
	{Name: "memory-total-mb", Arg: "MIB", Key: "client.memory_total_mb", Usage: "Offer this much memory instead of what is found."},
	{Name: "alloc-dir", Arg: "PATH", Key: "client.alloc_dir", Usage: "Keep allocation directories here."},
	{Name: "state-dir", Arg: "PATH", Key: "client.state_dir", Usage: "Keep the client's journal here."},
	{Name: "log-level", Arg: "LEVEL", Key: "log_level", Usage: "TRACE, DEBUG, INFO, WARN or ERROR (default INFO)."},
	{Name: "log-json", Key: "log_json", Usage: "Log one JSON object a line."},
	{Name: "log-include-location", Key: "log_include_location", Usage: "Log the file and line of each message."},
	{Name: "acl-enabled", Key: "acl.enabled", Usage: "Refuse requests without a token that allows them."},
	{Name: "acl-replication-token", Arg: "TOKEN", Key: "acl.replication_token", Usage: "Copy policies from the authoritative region with this token."},
	{Name: "consul-address", Arg: "ADDR", Key: "consul.address", Usage: "Talk to this Consul agent."},
	{Name: "consul-auth", Arg: "USER:PASSWORD", Key: "consul.auth", Usage: "Authenticate to Consul."},
	{Name: "consul-token", Arg: "TOKEN", Key: "consul.token", Usage: "Use this Consul ACL token."},
	{Name: "consul-ssl", Key: "consul.ssl", Usage: "Talk to Consul over HTTPS."},
	{Name: "consul-verify-ssl", Key: "consul.verify_ssl", Usage: "Check Consul's certificate (default true)."},
	{Name: "consul-ca-file", Arg: "PATH", Key: "consul.ca_file", Usage: "Check it against this bundle."},
	{Name: "consul-cert-file", Arg: "PATH", Key: "consul.cert_file", Usage: "Show Consul this certificate."},
	{Name: "consul-key-file", Arg: "PATH", Key: "consul.key_file", Usage: "The key of that certificate."},
	{Name: "consul-auto-advertise", Key: "consul.auto_advertise", Usage: "Register this agent in Consul (default true)."},
	{Name: "consul-server-auto-join", Key: "consul.server_auto_join", Usage: "Find servers through Consul (default true)."},
	{Name: "consul-client-auto-join", Key: "consul.client_auto_join", Usage: "Let a client find servers through Consul (default true)."},
	{Name: "consul-server-service-name", Arg: "NAME", Key: "consul.server_service_name", Usage: "The servers' service in Consul (default nomad)."},
	{Name: "consul-client-service-name", Arg: "NAME", Key: "consul.client_service_name", Usage: "The clients' service in Consul (default nomad-client)."},
	{Name: "consul-checks-use-advertise", Key: "consul.checks_use_advertise", Usage: "Let Consul check the advertised address."},
	{Name: "vault-enabled", Key: "vault.enabled", Usage: "Accepted for older scripts; see the warning it gives."},
}

func flagNamed(name string) (Flag, bool) {
	i := slices.IndexFunc(flagTable, func(f Flag) bool { return f.Name == name })
	if i < 0 {
		return Flag{}, false
	}
	return flagTable[i], true
}

// ParseFlags reads the arguments of `selfheal agent`: -name value, -name=value, one dash
// or two. It returns flag.ErrHelp for -h and -help. Values are looked at by Load.
func ParseFlags(args []string) (Source, error) {
	var src Source
	set := flag.NewFlagSet("agent", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, f := range flagTable {
		take := func(value string) error {
			src.Flags = append(src.Flags, Setting{f.Name, value})
			return nil
		}
		switch {
		case f.Name == "dev":
			set.BoolVar(&src.Dev, "dev", false, "")
		case f.Name == "config":
			set.Func("config", "", func(path string) error {
				src.Paths = append(src.Paths, path)
				return nil
			})
		case f.Arg == "":
			set.BoolFunc(f.Name, "", take)
		default:
			set.Func(f.Name, "", take)
		}
	}
	if err := set.Parse(args); err != nil {
		return Source{}, explainFlag(err)
	}
	if set.NArg() > 0 {
		return Source{}, fmt.Errorf("unexpected argument %q: files are named with -config", set.Arg(0))
	}
	return src, nil
}

// explainFlag adds the near name that the standard library does not look for.
func explainFlag(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return err
	}
	var names []string
	for _, f := range flagTable {
		names = append(names, f.Name)
	}
	if near, ok := nearest(name, names); ok {
		return fmt.Errorf("no such flag: -%s; did you mean -%s?", name, near)
	}
	return fmt.Errorf("no such flag: -%s", name)
}
