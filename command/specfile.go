package command

import (
	stdbytes "bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"path/filepath"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// specification reads a file that is HCL (decoded by hcl, whose path ends in .hcl)
// or JSON (decoded into out).
func (s *session) specification(path string, isJSON bool, hcl func(path string, text []byte) error, out any) error {
	text, err := s.readAll(path)
	if err != nil {
		return fmt.Errorf("read specification: %w", err)
	}
	if path == "-" {
		path = "<stdin>"
	}
	isJSON = isJSON || strings.HasPrefix(strings.TrimSpace(string(text)), "{") && filepath.Ext(path) != ".hcl"
	if isJSON {
		err = decodeJSON(text, out)
	} else {
		err = hcl(strings.TrimSuffix(path, ".hcl")+".hcl", text)
	}
	if err != nil {
		return fmt.Errorf("read specification %s: %w", path, allProblems(err))
	}
	return nil
}

// allProblems words every diagnostic of HCL, one a line; other errors stay.
func allProblems(err error) error {
	var diags hcl.Diagnostics
	if !errors.As(err, &diags) {
		return err
	}
	sort.SliceStable(diags, func(i, j int) bool { return byteOf(diags[i]) < byteOf(diags[j]) }) // they come in the order of a map
	var lines []string
	for _, d := range diags {
		line := d.Summary
		if d.Detail != "" {
			line += ": " + d.Detail
		}
		if d.Subject != nil {
			line = fmt.Sprintf("%d:%d: %s", d.Subject.Start.Line, d.Subject.Start.Column, line)
		}
		lines = append(lines, line)
	}
	return errors.New(strings.Join(lines, "\n"))
}

// byteOf is where a diagnostic points.
func byteOf(d *hcl.Diagnostic) int {
	if d.Subject == nil {
		return -1
	}
	return d.Subject.Start.Byte
}

// textBlock is a block of HCL that holds any names, each with a text.
type textBlock struct {
	Rest hcl.Body `hcl:",remain"`
}

// values are the block's names and texts; nil for no block.
func (b *textBlock) values() (map[string]string, error) {
	if b == nil {
		return nil, nil
	}
	attributes, diags := b.Rest.JustAttributes()
	out := map[string]string{}
	for name, a := range attributes {
		value, more := a.Expr.Value(nil)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		text, err := textOf(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", a.Range, name, err)
		}
		out[name] = text
	}
	if diags.HasErrors() {
		return nil, diags
	}
	return out, nil
}

// textOf is a value of HCL as text.
func textOf(v cty.Value) (string, error) {
	if v.IsNull() || !v.IsKnown() {
		return "", errors.New("want text, not null")
	}
	switch v.Type() {
	case cty.String:
		return v.AsString(), nil
	case cty.Number:
		return v.AsBigFloat().Text('f', -1), nil
	case cty.Bool:
		return fmt.Sprint(v.True()), nil
	}
	return "", fmt.Errorf("want text, a number or a bool, not %s", v.Type().FriendlyName())
}

// decodeJSON reads one JSON value and refuses names that are not known.
func decodeJSON(text []byte, out any) error {
	d := json.NewDecoder(stdbytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the value")
	}
	return nil
}

// byteUnits are the units of sizes in specifications, longest first.
var byteUnits = []struct {
	name string
	size int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"PiB", 1 << 50},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"PB", 1e15},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"P", 1 << 50}, {"B", 1},
}

// parseBytes reads a size such as 10GiB, 1.5 GB or 4096; "" is 0.
func parseBytes(text string) (int64, error) {
	number, size := strings.TrimSpace(text), int64(1)
	if number == "" {
		return 0, nil
	}
	for _, u := range byteUnits {
		if rest, ok := cutSuffixFold(number, u.name); ok {
			number, size = strings.TrimSpace(rest), u.size
			break
		}
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok || strings.ContainsAny(number, "/eExX_") || r.Sign() < 0 {
		return 0, fmt.Errorf("want a size such as 10GiB or 500MB, not %q", text)
	}
	r.Mul(r, new(big.Rat).SetInt64(size))
	whole := new(big.Int).Quo(r.Num(), r.Denom())
	if !whole.IsInt64() {
		return 0, fmt.Errorf("the size %q is too large", text)
	}
	return whole.Int64(), nil
}

func cutSuffixFold(text, suffix string) (string, bool) {
	if n := len(text) - len(suffix); n >= 0 && strings.EqualFold(text[n:], suffix) {
		return text[:n], true
	}
	return text, false
}
