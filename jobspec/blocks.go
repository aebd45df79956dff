package jobspec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/nomad/api"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// ourMeta begins the Meta keys of Selfheal's own.
const ourMeta = "selfheal."

// metaRebalance is the Meta key by which a job takes part in rebalancing, or does not.
const metaRebalance = ourMeta + "rebalance"

// ownBlock is a block that the Nomad job does not have. In a file it reads as any
// other block; in the job it is Meta, which every Nomad tool carries unharmed:
//
//	heal {                       selfheal.heal.budget         = "2"
//	  budget = 2                 selfheal.heal.slow.threshold = "3"
//	  slow {
//	    threshold = 3            ingress "shop" { host = "shop.example.org" }
//	  }                          selfheal.ingress.shop.host   = "shop.example.org"
//	}
type ownBlock struct {
	attributes map[string]setting
	blocks     map[string]ownBlock
	labelled   bool     // may be there several times, told apart by a label
	needs      []string // of these attributes one is needed
}

// ownBlocks are the blocks that a job and a group may hold beside those of Nomad.
// The settings of a group win over those of its job, key by key, as Meta does.
var ownBlocks = map[string]ownBlock{
	"heal": {
		attributes: map[string]setting{
			"enabled":    boolean,  // false: leave this job to its restart and reschedule blocks
			"budget":     share,    // allocations that healing may disturb at a time: 2, or "10%"
			"quarantine": boolean,  // whether failures of this job count against their node
			"revert":     boolean,  // whether healing may go back to the last stable version
			"grace":      duration, // after a start, in which nothing is judged
		},
		blocks: map[string]ownBlock{"slow": {
			attributes: map[string]setting{
				"threshold": factor,   // how many times slower than its past and its peers
				"window":    duration, // over which latency is judged
				"for":       duration, // how long it must stay slow
				"action":    oneOf("none", "restart", "replace", "scale"),
			},
		}},
	},
	"ingress": {
		labelled: true,
		needs:    []string{"host", "path"},
		attributes: map[string]setting{
			"host":        hostName, // as in the Host header; "*.example.org" for all below
			"path":        urlPath,  // prefix; "/" when left out
			"service":     words,    // of the group; its only one when left out
			"port":        words,    // label of a port, instead of a service
			"tls":         boolean,
			"strip_path":  boolean, // whether the task sees the path without the prefix
			"entry_point": words,
		},
	},
	"analysis": {
		labelled: true,
		needs:    []string{"metric", "query"},
		attributes: map[string]setting{
			"metric":     words, // a metric that Selfheal keeps: latency, errors, restarts
			"query":      words, // for the provider
			"provider":   words, // where the query is asked
			"threshold":  decimal,
			"comparison": oneOf("<", "<=", ">", ">="), // of the value with the threshold, for a good canary
			"interval":   duration,
			"count":      whole, // measurements in all
			"failures":   whole, // how many of them may be bad
		},
	},
}

// defaultLabel stands in a key for the label that an own block was written without.
const defaultLabel = "default"

// ownBlock compiles a block of our own into the Meta of its job or group.
func (d *decoder) ownBlock(b block, dst any) {
	d.compile(b, &dst.(*api.Job).Meta)
}

func (d *decoder) ownGroupBlock(b block, dst any) {
	d.compile(b, &dst.(*api.TaskGroup).Meta)
}

func (d *decoder) compile(b block, meta *map[string]string) {
	rule := ownBlocks[b.Type]
	prefix := ourMeta + b.Type + "."
	switch {
	case !rule.labelled && len(b.Labels) > 0, len(b.Labels) > 1:
		d.fail(b.LabelRanges[0], fmt.Sprintf("%s takes %s", b.Type, labelCount(0)), "")
		return
	case rule.labelled && len(b.Labels) == 1:
		if !plainName(b.Labels[0]) {
			d.fail(b.LabelRanges[0], fmt.Sprintf("label %q of %s must be 1 to 128 letters, digits, _ or -", b.Labels[0], b.Type), "")
			return
		}
		prefix += b.Labels[0] + "."
	case rule.labelled:
		prefix += defaultLabel + "."
	}
	if *meta == nil {
		*meta = map[string]string{}
	}
	at := ownAt{meta, prefix}
	if d.own[at] {
		d.fail(b.TypeRange, fmt.Sprintf("more than one %s block", b.Type), ownBlockAgain(rule))
		return
	}
	if d.own == nil {
		d.own = map[ownAt]bool{}
	}
	d.own[at] = true
	if rule.attributes != nil && len(b.Body.Attributes)+len(b.Body.Blocks) == 0 {
		d.fail(b.TypeRange, b.Type+" is empty", "it takes "+strings.Join(keys(rule.attributes), ", "))
		return
	}
	d.flatten(b, rule, prefix, *meta)
}

