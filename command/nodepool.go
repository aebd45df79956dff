package command

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2/hclsimple"
	"github.com/hashicorp/nomad/api"
	"github.com/posener/complete"
)

func nodePoolVerbs() entries {
	return entries{
		noun("node pool", "Look after node pools: which nodes a job may use"),
		{name: "node pool apply", make: nodePoolApply},
		{name: "node pool delete", make: nodePoolDelete},
		{name: "node pool info", make: nodePoolInfo},
		{name: "node pool init", make: nodePoolInit},
		{name: "node pool jobs", make: nodePoolJobs},
		{name: "node pool list", make: nodePoolList},
		{name: "node pool nodes", make: nodePoolNodes},
	}
}

const exampleNodePool = `# A node pool: selfheal node pool apply pool.nomad.hcl
# A node joins it with node_pool = "example" in the client block of its agent;
# a job uses it with node_pool = "example".
node_pool "example" {
  description = "Nodes with fast disks"

  meta {
    owner = "storage"
  }
}
`

const exampleNodePoolJSON = `{
  "Name": "example",
  "Description": "Nodes with fast disks",
  "Meta": {
    "owner": "storage"
  }
}
`

// poolFile is a node pool's specification.
type poolFile struct {
	Pool *poolBlock `hcl:"node_pool,block"`
}

type poolBlock struct {
	Name        string         `hcl:"name,label"`
	Description string         `hcl:"description,optional"`
	TTL         string         `hcl:"node_identity_ttl,optional"`
	Meta        *textBlock     `hcl:"meta,block"`
	Scheduler   *poolScheduler `hcl:"scheduler_config,block"`
}

type poolScheduler struct {
	Algorithm        string `hcl:"scheduler_algorithm,optional"`
	Oversubscription *bool  `hcl:"memory_oversubscription_enabled,optional"`
}

