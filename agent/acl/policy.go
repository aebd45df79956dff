package acl

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
)

// MaxRules bounds the text of a policy in bytes: it is parsed by recursion, kept in the
// state and read by every agent.
const MaxRules = 256 << 10

// maxDepth bounds how deep brackets may nest; a policy needs five.
const maxDepth = 32

// Policy is the rules of one policy. Make it with Parse.
type Policy struct {
	namespaces  map[string]*namespaceRule
	pools       labels
	hostVolumes labels
	coarse      map[string]Access
}

// namespaceRule is what a policy says of the namespaces that a label matches.
type namespaceRule struct {
	capabilities set
	variables    labels // by path
}

// Parse reads the rules of a policy, in HCL or, when the text begins with a brace, in
// JSON. Its errors say where, what is wrong and what would be right.
func Parse(rules string) (*Policy, error) {
	if len(rules) > MaxRules {
		return nil, fmt.Errorf("the rules are longer than %d bytes", MaxRules)
	}
	if deep(rules) {
		return nil, fmt.Errorf("the rules nest deeper than %d brackets", maxDepth)
	}
	p := &Policy{namespaces: map[string]*namespaceRule{}, pools: labels{}, hostVolumes: labels{}, coarse: map[string]Access{}}
	if diags := p.parse([]byte(rules)); diags.HasErrors() {
		return nil, asError(diags)
	}
	if len(p.namespaces)+len(p.pools)+len(p.hostVolumes)+len(p.coarse) == 0 {
		return nil, fmt.Errorf("the policy has no rules: add a block such as namespace \"default\" { policy = \"read\" }")
	}
	return p, nil
}

// parse reads the text of a policy.
func (p *Policy) parse(text []byte) hcl.Diagnostics {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		file, diags := json.Parse(text, "rules")
		if diags.HasErrors() {
			return diags
		}
		return p.read(file.Body)
	}
	file, diags := hclsyntax.ParseConfig(text, "rules", hcl.InitialPos)
	if !diags.HasErrors() {
		defaultLabels(file.Body)
		return p.read(file.Body)
	}
	lines, added := spread(text)
	if file, more := hclsyntax.ParseConfig(lines, "rules", hcl.InitialPos); !more.HasErrors() {
		defaultLabels(file.Body)
		diags = p.read(file.Body)
		unspread(diags, text, added)
	}
	return diags
}

// deep reports whether brackets nest too deep for a recursive parser. Brackets in
// strings count too: no honest policy has so many.
func deep(text string) bool {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '{', '[', '(':
			depth++
		case '}', ']', ')':
			depth--
		}
		if depth > maxDepth {
			return true
		}
	}
	return false
}

// defaultLabels gives a namespace block without a label the namespace "default".
func defaultLabels(body hcl.Body) {
	b, ok := body.(*hclsyntax.Body)
	if !ok {
		return
	}
	for _, block := range b.Blocks {
		if block.Type == "namespace" && len(block.Labels) == 0 {
			block.Labels, block.LabelRanges = []string{"default"}, []hcl.Range{block.TypeRange}
		}
	}
}

// rulesSchema is everything that may stand at the top of a policy.
var rulesSchema = func() *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, labelled := range []string{"namespace", "node_pool", "host_volume"} {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: labelled, LabelNames: []string{"name"}})
	}
	for _, plain := range slices.Sorted(maps.Keys(coarseWords)) {
		s.Blocks = append(s.Blocks, hcl.BlockHeaderSchema{Type: plain})
	}
	return s
}()

// read reads the body of a policy.
func (p *Policy) read(body hcl.Body) hcl.Diagnostics {
	content, diags := body.Content(rulesSchema)
	for _, block := range content.Blocks {
		diags = append(diags, p.block(block)...)
	}
	return diags
}

func (p *Policy) block(b *hcl.Block) hcl.Diagnostics {
	if words, plain := coarseWords[b.Type]; plain {
		return p.plain(b, words)
	}
	label := b.Labels[0]
	if !validLabel(label) {
		return problem(b.LabelRanges[0], "Invalid %s name %q: use letters, digits, \"-\", \"_\" and \"*\", at most 128", b.Type, label)
	}
	switch b.Type {
	case "node_pool":
		caps, _, diags := rule(b.Body, poolWords, nil)
		p.pools.add(label, caps)
		return diags
	case "host_volume":
		caps, _, diags := rule(b.Body, hostVolumeWords, nil)
		p.hostVolumes.add(label, caps)
		return diags
	}
	caps, blocks, diags := rule(b.Body, namespaceWords, []hcl.BlockHeaderSchema{{Type: "variables"}})
	ns := p.namespaces[label]
	if ns == nil {
		ns = &namespaceRule{capabilities: set{}, variables: labels{}}
		p.namespaces[label] = ns
	}
	for _, c := range caps {
		ns.capabilities[c] = true
	}
	for _, v := range blocks {
		diags = append(diags, ns.readVariables(v.Body)...)
	}
	return diags
}

