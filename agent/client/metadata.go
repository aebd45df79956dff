package client

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// defaultMeta is the metadata that every node has, as job files refer to it. Facts
// of the Nomad API: its public documentation names them and their values.
var defaultMeta = map[string]string{
	"connect.log_level":         "info",
	"connect.proxy_concurrency": "1",
}

// staticMeta is the node's metadata as it is configured.
func (c *Client) staticMeta() map[string]string {
	meta := maps.Clone(defaultMeta)
	maps.Copy(meta, c.cfg.Meta)
	return meta
}

// meta is the configured metadata overlaid with what the node was told.
func (c *Client) meta(dynamic map[string]*string) map[string]string {
	meta := c.staticMeta()
	for key, value := range dynamic {
		if value == nil {
			delete(meta, key)
		} else {
			meta[key] = *value
		}
	}
	return meta
}

// NodeMeta is the node's metadata: as configured, as told, and the two together.
func (c *Client) NodeMeta() *api.NodeMetaResponse {
	c.mu.Lock()
	dynamic := maps.Clone(c.told.Meta)
	c.mu.Unlock()
	return &api.NodeMetaResponse{Meta: c.meta(dynamic), Dynamic: dynamic, Static: c.staticMeta()}
}

// ApplyNodeMeta overlays the node's metadata; nil takes a key away. It is kept over
// restarts of the agent and registered at once. Tasks that run keep what they were
// started with.
func (c *Client) ApplyNodeMeta(change map[string]*string) (*api.NodeMetaResponse, error) {
	for key := range change {
		if err := validMetaKey(key); err != nil {
			return nil, err
		}
	}
	static := c.staticMeta()
	err := c.tell(func(t *told) error {
		for key, value := range change {
			if _, configured := static[key]; value == nil && !configured {
				delete(t.Meta, key)
			} else {
				t.Meta[key] = value
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("apply node metadata: %w", err)
	}
	return c.NodeMeta(), nil
}

// validMetaKey: a key is written as ${meta.KEY} in job files.
func validMetaKey(key string) error {
	if key == "" || strings.ContainsAny(key, " \t\r\n${}\"\x00") {
		return badRequest("metadata key %q cannot be written as ${meta.KEY}: leave out spaces, quotes, $ and braces", key)
	}
	return nil
}

// heardWithin is how long an answer waits for the servers to know what it says; they
// do within milliseconds, or are away.
const heardWithin = 2 * time.Second

// tell changes what the node was told, stores it, and registers what follows: whoever
// was answered may count on it.
func (c *Client) tell(change func(*told) error) error {
	if err := c.keepTold(change); err != nil {
		return err
	}
	c.register.heardBy(c.register.again(), heardWithin)
	return nil
}

func (c *Client) keepTold(change func(*told) error) error {
	c.telling.Lock()
	defer c.telling.Unlock()
	c.mu.Lock()
	next := told{Meta: maps.Clone(c.told.Meta), Volumes: maps.Clone(c.told.Volumes)}
	c.mu.Unlock()
	if err := change(&next); err != nil {
		return err
	}
	if err := next.write(c.cfg.StateDir); err != nil {
		return err
	}
	c.mu.Lock()
	c.told = next
	node := *c.node
	c.describe(&node, next)
	c.node = &node
	c.mu.Unlock()
	return nil
}

// describe gives a node what follows from what it was told.
func (c *Client) describe(node *api.Node, t told) {
	node.Meta = c.meta(t.Meta)
	node.HostVolumes = c.hostVolumes(t.Volumes)
}

// setNode takes over a node that was looked at anew.
func (c *Client) setNode(ctx context.Context, facts Facts) (differs bool) {
	c.telling.Lock() // what is told meanwhile would be lost
	defer c.telling.Unlock()
	node := c.buildNode(ctx, facts)
	if !changed(c.Node(), node) {
		return false
	}
	c.mu.Lock()
	c.node = node
	c.mu.Unlock()
	return true
}