func nodePoolApply() verb {
	var isJSON bool
	return verb{
		args: "FILE", min: 1, max: 1, predict: complete.PredictFiles("*"),
		short: "Make a node pool, or change one",
		long:  `Makes the node pool of FILE (HCL or JSON; "-" is standard input), as node pool init writes one.`,
		flags: []flagRow{{"json", "", "The file is JSON; it is recognised without this flag.", &isJSON, nil}},
		run: func(s *session, args []string) error {
			var pool *api.NodePool
			err := s.specification(args[0], isJSON, func(path string, text []byte) (err error) {
				pool, err = decodePool(path, text)
				return err
			}, &pool)
			if err != nil {
				return err
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			if _, err := c.NodePools().Register(pool, nil); err != nil {
				return fmt.Errorf("apply node pool: %w", err)
			}
			s.printf("Successfully applied node pool %q!\n", pool.Name)
			return nil
		},
	}
}

func decodePool(path string, text []byte) (*api.NodePool, error) {
	var file poolFile
	if err := hclsimple.Decode(path, text, nil, &file); err != nil {
		return nil, err
	}
	b := file.Pool
	if b == nil {
		return nil, errors.New("want a block node_pool \"NAME\" { ... }")
	}
	meta, err := b.Meta.values()
	if err != nil {
		return nil, err
	}
	pool := &api.NodePool{Name: b.Name, Description: b.Description, Meta: meta}
	if b.TTL != "" {
		if pool.NodeIdentityTTL, err = time.ParseDuration(b.TTL); err != nil {
			return nil, fmt.Errorf("node_identity_ttl: want a duration such as 24h, not %q", b.TTL)
		}
	}
	if sc := b.Scheduler; sc != nil {
		pool.SchedulerConfiguration = &api.NodePoolSchedulerConfiguration{
			SchedulerAlgorithm: api.SchedulerAlgorithm(sc.Algorithm), MemoryOversubscriptionEnabled: sc.Oversubscription,
		}
	}
	return pool, nil
}

func nodePoolDelete() verb {
	return deletion("NAME...", "Delete empty node pools", "node pool", func(_ *session, c *api.Client, name string) error {
		_, err := c.NodePools().Delete(name, nil)
		return err
	})
}

func nodePoolInfo() verb {
	return page[api.NodePool]{
		args: "NAME", short: "Show a node pool", what: "node pool", list: "selfheal node pool list",
		read: func(_ *session, c *api.Client, name string) (*api.NodePool, error) {
			p, _, err := c.NodePools().Info(name, nil)
			return p, err
		},
		show: func(p *printer, x *api.NodePool) {
			p.pairs([2]string{"Name", x.Name}, [2]string{"Description", x.Description})
			p.section("Metadata")
			if len(x.Meta) == 0 {
				p.printf("No metadata\n")
			}
			p.pairs(mapPairs(x.Meta)...)
			p.section("Scheduler Configuration")
			sc := x.SchedulerConfiguration
			if sc == nil {
				p.printf("No scheduler configuration\n")
				return
			}
			over := ""
			if sc.MemoryOversubscriptionEnabled != nil {
				over = fmt.Sprint(*sc.MemoryOversubscriptionEnabled)
			}
			p.pairs([2]string{"Scheduler Algorithm", string(sc.SchedulerAlgorithm)}, [2]string{"Memory Oversubscription Enabled", over})
		},
	}.verb()
}

// mapPairs are a map's entries in order, for pairs.
func mapPairs(m map[string]string) [][2]string {
	var out [][2]string
	for _, k := range keys(m) {
		out = append(out, [2]string{k, m[k]})
	}
	return out
}

func nodePoolInit() verb {
	return initVerb("node pool", "pool.nomad", exampleNodePool, exampleNodePoolJSON)
}

// initVerb writes an example file of a kind, as HCL or JSON.
func initVerb(what, name, hcl, json string) verb {
	var isJSON, quiet bool
	return verb{
		args: "[FILE]", max: 1, local: true,
		short: "Write the file of a " + what + " to begin with",
		long:  fmt.Sprintf(`Writes an example (default %s.hcl or %s.json; "-" is standard output). A file that exists is left alone.`, name, name),
		flags: []flagRow{
			{"json", "", "As JSON.", &isJSON, nil},
			{"quiet", "", "Say nothing.", &quiet, nil},
		},
		run: func(s *session, args []string) error {
			path, text := name+".hcl", hcl
			if isJSON {
				path, text = name+".json", json
			}
			if len(args) == 1 {
				path = args[0]
			}
			if path == "-" {
				s.printf("%s", text)
				return nil
			}
			if err := writeNew(path, []byte(text), 0o644); err != nil {
				return err
			}
			if !quiet {
				s.printf("Wrote %s.\n", path)
			}
			return nil
		},
	}
}

func nodePoolList() verb {
	return listing[api.NodePool]{
		short: "List node pools", what: "node pools", none: "No node pools",
		columns: []column[api.NodePool]{
			{"Name", func(_ *printer, x *api.NodePool) string { return x.Name }},
			{"Description", func(_ *printer, x *api.NodePool) string { return x.Description }},
		},
		read: func(_ *session, c *api.Client, q *api.QueryOptions, _ []string) ([]*api.NodePool, *api.QueryMeta, error) {
			return c.NodePools().List(q)
		},
	}.verb()
}

func nodePoolJobs() verb {
	return listing[api.JobListStub]{
		args: "NAME", min: 1, max: 1,
		short: "List the jobs of a node pool", what: "jobs", none: "No jobs",
		table: func(p *printer, all []*api.JobListStub) error { p.jobTable(all, p.verbose); return nil },
		read: func(_ *session, c *api.Client, q *api.QueryOptions, args []string) ([]*api.JobListStub, *api.QueryMeta, error) {
			return c.NodePools().ListJobs(args[0], q)
		},
	}.verb()
}

func nodePoolNodes() verb {
	return listing[api.NodeListStub]{
		args: "NAME", min: 1, max: 1,
		short: "List the nodes of a node pool", what: "nodes", none: "No nodes",
		table: func(p *printer, all []*api.NodeListStub) error { nodeTable(p.session, all, p.verbose); return nil },
		read: func(_ *session, c *api.Client, q *api.QueryOptions, args []string) ([]*api.NodeListStub, *api.QueryMeta, error) {
			return c.NodePools().ListNodes(args[0], q)
		},
	}.verb()
}
