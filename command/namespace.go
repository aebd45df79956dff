package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsimple"
	"github.com/hashicorp/nomad/api"
	"github.com/posener/complete"
)

func namespaceVerbs() entries {
	return entries{
		noun("namespace", "Look at namespaces and change them"),
		{name: "namespace list", make: namespaceList},
		{name: "namespace status", make: namespaceStatus},
		{name: "namespace inspect", make: namespaceInspect},
		{name: "namespace apply", make: namespaceApply},
		{name: "namespace delete", make: namespaceDelete},
	}
}

func namespaceList() verb {
	return listing[api.Namespace]{
		short: "List namespaces", what: "namespaces", none: "No namespaces found",
		columns: []column[api.Namespace]{
			{"Name", func(_ *printer, x *api.Namespace) string { return x.Name }},
			{"Description", func(_ *printer, x *api.Namespace) string { return clip(x.Description, 50) }},
		},
		read: func(_ *session, c *api.Client, q *api.QueryOptions, _ []string) ([]*api.Namespace, *api.QueryMeta, error) {
			return c.Namespaces().List(q)
		},
	}.verb()
}

func readNamespace(_ *session, c *api.Client, name string) (*api.Namespace, error) {
	n, _, err := c.Namespaces().Info(name, nil)
	return n, err
}

func namespaceStatus() verb {
	return page[api.Namespace]{
		args: "NAME", short: "Show a namespace", what: "namespace", list: "selfheal namespace list",
		read: readNamespace,
		show: func(p *printer, n *api.Namespace) {
			rows := [][2]string{{"Name", n.Name}, {"Description", n.Description}, {"Quota", n.Quota}}
			if c := n.Capabilities; c != nil {
				rows = append(rows,
					[2]string{"EnabledDrivers", listOr(c.EnabledTaskDrivers, "*")}, [2]string{"DisabledDrivers", listOr(c.DisabledTaskDrivers, "<none>")},
					[2]string{"EnabledNetworkModes", listOr(c.EnabledNetworkModes, "*")}, [2]string{"DisabledNetworkModes", listOr(c.DisabledNetworkModes, "<none>")})
			}
			p.pairs(rows...)
			if len(n.Meta) > 0 {
				p.section("Metadata")
				p.pairs(mapPairs(n.Meta)...)
			}
			if np := n.NodePoolConfiguration; np != nil {
				p.section("Node Pool Configuration")
				p.pairs([2]string{"Default", np.Default}, [2]string{"Allowed", listOr(np.Allowed, "")}, [2]string{"Denied", listOr(np.Denied, "")})
			}
		},
	}.verb()
}

func listOr(list []string, empty string) string {
	if len(list) == 0 {
		return empty
	}
	return strings.Join(list, ",")
}

// namespaceInspect is namespaceStatus whose answer is JSON unless -t is given.
func namespaceInspect() verb {
	return page[api.Namespace]{
		args: "NAME", short: "Print a namespace as it is stored", what: "namespace", list: "selfheal namespace list",
		read: readNamespace,
		show: func(p *printer, n *api.Namespace) { _ = output{json: true}.print(p.session, n) },
	}.verb()
}

// namespaceFile is a namespace's specification.
type namespaceFile struct {
	Name         string                 `hcl:"name,optional"`
	Description  string                 `hcl:"description,optional"`
	Quota        string                 `hcl:"quota,optional"`
	Meta         *textBlock             `hcl:"meta,block"`
	Capabilities *namespaceCapabilities `hcl:"capabilities,block"`
	NodePool     *allowedPools          `hcl:"node_pool_config,block"`
	Vault        *allowedPools          `hcl:"vault,block"`
	Consul       *allowedPools          `hcl:"consul,block"`
}

type namespaceCapabilities struct {
	EnabledTaskDrivers   []string `hcl:"enabled_task_drivers,optional"`
	DisabledTaskDrivers  []string `hcl:"disabled_task_drivers,optional"`
	EnabledNetworkModes  []string `hcl:"enabled_network_modes,optional"`
	DisabledNetworkModes []string `hcl:"disabled_network_modes,optional"`
}

