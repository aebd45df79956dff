package jobspec

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// rebalance is what a job may say about being moved to even out the load.
var rebalance = oneOf("off", "propose", "on")

// meta judges the keys of a meta block; values may be anything.
func (c checker) meta(meta map[string]string) {
	for _, key := range keys(meta) {
		switch {
		case key == "" || strings.ContainsAny(key, "\x00="):
			c.errorf("meta key %q is empty or holds NUL or =", key)
		case strings.Contains(meta[key], "\x00"):
			c.errorf("meta key %q has a value with NUL", key)
		}
	}
}

// taskMeta judges the meta of a task, which takes no settings of our own.
func (c checker) taskMeta(meta map[string]string) {
	c.meta(meta)
	for _, key := range keys(meta) {
		if strings.HasPrefix(key, ourMeta) {
			c.errorf("meta key %q belongs into the meta of the group or the job", key)
		}
	}
}

// ownMeta judges the settings of our own in the meta of a job or a group, whether
// they came as blocks or as keys.
func (c checker) ownMeta(meta map[string]string, ofJob bool) {
	missing := map[string]string{}
	needed := map[string]bool{} // whether a block has one of what it needs, by its place
	for _, key := range keys(meta) {
		if !strings.HasPrefix(key, ourMeta) {
			continue
		}
		if key == metaRebalance {
			c.rebalance(meta[key], ofJob)
			continue
		}
		k, advice, ok := parseOwnKey(key)
		if !ok {
			c.errorf("%s", strings.TrimSuffix("meta key "+strconv.Quote(key)+" is not known; "+advice, "; "))
			continue
		}
		name := k.path[len(k.path)-1]
		whole := ownKey{block: k.block, label: k.label, path: k.path[:1]}.place()
		needs := ownBlocks[k.block].needs
		needed[whole] = needed[whole] || needs == nil || slices.Contains(needs, name)
		missing[whole] = strings.Join(needs, " or ")
		if err := k.setting(meta[key]); err != nil && !atRuntime(meta[key]) {
			c.errorf("%s%s %s (is %q)", k.place(), name, err, meta[key])
		}
		if k.label != "" && !plainName(k.label) {
			c.errorf("meta key %q: label %q must be 1 to 128 letters, digits, _ or -", key, k.label)
		}
	}
	for _, place := range keys(needed) {
		if !needed[place] {
			c.errorf("%s%s is missing", place, missing[place])
		}
	}
}

func (c checker) rebalance(text string, ofJob bool) {
	if !ofJob {
		c.errorf("meta key %q belongs into the meta of the job", metaRebalance)
		return
	}
	if err := rebalance(text); err != nil {
		c.errorf("meta key %q %s (is %q)", metaRebalance, err, text)
	}
}

// carriedOnly warns, once for a job, that the settings of our own blocks do nothing yet.
func (c checker) carriedOnly(job *api.Job) {
	used := map[string]bool{}
	note := func(meta map[string]string) {
		for key := range meta {
			if name, _, _ := strings.Cut(strings.TrimPrefix(key, ourMeta), "."); strings.HasPrefix(key, ourMeta) && ownBlocks[name].attributes != nil {
				used[name] = true
			}
		}
	}
	note(job.Meta)
	for _, g := range job.TaskGroups {
		if g != nil {
			note(g.Meta)
		}
	}
	if len(used) > 0 {
		c.warnf("%s: this version carries the settings and does not act on them yet", strings.Join(keys(used), ", "))
	}
}
