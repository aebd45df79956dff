package command

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"
)

func keyringVerbs() entries {
	return entries{
		noun("operator gossip", "Look after the key that gossip is encrypted with"),
		noun("operator gossip keyring", "Look after the key that gossip is encrypted with"),
		{name: "operator gossip keyring generate", make: gossipGenerate},
		{name: "operator gossip keyring list", make: gossipList},
		gossipChange("install", "Give every agent one more key", "Installed the key on every agent", (*api.Agent).InstallKey),
		gossipChange("use", "Encrypt with this key from now on", "The key is in use on every agent", (*api.Agent).UseKey),
		gossipChange("remove", "Take a key away that is not in use", "Removed the key from every agent", (*api.Agent).RemoveKey),
		noun("operator root", "Look after the keys of variables and identities"),
		noun("operator root keyring", "Look after the keys of variables and identities"),
		{name: "operator root keyring list", make: rootKeyList},
		{name: "operator root keyring rotate", make: rootKeyRotate},
		{name: "operator root keyring remove", make: rootKeyRemove},
		{name: "operator metrics", make: operatorMetrics},
	}
}

// gossipKeyBytes makes AES-256 of it.
const gossipKeyBytes = 32

func gossipGenerate() verb {
	return verb{
		max: 0, local: true,
		short: "Make a key for the encrypt setting of agents",
		run: func(s *session, _ []string) error {
			key := make([]byte, gossipKeyBytes)
			rand.Read(key)
			s.printf("%s\n", base64.StdEncoding.EncodeToString(key))
			return nil
		},
	}
}

func gossipList() verb {
	var o output
	return verb{
		short: "List the keys and how many agents have each",
		flags: o.rows(),
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			r, err := c.Agent().ListKeys()
			if err == nil && r == nil {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("list gossip keys: %w", err)
			}
			if o.wanted() {
				return o.print(s, r)
			}
			rows := []string{row("Key", "Agents")}
			for key, n := range r.Keys {
				rows = append(rows, row(key, fmt.Sprintf("%d/%d", n, r.NumNodes)))
			}
			s.table(rows)
			for name, text := range r.Messages {
				s.say("%s: %s", name, text)
			}
			return nil
		},
	}
}

func gossipChange(name, short, done string, do func(*api.Agent, string) (*api.KeyringResponse, error)) entry {
	return entry{name: "operator gossip keyring " + name, make: func() verb {
		return verb{
			args: "KEY", min: 1, max: 1, short: short,
			run: func(s *session, args []string) error {
				if _, err := base64.StdEncoding.DecodeString(args[0]); err != nil {
					return usagef("KEY is base64, as selfheal operator gossip keyring generate prints one")
				}
				c, err := s.client()
				if err != nil {
					return err
				}
				r, err := do(c.Agent(), args[0])
				if err != nil {
					return fmt.Errorf("%s gossip key: %w", name, err)
				}
				if r != nil && len(r.Messages) > 0 {
					for _, agent := range keys(r.Messages) {
						s.say("%s: %s", agent, r.Messages[agent])
					}
					return fmt.Errorf("%s gossip key: %s did not; do it again when all are back", name, plural(len(r.Messages), "agent"))
				}
				s.printf("%s.\n", done)
				return nil
			},
		}
	}}
}

func rootKeyList() verb {
	return listing[api.RootKeyMeta]{
		short: "List the root keys", what: "root keys", none: "No keys found",
		columns: []column[api.RootKeyMeta]{
			{"Key", func(p *printer, x *api.RootKeyMeta) string { return shortID(x.KeyID, p.verbose) }},
			{"State", func(_ *printer, x *api.RootKeyMeta) string { return string(x.State) }},
			{"Create Time", func(p *printer, x *api.RootKeyMeta) string { return p.nanos(x.CreateTime, true) }},
			{"Publish Time", func(p *printer, x *api.RootKeyMeta) string { return p.nanos(x.PublishTime, true) }},
		},
		read: func(_ *session, c *api.Client, q *api.QueryOptions, _ []string) ([]*api.RootKeyMeta, *api.QueryMeta, error) {
			return c.Keyring().List(q)
		},
	}.verb()
}

func rootKeyRotate() verb {
	var full, now, verbose bool
	var prepublish time.Duration
	return verb{
		short: "Make a new root key and use it",
		long:  "Makes a root key that new variables and identities use. With -full what is encrypted with older keys is encrypted again, and those keys end when that is done.",
		flags: []flagRow{
			{"full", "", "Encrypt everything again.", &full, nil},
			{"now", "", "Use it at once (default).", &now, nil},
			{"prepublish", "DURATION", "Publish it, and use it only after this long, when everybody has seen it.", &prepublish, nil},
			{"verbose", "", "Show whole IDs.", &verbose, nil},
		},
		run: func(s *session, args []string) error {
			if now && prepublish > 0 {
				return usagef("-now and -prepublish contradict each other")
			}
			if full && prepublish > 0 {
				return usagef("-full and -prepublish contradict each other")
			}
			opts := &api.KeyringRotateOptions{Full: full}
			if prepublish > 0 {
				opts.PublishTime = s.time().Add(prepublish).UnixNano()
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			key, _, err := c.Keyring().Rotate(opts, nil)
			if err == nil && key == nil {
				err = errEmpty
			}
			if err != nil {
				return fmt.Errorf("rotate root key: %w", err)
			}
			s.table([]string{row("Key", "State", "Create Time", "Publish Time"),
				row(shortID(key.KeyID, verbose), string(key.State), s.nanos(key.CreateTime, true), s.nanos(key.PublishTime, true))})
			return nil
		},
	}
}

func rootKeyRemove() verb {
	var force bool
	return deletion("KEY...", "Take root keys away that nothing uses", "root key", func(_ *session, c *api.Client, id string) error {
		k := kind[*api.RootKeyMeta]{
			name: "root key", list: "selfheal operator root keyring list",
			find: func(string) ([]*api.RootKeyMeta, error) {
				all, _, err := c.Keyring().List(nil)
				return present(all), err
			},
			id:   func(x *api.RootKeyMeta) string { return x.KeyID },
			line: func(x *api.RootKeyMeta) string { return string(x.State) },
		}
		key, err := k.one(id)
		if err != nil {
			return err
		}
		_, err = c.Keyring().Delete(&api.KeyringDeleteOptions{KeyID: key.KeyID, Force: force}, nil)
		return err
	}, flagRow{"force", "", "Even if variables are encrypted with it: they are lost.", &force, nil})
}

func operatorMetrics() verb {
	var format string
	var pretty bool
	var o output
	return verb{
		short: "Print an agent's metrics",
		flags: []flagRow{
			{"format", "FORMAT", "prometheus; otherwise JSON.", oneOf(&format, "prometheus", "json"), nil},
			{"pretty", "", "Indent the JSON.", &pretty, nil},
			{"json", "", "As JSON (default).", &o.json, nil},
			{"t", "TEMPLATE", "Print the data through this Go template.", &o.template, nil},
		},
		run: func(s *session, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if format == "prometheus" || !pretty && !o.wanted() {
				q := &api.QueryOptions{Params: map[string]string{}}
				if format == "prometheus" {
					q.Params["format"] = format
				}
				text, err := c.Operator().Metrics(q)
				if err != nil {
					return fmt.Errorf("read metrics: %w", err)
				}
				s.printf("%s\n", text)
				return nil
			}
			m, _, err := c.Operator().MetricsSummary(nil)
			if err != nil {
				return fmt.Errorf("read metrics: %w", err)
			}
			o.json = o.json || pretty
			return o.print(s, m)
		},
	}
}
