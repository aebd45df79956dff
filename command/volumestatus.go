package command

import (
	"fmt"
	"slices"

	"github.com/hashicorp/nomad/api"
)

func volumeStatus() verb {
	var o output
	var kind, node, pool, plugin string
	var verbose bool
	return verb{
		args: "[VOLUME]", max: 1,
		short: "List volumes, or show one",
		flags: concat(o.rows(), []flagRow{
			{"type", "TYPE", "Only host or csi volumes.", oneOf(&kind, "host", "csi"), nil},
			{"node", "ID", "In the list: only host volumes of this node.", &node, nil},
			{"node-pool", "NAME", "In the list: only host volumes of this node pool.", &pool, nil},
			{"plugin_id", "ID", "In the list: only CSI volumes of this plugin.", &plugin, nil},
			{"verbose", "", "Show whole IDs and times.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if node != "" {
				if node, err = nodeID(c, node); err != nil {
					return err
				}
			}
			v := &volumePages{printer: &printer{s, verbose}, c: c, o: o, kind: kind, node: node, pool: pool, plugin: plugin}
			if len(args) == 1 {
				return v.one(args[0])
			}
			return v.list()
		},
	}
}

// volumePages are the pages about volumes. A kind of volumes that the servers do
// not have is left out of the list, unless it was asked for.
type volumePages struct {
	*printer
	c                        *api.Client
	o                        output
	kind, node, pool, plugin string
}

func (v *volumePages) list() error {
	q := &api.QueryOptions{Namespace: v.namespace(), Params: map[string]string{}}
	data := map[string]any{}
	if v.kind != "csi" && v.plugin == "" {
		all, _, err := v.c.HostVolumes().List(&api.HostVolumeListRequest{NodeID: v.node, NodePool: v.pool}, q)
		if err != nil {
			return fmt.Errorf("list host volumes: %w", err)
		}
		data["host"] = present(all)
	}
	if v.kind != "host" && v.node == "" && v.pool == "" {
		csi := *q
		csi.Params = map[string]string{"type": "csi"}
		if v.plugin != "" {
			csi.Params["plugin_id"] = v.plugin
		}
		all, _, err := v.c.CSIVolumes().List(&csi)
		if err != nil && (v.kind != "" || !isStatus(err, 501)) {
			return fmt.Errorf("list CSI volumes: %w", err)
		}
		data["csi"] = present(all)
	}
	if v.o.wanted() {
		if v.kind != "" {
			return v.o.print(v.session, data[v.kind])
		}
		return v.o.print(v.session, data)
	}
	if all, ok := data["host"].([]*api.HostVolumeStub); ok {
		v.printf("%s\n", v.paint(bold, "Dynamic Host Volumes"))
		v.hostTable(all)
	}
	if all, ok := data["csi"].([]*api.CSIVolumeListStub); ok {
		if len(data) > 1 {
			v.printf("\n")
		}
		v.printf("%s\n", v.paint(bold, "Container Storage Interface"))
		v.csiTable(all)
	}
	return nil
}

func (v *volumePages) hostTable(all []*api.HostVolumeStub) {
	if len(all) == 0 {
		v.printf("No dynamic host volumes\n")
		return
	}
	columnTable(v.printer, []column[api.HostVolumeStub]{
		{"ID", func(p *printer, x *api.HostVolumeStub) string { return shortID(x.ID, p.verbose) }},
		{"Name", func(_ *printer, x *api.HostVolumeStub) string { return x.Name }},
		{"Namespace", func(_ *printer, x *api.HostVolumeStub) string { return x.Namespace }},
		{"Plugin ID", func(_ *printer, x *api.HostVolumeStub) string { return x.PluginID }},
		{"Node ID", func(p *printer, x *api.HostVolumeStub) string { return shortID(x.NodeID, p.verbose) }},
		{"Node Pool", func(_ *printer, x *api.HostVolumeStub) string { return x.NodePool }},
		{"State", func(_ *printer, x *api.HostVolumeStub) string { return string(x.State) }},
	}, all)
}

func (v *volumePages) csiTable(all []*api.CSIVolumeListStub) {
	if len(all) == 0 {
		v.printf("No CSI volumes\n")
		return
	}
	columnTable(v.printer, []column[api.CSIVolumeListStub]{
		{"ID", func(p *printer, x *api.CSIVolumeListStub) string { return x.ID }},
		{"Name", func(_ *printer, x *api.CSIVolumeListStub) string { return x.Name }},
		{"Namespace", func(_ *printer, x *api.CSIVolumeListStub) string { return x.Namespace }},
		{"Plugin ID", func(_ *printer, x *api.CSIVolumeListStub) string { return x.PluginID }},
		{"Schedulable", func(_ *printer, x *api.CSIVolumeListStub) string { return fmt.Sprint(x.Schedulable) }},
		{"Access Mode", func(_ *printer, x *api.CSIVolumeListStub) string { return string(x.AccessMode) }},
	}, all)
}

// hostVolume finds a host volume by ID, beginning of an ID, or name.
func (s *session) hostVolume(c *api.Client, prefix string) (*api.HostVolumeStub, error) {
	q := &api.QueryOptions{Namespace: s.idNamespace()}
	all, _, err := c.HostVolumes().List(nil, q)
	if err != nil {
		return nil, fmt.Errorf("look up volume: %w", err)
	}
	all = present(all)
	named := slices.IndexFunc(all, func(x *api.HostVolumeStub) bool { return x.Name == prefix })
	k := kind[*api.HostVolumeStub]{
		name: "volume", list: "selfheal volume status",
		find: func(string) ([]*api.HostVolumeStub, error) { return all, nil },
		id:   func(x *api.HostVolumeStub) string { return x.ID },
		line: func(x *api.HostVolumeStub) string { return x.Name + "  " + x.Namespace },
	}
	v, err := k.one(prefix)
	if err != nil && named >= 0 {
		return all[named], nil
	}
	return v, err
}

func (v *volumePages) one(name string) error {
	if v.kind != "csi" {
		stub, err := v.hostVolume(v.c, name)
		if err == nil {
			full, _, err := v.c.HostVolumes().Get(stub.ID, &api.QueryOptions{Namespace: stub.Namespace})
			if err == nil && full == nil {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("read volume: %w", err)
			}
			return v.host(full)
		}
		if v.kind == "host" {
			return err
		}
	}
	full, _, err := v.c.CSIVolumes().Info(name, &api.QueryOptions{Namespace: v.namespace()})
	if err == nil && full == nil || isStatus(err, 404) || isStatus(err, 501) {
		return fmt.Errorf("no volume has the ID, prefix or name %q (selfheal volume status lists them)", name)
	}
	if err != nil {
		return fmt.Errorf("read volume: %w", err)
	}
	return v.csi(full)
}

func (v *volumePages) host(x *api.HostVolume) error {
	if v.o.wanted() {
		return v.o.print(v.session, x)
	}
	v.pairs([2]string{"ID", x.ID}, [2]string{"Name", x.Name}, [2]string{"Namespace", x.Namespace}, [2]string{"Plugin ID", x.PluginID},
		[2]string{"Node ID", x.NodeID}, [2]string{"Node Pool", x.NodePool}, [2]string{"Capacity", bytes(uint64(max(x.CapacityBytes, 0)))},
		[2]string{"State", string(x.State)}, [2]string{"Host Path", x.HostPath})
	v.section("Capabilities")
	rows := []string{row("Access Mode", "Attachment Mode")}
	for _, c := range present(x.RequestedCapabilities) {
		rows = append(rows, row(string(c.AccessMode), string(c.AttachmentMode)))
	}
	v.table(rows)
	v.section("Allocations")
	v.allocTable(x.Allocations, v.verbose)
	return nil
}

func (v *volumePages) csi(x *api.CSIVolume) error {
	if v.o.wanted() {
		return v.o.print(v.session, x)
	}
	v.pairs([2]string{"ID", x.ID}, [2]string{"Name", x.Name}, [2]string{"Namespace", x.Namespace}, [2]string{"External ID", x.ExternalID},
		[2]string{"Plugin ID", x.PluginID}, [2]string{"Provider", x.Provider}, [2]string{"Version", x.ProviderVersion},
		[2]string{"Capacity", bytes(uint64(max(x.Capacity, 0)))}, [2]string{"Schedulable", fmt.Sprint(x.Schedulable)},
		[2]string{"Controllers Healthy", fmt.Sprint(x.ControllersHealthy)}, [2]string{"Controllers Expected", fmt.Sprint(x.ControllersExpected)},
		[2]string{"Nodes Healthy", fmt.Sprint(x.NodesHealthy)}, [2]string{"Nodes Expected", fmt.Sprint(x.NodesExpected)},
		[2]string{"Access Mode", string(x.AccessMode)}, [2]string{"Attachment Mode", string(x.AttachmentMode)})
	v.section("Allocations")
	v.allocTable(x.Allocations, v.verbose)
	return nil
}

func pluginStatus() verb {
	var o output
	var verbose bool
	var kind string
	return verb{
		args: "[PLUGIN]", max: 1,
		short: "List storage plugins, or show one",
		flags: concat(o.rows(), []flagRow{
			{"type", "TYPE", "Only plugins of this type; there is csi.", &kind, nil},
			{"verbose", "", "Show whole IDs and times.", &verbose, nil},
		}),
		run: func(s *session, args []string) error {
			if kind != "" && kind != "csi" {
				return usagef("-type is csi, not %q", kind)
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				all, _, err := c.CSIPlugins().List(nil)
				if err != nil {
					return fmt.Errorf("list plugins: %w", err)
				}
				return s.pluginTable(o, present(all))
			}
			x, _, err := c.CSIPlugins().Info(args[0], nil)
			if err == nil && x == nil {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("read plugin: %w", err)
			}
			if o.wanted() {
				return o.print(s, x)
			}
			s.pairs([2]string{"ID", x.ID}, [2]string{"Provider", x.Provider}, [2]string{"Version", x.Version},
				[2]string{"Controllers Healthy", fmt.Sprint(x.ControllersHealthy)}, [2]string{"Controllers Expected", fmt.Sprint(x.ControllersExpected)},
				[2]string{"Nodes Healthy", fmt.Sprint(x.NodesHealthy)}, [2]string{"Nodes Expected", fmt.Sprint(x.NodesExpected)})
			s.section("Allocations")
			s.allocTable(x.Allocations, verbose)
			return nil
		},
	}
}

func (s *session) pluginTable(o output, all []*api.CSIPluginListStub) error {
	if o.wanted() {
		return o.print(s, all)
	}
	if len(all) == 0 {
		s.printf("No CSI plugins\n")
		return nil
	}
	rows := []string{row("ID", "Provider", "Controllers Healthy/Expected", "Nodes Healthy/Expected")}
	for _, x := range all {
		rows = append(rows, row(x.ID, x.Provider, fmt.Sprintf("%d/%d", x.ControllersHealthy, x.ControllersExpected), fmt.Sprintf("%d/%d", x.NodesHealthy, x.NodesExpected)))
	}
	s.table(rows)
	return nil
}