// allowedPools says which pools or clusters a namespace may use.
type allowedPools struct {
	Default string   `hcl:"default,optional"`
	Allowed []string `hcl:"allowed,optional"`
	Denied  []string `hcl:"denied,optional"`
}

func decodeNamespace(path string, text []byte) (*api.Namespace, error) {
	var f namespaceFile
	if err := hclsimple.Decode(path, text, nil, &f); err != nil {
		return nil, err
	}
	meta, err := f.Meta.values()
	if err != nil {
		return nil, err
	}
	n := &api.Namespace{Name: f.Name, Description: f.Description, Quota: f.Quota, Meta: meta}
	if c := f.Capabilities; c != nil {
		n.Capabilities = &api.NamespaceCapabilities{
			EnabledTaskDrivers: c.EnabledTaskDrivers, DisabledTaskDrivers: c.DisabledTaskDrivers,
			EnabledNetworkModes: c.EnabledNetworkModes, DisabledNetworkModes: c.DisabledNetworkModes,
		}
	}
	if p := f.NodePool; p != nil {
		n.NodePoolConfiguration = &api.NamespaceNodePoolConfiguration{Default: p.Default, Allowed: p.Allowed, Denied: p.Denied}
	}
	if p := f.Vault; p != nil {
		n.VaultConfiguration = &api.NamespaceVaultConfiguration{Default: p.Default, Allowed: p.Allowed, Denied: p.Denied}
	}
	if p := f.Consul; p != nil {
		n.ConsulConfiguration = &api.NamespaceConsulConfiguration{Default: p.Default, Allowed: p.Allowed, Denied: p.Denied}
	}
	return n, nil
}

func namespaceApply() verb {
	var description, quota string
	var meta []string
	var isJSON bool
	return verb{
		args: "NAME|FILE", min: 1, max: 1, predict: complete.PredictFiles("*.hcl"),
		short: "Make a namespace, or change one",
		long:  `Makes the namespace NAME, or changes what the flags say about it. Or makes it as FILE says (HCL or JSON, name in it; "-" is standard input); a name wins over a file unless it ends in .hcl or .json.`,
		flags: []flagRow{
			{"description", "TEXT", "What it is for.", &description, nil},
			{"quota", "NAME", "Its quota.", &quota, nil},
			{"meta", "KEY=VALUE", "More about it; may be repeated.", &meta, nil},
			{"json", "", "The file is JSON; it is recognised without this flag.", &isJSON, nil},
		},
		run: func(s *session, args []string) error {
			values, err := keyValues("-meta", meta)
			if err != nil {
				return err
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			n, err := s.namespaceToApply(c, args[0], isJSON)
			if err != nil {
				return err
			}
			if description != "" {
				n.Description = description
			}
			if quota != "" {
				n.Quota = quota
			}
			if len(values) > 0 {
				n.Meta = values
			}
			if _, err := c.Namespaces().Register(n, nil); err != nil {
				return fmt.Errorf("apply namespace: %w", err)
			}
			s.printf("Successfully applied namespace %q!\n", n.Name)
			return nil
		},
	}
}

// namespaceToApply is the namespace of a file, or the one of a name as it is now.
func (s *session) namespaceToApply(c *api.Client, arg string, isJSON bool) (n *api.Namespace, err error) {
	if arg == "-" || isJSON || strings.HasSuffix(arg, ".hcl") || strings.HasSuffix(arg, ".json") {
		err = s.specification(arg, isJSON, func(path string, text []byte) (err error) {
			n, err = decodeNamespace(path, text)
			return err
		}, &n)
		if err == nil && (n == nil || n.Name == "") {
			err = errors.New("the specification has no name")
		}
		return n, err
	}
	n, err = readNamespace(s, c, arg)
	if isStatus(err, 404) || err == nil && n == nil {
		return &api.Namespace{Name: arg}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read namespace: %w", err)
	}
	return n, nil
}

func namespaceDelete() verb {
	return deletion("NAME...", "Delete empty namespaces", "namespace", func(_ *session, c *api.Client, name string) error {
		_, err := c.Namespaces().Delete(name, nil)
		return err
	})
}