// plain reads a rule without a label: only a policy.
func (p *Policy) plain(b *hcl.Block, words map[string]Access) hcl.Diagnostics {
	if _, twice := p.coarse[b.Type]; twice {
		return problem(b.DefRange, "Duplicate %s block: a policy has one at most", b.Type)
	}
	content, diags := b.Body.Content(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "policy", Required: true}}})
	attr := content.Attributes["policy"]
	if attr == nil {
		return diags
	}
	word, more := text(attr)
	diags = append(diags, more...)
	access, known := words[word]
	if !known && !more.HasErrors() {
		diags = append(diags, problem(attr.Range, "Invalid %s policy %q: use one of %s", b.Type, word, listed(words))...)
	}
	p.coarse[b.Type] = access
	return diags
}

func (ns *namespaceRule) readVariables(body hcl.Body) hcl.Diagnostics {
	content, diags := body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "path", LabelNames: []string{"path"}}}})
	for _, b := range content.Blocks {
		path := strings.TrimPrefix(b.Labels[0], "/")
		if path == "" || len(path) > 128 {
			diags = append(diags, problem(b.LabelRanges[0], "Invalid variable path %q: use 1 to 128 characters", b.Labels[0])...)
			continue
		}
		caps, _, more := rule(b.Body, variableWords, nil)
		diags = append(diags, more...)
		ns.variables.add(path, caps)
	}
	return diags
}

// rule reads policy and capabilities, and gives everything that they grant.
func rule(body hcl.Body, words vocabulary, blocks []hcl.BlockHeaderSchema) ([]string, hcl.Blocks, hcl.Diagnostics) {
	schema := &hcl.BodySchema{Blocks: blocks, Attributes: []hcl.AttributeSchema{{Name: "capabilities"}}}
	if words.policies != nil {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: "policy"})
	}
	content, diags := body.Content(schema)
	var granted []string
	if attr := content.Attributes["policy"]; attr != nil {
		word, more := text(attr)
		diags = append(diags, more...)
		caps, known := words.policies[word]
		if !known && !more.HasErrors() {
			diags = append(diags, problem(attr.Range, "Invalid policy %q: use one of %s", word, listed(words.policies))...)
		}
		granted = append(granted, caps...)
	}
	if attr := content.Attributes["capabilities"]; attr != nil {
		list, more := texts(attr)
		diags = append(diags, more...)
		for _, c := range list {
			implied, known := words.implied[c]
			if !known {
				diags = append(diags, problem(attr.Range, "Invalid capability %q: use one of %s", c, listed(words.implied))...)
				continue
			}
			granted = append(append(granted, c), implied...)
		}
	}
	return granted, content.Blocks, diags
}

// text reads an attribute that is one string, known without any context.
func text(attr *hcl.Attribute) (string, hcl.Diagnostics) {
	v, diags := attr.Expr.Value(nil)
	if diags.HasErrors() {
		return "", diags
	}
	if !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return "", problem(attr.Range, "%s must be a string", attr.Name)
	}
	return v.AsString(), nil
}

// texts reads an attribute that is a list of strings.
func texts(attr *hcl.Attribute) ([]string, hcl.Diagnostics) {
	v, diags := attr.Expr.Value(nil)
	if diags.HasErrors() {
		return nil, diags
	}
	wrong := problem(attr.Range, "%s must be a list of strings", attr.Name)
	if !v.IsKnown() || v.IsNull() || !v.CanIterateElements() || v.Type().IsMapType() || v.Type().IsObjectType() {
		return nil, wrong
	}
	var out []string
	for _, e := range v.AsValueSlice() {
		if !e.IsKnown() || e.IsNull() || e.Type() != cty.String {
			return nil, wrong
		}
		out = append(out, e.AsString())
	}
	return out, nil
}

func problem(at hcl.Range, format string, args ...any) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: fmt.Sprintf(format, args...), Subject: &at}}
}

func listed[T any](words map[string]T) string {
	return strings.Join(slices.Sorted(maps.Keys(words)), ", ")
}

// asError says all that is wrong, a line each.
func asError(diags hcl.Diagnostics) error {
	var lines []string
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		line := d.Summary
		if d.Detail != "" {
			line += ": " + d.Detail
		}
		if d.Subject != nil {
			line = fmt.Sprintf("line %d, column %d: %s", d.Subject.Start.Line, d.Subject.Start.Column, line)
		}
		lines = append(lines, line)
	}
	return fmt.Errorf("failed to parse rules: %s", strings.Join(lines, "\n"))
}

// validLabel is the rule of names in labels, ^[a-zA-Z0-9-_*]{1,128}$.
func validLabel(s string) bool {
	return len(s) >= 1 && len(s) <= 128 && !strings.ContainsFunc(s, func(c rune) bool {
		return c != '-' && c != '_' && c != '*' && !('a' <= c && c <= 'z') && !('A' <= c && c <= 'Z') && !('0' <= c && c <= '9')
	})
}