// ownAt is where an own block is compiled to.
type ownAt struct {
	meta   *map[string]string
	prefix string
}

func ownBlockAgain(rule ownBlock) string {
	if rule.labelled {
		return "give each a label of its own"
	}
	return "only one is allowed here"
}

// flatten adds the attributes of a block, and of the blocks in it, to meta.
func (d *decoder) flatten(b block, rule ownBlock, prefix string, meta map[string]string) {
	known := append(keys(rule.attributes), keys(rule.blocks)...)
	for _, a := range sortedAttributes(b.Body) {
		if _, ok := rule.attributes[a.Name]; !ok {
			d.fail(a.NameRange, fmt.Sprintf("unknown attribute %q in %s", a.Name, b.Type), didYouMean(a.Name, known))
			continue
		}
		d.setting(a, b, prefix+a.Name, meta)
	}
	seen := map[string]bool{}
	for _, inner := range d.expand(b) {
		inside, ok := rule.blocks[inner.Type]
		switch {
		case !ok:
			d.fail(inner.TypeRange, fmt.Sprintf("unknown block %q in %s", inner.Type, b.Type), didYouMean(inner.Type, known))
		case len(inner.Labels) > 0:
			d.fail(inner.LabelRanges[0], fmt.Sprintf("%s takes %s", inner.Type, labelCount(0)), "")
		case seen[inner.Type]:
			d.fail(inner.TypeRange, fmt.Sprintf("more than one %s block", inner.Type), "only one is allowed here")
		default:
			seen[inner.Type] = true
			d.flatten(inner, inside, prefix+inner.Type+".", meta)
		}
	}
}

// setting stores one value as text; Validate judges it.
func (d *decoder) setting(a *hclsyntax.Attribute, b block, key string, meta map[string]string) {
	val, ok := d.value(a.Expr, b.ctx)
	if !ok || !val.IsWhollyKnown() || val.IsNull() {
		return
	}
	text, err := convert.Convert(val, cty.String)
	if err != nil {
		d.fail(a.Expr.Range(), fmt.Sprintf("%s: a string, number or boolean expected, not %s", a.Name, val.Type().FriendlyName()), "")
		return
	}
	if _, taken := meta[key]; taken {
		d.fail(a.NameRange, fmt.Sprintf("%s is set in meta as well", a.Name), fmt.Sprintf("remove %q there", key))
	}
	meta[key] = text.AsString()
}

// ownKey is a Meta key of an own block, taken apart.
type ownKey struct {
	block, label string
	path         []string // the blocks inside, then the attribute
	setting      setting
}

// place is how messages call it, as the place of a problem: `ingress "shop": `.
func (k ownKey) place() string {
	place := k.block + ": "
	if k.label != "" && k.label != defaultLabel {
		place = fmt.Sprintf("%s %q: ", k.block, k.label)
	}
	for _, step := range k.path[:len(k.path)-1] {
		place += step + ": "
	}
	return place
}

// parseOwnKey takes a Meta key apart; it is not ok when no own block has it, and
// the advice then names what was perhaps meant.
func parseOwnKey(key string) (k ownKey, advice string, ok bool) {
	steps := strings.Split(strings.TrimPrefix(key, ourMeta), ".")
	rule, ok := ownBlocks[steps[0]]
	if !ok {
		return k, didYouMean(steps[0], append(keys(ownBlocks), "rebalance")), false
	}
	k.block, steps = steps[0], steps[1:]
	if rule.labelled && len(steps) > 0 {
		k.label, steps = steps[0], steps[1:]
	}
	k.path = slices.Clone(steps)
	for ; len(steps) > 1; steps = steps[1:] {
		inside, ok := rule.blocks[steps[0]]
		if !ok {
			return k, didYouMean(steps[0], keys(rule.blocks)), false
		}
		rule = inside
	}
	if len(steps) == 0 {
		return k, "", false
	}
	k.setting, ok = rule.attributes[steps[0]]
	if !ok {
		return k, didYouMean(steps[0], keys(rule.attributes)), false
	}
	return k, "", true
}
